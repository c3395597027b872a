//! What questions have in common: ids of a text, steps with signals between them, numbers of an encoder.

use crate::failure::Failure;
use crate::outputs::Outputs;
use crate::work::Signals;
use picoformer::config::{Architecture, Head};
use picoformer::sampler::ONE;
use picoformer::{Decoder, Encoder, Model, Progress, RunError};
use picoformer_convert::error::input;
use picoformer_convert::evaluation::encode;
use pyo3::prelude::*;

/// A text or token ids.
#[derive(FromPyObject)]
pub enum Question {
    /// A text.
    Text(String),
    /// Token ids, none added.
    Ids(Vec<u32>),
}

/// The outputs of an encoder that has run.
pub fn rows(model: &Model, encoder: &mut Encoder, outputs: &mut Outputs) -> Result<(), Failure> {
    let config = model.config();
    match config.head {
        Head::Classifier | Head::Embedding => {
            outputs.add(encoder.outputs().iter().copied(), config.output_exponent());
        }
        Head::TokenLabels => {
            for row in 0..encoder.rows() {
                outputs.add(encoder.label_logits(row)?.iter().copied(), -16);
            }
        }
        _ => {
            for row in 0..encoder.rows() {
                let (mantissas, exponent) = encoder.hidden(row);
                outputs.add(mantissas.iter().map(|&x| x.into()), exponent);
            }
        }
    }
    Ok(())
}

/// Runs an encoder to its end, step by step.
pub fn finish(encoder: &mut Encoder, signals: &mut Signals) -> Result<(), Failure> {
    while encoder.step() == Progress::Working {
        signals.check()?;
    }
    Ok(())
}

/// Feeds a decoder step by step.
///
/// # Errors
/// The engine's, before anything is fed; a signal's.
pub fn feed(decoder: &mut Decoder, ids: &[u32], signals: &mut Signals) -> Result<(), Failure> {
    room(decoder, ids)?;
    let mut rest = ids;
    while !rest.is_empty() {
        let rows = decoder.begin(rest)?;
        while decoder.step() == Progress::Working {
            signals.check()?;
        }
        rest = rest.get(rows..).unwrap_or_default();
    }
    Ok(())
}

/// Whether so many tokens can be fed: the engine counts those that are there now.
pub fn room(decoder: &Decoder, ids: &[u32]) -> Result<(), Failure> {
    let (needed, given) = (ids.len(), decoder.remaining());
    match needed {
        0 => Err(RunError::EmptyInput.into()),
        _ if needed > given => Err(RunError::TooLong { needed, given }.into()),
        _ => Ok(()),
    }
}

/// The ids of a question. A decoder with a begin token writes from nothing.
pub fn ids(model: &Model, question: &Question) -> Result<Vec<u32>, Failure> {
    let begin = model.tokenizer().and_then(|tokenizer| tokenizer.vocabulary().begin());
    match (question, model.config().architecture, begin) {
        (Question::Ids(ids), ..) => Ok(ids.clone()),
        (Question::Text(text), Architecture::EncoderDecoder, _) if text.is_empty() => {
            Err(RunError::EmptyInput.into())
        }
        (Question::Text(text), Architecture::Decoder, Some(begin)) if text.is_empty() => {
            Ok(vec![begin])
        }
        (Question::Text(text), ..) => Ok(encode(model, text)?),
    }
}

/// Ids of a target, without a start token.
pub fn targets(model: &Model, target: &Question) -> Result<Vec<u32>, Failure> {
    match target {
        Question::Ids(ids) => Ok(ids.clone()),
        Question::Text(text) => Ok(encode(model, text)?),
    }
}

/// A source alone is no question.
pub fn needs_target() -> Failure {
    input("an encoder-decoder is asked about a source and a target", "give target=…").into()
}

/// A number that is not negative, in Q16.16.
pub fn fixed(name: &str, value: f64, limit: f64) -> Result<u32, Failure> {
    if !(0.0..=limit).contains(&value) {
        let help = format!("between 0 and {limit}");
        return Err(input(format!("{name} {value} is out of range"), help).into());
    }
    // A temperature that is not zero must not become greedy by rounding.
    Ok(((value * f64::from(ONE)).round() as u32).max(u32::from(value > 0.0)))
}

/// 16-bit numbers, little-endian.
pub fn halves(bytes: &[u8]) -> Vec<i16> {
    let (parts, _) = bytes.as_chunks();
    parts.iter().map(|&part| i16::from_le_bytes(part)).collect()
}
