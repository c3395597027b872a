//! What listeners and classifiers of motions share.

use crate::classifier::{Label, progress};
use crate::code;
use crate::engine::Engine;
use crate::error::Error;
use crate::text::{put, put_if};
use picoformer::RunError;
use picoformer::features::FrontEnd;
use picoformer::task::{Detection, Stream};

/// `picoformer_detection`.
#[repr(C)]
pub struct Detected {
    name: *const u8,
    name_bytes: usize,
    label: u32,
    confidence: u32,
    end: u64,
}

impl From<Detection<'static>> for Detected {
    fn from(found: Detection<'static>) -> Self {
        Self {
            name: found.name.as_ptr(),
            name_bytes: found.name.len(),
            label: found.label as u32,
            confidence: found.confidence.into(),
            end: found.end,
        }
    }
}

/// A stream of this library's engine.
pub type Own<F> = Stream<'static, 'static, F, Engine>;

/// Takes samples, and works on them; `EVENT` with a detection.
///
/// # Safety
/// `detection` is null or room for one.
pub unsafe fn push<F: FrontEnd>(
    stream: &mut Own<F>,
    samples: &[i16],
    detection: *mut Detected,
) -> Result<i32, Error> {
    let Some(found) = stream.push(samples)? else { return Ok(code::OK) };
    // SAFETY: by this function's contract.
    unsafe { put_if(detection, found.into()) };
    Ok(code::EVENT)
}

/// The label of the window.
///
/// # Safety
/// `answer` is null or room for one.
pub unsafe fn answer<F: FrontEnd>(stream: &Own<F>, answer: *mut Label) -> Result<i32, Error> {
    // SAFETY: by this function's contract.
    unsafe { put(answer, Label::from(stream.answer()?)) }.map(|()| code::OK)
}

/// One piece of work for the window.
pub fn step<F: FrontEnd>(stream: &mut Own<F>) -> Result<i32, Error> {
    match stream.answer() {
        Err(RunError::EmptyInput) => Err(RunError::EmptyInput.into()),
        _ => Ok(progress(stream.step())),
    }
}

/// Defines the functions of one kind of stream, `$task` being a `Stream` in a tuple.
macro_rules! functions {
    ($task:ty, $push:ident, $feed:ident, $spread:ident, $reset:ident,
     $limit:ident, $begin:ident, $step:ident, $answer:ident, $outputs:ident) => {
        /// Takes samples, and works on them.
        ///
        /// # Safety
        /// `self_` is null or the object's memory; `samples` null or `n` samples; `detection` null or room
        /// for one; `error` null or an error.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $push(
            self_: *mut Handle<$task>,
            samples: *const i16,
            n: usize,
            detection: *mut Detected,
            error: *mut CError,
        ) -> i32 {
            // SAFETY: by this function's contract.
            let taken = unsafe { Handle::get(self_) }.and_then(|task| {
                // SAFETY: by this function's contract.
                unsafe { stream::push(&mut task.0, slice(samples, n, "samples")?, detection) }
            });
            report(error, taken)
        }

        /// Takes samples only.
        ///
        /// # Safety
        /// `self_` is null or the object's memory; `samples` null or `n` samples; `error` null or an error.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $feed(
            self_: *mut Handle<$task>,
            samples: *const i16,
            n: usize,
            error: *mut CError,
        ) -> i32 {
            // SAFETY: by this function's contract.
            let taken = unsafe { Handle::get(self_) }.and_then(|task| {
                // SAFETY: by this function's contract.
                task.0.feed(unsafe { slice(samples, n, "samples")? });
                Ok(code::OK)
            });
            report(error, taken)
        }

        /// Spreads the work of a row over its frames.
        ///
        /// # Safety
        /// `self_` is null or the object's memory; `error` null or an error.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $spread(self_: *mut Handle<$task>, error: *mut CError) -> i32 {
            // SAFETY: by this function's contract.
            let set = unsafe { Handle::get(self_) }.map(|task| {
                task.0.spread();
                code::OK
            });
            report(error, set)
        }

        /// Begins a new stream.
        ///
        /// # Safety
        /// `self_` is null or the object's memory; `error` null or an error.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $reset(self_: *mut Handle<$task>, error: *mut CError) -> i32 {
            // SAFETY: by this function's contract.
            let set = unsafe { Handle::get(self_) }.map(|task| {
                task.0.reset();
                code::OK
            });
            report(error, set)
        }

        /// Values that one call takes at most.
        ///
        /// # Safety
        /// `self_` is null or the object's memory; `values` null or room for a result; `error` null or an
        /// error.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $limit(
            self_: *mut Handle<$task>,
            values: *mut usize,
            error: *mut CError,
        ) -> i32 {
            // SAFETY: by this function's contract.
            let told = unsafe { Handle::get(self_) }.and_then(|task| {
                // SAFETY: by this function's contract.
                unsafe { put(values, task.0.limit()) }.map(|()| code::OK)
            });
            report(error, told)
        }

        /// Takes the window as it is.
        ///
        /// # Safety
        /// `self_` is null or the object's memory; `error` null or an error.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $begin(self_: *mut Handle<$task>, error: *mut CError) -> i32 {
            // SAFETY: by this function's contract.
            let begun = unsafe { Handle::get(self_) }.and_then(|task| {
                task.0.begin_window()?;
                Ok(code::WORKING)
            });
            report(error, begun)
        }

        /// One piece of work for the window.
        ///
        /// # Safety
        /// `self_` is null or the object's memory; `error` null or an error.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $step(self_: *mut Handle<$task>, error: *mut CError) -> i32 {
            // SAFETY: by this function's contract.
            let step = unsafe { Handle::get(self_) }.and_then(|task| stream::step(&mut task.0));
            report(error, step)
        }

        /// The label of the window.
        ///
        /// # Safety
        /// `self_` is null or the object's memory; `answer` null or room for one; `error` null or an error.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $answer(
            self_: *mut Handle<$task>,
            answer: *mut Label,
            error: *mut CError,
        ) -> i32 {
            // SAFETY: by this function's contract.
            let told = unsafe { Handle::get(self_) }
                .and_then(|task| unsafe { stream::answer(&task.0, answer) });
            report(error, told)
        }

        /// The logits of the window worked on last.
        ///
        /// # Safety
        /// `self_` is null or the object's memory; `outputs` and `n` null or room for a result; `error` null
        /// or an error.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $outputs(
            self_: *mut Handle<$task>,
            outputs: *mut *const i32,
            n: *mut usize,
            error: *mut CError,
        ) -> i32 {
            // SAFETY: by this function's contract.
            let told = unsafe { Handle::get(self_) }.and_then(|task| match task.0.outputs() {
                [] => Err(RunError::NoLogits.into()),
                // SAFETY: by this function's contract.
                found => unsafe { numbers(found, outputs, n) },
            });
            report(error, told)
        }
    };
}
pub(crate) use functions;
