//! `picoformer_scorer`: the log-probability of a text.

use crate::code;
use crate::engine::Engine;
use crate::error::{CError, Error, report};
use crate::handle::{Handle, task};
use crate::text::{self, put};
use picoformer::probability::log_probability;
use picoformer::tokenizer::Tokenizer;
use picoformer::{ArenaParts, Decoder, Model, RunError};

/// The task.
pub struct Task {
    decoder: Decoder<'static, 'static, Engine>,
    tokenizer: Option<Tokenizer<'static>>,
    /// The tokens of the text, `n` of them; `fed` of them were fed or are in flight.
    tokens: &'static mut [u32],
    n: usize,
    fed: usize,
    total: i64,
}

task!(Task, 6, picoformer_scorer_bytes, picoformer_scorer_open, Task::new);

/// Takes a text.
///
/// # Safety
/// `self_` is null or a scorer's memory; `text` as [`text::read`]; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_scorer_begin(
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
    fn new(model: &'static Model<'static>, mut arena: ArenaParts<'static>) -> Result<Self, Error> {
        let tokens = core::mem::take(&mut arena.tokens);
        let decoder = Decoder::new_for(model, arena)?;
        Ok(Self { decoder, tokenizer: model.tokenizer(), tokens, n: 0, fed: 0, total: 0 })
    }

    fn begin(&mut self, text: Result<&str, Error>) -> Result<(), Error> {
        (self.n, self.fed, self.total) = (0, 0, 0);
        self.decoder.reset();
        let needed = "a model with a tokenizer";
        let tokenizer = self.tokenizer.ok_or(RunError::WrongModel { needed })?;
        let n = tokenizer.encode(text?, self.tokens)?;
        let given = self.decoder.remaining();
        match n {
            n if n <= tokenizer.specials() => return Err(RunError::EmptyInput.into()),
            needed if needed > given => return Err(RunError::TooLong { needed, given }.into()),
            _ => self.n = n,
        }
        Ok(())
    }

    /// A layer of the token in flight, or the next token.
    fn step(&mut self) -> Result<i32, Error> {
        if self.n == 0 {
            return Err(RunError::EmptyInput.into());
        }
        if self.decoder.in_flight() {
            self.decoder.step();
            return Ok(code::WORKING);
        }
        if self.fed >= self.n {
            return Ok(code::OK);
        }
        let Some(&token) = self.tokens.get(self.fed) else { return Ok(code::OK) };
        if self.fed > 0 {
            self.total += i64::from(log_probability(self.decoder.logits(), token as usize));
        }
        self.fed += 1;
        if self.fed == self.n {
            return Ok(code::OK); // the last one predicts nothing that counts
        }
        self.decoder.begin(&[token])?;
        Ok(code::WORKING)
    }
}

/// One piece of work.
///
/// # Safety
/// `self_` is null or a scorer's memory; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_scorer_step(
    self_: *mut Handle<Task>,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let step = unsafe { Handle::get(self_) }.and_then(Task::step);
    report(error, step)
}

/// The log-probability of the text, and how many tokens it has.
///
/// # Safety
/// `self_` is null or a scorer's memory; `log_probability` and `tokens` null or room for a result; `error`
/// null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_scorer_result(
    self_: *mut Handle<Task>,
    log_probability: *mut i64,
    tokens: *mut usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told = unsafe { Handle::get(self_) }.and_then(|task| {
        if task.n == 0 {
            return Err(RunError::EmptyInput.into());
        }
        if task.fed < task.n {
            return Err(RunError::InFlight.into());
        }
        // SAFETY: by this function's contract.
        unsafe {
            put(log_probability, task.total)?;
            put(tokens, task.n)?;
        }
        Ok(code::OK)
    });
    report(error, told)
}

/// A text in, its log-probability out, in tiles of rows: the same number as by steps, in less work.
///
/// # Safety
/// As [`picoformer_scorer_begin`] and [`picoformer_scorer_result`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_score(
    self_: *mut Handle<Task>,
    text: *const u8,
    bytes: usize,
    log_probability: *mut i64,
    tokens: *mut usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let scored = unsafe { Handle::get(self_) }.and_then(|task| {
        // SAFETY: by this function's contract.
        task.begin(unsafe { text::read(text, bytes) })?;
        let n = core::mem::take(&mut task.n);
        task.total = task.decoder.score(task.tokens.get(..n).unwrap_or_default(), |_, _| {})?;
        (task.n, task.fed) = (n, n);
        // SAFETY: by this function's contract.
        unsafe {
            put(log_probability, task.total)?;
            put(tokens, n)?;
        }
        Ok(code::OK)
    });
    report(error, scored)
}
