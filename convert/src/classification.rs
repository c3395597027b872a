//! A classifier against labelled texts: right labels, what is none of them, and how far confidence can be
//! believed.

use crate::error::{Result, input, read_text};
use crate::evaluation::{Evaluation, Progress, Rejection, at, encode, nonempty};
use crate::float_model::FloatModel;
use crate::host::HeapArena;
use crate::labelled;
use crate::scope::{Wanted, score_name};
use picoformer::probability::log_probability;
use picoformer::sampler::greedy;
use picoformer::scope::{Scope, Score};
use picoformer::{Encoder, Model};
use std::path::Path;

/// The label that data have for texts that are none of a model's labels.
const NONE: &str = "oos";
/// Bins of equal width of the calibration error.
const BINS: usize = 15;
/// Answers above this confidence are sure.
const SURE: f64 = 0.8;

/// What a model said of a text.
#[derive(Clone, Copy, Debug)]
struct Said {
    /// The label that it should have; none for a text that is none of them.
    gold: Option<usize>,
    /// The label that it has.
    label: usize,
    /// The score, nats.
    score: f64,
    /// The probability of the label.
    confidence: f64,
}

impl Said {
    fn new(gold: Option<usize>, logits: &[i32], wanted: Wanted) -> Self {
        let nats = |x: i64| x as f64 / 65536.0;
        let scope = Scope::new(wanted.score, wanted.none.map(|label| label as u32), 0);
        let label = match wanted.none {
            Some(_) => scope.nearest(logits),
            None => greedy(logits) as usize,
        };
        let confidence = nats(log_probability(logits, label).into()).exp();
        Self { gold, label, score: nats(scope.score(logits)), confidence }
    }

    fn right(&self) -> bool {
        self.gold == Some(self.label)
    }
}

/// All of them.
#[derive(Debug, Default)]
struct Answers(Vec<Said>);

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Figures {
    accuracy: Option<f64>,
    out_of_scope_recall: Option<f64>,
    in_scope_rejected: Option<f64>,
    accepted_and_right: Option<f64>,
    wrong_and_sure: Option<f64>,
    calibration_error: Option<f64>,
}

impl Answers {
    fn inside(&self) -> impl Iterator<Item = &Said> + Clone {
        self.0.iter().filter(|said| said.gold.is_some())
    }

    /// The threshold that rejects this share of the texts in scope, or a little less.
    fn threshold(&self, share: f64) -> Option<f64> {
        let mut scores: Vec<f64> = self.inside().map(|said| said.score).collect();
        scores.sort_by(f64::total_cmp);
        scores.get((share * scores.len() as f64) as usize).copied()
    }

    /// Without a threshold everything is accepted.
    fn figures(&self, threshold: Option<f64>) -> Figures {
        let accepted = |said: &Said| threshold.is_none_or(|limit| said.score >= limit);
        let share = |of: usize, all: usize| (all > 0).then(|| of as f64 / all as f64);
        let count =
            |which: &dyn Fn(&Said) -> bool| self.0.iter().filter(|said| which(said)).count();
        let inside = self.inside().count();
        let outside = self.0.len() - inside;
        let told = threshold.is_some() || outside > 0;
        let if_told = |figure: Option<f64>| figure.filter(|_| told);
        let rejected =
            |which: &dyn Fn(&Said) -> bool| count(&|said| which(said) && !accepted(said));
        Figures {
            accuracy: share(count(&Said::right), inside),
            out_of_scope_recall: share(rejected(&|said| said.gold.is_none()), outside),
            in_scope_rejected: if_told(share(rejected(&|said| said.gold.is_some()), inside)),
            accepted_and_right: if_told(share(
                count(&|said| said.right() && accepted(said)),
                inside,
            )),
            wrong_and_sure: if_told(share(
                count(&|said| !said.right() && accepted(said) && said.confidence > SURE),
                self.0.len(),
            )),
            calibration_error: self.calibration_error(),
        }
    }

    /// Expected calibration error (Guo et al. 2017, §2) of the texts in scope, whether accepted or not: the mean
    /// distance of confidence and accuracy in bins of equal width.
    fn calibration_error(&self) -> Option<f64> {
        // In each: how many, the sum of their confidences, how many are right.
        let mut bins = [(0usize, 0f64, 0usize); BINS];
        for said in self.inside() {
            let place = ((said.confidence * BINS as f64) as usize).min(BINS - 1);
            let bin = &mut bins[place];
            *bin = (bin.0 + 1, bin.1 + said.confidence, bin.2 + said.right() as usize);
        }
        let all: usize = bins.iter().map(|bin| bin.0).sum();
        let error: f64 = bins.iter().map(|bin| (bin.1 - bin.2 as f64).abs()).sum();
        (all > 0).then(|| error / all as f64)
    }
}

/// Labelled texts, see [`labelled::read`]. Texts with the label `oos`, if that is no label of the model's own,
/// or with the label that stands for none, or without a label are none of the model's labels.
pub(crate) fn classifier(
    model: &Model,
    reference: Option<&FloatModel>,
    data: &Path,
    rejection: &Rejection,
    progress: Progress,
) -> Result<Evaluation> {
    let rows = labelled::read(data, &read_text(data)?)?;
    let names: Vec<&str> =
        (0..model.config().n_labels).map(|i| model.label(i).unwrap_or_default()).collect();
    let own = model.scope();
    let (wanted, given) = match &rejection.out_of_scope {
        Some(asked) => asked.of(model)?,
        None => match own {
            Some(scope) => (Wanted::of(&scope), rejection.share.is_none().then_some(scope)),
            None => (Wanted { score: Score::LogProbability, none: None }, None),
        },
    };
    let gold = |label: &Option<String>| match label.as_deref() {
        None => Some(None),
        Some(name) => match names.iter().position(|own| *own == name) {
            Some(label) => Some(Some(label).filter(|&label| wanted.none != Some(label))),
            None => (name == NONE).then_some(None),
        },
    };
    let mut arena = HeapArena::new(model.arena());
    let mut encoder = Encoder::new(model, arena.parts())?;
    let (mut said, mut said_float, mut same) = (Answers::default(), Answers::default(), 0);
    let (mut worst, mut squares, mut logit_count) = (0f64, 0f64, 0);
    for (i, row) in rows.iter().enumerate() {
        progress(i, rows.len());
        let place = || at(format!("{}, line {}", data.display(), row.line));
        let gold = gold(&row.label).ok_or_else(|| {
            place()(input(
                format!("the model has no label `{}`", row.label.as_deref().unwrap_or_default()),
                format!("it has {}; null or {NONE} for none of them", names.join(", ")),
            ))
        })?;
        let ids = encode(model, &row.text).map_err(place())?;
        let logits = encoder.run(&ids).map_err(|e| place()(e.into()))?;
        let answer = Said::new(gold, logits, wanted);
        if let Some(float) = reference {
            let output = &float.forward(&ids).outputs[0];
            let rounded: Vec<i32> = output.iter().map(|x| (x * 65536.0).round() as i32).collect();
            said_float.0.push(Said::new(gold, &rounded, wanted));
            same += (said_float.0[i].label == answer.label) as usize;
            for (f, q) in output.iter().zip(logits) {
                let error = *f as f64 - *q as f64 / 65536.0;
                worst = worst.max(error.abs());
                squares += error * error;
                logit_count += 1;
            }
        }
        said.0.push(answer);
    }
    let n = nonempty(rows.len(), data)?;
    let threshold = match rejection.share {
        Some(share) if !(0.0..1.0).contains(&share) => {
            return Err(input(format!("--reject {share} is out of range"), "a share: 0.05 is 5 %"));
        }
        Some(share) => Some(said.threshold(share).ok_or_else(|| {
            input("--reject needs texts in scope", "the data hold none that has a label")
        })?),
        None => given.map(|scope| scope.threshold as f64 / 65536.0),
    };
    if rejection.out_of_scope.is_some() && threshold.is_none() {
        let help = "--out-of-scope energy=7.5, or --reject 0.05 to choose it on these data";
        return Err(input("--out-of-scope needs a threshold", help));
    }
    let figures = said.figures(threshold);
    let float = reference.map(|_| said_float.figures(threshold)).unwrap_or_default();
    Ok(Evaluation {
        sequences: rows.len(),
        out_of_scope: Some(rows.len() - said.inside().count()).filter(|&count| count > 0),
        score: threshold.map(|_| score_name(wanted.score)),
        threshold,
        accuracy: figures.accuracy,
        accuracy_reference: float.accuracy,
        out_of_scope_recall: figures.out_of_scope_recall,
        out_of_scope_recall_reference: float.out_of_scope_recall,
        in_scope_rejected: figures.in_scope_rejected,
        in_scope_rejected_reference: float.in_scope_rejected,
        accepted_and_right: figures.accepted_and_right,
        accepted_and_right_reference: float.accepted_and_right,
        wrong_and_sure: figures.wrong_and_sure,
        calibration_error: figures.calibration_error,
        calibration_error_reference: float.calibration_error,
        top1_agreement: reference.map(|_| same as f64 / n),
        logit_error_max: reference.map(|_| worst),
        logit_error_rms: reference.map(|_| (squares / logit_count as f64).sqrt()),
        ..Evaluation::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(gold: Option<usize>, label: usize, confidence: f64) -> Said {
        Said { gold, label, score: confidence.ln(), confidence }
    }

    #[test]
    fn figures_counted_by_hand() {
        let answers = Answers(vec![
            said(Some(0), 0, 0.9),
            said(Some(1), 1, 0.9),
            said(Some(1), 0, 0.85),
            said(Some(0), 0, 0.3),
            said(None, 1, 0.95),
            said(None, 1, 0.2),
        ]);
        let found = answers.figures(Some(0.5f64.ln()));
        let expected = Figures {
            accuracy: Some(0.75),
            out_of_scope_recall: Some(0.5),
            in_scope_rejected: Some(0.25),
            accepted_and_right: Some(0.5),
            wrong_and_sure: Some(2.0 / 6.0),
            // 0.9, 0.9 in one bin, 0.85 in another, 0.3 alone: (0.2 + 0.85 + 0.7) / 4.
            calibration_error: found.calibration_error,
        };
        assert_eq!(found, expected);
        assert!((found.calibration_error.unwrap() - 1.75 / 4.0).abs() < 1e-12);
        // Without a threshold nothing is rejected; of texts in scope alone nothing is told of rejection.
        assert_eq!(answers.figures(None).out_of_scope_recall, Some(0.0));
        let inside = Answers(answers.0[..4].to_vec());
        assert_eq!(inside.figures(None).in_scope_rejected, None);
        assert_eq!(Answers::default().figures(None), Figures::default());
    }

    #[test]
    fn a_threshold_rejects_a_share_at_most() {
        let answers = Answers((1..=20).map(|i| said(Some(0), 0, i as f64 / 40.0)).collect());
        for (share, rejected) in [(0.0, 0), (0.05, 1), (0.09, 1), (0.5, 10), (0.99, 19)] {
            let limit = answers.threshold(share).unwrap();
            let found = answers.figures(Some(limit)).in_scope_rejected.unwrap();
            assert_eq!((found * 20.0).round() as usize, rejected, "{share}");
        }
    }
}
