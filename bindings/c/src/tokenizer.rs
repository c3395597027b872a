//! A text to tokens, and back.

use crate::code;
use crate::error::{CError, Error, report};
use crate::handle::Handle;
use crate::model::Parsed;
use crate::text::{self, Out, Write, put};
use core::ffi::c_void;
use picoformer::RunError;
use picoformer::task::TextStream;
use picoformer::tokenizer::Tokenizer;

fn tokenizer(parsed: &Parsed) -> Result<Tokenizer<'static>, Error> {
    let needed = "a model with a tokenizer";
    Ok(parsed.model.tokenizer().ok_or(RunError::WrongModel { needed })?)
}

/// The tokens of a text, with the special tokens that the model expects around it.
///
/// # Safety
/// `self_` is null or a model's memory; `text` as [`text::read`]; `tokens` null or room for `room` tokens;
/// `n` null or room for a result; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_encode(
    self_: *const Handle<Parsed>,
    text: *const u8,
    bytes: usize,
    tokens: *mut u32,
    room: usize,
    n: *mut usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let encoded = unsafe { Handle::shared(self_) }.and_then(|parsed| {
        let tokenizer = tokenizer(parsed)?;
        // SAFETY: by this function's contract.
        let text = unsafe { text::read(text, bytes)? };
        if tokens.is_null() || !tokens.is_aligned() {
            return Err(Error::null("tokens"));
        }
        text::check_length::<u32>(room)?;
        // SAFETY: by this function's contract. What is there is written before it is read: by zeros.
        let tokens = unsafe {
            tokens.write_bytes(0, room);
            core::slice::from_raw_parts_mut(tokens, room)
        };
        // SAFETY: by this function's contract.
        unsafe { put(n, tokenizer.encode(text, tokens)?)? };
        Ok(code::OK)
    });
    report(error, encoded)
}

/// Writes the text of tokens.
///
/// # Safety
/// `self_` is null or a model's memory; `tokens` null or `n` tokens; `write` null or a function that takes
/// `context`; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_decode(
    self_: *const Handle<Parsed>,
    tokens: *const u32,
    n: usize,
    write: Option<Write>,
    context: *mut c_void,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let decoded = unsafe { Handle::shared(self_) }.and_then(|parsed| {
        let tokenizer = tokenizer(parsed)?;
        // SAFETY: by this function's contract.
        let tokens = unsafe { text::slice(tokens, n, "tokens")? };
        let (mut out, mut stream) = (Out::new(write, context)?, TextStream::new());
        let mut written = tokens.iter().try_for_each(|&t| stream.push(&tokenizer, t, &mut out));
        written = written.and_then(|()| stream.finish(&mut out));
        Ok(if written.is_ok() { code::OK } else { code::CANCELLED })
    });
    report(error, decoded)
}
