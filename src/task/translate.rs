//! Text in, text out, by an encoder-decoder: translation, pronunciation.

use super::{NO_TOKENIZER, TaskError, TextStream};
use crate::arena::ArenaParts;
use crate::error::RunError;
use crate::kernels::Native;
use crate::model::Model;
use crate::seq2seq::{Found, Seq2Seq};
use crate::target::Build;
use crate::tokenizer::{Token, Tokenizer};
use core::fmt::{Result as Written, Write};

/// An encoder-decoder with its tokenizer.
#[derive(Debug)]
pub struct Translator<'m, 'a, B: Build = Native> {
    engine: Seq2Seq<'m, 'a, B>,
    tokenizer: Tokenizer<'m>,
}

impl<'m, 'a> Translator<'m, 'a> {
    /// A translator on the kernels that this crate was built with.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] (also without a tokenizer), [`RunError::ArenaTooSmall`].
    pub fn new(model: &'m Model<'m>, arena: impl Into<ArenaParts<'a>>) -> Result<Self, RunError> {
        Self::new_for(model, arena)
    }
}

impl<'m, 'a, B: Build> Translator<'m, 'a, B> {
    /// A translator of another build: its kernels, the model that it is for.
    ///
    /// # Errors
    /// As [`Translator::new`].
    pub fn new_for(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
    ) -> Result<Self, RunError> {
        let tokenizer = model.tokenizer().ok_or(NO_TOKENIZER)?;
        Ok(Self { engine: Seq2Seq::new_for(model, arena)?, tokenizer })
    }

    /// The encoder-decoder: its steps, its logits.
    pub fn engine(&mut self) -> &mut Seq2Seq<'m, 'a, B> {
        &mut self.engine
    }

    /// Takes a text, encoded into `tokens`, as the source. Then [`Seq2Seq::step`] until done, and
    /// [`Translator::write`].
    ///
    /// # Errors
    /// The tokenizer's (a character that the model does not know, by name) and the engine's
    /// ([`RunError::EmptyInput`], [`RunError::TooLong`]). Nothing is guessed or cut.
    #[inline(never)]
    pub fn begin(&mut self, text: &str, tokens: &mut [Token]) -> Result<(), TaskError> {
        if text.is_empty() {
            return Err(RunError::EmptyInput.into());
        }
        let n = self.tokenizer.encode(text, tokens)?;
        Ok(self.engine.begin(tokens.get(..n).unwrap_or_default())?)
    }

    /// Writes the text of the best target once the steps are done, its tokens into `tokens`.
    ///
    /// # Errors
    /// [`RunError::EmptyInput`] before a source was run, [`RunError::TooLong`] when the target does not
    /// fit `tokens`; [`TaskError::Write`] when `out` takes no more, what it took before stays.
    #[inline(never)]
    pub fn write(&mut self, tokens: &mut [Token], out: &mut dyn Write) -> Result<Found, TaskError> {
        let found = self.engine.found().ok_or(RunError::EmptyInput)?;
        self.engine.tokens(tokens);
        let Some(target) = tokens.get(..found.len) else {
            return Err(RunError::TooLong { needed: found.len, given: tokens.len() }.into());
        };
        let mut out = AfterSpaces { out, begun: false };
        let mut stream = TextStream::new();
        for &token in target {
            stream.push(&self.tokenizer, token, &mut out)?;
        }
        stream.finish(&mut out)?;
        Ok(found)
    }

    /// Text in, text out: `begin`, all steps, `write`. `tokens` is room for the encoded text and for the
    /// answer's tokens, whichever are more.
    ///
    /// # Errors
    /// As [`Translator::begin`] and [`Translator::write`].
    pub fn translate(
        &mut self,
        text: &str,
        tokens: &mut [Token],
        out: &mut dyn Write,
    ) -> Result<Found, TaskError> {
        self.begin(text, tokens)?;
        while self.engine.step() == crate::decoder::Progress::Working {}
        self.write(tokens, out)
    }
}

/// Drops the space that the first piece begins with.
struct AfterSpaces<'w> {
    out: &'w mut dyn Write,
    begun: bool,
}

impl Write for AfterSpaces<'_> {
    fn write_str(&mut self, text: &str) -> Written {
        let text = if self.begun { text } else { text.trim_start_matches(' ') };
        self.begun |= !text.is_empty();
        self.out.write_str(text)
    }
}
