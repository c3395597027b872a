//! `picoformer_encoder`: tokens or frames in, outputs or rows out.

use crate::classifier::{numbers, progress};
use crate::code;
use crate::engine::Engine;
use crate::error::{CError, report};
use crate::handle::{Handle, task};
use crate::text::{put, slice};
use picoformer::{Encoder, RunError};

/// The task.
pub struct Task(Encoder<'static, 'static, Engine>);

task!(Task, 5, picoformer_encoder_bytes, picoformer_encoder_open, |model, arena| {
    Encoder::new_for(model, arena).map(Task)
});

/// Takes tokens.
///
/// # Safety
/// `self_` is null or an encoder's memory; `tokens` null or `n` tokens; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_encoder_begin_tokens(
    self_: *mut Handle<Task>,
    tokens: *const u32,
    n: usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let begun = unsafe { Handle::get(self_) }.and_then(|Task(encoder)| {
        // SAFETY: by this function's contract.
        encoder.begin(unsafe { slice(tokens, n, "tokens")? })?;
        Ok(code::WORKING)
    });
    report(error, begun)
}

/// Takes frames.
///
/// # Safety
/// `self_` is null or an encoder's memory; `features` null or `n` features; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_encoder_begin_frames(
    self_: *mut Handle<Task>,
    features: *const i16,
    n: usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let begun = unsafe { Handle::get(self_) }.and_then(|Task(encoder)| {
        // SAFETY: by this function's contract.
        encoder.begin_frames(unsafe { slice(features, n, "features")? })?;
        Ok(code::WORKING)
    });
    report(error, begun)
}

/// One piece of work.
///
/// # Safety
/// `self_` is null or an encoder's memory; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_encoder_step(
    self_: *mut Handle<Task>,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let step = unsafe { Handle::get(self_) }.and_then(|Task(encoder)| match encoder.rows() {
        0 => Err(RunError::EmptyInput.into()),
        _ => Ok(progress(encoder.step())),
    });
    report(error, step)
}

/// Logits, values or an embedding.
///
/// # Safety
/// `self_` is null or an encoder's memory; `outputs` and `n` null or room for a result; `error` null or an
/// error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_encoder_outputs(
    self_: *mut Handle<Task>,
    outputs: *mut *const i32,
    n: *mut usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told = unsafe { Handle::get(self_) }.and_then(|Task(encoder)| {
        match (encoder.outputs(), encoder.rows()) {
            ([], 0) => Err(RunError::EmptyInput.into()),
            ([], _) => Err(RunError::InFlight.into()),
            // SAFETY: by this function's contract.
            (found, _) => unsafe { numbers(found, outputs, n) },
        }
    });
    report(error, told)
}

/// A hidden row and its power of two.
///
/// # Safety
/// `self_` is null or an encoder's memory; `mantissas`, `n` and `exponent` null or room for a result;
/// `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_encoder_hidden(
    self_: *mut Handle<Task>,
    row: u32,
    mantissas: *mut *const i16,
    n: *mut usize,
    exponent: *mut i32,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told = unsafe { Handle::get(self_) }.and_then(|Task(encoder)| {
        let (found, power) = encoder.hidden(row as usize);
        match (found, encoder.rows()) {
            ([], 0) => return Err(RunError::EmptyInput.into()),
            ([], rows) if row as usize >= rows => {
                let (needed, given) = (row as usize + 1, rows);
                return Err(RunError::TooLong { needed, given }.into());
            }
            ([], _) => return Err(RunError::InFlight.into()),
            _ => {}
        }
        // SAFETY: by this function's contract.
        unsafe {
            put(mantissas, found.as_ptr())?;
            put(n, found.len())?;
            put(exponent, power)?;
        }
        Ok(code::OK)
    });
    report(error, told)
}
