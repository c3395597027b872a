//! Text in, text out with an encoder-decoder: translation, pronunciation.

use super::{NO_TOKENIZER, TaskError, TextStream, encode, text_room};
use crate::arena::ArenaParts;
use crate::error::RunError;
use crate::kernels::Native;
use crate::model::Model;
use crate::progress::Progress;
use crate::seq2seq::{Found, Seq2Seq};
use crate::target::Build;
use crate::tokenizer::{Token, Tokenizer};
use core::fmt::{Result as Written, Write};

/// An encoder-decoder with its tokenizer.
#[derive(Debug)]
pub struct Translator<'m, 'a, B: Build = Native> {
    engine: Seq2Seq<'m, 'a, B>,
    tokenizer: Tokenizer<'m>,
    tokens: &'a mut [Token],
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
    /// A translator of a chosen [`Build`]: its kernels and, if it names one, its only model.
    ///
    /// # Errors
    /// As [`Translator::new`].
    pub fn new_for(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
    ) -> Result<Self, RunError> {
        let tokenizer = model.tokenizer().ok_or(NO_TOKENIZER)?;
        let mut arena = arena.into();
        let tokens = text_room::<B>(model, &mut arena)?;
        Ok(Self { engine: Seq2Seq::new_for(model, arena)?, tokenizer, tokens })
    }

    /// The encoder-decoder, for its steps and its logits.
    pub fn engine(&mut self) -> &mut Seq2Seq<'m, 'a, B> {
        &mut self.engine
    }

    /// Takes a text as the source. Then call [`Seq2Seq::step`] until done, and
    /// [`Translator::write`].
    ///
    /// # Errors
    /// Those of the tokenizer (which names a character that the model does not know) and of the
    /// engine ([`RunError::EmptyInput`], [`RunError::TooLong`]). Nothing is guessed or cut. There is
    /// no target then, also not the one before.
    #[inline(never)]
    pub fn begin(&mut self, text: &str) -> Result<(), TaskError> {
        self.engine.abandon();
        Ok(self.engine.begin(encode::<B>(&self.tokenizer, text, self.tokens)?)?)
    }

    /// Writes the text of the best target once the steps are done.
    ///
    /// # Errors
    /// [`RunError::EmptyInput`] before a source has been run; [`TaskError::Write`] if `out` fails,
    /// which keeps the text written before.
    #[inline(never)]
    pub fn write(&mut self, out: &mut dyn Write) -> Result<Found, TaskError> {
        let found = self.engine.found().ok_or(RunError::EmptyInput)?;
        self.engine.tokens(self.tokens);
        let given = self.tokens.len();
        let Some(target) = self.tokens.get(..found.len) else {
            return Err(RunError::TooLong { needed: found.len, given }.into());
        };
        let mut out = AfterSpaces { out, begun: false };
        let mut stream = TextStream::new();
        for &token in target {
            stream.push(&self.tokenizer, token, &mut out)?;
        }
        stream.finish(&mut out)?;
        Ok(found)
    }

    /// Text in, text out: `begin`, all steps and `write`.
    ///
    /// # Errors
    /// As [`Translator::begin`] and [`Translator::write`].
    pub fn translate(&mut self, text: &str, out: &mut dyn Write) -> Result<Found, TaskError> {
        self.begin(text)?;
        while self.engine.step() == Progress::Working {}
        self.write(out)
    }
}

/// Drops the space at the beginning of the first piece.
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
