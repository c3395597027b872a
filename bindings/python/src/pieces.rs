//! The text that a model writes, piece by piece.

use crate::blob::Parsed;
use crate::failure::Failure;
use crate::question::feed;
use crate::work::{Signals, detached};
use picoformer::task::{Event, Generator, Stop, TextStream};
use picoformer::{Decoder, RunError, Sampling, Tokenizer};
use picoformer_convert::host::HeapArena;
use pyo3::prelude::*;
use self_cell::{MutBorrow, self_cell};
use std::sync::{Arc, Mutex, PoisonError};

struct Memory {
    blob: Arc<Parsed>,
    arena: MutBorrow<HeapArena>,
}

self_cell!(
    /// A generator with the memory that it borrows.
    struct Writer {
        owner: Memory,
        #[covariant]
        dependent: Borrowed,
    }
);

type Borrowed<'a> = Generator<'a, 'a>;

struct State {
    writer: Writer,
    stream: TextStream,
    left: usize,
    ids: Vec<u32>,
    stop: Option<&'static str>,
}

/// An iterator of pieces. What was given so far is never taken back.
#[pyclass(module = "picoformer._native", frozen)]
pub struct Pieces(Mutex<State>);

impl Pieces {
    /// Feeds a prompt.
    ///
    /// # Errors
    /// The engine's.
    pub fn begin(
        blob: Arc<Parsed>,
        ids: &[u32],
        sampling: Sampling,
        most: Option<usize>,
        signals: &mut Signals,
    ) -> Result<Self, Failure> {
        let model = blob.model();
        let most = most.unwrap_or(model.config().context);
        let arena = MutBorrow::new(HeapArena::try_new(model.arena())?);
        let memory = Memory { blob: blob.clone(), arena };
        let mut writer = Writer::try_new(memory, |memory| {
            let (model, mut parts) = (memory.blob.model(), memory.arena.borrow_mut().parts());
            let past = std::mem::take(&mut parts.tokens);
            let mut decoder = Decoder::new(model, parts)?;
            feed(&mut decoder, ids, signals)?;
            // Rules may look back on the prompt.
            match past.get_mut(..ids.len()) {
                Some(begin) => begin.copy_from_slice(ids),
                None if model.rules().look_back() => {
                    let (needed, given) = (ids.len(), past.len());
                    return Err(RunError::ArenaTooSmall { part: "tokens", needed, given }.into());
                }
                None => {}
            }
            Ok::<_, Failure>(Generator::from_decoder(decoder, past, sampling))
        })?;
        writer.with_dependent_mut(|_, generator| generator.set_limit(most));
        let stream = TextStream::after(ids);
        let state = State { writer, stream, left: most, ids: Vec::new(), stop: None };
        Ok(Self(Mutex::new(state)))
    }
}

impl State {
    fn event(&mut self, signals: &mut Signals) -> Result<Event, Failure> {
        loop {
            let event = self.writer.with_dependent_mut(|_, generator| generator.step())?;
            if event != Event::Working {
                return Ok(event);
            }
            signals.check()?;
        }
    }

    /// The next characters that are whole; none if the text has ended.
    fn next(&mut self, signals: &mut Signals) -> Result<Option<String>, Failure> {
        let blob = self.writer.borrow_owner().blob.clone();
        let tokenizer: Option<Tokenizer> = blob.model().tokenizer();
        let mut text = String::new();
        while self.stop.is_none() && text.is_empty() {
            let stop = match self.left {
                0 => Some("max_tokens"),
                _ => match self.event(signals)? {
                    Event::Token(token) => {
                        self.left -= 1;
                        self.ids.push(token);
                        match &tokenizer {
                            // A String takes everything.
                            Some(tokenizer) => {
                                let _ = self.stream.push(tokenizer, token, &mut text);
                            }
                            None => text = format!("{token} "),
                        }
                        None
                    }
                    Event::Stopped(Stop::EndOfSequence) => Some("end_of_sequence"),
                    Event::Stopped(Stop::ContextFull) => Some("context_full"),
                    Event::Working => None,
                },
            };
            if stop.is_some() {
                self.stop = stop;
                let _ = self.stream.finish(&mut text);
            }
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}

#[pymethods]
impl Pieces {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<String>> {
        detached(py, |signals| self.state().next(signals))
    }

    /// The tokens so far.
    #[getter]
    fn ids(&self, py: Python<'_>) -> Vec<u32> {
        py.detach(|| self.state().ids.clone())
    }

    /// Why the text ended.
    #[getter]
    fn stop(&self, py: Python<'_>) -> Option<&'static str> {
        py.detach(|| self.state().stop)
    }
}

impl Pieces {
    /// Waits for another thread's piece; the interpreter's lock must not be held.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
