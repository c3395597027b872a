//! Classification, tags and embeddings of a text.

use super::{NO_TOKENIZER, TaskError, encode};
use crate::arena::ArenaParts;
use crate::encoder::Encoder;
use crate::error::RunError;
use crate::kernels::Native;
use crate::model::Model;
use crate::probability::log_probability;
use crate::sampler::greedy;
use crate::target::Build;
use crate::tokenizer::{Token, Tokenizer};

/// The likeliest label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Answer<'m> {
    /// Its index.
    pub label: usize,
    /// Its name; empty if the model has none.
    pub name: &'m str,
    /// Its probability's natural logarithm, Q15.16; `probability` (feature `libm`) gives a float.
    pub log_probability: i32,
}

impl Answer<'_> {
    /// The probability, for display.
    #[cfg(feature = "libm")]
    pub fn probability(&self) -> f32 {
        libm::expf(self.log_probability as f32 / 65536.0)
    }
}

/// An encoder with its tokenizer.
#[derive(Debug)]
pub struct Classifier<'m, 'a, B: Build = Native> {
    encoder: Encoder<'m, 'a, B>,
    model: &'m Model<'m>,
    tokenizer: Tokenizer<'m>,
}

impl<'m, 'a> Classifier<'m, 'a> {
    /// A classifier on the kernels that this crate was built with.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] (also without a tokenizer), [`RunError::ArenaTooSmall`].
    pub fn new(model: &'m Model<'m>, arena: impl Into<ArenaParts<'a>>) -> Result<Self, RunError> {
        Self::new_for(model, arena)
    }
}

impl<'m, 'a, B: Build> Classifier<'m, 'a, B> {
    /// A classifier of another build: its kernels, the model that it is for.
    ///
    /// # Errors
    /// As [`Classifier::new`].
    pub fn new_for(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
    ) -> Result<Self, RunError> {
        let tokenizer = model.tokenizer().ok_or(NO_TOKENIZER)?;
        Ok(Self { encoder: Encoder::new_for(model, arena)?, model, tokenizer })
    }

    /// The encoder: its steps, its hidden rows.
    pub fn encoder(&mut self) -> &mut Encoder<'m, 'a, B> {
        &mut self.encoder
    }

    /// The outputs for a text: logits in Q15.16, or an embedding of length one in Q1.30. `tokens` is
    /// room for the encoded text; longer texts than that or than the context are an error, and so is an
    /// empty one.
    ///
    /// # Errors
    /// The tokenizer's and the encoder's.
    pub fn outputs(&mut self, text: &str, tokens: &mut [Token]) -> Result<&[i32], TaskError> {
        Ok(self.encoder.run(encode::<B>(&self.tokenizer, text, tokens)?)?)
    }

    /// The likeliest label of a text.
    ///
    /// # Errors
    /// As [`Classifier::outputs`].
    pub fn classify(&mut self, text: &str, tokens: &mut [Token]) -> Result<Answer<'m>, TaskError> {
        let model = self.model;
        let logits = self.outputs(text, tokens)?;
        let label = greedy(logits) as usize;
        let name = model.label(label).unwrap_or("");
        Ok(Answer { label, name, log_probability: log_probability(logits, label) })
    }

    /// Labels every token of a text: `each(token, label index, label name)`, specials included.
    ///
    /// # Errors
    /// As [`Classifier::outputs`]; [`RunError::WrongModel`] without per-token labels.
    pub fn tag(
        &mut self,
        text: &str,
        tokens: &mut [Token],
        mut each: impl FnMut(Token, usize, &'m str),
    ) -> Result<(), TaskError> {
        let tokens = encode::<B>(&self.tokenizer, text, tokens)?;
        self.encoder.run(tokens)?;
        for (row, &token) in tokens.iter().enumerate() {
            let label = greedy(self.encoder.label_logits(row)?) as usize;
            each(token, label, self.model.label(label).unwrap_or(""));
        }
        Ok(())
    }
}
