//! Tokens and texts in buffers of known capacity (feature `heapless`): no allocation, and no slice to be
//! lent for every call. What does not fit is an error, never cut off.

use super::{Answer, Classifier, Generator, TaskError};
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
        // Always possible: it is the capacity.
        let _ = tokens.resize_default(N);
        let n = self.encode(text, &mut tokens)?;
        tokens.truncate(n);
        Ok(tokens)
    }
}

impl<'m, B: Build> Classifier<'m, '_, B> {
    /// As [`Classifier::classify`], for texts of at most `N` tokens.
    ///
    /// # Errors
    /// As [`Classifier::classify`].
    pub fn classify_sized<const N: usize>(&mut self, text: &str) -> Result<Answer<'m>, TaskError> {
        self.classify(text, &mut [0; N])
    }

    /// As [`Classifier::tag`]: token and label index of each of at most `N` tokens, specials included.
    ///
    /// # Errors
    /// As [`Classifier::tag`].
    pub fn tags<const N: usize>(
        &mut self,
        text: &str,
    ) -> Result<heapless::Vec<(Token, usize), N>, TaskError> {
        let mut labels = heapless::Vec::new();
        self.tag(text, &mut [0; N], |token, label, _| {
            // There are at most N tokens.
            let _ = labels.push((token, label));
        })?;
        Ok(labels)
    }
}

impl<B: Build> Generator<'_, '_, B> {
    /// As [`Generator::generate`], from a prompt of at most `TOKENS` tokens into a text of its own of at
    /// most `BYTES` bytes.
    ///
    /// # Errors
    /// As [`Generator::generate`]; [`TaskError::Write`] for a text beyond `BYTES`.
    pub fn text<const TOKENS: usize, const BYTES: usize>(
        &mut self,
        prompt: &str,
        max_tokens: usize,
    ) -> Result<Text<BYTES>, TaskError> {
        let mut text = Text::new();
        self.generate(prompt, &mut [0; TOKENS], max_tokens, &mut text)?;
        Ok(text)
    }
}
