//! `picoformer_classifier`: labels of a text or of its tokens, embeddings.

use crate::code;
use crate::engine::Engine;
use crate::error::{CError, Error, report};
use crate::handle::{Handle, task};
use crate::text::{self, put};
use picoformer::task::{Answer, Classifier};
use picoformer::{Progress, RunError};

/// The task.
pub struct Task(Classifier<'static, 'static, Engine>);

task!(Task, 2, picoformer_classifier_bytes, picoformer_classifier_open, |model, arena| {
    Classifier::new_for(model, arena).map(Task)
});

/// `picoformer_answer`.
#[repr(C)]
pub struct Label {
    name: *const u8,
    name_bytes: usize,
    label: u32,
    log_probability: i32,
    /// 0: the input is none of the labels.
    in_scope: u32,
}

impl From<Answer<'static>> for Label {
    fn from(answer: Answer<'static>) -> Self {
        Self {
            name: answer.name.as_ptr(),
            name_bytes: answer.name.len(),
            label: answer.label as u32,
            log_probability: answer.log_probability,
            in_scope: answer.in_scope.into(),
        }
    }
}

/// `WORKING` or `OK`.
pub fn progress(progress: Progress) -> i32 {
    match progress {
        Progress::Working => code::WORKING,
        Progress::Done => code::OK,
    }
}

/// Writes where numbers lie, and how many.
///
/// # Safety
/// `to` and `n` are null or room for a result.
pub unsafe fn numbers(numbers: &[i32], to: *mut *const i32, n: *mut usize) -> Result<i32, Error> {
    // SAFETY: by this function's contract.
    unsafe {
        put(n, numbers.len())?;
        put(to, numbers.as_ptr())?;
    }
    Ok(code::OK)
}

/// Takes a text.
///
/// # Safety
/// `self_` is null or a classifier's memory; `text` as [`text::read`]; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_classifier_begin(
    self_: *mut Handle<Task>,
    text: *const u8,
    bytes: usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let begun = unsafe { Handle::get(self_) }.and_then(|Task(task)| {
        // SAFETY: by this function's contract.
        let text = unsafe { text::read(text, bytes) };
        // What is no text leaves no answer, also not that to the one before.
        let begun = task.begin(text.as_ref().copied().unwrap_or_default()).map(drop);
        text?;
        begun?;
        Ok(code::WORKING)
    });
    report(error, begun)
}

/// One piece of work.
///
/// # Safety
/// `self_` is null or a classifier's memory; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_classifier_step(
    self_: *mut Handle<Task>,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let step = unsafe { Handle::get(self_) }.and_then(|Task(task)| match task.tokens().len() {
        0 => Err(RunError::EmptyInput.into()),
        _ => Ok(progress(task.step())),
    });
    report(error, step)
}

/// The likeliest label.
///
/// # Safety
/// `self_` is null or a classifier's memory; `answer` null or room for one; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_classifier_answer(
    self_: *mut Handle<Task>,
    answer: *mut Label,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told = unsafe { Handle::get(self_) }.and_then(|Task(task)| {
        let found = Label::from(task.answer()?);
        // SAFETY: by this function's contract.
        unsafe { put(answer, found) }.map(|()| code::OK)
    });
    report(error, told)
}

/// Any label.
///
/// # Safety
/// As [`picoformer_classifier_answer`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_classifier_label(
    self_: *mut Handle<Task>,
    label: u32,
    answer: *mut Label,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told = unsafe { Handle::get(self_) }.and_then(|Task(task)| {
        let found = Label::from(task.label(label as usize)?);
        // SAFETY: by this function's contract.
        unsafe { put(answer, found) }.map(|()| code::OK)
    });
    report(error, told)
}

/// Logits, values or an embedding.
///
/// # Safety
/// `self_` is null or a classifier's memory; `outputs` and `n` null or room for a result; `error` null or
/// an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_classifier_outputs(
    self_: *mut Handle<Task>,
    outputs: *mut *const i32,
    n: *mut usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told = unsafe { Handle::get(self_) }.and_then(|Task(task)| {
        let found = task.encoder().outputs();
        match (found.len(), task.tokens().len()) {
            (0, 0) => Err(RunError::EmptyInput.into()),
            (0, _) => Err(RunError::InFlight.into()),
            // SAFETY: by this function's contract.
            _ => unsafe { numbers(task.encoder().outputs(), outputs, n) },
        }
    });
    report(error, told)
}

/// The label of a token.
///
/// # Safety
/// `self_` is null or a classifier's memory; `token` null or room for a token, `tag` for an answer; `error`
/// null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_classifier_tag(
    self_: *mut Handle<Task>,
    row: u32,
    token: *mut u32,
    tag: *mut Label,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told = unsafe { Handle::get(self_) }.and_then(|Task(task)| {
        let (row, rows) = (row as usize, task.tokens().len());
        if rows > 0 && row >= rows {
            return Ok(code::OK);
        }
        let found = Label::from(task.tag_of(row)?);
        // SAFETY: by this function's contract.
        unsafe {
            put(token, task.tokens().get(row).copied().unwrap_or_default())?;
            put(tag, found)?;
        }
        Ok(code::WORKING)
    });
    report(error, told)
}
