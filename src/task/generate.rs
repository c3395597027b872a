//! Text generation: a prompt, then token after token.

use super::{NO_TOKENIZER, TaskError, TextStream, encode, text_room};
use crate::arena::ArenaParts;
use crate::decoder::Decoder;
use crate::error::RunError;
use crate::kernels::Native;
use crate::model::Model;
use crate::sampler::{Sampler, Sampling};
use crate::target::Build;
use crate::tokenizer::{Token, Tokenizer};

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Stop {
    /// The model generated the end token.
    EndOfSequence,
    /// The context has no position left.
    ContextFull,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// More steps are needed for the next token.
    Working,
    /// The next token.
    Token(Token),
    /// The text is complete; every further step returns this again.
    Stopped(Stop),
}

/// A decoder with its tokenizer and sampler.
#[derive(Debug)]
pub struct Generator<'m, 'a, B: Build = Native> {
    decoder: Decoder<'m, 'a, B>,
    tokenizer: Option<Tokenizer<'m>>,
    tokens: &'a mut [Token],
    sampler: Sampler,
    stopped: Option<Stop>,
    /// The token sampled last, not yet fed to the decoder.
    pending: Option<Token>,
}

impl<'m, 'a> Generator<'m, 'a> {
    /// A generator on the kernels that this crate was built with.
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::UnsupportedPacking`], [`RunError::ArenaTooSmall`].
    pub fn new(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
        sampling: Sampling,
    ) -> Result<Self, RunError> {
        Self::new_for(model, arena, sampling)
    }
}

impl<'m, 'a, B: Build> Generator<'m, 'a, B> {
    /// A generator of a chosen [`Build`]: its kernels and, if it names one, its only model.
    ///
    /// # Errors
    /// As [`Generator::new`].
    pub fn new_for(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
        sampling: Sampling,
    ) -> Result<Self, RunError> {
        let mut arena = arena.into();
        let tokens = match model.tokenizer() {
            Some(_) => text_room::<B>(model, &mut arena)?,
            None => &mut [], // takes and returns ids
        };
        Ok(Self::from_decoder(Decoder::new_for(model, arena)?, tokens, sampling))
    }

    /// A generator on a decoder that may have been fed already; `tokens` is the buffer for the
    /// tokens of a prompt.
    pub fn from_decoder(
        decoder: Decoder<'m, 'a, B>,
        tokens: &'a mut [Token],
        sampling: Sampling,
    ) -> Self {
        let tokenizer = decoder.model().tokenizer();
        let sampler = Sampler::new(sampling);
        Self { decoder, tokenizer, tokens, sampler, stopped: None, pending: None }
    }

    /// The decoder, for its logits.
    pub fn decoder(&self) -> &Decoder<'m, 'a, B> {
        &self.decoder
    }

    /// The tokenizer, if the model has one.
    pub fn tokenizer(&self) -> Option<&Tokenizer<'m>> {
        self.tokenizer.as_ref()
    }

    /// Starts a new text with a prompt; returns its tokens. To start without a prompt, pass only
    /// the begin token to [`Generator::prompt_ids`]. The decoder's [prefix](Decoder::set_prefix)
    /// stays.
    ///
    /// # Errors
    /// There is no text then, also not the one before.
    /// Those of the tokenizer and of the decoder ([`RunError::TooLong`] and so on);
    /// [`RunError::EmptyInput`] for an empty text, [`RunError::WrongModel`] without a tokenizer.
    pub fn prompt(&mut self, text: &str) -> Result<&[Token], TaskError> {
        self.restart();
        let tokenizer = self.tokenizer.ok_or(NO_TOKENIZER)?;
        let tokens = encode::<B>(&tokenizer, text, self.tokens)?;
        self.decoder.prefill(tokens)?;
        Ok(tokens)
    }

    /// Starts a new text with exactly these tokens.
    ///
    /// # Errors
    /// Those of [`Decoder::begin`]. There is no text then, also not the one before.
    pub fn prompt_ids(&mut self, tokens: &[Token]) -> Result<(), RunError> {
        self.restart();
        self.decoder.prefill(tokens)
    }

    /// Ends the text before.
    fn restart(&mut self) {
        (self.stopped, self.pending) = (None, None);
        self.decoder.restart();
    }

    /// One piece of work: a layer of the token in flight, or sampling the next token.
    ///
    /// # Errors
    /// [`RunError::EmptyInput`] before a prompt, and after one that was refused;
    /// [`RunError::NoLogits`] if the decoder was handed over so.
    pub fn step(&mut self) -> Result<Event, RunError> {
        if let Some(stop) = self.stopped {
            return Ok(Event::Stopped(stop));
        }
        if self.decoder.in_flight() {
            self.decoder.step();
            return Ok(Event::Working);
        }
        if let Some(token) = self.pending.take() {
            if self.decoder.remaining() == 0 {
                return Ok(self.stop(Stop::ContextFull));
            }
            self.decoder.begin(&[token])?;
            return Ok(Event::Working);
        }
        let empty = self.decoder.is_empty();
        let logits = self.decoder.logits_mut();
        if logits.is_empty() {
            return Err(if empty { RunError::EmptyInput } else { RunError::NoLogits });
        }
        let token = self.sampler.sample(logits);
        let end = self.tokenizer.and_then(|t| t.vocabulary().end());
        if Some(token) == end {
            return Ok(self.stop(Stop::EndOfSequence));
        }
        self.pending = Some(token);
        Ok(Event::Token(token))
    }

    /// Feeds the token sampled last to the model, one step per call, until its logits are ready;
    /// true while work is left. [`Generator::step`] does the same before it samples the next token.
    ///
    /// # Errors
    /// As [`Generator::step`].
    pub fn settle(&mut self) -> Result<bool, RunError> {
        if self.pending.is_some() || self.decoder.in_flight() {
            return Ok(matches!(self.step()?, Event::Working));
        }
        Ok(false)
    }

    fn stop(&mut self, stop: Stop) -> Event {
        self.stopped = Some(stop);
        Event::Stopped(stop)
    }

    /// Runs steps until the next token or the end of the text.
    ///
    /// # Errors
    /// As [`Generator::step`].
    pub fn next_token(&mut self) -> Result<Event, RunError> {
        loop {
            match self.step()? {
                Event::Working => {}
                event => return Ok(event),
            }
        }
    }

    /// Prompt in, text out: writes the text of at most `max_tokens` tokens to `out`, without the
    /// prompt. `None` means that the text is not complete.
    ///
    /// # Errors
    /// As [`Generator::prompt`]; [`TaskError::Write`] if `out` fails, which keeps the text written
    /// before.
    pub fn generate(
        &mut self,
        text: &str,
        max_tokens: usize,
        out: &mut dyn core::fmt::Write,
    ) -> Result<Option<Stop>, TaskError> {
        let mut stream = TextStream::after(self.prompt(text)?);
        let tokenizer = self.tokenizer.ok_or(NO_TOKENIZER)?;
        let mut stopped = None;
        for _ in 0..max_tokens {
            match self.next_token()? {
                Event::Token(token) => stream.push(&tokenizer, token, out)?,
                Event::Stopped(stop) => {
                    stopped = Some(stop);
                    break;
                }
                Event::Working => {}
            }
        }
        stream.finish(out)?;
        Ok(stopped)
    }
}
