//! Why a command did not do what it was asked for.

use core::fmt;

use picoformer::RunError;
use picoformer::task::TaskError;
use picoformer::tokenizer::{Token, Tokenizer};

/// Why a command failed.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// The text cannot be answered.
    Task(TaskError),
    /// Ctrl-C was pressed.
    Interrupted,
    /// The command needs something behind it.
    Usage(&'static str),
    /// The command's model is not in this image.
    Absent(&'static str),
    /// Another result than the host's.
    Differs,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(error) => error.fmt(f),
            Self::Interrupted => f.write_str("interrupted by Ctrl-C"),
            Self::Usage(usage) => write!(f, "usage: {usage}"),
            Self::Absent(usage) => write!(f, "the model for `{usage}` is not in this image"),
            Self::Differs => f.write_str("this board does not compute what the host does"),
        }
    }
}

impl<E: Into<TaskError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Task(error.into())
    }
}

/// The tokens of a text. A text without tokens is an error: no answer to it would mean anything.
pub fn encode<'t>(
    tokenizer: &Tokenizer,
    text: &str,
    tokens: &'t mut [Token],
) -> Result<&'t [Token], Trouble> {
    let n = tokenizer.encode(text, tokens)?;
    match tokens.get(..n) {
        Some(tokens) if n > tokenizer.specials() => Ok(tokens),
        _ => Err(RunError::EmptyInput.into()),
    }
}
