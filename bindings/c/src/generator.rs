//! `picoformer_generator`: a prompt, then text, token by token.

use crate::classifier::numbers;
use crate::code;
use crate::engine::Engine;
use crate::error::{CError, Error, report};
use crate::handle::{Handle, task};
use crate::text::{self, Out, Write, put};
use core::ffi::c_void;
use picoformer::task::{Event, Generator, Stop, TextStream};
use picoformer::{RunError, Sampling};

/// The task.
pub struct Task {
    generator: Generator<'static, 'static, Engine>,
    stream: TextStream,
    /// The token written last.
    token: u32,
}

/// `picoformer_sampling`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Drawing {
    temperature: u32,
    top_p: u32,
    top_k: u32,
    seed_low: u32,
    seed_high: u32,
}

task!(
    Task,
    3,
    picoformer_generator_bytes,
    picoformer_generator_open,
    |model, arena| {
        let sampling = match sampling.is_null() {
            true => Sampling::greedy(),
            // SAFETY: by the function's contract.
            false => read(sampling.read_unaligned())?,
        };
        let generator = Generator::new_for(model, arena, sampling)?;
        Ok::<_, Error>(Task { generator, stream: TextStream::new(), token: 0 })
    };
    sampling: *const Drawing,
    "`sampling` is null (greedy) or one."
);

fn read(d: Drawing) -> Result<Sampling, Error> {
    if d.top_p > 1 << 16 {
        return Err(Error::new(code::BAD_ARGUMENT)
            .about("top_p")
            .numbers(1 << 16, d.top_p as usize));
    }
    Ok(Sampling {
        temperature: d.temperature,
        top_k: d.top_k as usize,
        top_p: d.top_p,
        seed: u64::from(d.seed_low) | u64::from(d.seed_high) << 32,
    })
}

/// Takes a prompt.
///
/// # Safety
/// `self_` is null or a generator's memory; `text` as [`text::read`]; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_generator_begin(
    self_: *mut Handle<Task>,
    text: *const u8,
    bytes: usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let begun = unsafe { Handle::get(self_) }.and_then(|task| {
        // SAFETY: by this function's contract.
        let text = unsafe { text::read(text, bytes) };
        task.begin(text).map(|()| code::WORKING)
    });
    report(error, begun)
}

impl Task {
    fn begin(&mut self, text: Result<&str, Error>) -> Result<(), Error> {
        // What is no text leaves none, also not the one before.
        let begun = self.generator.begin(text.as_ref().copied().unwrap_or_default());
        let stream = begun.map(TextStream::after);
        text?;
        self.stream = stream?;
        Ok(())
    }

    /// A step; the text of a token is written.
    fn step(&mut self, out: &mut Out) -> Result<i32, Error> {
        let event = self.generator.step()?;
        let written = match event {
            Event::Working => return Ok(code::WORKING),
            Event::Token(token) => match self.generator.tokenizer() {
                Some(tokenizer) => {
                    self.token = token;
                    self.stream.push(tokenizer, token, out)
                }
                None => Ok(()),
            },
            Event::Stopped(_) => self.stream.finish(out),
        };
        Ok(match (written, event) {
            (Err(_), _) => code::CANCELLED,
            (_, Event::Stopped(Stop::EndOfSequence)) => code::ENDED,
            (_, Event::Stopped(Stop::ContextFull)) => code::FULL,
            _ => code::TOKEN,
        })
    }
}

/// One piece of work.
///
/// # Safety
/// `self_` is null or a generator's memory; `write` null or a function that takes `context`; `error` null
/// or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_generator_step(
    self_: *mut Handle<Task>,
    write: Option<Write>,
    context: *mut c_void,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let step = unsafe { Handle::lend(self_, |task| task.step(&mut Out::new(write, context)?)) };
    report(error, step)
}

/// One piece of feeding the token written last.
///
/// # Safety
/// `self_` is null or a generator's memory; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_generator_settle(
    self_: *mut Handle<Task>,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let settled = unsafe { Handle::get(self_) }
        .and_then(|task| Ok(if task.generator.settle()? { code::WORKING } else { code::OK }));
    report(error, settled)
}

/// Says how many tokens will be taken of a text at most.
///
/// # Safety
/// `self_` is null or a generator's memory; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_generator_set_limit(
    self_: *mut Handle<Task>,
    tokens: u32,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let set = unsafe { Handle::get(self_) }.map(|task| {
        task.generator.set_limit(tokens as usize);
        code::OK
    });
    report(error, set)
}

/// The token written last.
///
/// # Safety
/// `self_` is null or a generator's memory; `token` null or room for a token; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_generator_token(
    self_: *mut Handle<Task>,
    token: *mut u32,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told = unsafe { Handle::get(self_) }.and_then(|task| {
        // SAFETY: by this function's contract.
        unsafe { put(token, task.token) }.map(|()| code::OK)
    });
    report(error, told)
}

/// The logits that the next token is drawn from.
///
/// # Safety
/// `self_` is null or a generator's memory; `logits` and `n` null or room for a result; `error` null or an
/// error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_generator_logits(
    self_: *mut Handle<Task>,
    logits: *mut *const i32,
    n: *mut usize,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let told =
        unsafe { Handle::get(self_) }.and_then(|task| match task.generator.decoder().logits() {
            [] => Err(RunError::NoLogits.into()),
            // SAFETY: by this function's contract.
            found => unsafe { numbers(found, logits, n) },
        });
    report(error, told)
}

/// A prompt in, text out.
///
/// # Safety
/// `self_` is null or a generator's memory; `text` as [`text::read`]; `write` null or a function that takes
/// `context`; `error` null or an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_generate(
    self_: *mut Handle<Task>,
    text: *const u8,
    bytes: usize,
    max_tokens: u32,
    write: Option<Write>,
    context: *mut c_void,
    error: *mut CError,
) -> i32 {
    // SAFETY: by this function's contract.
    let written = unsafe {
        Handle::lend(self_, |task| {
            let mut out = Out::new(write, context)?;
            task.begin(text::read(text, bytes))?;
            task.generator.set_limit(max_tokens as usize);
            let mut left = max_tokens;
            while left > 0 {
                match task.step(&mut out)? {
                    code::WORKING => {}
                    code::TOKEN => left -= 1,
                    end => return Ok(end),
                }
            }
            let finished = task.stream.finish(&mut out);
            Ok(if finished.is_ok() { code::LIMIT } else { code::CANCELLED })
        })
    };
    report(error, written)
}
