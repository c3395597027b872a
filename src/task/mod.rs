//! Text or samples in, answer out: a model with its tokenizer or its front end, and its RAM.
//!
//! The tokens of a text lie in the arena's part [`tokens`](crate::ArenaSize::tokens), which has
//! room for a whole context. For longer words, or to keep the tokens elsewhere, pass another
//! buffer: `ArenaParts { tokens: &mut mine, ..ram.parts() }`. Token ids instead of a text go to the
//! engine itself: [`Classifier::encoder`], [`Generator::prompt_ids`], [`Translator::engine`].

mod classify;
mod entities;
mod generate;
#[cfg(feature = "heapless")]
mod sized;
mod stream;
mod text;
mod translate;

pub use classify::{Answer, Classifier};
pub use entities::{Entity, Word};
pub use generate::{Event, Generator, Stop};
#[cfg(feature = "heapless")]
pub use sized::{Text, Tokens};
pub use stream::{Detection, Listener, MotionClassifier, Stream};
pub use text::TextStream;
pub use translate::Translator;

use crate::arena::ArenaParts;
use crate::error::RunError;
use crate::model::Model;
use crate::target::{self, Build};
use crate::tokenizer::{EncodeError, Token, Tokenizer};

/// Why a text cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TaskError {
    /// The text cannot be encoded.
    Encode(EncodeError),
    /// The engine refuses the model or the tokens.
    Run(RunError),
    /// The text of the answer cannot be written: the buffer is full, or the device reports an
    /// error.
    Write,
    /// The answer is cut at the limit of its length, where the model has not ended it; only for
    /// answers that cannot say so themselves.
    Incomplete,
}

impl core::fmt::Display for TaskError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Encode(error) => error.fmt(f),
            Self::Run(error) => error.fmt(f),
            Self::Write => f.write_str("the text cannot be written: its buffer is full"),
            Self::Incomplete => f.write_str("the answer is longer than its limit"),
        }
    }
}

impl core::error::Error for TaskError {}

impl From<EncodeError> for TaskError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<RunError> for TaskError {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl From<core::fmt::Error> for TaskError {
    fn from(_: core::fmt::Error) -> Self {
        Self::Write
    }
}

/// Takes the buffer for the tokens of a text out of an arena.
fn text_room<'a, B: Build>(
    model: &Model,
    arena: &mut ArenaParts<'a>,
) -> Result<&'a mut [Token], RunError> {
    let needed = target::lengths::<B>(target::config::<B>(model.config())).arena.tokens;
    let tokens = core::mem::take(&mut arena.tokens);
    match tokens.len() {
        given if given < needed => Err(RunError::ArenaTooSmall { part: "tokens", needed, given }),
        _ => Ok(tokens),
    }
}

/// The tokens of a text. A text without tokens is an error: no answer to it would mean anything.
fn encode<'t, B: Build>(
    tokenizer: &Tokenizer,
    text: &str,
    tokens: &'t mut [Token],
) -> Result<&'t [Token], TaskError> {
    let n = tokenizer.encode_by(target::tokenizer::<B>(tokenizer), text, tokens)?;
    if n <= tokenizer.specials() {
        return Err(RunError::EmptyInput.into());
    }
    Ok(tokens.get(..n).unwrap_or_default())
}

/// The error for a model without a tokenizer.
const NO_TOKENIZER: RunError = RunError::WrongModel { needed: "a model with a tokenizer" };
