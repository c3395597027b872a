//! When an input is none of a classifier's labels: a score of the logits below a threshold.
//!
//! The section [`SCOPE`](crate::blob::SCOPE) names score and threshold, and the label that stands for no label
//! if the model was trained with one. That label is never the answer: what it takes of the probability
//! lowers the score of the others.

use crate::blob::{read_i32, read_u32};
use crate::config::Config;
use crate::probability::{log_sum_exp, log_sum_exp_of};

/// What is compared with the threshold. The numbers are the codes in a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Score {
    /// The log-probability of the likeliest label other than that of none: its logit less `ln Σ exp` of all
    /// (Hendrycks & Gimpel 2017, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples").
    LogProbability = 0,
    /// `ln Σ exp` of the logits of all labels but that of none, the negative free energy (Liu et al. 2020,
    /// "Energy-based Out-of-distribution Detection").
    Energy = 1,
}

/// Which inputs are none of the labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// What is compared.
    pub score: Score,
    /// The label that stands for none, plus 1; 0: no label does.
    none: u32,
    /// An input with a lower score is none of the labels. Q15.16, nats.
    pub threshold: i32,
}

impl Scope {
    /// A scope; `none` is the index of the label that stands for none, if one does.
    pub const fn new(score: Score, none: Option<u32>, threshold: i32) -> Self {
        let none = match none {
            Some(label) => label + 1,
            None => 0,
        };
        Self { score, none, threshold }
    }

    /// Reads the data of a section; `None` if a field is out of range, the length is another, or no label
    /// is left besides that of none.
    pub const fn parse(data: &[u8], config: &Config) -> Option<Self> {
        let score = match read_u32(data, 0) {
            0 => Score::LogProbability,
            1 => Score::Energy,
            _ => return None,
        };
        let none = read_u32(data, 4);
        let labels = config.n_labels as u32;
        if data.len() != 12 || none > labels || labels < 2 {
            return None;
        }
        Some(Self { score, none, threshold: read_i32(data, 8) })
    }

    /// The data of a section.
    pub const fn to_bytes(&self) -> [u8; 12] {
        let [a, b, c, d] = (self.score as u32).to_le_bytes();
        let [e, f, g, h] = self.none.to_le_bytes();
        let [i, j, k, l] = self.threshold.to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// The label that stands for none.
    pub const fn none(&self) -> Option<usize> {
        (self.none as usize).checked_sub(1)
    }

    /// The likeliest label but that of none; of equals the first.
    pub fn nearest(&self, logits: &[i32]) -> usize {
        let mut best = (None, i32::MIN);
        for (label, &logit) in logits.iter().enumerate() {
            if Some(label) != self.none() && (best.0.is_none() || logit > best.1) {
                best = (Some(label), logit);
            }
        }
        best.0.unwrap_or(0)
    }

    /// The score of an input with these logits (Q15.16), Q15.16.
    pub fn score(&self, logits: &[i32]) -> i64 {
        match self.score {
            Score::LogProbability => {
                let own = logits.get(self.nearest(logits)).copied().unwrap_or(i32::MIN);
                own as i64 - log_sum_exp(logits)
            }
            Score::Energy => {
                let others = logits.iter().enumerate().filter(|(i, _)| Some(*i) != self.none());
                log_sum_exp_of(others.map(|(_, &logit)| logit))
            }
        }
    }

    /// Whether an input with these logits is one of the labels.
    pub fn contains(&self, logits: &[i32]) -> bool {
        self.score(logits) >= self.threshold as i64
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::config::{Architecture, Head};
    use std::vec::Vec;

    const CONFIG: Config =
        Config { head: Head::Classifier, n_labels: 4, ..Config::base(Architecture::Encoder) };

    fn fixed(x: f64) -> i32 {
        (x * 65536.0) as i32
    }

    fn float(logits: &[f64], none: Option<usize>, score: Score) -> (usize, f64) {
        let lse = |kept: &dyn Fn(usize) -> bool| {
            let terms = logits.iter().enumerate().filter(|(i, _)| kept(*i));
            terms.map(|(_, x)| x.exp()).sum::<f64>().ln()
        };
        let others = |i: usize| Some(i) != none;
        let best = (0..logits.len()).filter(|&i| others(i)).max_by(|&a, &b| {
            logits[a].total_cmp(&logits[b]).then(b.cmp(&a)) // of equals the first
        });
        let best = best.unwrap();
        match score {
            Score::LogProbability => (best, logits[best] - lse(&|_| true)),
            Score::Energy => (best, lse(&others)),
        }
    }

    #[test]
    fn scores_match_f64() {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 40) as f64 / (1 << 20) as f64 - 8.0
        };
        for _ in 0..500 {
            let logits: Vec<f64> = (0..4).map(|_| (random() * 65536.0).round() / 65536.0).collect();
            let integers: Vec<i32> = logits.iter().map(|&x| fixed(x)).collect();
            for none in [None, Some(0), Some(2), Some(3)] {
                for score in [Score::LogProbability, Score::Energy] {
                    let scope = Scope::new(score, none.map(|n| n as u32), 0);
                    let (best, expected) = float(&logits, none, score);
                    let found = scope.score(&integers) as f64 / 65536.0;
                    assert!(
                        (found - expected).abs() < 2e-4,
                        "{logits:?} {scope:?}: {found} {expected}"
                    );
                    assert_eq!(scope.nearest(&integers), best, "{logits:?} {scope:?}");
                }
            }
        }
    }

    #[test]
    fn the_threshold_itself_is_in_scope() {
        let logits = [fixed(2.0), fixed(1.0), 0, 0];
        let score = Scope::new(Score::Energy, None, 0).score(&logits) as i32;
        assert!(Scope::new(Score::Energy, None, score).contains(&logits));
        assert!(!Scope::new(Score::Energy, None, score + 1).contains(&logits));
    }

    /// Whatever the logits, a label comes out that is not that of none, and nothing overflows.
    #[test]
    fn extremes_have_an_answer() {
        for logits in [[i32::MIN; 4], [i32::MAX; 4], [i32::MIN, i32::MAX, i32::MIN, i32::MAX]] {
            for score in [Score::LogProbability, Score::Energy] {
                for threshold in [i32::MIN, 0, i32::MAX] {
                    let scope = Scope::new(score, Some(0), threshold);
                    assert_ne!(scope.nearest(&logits), 0);
                    scope.contains(&logits);
                }
            }
        }
        assert!(!Scope::new(Score::Energy, None, 0).contains(&[i32::MIN; 4]));
        Scope::new(Score::Energy, Some(0), 0).contains(&[]);
    }

    #[test]
    fn bad_fields_are_refused() {
        let good = Scope::new(Score::Energy, Some(3), -70000);
        assert_eq!(Scope::parse(&good.to_bytes(), &CONFIG), Some(good));
        let with = |at: usize, value: u8| {
            let mut bytes = good.to_bytes();
            bytes[at] = value;
            Scope::parse(&bytes, &CONFIG)
        };
        assert_eq!(with(0, 2), None);
        assert_eq!(with(3, 1), None);
        assert_eq!(with(4, 5), None);
        assert!(with(4, 0).is_some_and(|scope| scope.none().is_none()));
        assert_eq!(Scope::parse(&good.to_bytes()[..8], &CONFIG), None);
        assert_eq!(Scope::parse(&[0; 16], &CONFIG), None);
        let single = Config { n_labels: 1, ..CONFIG };
        assert_eq!(Scope::parse(&[0; 12], &single), None);
    }
}
