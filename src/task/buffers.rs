//! Tokens and text in buffers of known capacity (feature `heapless`): no buffer to lend, no allocation.

use super::{Answer, Classifier, Generator, Stop, TaskError};
use crate::kernels::Kernels;
use crate::tokenizer::{EncodeError, Token, Tokenizer};
use heapless::{String, Vec};

impl Tokenizer<'_> {
    /// As [`Tokenizer::encode`] into a vector of at most `N` tokens.
    ///
    /// # Errors
    /// [`EncodeError`].
    ///
    /// ```
    /// # use picoformer::tokenizer::{EncodeError, Tokenizer};
    /// # fn tokens(tokenizer: &Tokenizer) -> Result<(), EncodeError> {
    /// let tokens = tokenizer.encode_vec::<64>("turn the lights on")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn encode_vec<const N: usize>(&self, text: &str) -> Result<Vec<Token, N>, EncodeError> {
        let mut tokens = Vec::from_array([0; N]);
        let n = self.encode(text, &mut tokens)?;
        tokens.truncate(n);
        Ok(tokens)
    }
}

impl<'m, K: Kernels> Classifier<'m, '_, K> {
    /// As [`Classifier::classify`] for a text of at most `N` tokens.
    ///
    /// # Errors
    /// As [`Classifier::outputs`].
    pub fn classify_text<const N: usize>(&mut self, text: &str) -> Result<Answer<'m>, TaskError> {
        self.classify(text, &mut [0; N])
    }

    /// As [`Classifier::tag`]: the label of each of at most `N` tokens, specials included.
    ///
    /// # Errors
    /// As [`Classifier::tag`].
    pub fn tag_text<const N: usize>(
        &mut self,
        text: &str,
    ) -> Result<Vec<(Token, usize), N>, TaskError> {
        let mut labels = Vec::new();
        self.tag(text, &mut [0; N], |token, label, _| {
            // There are at most N tokens.
            let _ = labels.push((token, label));
        })?;
        Ok(labels)
    }
}

impl<K: Kernels> Generator<'_, '_, K> {
    /// As [`Generator::generate`], with a prompt of at most `TOKENS` tokens and a text of at most `BYTES`
    /// bytes; a text that would be longer ends with [`Stop::OutputFull`].
    ///
    /// # Errors
    /// As [`Generator::prompt`].
    pub fn generate_text<const TOKENS: usize, const BYTES: usize>(
        &mut self,
        prompt: &str,
        max_tokens: usize,
    ) -> Result<(String<BYTES>, Option<Stop>), TaskError> {
        let mut text = String::new();
        let stop = self.generate(prompt, &mut [0; TOKENS], max_tokens, &mut text)?;
        Ok((text, stop))
    }
}
