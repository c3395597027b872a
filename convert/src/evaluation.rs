//! What every evaluation shares: its figures, how texts become tokens, how an error is placed.

use crate::error::{Error, Result, input};
use crate::float_model::FloatModel;
use crate::scope::Asked;
use picoformer::Model;
use serde::Serialize;
use std::path::Path;

/// The figures; those that do not apply or need a reference are absent. The fields are the keys of
/// `picoformer eval --json`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(default)]
pub struct Evaluation {
    /// Documents, sentences, lines or recordings.
    pub sequences: usize,
    /// Decoder: predicted tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
    /// Decoder: documents longer than the context, cut there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<usize>,
    /// Decoder: bytes of text that the predicted tokens stand for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// Decoder: negative log-likelihood of all predicted tokens per byte of their text, in bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_byte: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_byte_reference: Option<f64>,
    /// Decoder: mean negative log-likelihood per predicted token, nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nll: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nll_reference: Option<f64>,
    /// Decoder: mean Kullback-Leibler divergence of the predictions from those in f32, nats; it has ten times
    /// less noise than the difference of `nll`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// Share of positions with the same likeliest token (or label, or of recordings with the same answer) as in
    /// f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top1_agreement: Option<f64>,
    /// Classifier: how many texts are none of its labels; the other figures tell of what share of which texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_scope: Option<usize>,
    /// Classifier: the score that says whether a text is one of its labels, `log_probability` or `energy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<&'static str>,
    /// Classifier: a text with a lower score is rejected, nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Classifier: share of texts that are none of its labels and are rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_scope_recall: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_scope_recall_reference: Option<f64>,
    /// Classifier: share of texts in scope that are rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_scope_rejected: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_scope_rejected_reference: Option<f64>,
    /// Classifier: share of texts in scope that are accepted and whose label is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_and_right: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_and_right_reference: Option<f64>,
    /// Classifier: share of all texts that are accepted with a wrong label (each is, of a text out of scope) of a
    /// probability above 80 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong_and_sure: Option<f64>,
    /// Classifier: expected calibration error of the texts in scope (Guo et al. 2017, §2), whether accepted or not,
    /// in 15 bins of equal width: the mean distance between the probability of the label and the share of right ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration_error: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration_error_reference: Option<f64>,
    /// Token labels: entities in the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entities: Option<usize>,
    /// Token labels: harmonic mean of precision and recall of entities, each right as a whole or not at all, over
    /// all texts together (CoNLL-2000; seqeval's micro average).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_f1: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_f1_reference: Option<f64>,
    /// Token labels: share of the found entities that are right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_precision: Option<f64>,
    /// Token labels: share of the entities that are found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_recall: Option<f64>,
    /// Token labels, some of them of the whole text: share of texts whose own label is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent_accuracy: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent_accuracy_reference: Option<f64>,
    /// Token labels: share of texts of which all entities and the own label, if it is given, are right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole_accuracy: Option<f64>,
    /// Classifier: share of right labels among the texts that have one, rejected or not. Recordings: likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy_reference: Option<f64>,
    /// Recordings: how many hold a label that was not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<usize>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed_reference: Option<usize>,
    /// Recordings: events of another label than the recording's, or a second one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_events: Option<usize>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_events_reference: Option<usize>,
    /// Sound with a trigger: median time of a right event after the word's end (the last 20 ms within
    /// 20 dB of the loudest), seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<f64>,
    /// Recordings: length of all together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Classifier: largest difference of a logit from f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_error_max: Option<f64>,
    /// Classifier: root of the mean square of the differences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_error_rms: Option<f64>,
    /// Embedding: mean cosine to f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cosine_mean: Option<f64>,
    /// Embedding: smallest cosine to f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cosine_min: Option<f64>,
    /// Encoder-decoder: hypotheses kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beams: Option<usize>,
    /// Encoder-decoder: phonemes wrong, missing or too many, per phoneme of the nearest pronunciation
    /// listed; stress stripped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<f64>,
    /// Encoder-decoder: words whose pronunciation is none of those listed; stress stripped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wer: Option<f64>,
    /// As `per`, with stress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_stress: Option<f64>,
    /// As `wer`, with stress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wer_stress: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_reference: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wer_reference: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_stress_reference: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wer_stress_reference: Option<f64>,
}

/// Which texts a classifier rejects: by what its blob says, or by this.
#[derive(Clone, Debug, Default)]
pub struct Rejection {
    /// Score, threshold and the label that stands for none, instead of the blob's.
    pub out_of_scope: Option<Asked>,
    /// The threshold is the one that rejects this share of the texts in scope, at most.
    pub share: Option<f64>,
}

impl Rejection {
    /// Whether it says anything.
    pub fn is_asked_for(&self) -> bool {
        self.out_of_scope.is_some() || self.share.is_some()
    }
}

/// Called with `(done, total)` sequences.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize);

/// All tokens of a text. On a host there is room for everything, also for merging in n · log n: five words
/// a byte.
///
/// # Errors
/// [`Error::Input`] without a tokenizer or for characters that have no token.
pub fn encode(model: &Model, text: &str) -> Result<Vec<u32>> {
    let tokenizer = model.tokenizer().ok_or_else(|| {
        input("this blob has no tokenizer", "give token ids: run --ids \"1,5,9\"")
    })?;
    let mut tokens = vec![0; 5 * text.len() + 8];
    let n = tokenizer.encode(text, &mut tokens).map_err(|error| {
        input(error.to_string(), "spell it with characters that the model knows")
    })?;
    if n <= tokenizer.specials() {
        return Err(input("the text is empty: 1 token or more needed, 0 given", "give a text"));
    }
    tokens.truncate(n);
    Ok(tokens)
}

/// The first of the largest.
pub fn best(x: &[f32]) -> usize {
    (1..x.len()).fold(0, |best, i| if x[i] > x[best] { i } else { best })
}

/// The checkpoint that is needed.
///
/// # Errors
/// There is none.
pub fn needs_reference<'a>(
    reference: Option<&'a FloatModel>,
    what: &str,
) -> Result<&'a FloatModel> {
    reference.ok_or_else(|| {
        input(format!("{what} is compared with its checkpoint"), "add --reference CHECKPOINT")
    })
}

/// Adds where an error happened.
pub fn at(place: String) -> impl FnOnce(Error) -> Error {
    move |error| match error {
        Error::Input { message, help } => input(format!("{place}: {message}"), help),
        Error::Run(run) => {
            input(format!("{place}: {run}"), "shorten it, or convert with a larger --context")
        }
        other => other,
    }
}

/// The number of lines to divide by.
///
/// # Errors
/// There are none.
pub fn nonempty(lines: usize, data: &Path) -> Result<f64> {
    if lines == 0 {
        return Err(input(
            format!("`{}` is empty", data.display()),
            "one example a line is expected",
        ));
    }
    Ok(lines as f64)
}
