//! What every evaluation shares: its figures, how texts become tokens, how an error is placed.

use crate::error::{Error, Result, input};
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
    /// Decoder: mean negative log-likelihood per predicted token, nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nll: Option<f64>,
    /// The same in f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nll_reference: Option<f64>,
    /// Share of positions with the same likeliest token (or label, or of recordings with the same answer) as in
    /// f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top1_agreement: Option<f64>,
    /// Classifier: share of right labels.
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
