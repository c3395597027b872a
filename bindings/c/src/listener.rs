//! `picoformer_listener`: sound in, events or a label out.

use crate::classifier::{Label, numbers};
use crate::code;
use crate::engine::Engine;
use crate::error::{CError, report};
use crate::handle::{Handle, task};
use crate::stream::{self, Detected, functions};
use crate::text::{put, slice};
use picoformer::{Listener, RunError};

/// The task.
pub struct Task(Listener<'static, 'static, Engine>);

task!(Task, 7, picoformer_listener_bytes, picoformer_listener_open, |model, arena| {
    Listener::new_for(model, arena).map(Task)
});

functions!(
    Task,
    picoformer_listener_push,
    picoformer_listener_feed,
    picoformer_listener_spread,
    picoformer_listener_reset,
    picoformer_listener_limit,
    picoformer_listener_begin,
    picoformer_listener_step,
    picoformer_listener_answer,
    picoformer_listener_outputs
);

/// The label of a whole recording.
///
/// # Safety
/// `self_` is null or a listener's memory; `samples` null or `n` samples; `answer` null or room for one;
/// `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_classify_recording(
    self_: *mut Handle<Task>,
    samples: *const i16,
    n: usize,
    answer: *mut Label,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told = unsafe { Handle::get(self_) }.and_then(|task| {
        // SAFETY: by this function's contract.
        let samples = unsafe { slice(samples, n, "samples")? };
        let found = Label::from(task.0.classify_recording(samples)?);
        // SAFETY: by this function's contract.
        unsafe { put(answer, found) }.map(|()| code::OK)
    });
    report(error, told)
}
