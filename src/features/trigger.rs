//! When a stream of scores gives an event.

use crate::blob::read_u16;
use crate::fixed::{LOG2_E_Q30, exp2_fine};
use crate::probability::log_sum_exp;
use crate::slices::row_mut;

/// The section `Trig` of a blob. Probabilities are in Q0.15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The label that is no event.
    pub nothing: usize,
    /// Rows: a score is the mean of so many probabilities.
    pub smooth: usize,
    /// Rows after an event without another one.
    pub refractory: usize,
    /// The score that makes an event, below 1.0: no score is more than 1 − 2⁻¹⁵.
    pub threshold: u16,
}

impl Trigger {
    /// Reads the section; `None` if a field is out of range or the section has another length.
    pub const fn parse(data: &[u8]) -> Option<Self> {
        let own = Self {
            nothing: read_u16(data, 0) as usize,
            smooth: read_u16(data, 2) as usize,
            refractory: read_u16(data, 4) as usize,
            threshold: read_u16(data, 6),
        };
        let smooth = own.smooth >= 1 && own.smooth <= 1024;
        let threshold = own.threshold >= 1 && own.threshold < 1 << 15;
        if data.len() == 8 && smooth && threshold { Some(own) } else { None }
    }
}

/// The last probabilities of every label, and what followed from them.
#[derive(Debug)]
pub struct Scores<'a> {
    /// `(smooth, labels)`, Q0.15.
    ring: &'a mut [i16],
    trigger: Trigger,
    labels: usize,
    next: usize,
    /// The label of the last event.
    last: usize,
    /// The score of that label has been below half the threshold.
    armed: bool,
    /// Rows until there may be another event.
    rest: usize,
}

impl<'a> Scores<'a> {
    /// No probabilities yet; `ring` holds `smooth` of each label.
    pub fn new(ring: &'a mut [i16], trigger: Trigger, labels: usize) -> Self {
        let mut scores = Self { ring, trigger, labels, next: 0, last: 0, armed: true, rest: 0 };
        scores.clear();
        scores
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.ring.fill(0);
        (self.next, self.last, self.armed, self.rest) = (0, 0, true, 0);
    }

    /// Takes the logits of a row, Q15.16. An event is a label with its score in Q0.15: the best one
    /// but `nothing`, if its score reaches the threshold, the refractory time is over, and the score of
    /// the last event's label has been below half the threshold in the meantime.
    pub fn push(&mut self, logits: &[i32]) -> Option<(usize, u16)> {
        let Trigger { nothing, smooth, refractory, threshold } = self.trigger;
        let all = log_sum_exp(logits);
        let newest = row_mut(self.ring, self.next, self.labels);
        for (to, &logit) in newest.iter_mut().zip(logits) {
            let distance = ((all - logit as i64).max(0) * LOG2_E_Q30) >> 30;
            let probability = exp2_fine(distance.min(u32::MAX as i64) as u32) >> 16;
            *to = probability.min(i16::MAX as u32) as i16;
        }
        self.next = if self.next + 1 < smooth { self.next + 1 } else { 0 };
        // Sums of `smooth` probabilities stand for their means.
        let needed = threshold as u32 * smooth as u32;
        self.armed |= 2 * self.sum(self.last) < needed;
        self.rest = self.rest.saturating_sub(1);
        if !self.armed || self.rest > 0 {
            return None;
        }
        let (mut best, mut highest) = (0, 0);
        for label in (0..self.labels).filter(|&label| label != nothing) {
            let sum = self.sum(label);
            if sum > highest {
                (best, highest) = (label, sum);
            }
        }
        if highest < needed {
            return None;
        }
        (self.last, self.armed, self.rest) = (best, false, refractory);
        Some((best, (highest / smooth.max(1) as u32) as u16))
    }

    fn sum(&self, label: usize) -> u32 {
        let rows = self.ring.chunks_exact(self.labels.max(1));
        rows.map(|row| row.get(label).copied().unwrap_or_default() as u32).sum()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// Logits of two labels and the rest, where `label` has almost all of the probability.
    fn sure(label: usize) -> [i32; 3] {
        core::array::from_fn(|i| if i == label { 10 << 16 } else { 0 })
    }

    fn events(labels: &[usize], trigger: Trigger) -> Vec<(usize, usize)> {
        let mut ring = [7; 12];
        let ring = &mut ring[..3 * trigger.smooth];
        let mut scores = Scores::new(ring, trigger, 3);
        let rows = labels.iter().enumerate();
        rows.filter_map(|(row, &label)| Some((row, scores.push(&sure(label))?.0))).collect()
    }

    const TRIGGER: Trigger = Trigger { nothing: 0, smooth: 2, refractory: 3, threshold: 24000 };

    #[test]
    fn an_event_needs_a_score_that_lasts() {
        assert_eq!(events(&[0, 1, 0, 2, 0, 1, 0], TRIGGER), []);
        assert_eq!(events(&[0, 1, 1, 0, 0, 0], TRIGGER), [(2, 1)]);
        assert_eq!(events(&[0; 20], TRIGGER), []);
    }

    #[test]
    fn a_word_that_stays_is_heard_once() {
        assert_eq!(events(&[1; 20], TRIGGER), [(1, 1)]);
        let again = [1, 1, 1, 1, 0, 0, 1, 1, 1];
        assert_eq!(events(&again, TRIGGER), [(1, 1), (7, 1)]);
        // Another word right after it has to wait, too.
        assert_eq!(events(&[1, 1, 2, 2, 2, 2], TRIGGER), [(1, 1), (4, 2)]);
    }

    #[test]
    fn scores_are_means_of_probabilities() {
        let mut ring = [0; 3];
        let trigger = Trigger { smooth: 1, threshold: 1, ..TRIGGER };
        let mut scores = Scores::new(&mut ring, trigger, 3);
        // ln 2 more than the two others: a half.
        let (label, score) = scores.push(&[0, 45426, 0]).unwrap();
        assert_eq!(label, 1);
        assert!((16380..=16388).contains(&score), "{score}");
        assert_eq!(Trigger::parse(&[0; 8]), None);
        assert_eq!(Trigger::parse(&[0, 0, 1, 0, 0, 0, 1, 0, 0]), None);
        assert!(Trigger::parse(&[0, 0, 1, 0, 0, 0, 1, 0]).is_some());
    }

    /// A certain label has 1 − 2⁻¹⁵: the highest threshold is reached, one above would never be.
    #[test]
    fn every_threshold_that_is_accepted_can_be_reached() {
        let of = |threshold: u16| {
            let [low, high] = threshold.to_le_bytes();
            Trigger::parse(&[0, 0, 2, 0, 0, 0, low, high])
        };
        let (mut ring, highest) = ([0; 6], of((1 << 15) - 1).unwrap());
        let mut scores = Scores::new(&mut ring, highest, 3);
        let certain = [i32::MIN, i32::MAX, i32::MIN];
        assert_eq!(scores.push(&certain), None);
        assert_eq!(scores.push(&certain), Some((1, (1 << 15) - 1)));
        assert_eq!((of(0), of(1 << 15), of(u16::MAX)), (None, None, None));
    }
}
