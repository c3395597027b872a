//! `picoformer_bill`: what a model is and costs.

use crate::code;
use crate::error::{CError, report};
use crate::handle::Handle;
use crate::model::Parsed;
use crate::text::put;
use picoformer::arena::{Buffer, buffers};
use picoformer::config::{Architecture, Head, Input};
use picoformer::tokenizer::Kind;

/// `picoformer_bill`.
#[repr(C)]
pub struct Bill {
    flash_bytes: u32,
    arena_bytes: u32,
    architecture: u32,
    input: u32,
    head: u32,
    tokenizer: u32,
    context: u32,
    target_context: u32,
    vocab_size: u32,
    n_labels: u32,
    n_outputs: u32,
    frame_len: u32,
    sample_rate: u32,
    channels: u32,
    triggers: u32,
    beams: u32,
    tile_rows: u32,
    parameters: u32,
}

/// The bill of a model.
///
/// # Safety
/// `self_` is null or a model's memory; `bill` null or room for one; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_model_bill(
    self_: *const Handle<Parsed>,
    bill: *mut Bill,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told = unsafe { Handle::shared(self_) }.and_then(|parsed| {
        // SAFETY: by this function's contract.
        unsafe { put(bill, write(parsed)) }.map(|()| code::OK)
    });
    report(error, told)
}

fn write(parsed: &Parsed) -> Bill {
    let (model, c) = (&parsed.model, parsed.model.config());
    let features = model.features();
    let (input, sample_rate, channels) = match (features.audio, features.motion, c.input) {
        (Some(audio), ..) => (2, audio.sample_rate, 1),
        (_, Some(motion), _) => (3, motion.sample_rate.unwrap_or(0), motion.channels as u32),
        (.., Input::Frames) => (1, 0, 0),
        (.., Input::Tokens) => (0, 0, 0),
    };
    Bill {
        flash_bytes: model.flash_bytes() as u32,
        arena_bytes: model.arena().total_bytes() as u32,
        architecture: match c.architecture {
            Architecture::Encoder => 0,
            Architecture::Decoder => 1,
            Architecture::EncoderDecoder => 2,
        },
        input,
        head: match c.head {
            Head::None => 0,
            Head::Classifier => 1,
            Head::TokenLabels => 2,
            Head::Embedding => 3,
            Head::Vocabulary | Head::TiedVocabulary => 4,
        },
        tokenizer: match model.tokenizer().map(|tokenizer| tokenizer.kind()) {
            None => 0,
            Some(Kind::Bytes) => 1,
            Some(Kind::Bpe) => 2,
            Some(Kind::WordPiece) => 3,
            Some(Kind::ByteLevel) => 4,
            Some(Kind::Unigram) => 5,
        },
        context: c.context as u32,
        target_context: c.target_context as u32,
        vocab_size: c.vocab_size as u32,
        n_labels: c.n_labels as u32,
        n_outputs: if matches!(c.head, Head::None) { 0 } else { c.n_outputs() as u32 },
        frame_len: c.frame_len as u32,
        sample_rate,
        channels,
        triggers: features.trigger.is_some() as u32,
        beams: c.beams as u32,
        tile_rows: c.tile_rows as u32,
        parameters: model.header().parameters,
    }
}

/// A line of the bill: a buffer of the arena, by its index. `WORKING` with a line, `OK` behind the last.
///
/// # Safety
/// `self_` is null or a model's memory; `name` is null or room for 32 bytes; `bytes` null or room for a
/// result; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_model_bill_line(
    self_: *const Handle<Parsed>,
    index: u32,
    name: *mut [u8; 32],
    bytes: *mut usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told = unsafe { Handle::shared(self_) }.and_then(|parsed| {
        let Some(buffer) = line(parsed, index as usize) else { return Ok(code::OK) };
        let mut text = [0; 32];
        for (to, from) in text.iter_mut().take(31).zip(buffer.name.bytes()) {
            *to = from;
        }
        // SAFETY: by this function's contract.
        unsafe {
            put(name, text)?;
            put(bytes, buffer.bytes())?;
        }
        Ok(code::WORKING)
    });
    report(error, told)
}

fn line(parsed: &Parsed, index: usize) -> Option<Buffer> {
    let c = parsed.model.config();
    let (own, front) = (buffers(c), parsed.model.features().buffers(c));
    own.iter().chain(&front).filter(|buffer| buffer.len > 0).nth(index).copied()
}
