//! Answers as values of fixed capacity (feature `heapless`). An answer that does not fit is an
//! error, and is never cut off.

use super::{Classifier, Generator, TaskError, Translator};
use crate::target::Build;
use crate::tokenizer::{EncodeError, Token, Tokenizer};

/// At most `N` tokens.
pub type Tokens<const N: usize> = heapless::Vec<Token, N>;
/// A text of at most `N` bytes.
pub type Text<const N: usize> = heapless::String<N>;

impl Tokenizer<'_> {
    /// As [`Tokenizer::encode`], into a buffer of its own.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] beyond `N` tokens, [`EncodeError::UnknownCharacter`].
    pub fn tokens<const N: usize>(&self, text: &str) -> Result<Tokens<N>, EncodeError> {
        let mut tokens = Tokens::new();
        // Cannot fail: `N` is the capacity.
        let _ = tokens.resize_default(N);
        let n = self.encode(text, &mut tokens)?;
        tokens.truncate(n);
        Ok(tokens)
    }
}

impl<B: Build> Classifier<'_, '_, B> {
    /// As [`Classifier::tag`]: each token with its label index, special tokens included.
    ///
    /// # Errors
    /// As [`Classifier::tag`]; [`EncodeError::TooLong`] for a text of more than `N` tokens.
    pub fn tags<const N: usize>(
        &mut self,
        text: &str,
    ) -> Result<heapless::Vec<(Token, usize), N>, TaskError> {
        let (mut labels, mut needed) = (heapless::Vec::new(), 0);
        self.tag(text, |token, label, _| {
            needed += 1;
            // Labels beyond the capacity are counted, and refused below.
            let _ = labels.push((token, label));
        })?;
        if needed > N {
            return Err(EncodeError::TooLong { needed, given: N }.into());
        }
        Ok(labels)
    }
}

impl<B: Build> Generator<'_, '_, B> {
    /// As [`Generator::generate`], into a text of its own; of whether the text is complete within
    /// `max_tokens`, only `generate` tells.
    ///
    /// # Errors
    /// As [`Generator::generate`]; [`TaskError::Write`] for a text of more than `N` bytes.
    pub fn text<const N: usize>(
        &mut self,
        prompt: &str,
        max_tokens: usize,
    ) -> Result<Text<N>, TaskError> {
        let mut text = Text::new();
        self.generate(prompt, max_tokens, &mut text)?;
        Ok(text)
    }
}

impl<B: Build> Translator<'_, '_, B> {
    /// As [`Translator::translate`], into a text of its own.
    ///
    /// # Errors
    /// As [`Translator::translate`]; [`TaskError::Write`] for a text of more than `N` bytes,
    /// [`TaskError::Incomplete`] for one that is cut at the engine's limit.
    pub fn text<const N: usize>(&mut self, source: &str) -> Result<Text<N>, TaskError> {
        let mut text = Text::new();
        match self.translate(source, &mut text)?.complete {
            true => Ok(text),
            false => Err(TaskError::Incomplete),
        }
    }
}
