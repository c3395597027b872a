//! `picoformer_translator`: text in, text out by an encoder-decoder.

use crate::classifier::{numbers, progress};
use crate::code;
use crate::engine::Engine;
use crate::error::{CError, Error, report};
use crate::handle::{Handle, task};
use crate::text::{self, Out, Write, put_if};
use core::ffi::c_void;
use picoformer::seq2seq::{Found, Part};
use picoformer::task::{TaskError, Translator};
use picoformer::{Progress, RunError};

/// The task.
pub struct Task(Translator<'static, 'static, Engine>);

task!(Task, 4, picoformer_translator_bytes, picoformer_translator_open, |model, arena| {
    Translator::new_for(model, arena).map(Task)
});

/// `picoformer_translation`.
#[repr(C)]
pub struct Translation {
    tokens: u32,
    complete: u32,
    log_probability: i64,
}

/// Takes a text.
///
/// # Safety
/// `self_` is null or a translator's memory; `text` as [`text::read`]; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_translator_begin(
    self_: *mut Handle<Task>,
    text: *const u8,
    bytes: usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let begun = unsafe { Handle::get(self_) }.and_then(|task| {
        // SAFETY: by this function's contract.
        task.begin(unsafe { text::read(text, bytes) }).map(|()| code::WORKING)
    });
    report(error, begun)
}

impl Task {
    fn begin(&mut self, text: Result<&str, Error>) -> Result<(), Error> {
        // What is no text leaves none, also not the one before.
        let begun = self.0.begin(text.as_ref().copied().unwrap_or_default());
        text?;
        Ok(begun?)
    }

    fn write(&mut self, out: &mut Out, found: *mut Translation) -> Result<i32, Error> {
        match self.0.write(out) {
            Ok(Found { len, log_probability, complete }) => {
                let told =
                    Translation { tokens: len as u32, complete: complete.into(), log_probability };
                // SAFETY: by the contract of the functions that call this.
                unsafe { put_if(found, told) };
                Ok(code::OK)
            }
            Err(TaskError::Write) => Ok(code::CANCELLED),
            Err(error) => Err(error.into()),
        }
    }
}

/// One piece of work.
///
/// # Safety
/// `self_` is null or a translator's memory; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_translator_step(
    self_: *mut Handle<Task>,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let step = unsafe { Handle::get(self_) }.and_then(|Task(task)| {
        let engine = task.engine();
        match engine.part() {
            Part::Done if engine.found().is_none() => Err(RunError::EmptyInput.into()),
            _ => Ok(progress(engine.step())),
        }
    });
    report(error, step)
}

/// What the next step works on.
///
/// # Safety
/// `self_` is null or a translator's memory; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_translator_part(
    self_: *mut Handle<Task>,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let part = unsafe { Handle::get(self_) }.map(|Task(task)| match task.engine().part() {
        Part::Done => 0,
        Part::Encoder => 1,
        Part::Source => 2,
        Part::SelfAttention => 3,
        Part::CrossAttention => 4,
        Part::FeedForward => 5,
        Part::Head => 6,
    });
    report(error, part)
}

/// Limits the translations to come.
///
/// # Safety
/// `self_` is null or a translator's memory; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_translator_set_limit(
    self_: *mut Handle<Task>,
    tokens: u32,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let set = unsafe { Handle::get(self_) }.and_then(|Task(task)| {
        task.engine().set_limit(tokens as usize)?;
        Ok(code::OK)
    });
    report(error, set)
}

/// The logits computed last.
///
/// # Safety
/// `self_` is null or a translator's memory; `logits` and `n` null or room for a result; `error` null or an
/// error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_translator_logits(
    self_: *mut Handle<Task>,
    logits: *mut *const i32,
    n: *mut usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told = unsafe { Handle::get(self_) }.and_then(|Task(task)| match task.engine().logits() {
        [] => Err(RunError::NoLogits.into()),
        // SAFETY: by this function's contract.
        found => unsafe { numbers(found, logits, n) },
    });
    report(error, told)
}

/// Writes the translation.
///
/// # Safety
/// `self_` is null or a translator's memory; `write` null or a function that takes `context`; `found` null
/// or room for a result; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_translator_write(
    self_: *mut Handle<Task>,
    write: Option<Write>,
    context: *mut c_void,
    found: *mut Translation,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let written = unsafe {
        Handle::lend(self_, |task| {
            if task.0.engine().part() != Part::Done {
                return Err(RunError::InFlight.into());
            }
            task.write(&mut Out::new(write, context)?, found)
        })
    };
    report(error, written)
}

/// Text in, text out.
///
/// # Safety
/// As [`picoformer_translator_write`]; `text` as [`text::read`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_translate(
    self_: *mut Handle<Task>,
    text: *const u8,
    bytes: usize,
    write: Option<Write>,
    context: *mut c_void,
    found: *mut Translation,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let written = unsafe {
        Handle::lend(self_, |task| {
            let mut out = Out::new(write, context)?;
            task.begin(text::read(text, bytes))?;
            while task.0.engine().step() == Progress::Working {}
            task.write(&mut out, found)
        })
    };
    report(error, written)
}
