//! Work without the interpreter's lock, that a signal can end and whose panics are ordinary exceptions.

use crate::failure::{Failure, words};
use pyo3::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long a signal may wait, if a step is not longer: asking takes the interpreter's lock.
const PATIENCE: Duration = Duration::from_millis(20);

/// Asks for signals between steps.
pub struct Signals(Instant);

impl Signals {
    fn new() -> Self {
        Self(Instant::now())
    }

    /// To be called after each step.
    ///
    /// # Errors
    /// What a handler raised: `KeyboardInterrupt` at Ctrl-C.
    pub fn check(&mut self) -> Result<(), Failure> {
        if self.0.elapsed() < PATIENCE {
            return Ok(());
        }
        self.0 = Instant::now();
        Python::attach(|py| py.check_signals()).map_err(Failure::Raised)
    }
}

/// Does work without the interpreter's lock.
///
/// # Errors
/// Those of the work; `RuntimeError` if it panics.
pub fn detached<T: Send>(
    py: Python,
    work: impl FnOnce(&mut Signals) -> Result<T, Failure> + Send,
) -> PyResult<T> {
    Ok(py.detach(|| caught(|| work(&mut Signals::new())))?)
}

/// Does work that has no steps: in a thread of its own, which nobody waits for any longer once a signal came. It
/// then ends at its next `check`, or by itself.
///
/// # Errors
/// As [`detached`].
pub fn aside<T: Send + 'static>(
    py: Python,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> PyResult<T> {
    detached(py, move |signals| {
        let (done, wait) = channel();
        let thread = std::thread::Builder::new().name("picoformer".into());
        let started = thread.spawn(move || {
            // Nobody may be there to take it.
            let _ = done.send(caught(work));
        });
        started.map_err(|error| Failure::Panic(error.to_string()))?;
        loop {
            match wait.recv_timeout(PATIENCE) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => signals.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::Panic("the thread ended without an answer".into()));
                }
            }
        }
    })
}

/// A panic as an error.
fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // What was lent to the work is not used again after a panic.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Failure::Panic(words(&*panic))))
}
