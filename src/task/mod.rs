//! Text in, answer out: a model, its tokenizer and its RAM as one thing.

mod classify;
mod generate;
mod text;
mod translate;

pub use classify::{Answer, Classifier};
pub use generate::{Event, Generator, Stop};
pub use text::TextStream;
pub use translate::Translator;

use crate::error::RunError;
use crate::tokenizer::EncodeError;

/// Why a text cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TaskError {
    /// The text cannot be encoded.
    Encode(EncodeError),
    /// The engine refuses the model or the tokens.
    Run(RunError),
}

impl core::fmt::Display for TaskError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Encode(error) => error.fmt(f),
            Self::Run(error) => error.fmt(f),
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

/// What a model without tokenizer is told.
const NO_TOKENIZER: RunError = RunError::WrongModel { needed: "a model with a tokenizer" };
