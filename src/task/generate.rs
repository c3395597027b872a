//! Text generation: a prompt, then token after token.

use super::{NO_TOKENIZER, TaskError, TextStream, encode, text_room};
use crate::arena::ArenaParts;
use crate::decoder::Decoder;
use crate::error::RunError;
use crate::kernels::Native;
use crate::model::Model;
use crate::rules::{Place, Rules};
use crate::sampler::{Sampler, Sampling};
use crate::slices::part;
use crate::target::{self, Build};
use crate::tokenizer::{Token, Tokenizer};

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Stop {
    /// The model generated the end token.
    EndOfSequence,
    /// The context has no position left; or the buffer of the tokens has none, where
    /// [`Rules`] look back on them.
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
    /// Tokens of the prompt, and new ones at most; for rules.
    prompt: usize,
    limit: usize,
    /// Of the prompt's tokens in `tokens`, those still to be fed.
    unfed: usize,
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
        let past = target::has_rules::<B>() && model.rules().look_back();
        let tokens = match model.tokenizer() {
            None if !past => &mut [], // takes and returns ids
            _ => text_room::<B>(model, &mut arena)?,
        };
        Ok(Self::from_decoder(Decoder::new_for(model, arena)?, tokens, sampling))
    }

    /// A generator on a decoder that may have been fed already: that is its prompt, rows in flight included.
    /// `tokens` is the buffer for the tokens of a prompt. Where the model's [`Rules`] look back, it must
    /// begin with the tokens that the decoder was fed.
    pub fn from_decoder(
        decoder: Decoder<'m, 'a, B>,
        tokens: &'a mut [Token],
        sampling: Sampling,
    ) -> Self {
        let tokenizer = decoder.model().tokenizer();
        let (sampler, prompt, limit) = (Sampler::new(sampling), decoder.fed(), usize::MAX);
        let (stopped, pending, unfed) = (None, None, 0);
        Self { decoder, tokenizer, tokens, sampler, stopped, pending, prompt, limit, unfed }
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
        self.begin(text)?;
        while self.unfed > 0 || self.decoder.in_flight() {
            self.feed()?;
        }
        Ok(part(self.tokens, 0, self.prompt))
    }

    /// [`Generator::prompt`] without its work: [`Generator::step`] then feeds the prompt, one piece per
    /// call, before it gives the first token. Returns the tokens.
    ///
    /// # Errors
    /// As [`Generator::prompt`].
    pub fn begin(&mut self, text: &str) -> Result<&[Token], TaskError> {
        self.restart();
        let tokenizer = self.tokenizer.ok_or(NO_TOKENIZER)?;
        let tokens = encode::<B>(&tokenizer, text, self.tokens)?;
        self.decoder.check(tokens)?;
        (self.prompt, self.unfed) = (tokens.len(), tokens.len());
        Ok(tokens)
    }

    /// One piece of feeding: a layer of the rows in flight, or the next rows of the prompt.
    fn feed(&mut self) -> Result<(), RunError> {
        if self.decoder.in_flight() {
            self.decoder.step();
        } else {
            let rest = part(self.tokens, self.prompt.saturating_sub(self.unfed), self.unfed);
            self.unfed = self.unfed.saturating_sub(self.decoder.begin(rest)?);
        }
        Ok(())
    }

    /// Starts a new text with exactly these tokens.
    ///
    /// # Errors
    /// Those of [`Decoder::begin`]; [`RunError::ArenaTooSmall`] if rules look back on more tokens
    /// than the buffer has room for. There is no text then, also not the one before.
    pub fn prompt_ids(&mut self, tokens: &[Token]) -> Result<(), RunError> {
        self.restart();
        self.prompt = tokens.len();
        if target::has_rules::<B>() && self.rules().look_back() {
            let (needed, given) = (tokens.len(), self.tokens.len());
            let Some(past) = self.tokens.get_mut(..needed) else {
                return Err(RunError::ArenaTooSmall { part: "tokens", needed, given });
            };
            past.copy_from_slice(tokens);
        }
        self.decoder.prefill(tokens)
    }

    /// Ends the text before.
    fn restart(&mut self) {
        (self.stopped, self.pending, self.unfed) = (None, None, 0);
        self.decoder.restart();
    }

    /// One piece of work: a layer of the rows in flight, or sampling the next token.
    ///
    /// # Errors
    /// [`RunError::EmptyInput`] before a prompt, and after one that was refused;
    /// [`RunError::NoLogits`] if the decoder was handed over so.
    pub fn step(&mut self) -> Result<Event, RunError> {
        if let Some(stop) = self.stopped {
            return Ok(Event::Stopped(stop));
        }
        if self.unfed > 0 || self.decoder.in_flight() {
            self.feed()?;
            return Ok(Event::Working);
        }
        if let Some(token) = self.pending.take() {
            if self.decoder.remaining() == 0 {
                return Ok(self.stop(Stop::ContextFull));
            }
            self.decoder.begin(&[token])?;
            return Ok(Event::Working);
        }
        let (empty, rules) = (self.decoder.is_empty(), self.rules());
        let ruled = target::has_rules::<B>() && !rules.is_empty();
        let place = if ruled { Some(self.place(rules)) } else { None };
        let logits = self.decoder.logits_mut();
        if logits.is_empty() {
            return Err(if empty { RunError::EmptyInput } else { RunError::NoLogits });
        }
        let token = match place {
            None => self.sampler.sample(logits),
            Some(place) => match allowed(rules, logits, self.tokens, place) {
                true => self.sampler.sample_allowed(logits),
                false => return Ok(self.stop(Stop::ContextFull)),
            },
        };
        if let Some(next) = place.and_then(|place| self.tokens.get_mut(place.len)) {
            *next = token;
        }
        let ends = match ruled && rules.has_ends() {
            true => rules.is_end(token),
            false => Some(token) == self.tokenizer.and_then(|t| t.vocabulary().end()),
        };
        if ends {
            return Ok(self.stop(Stop::EndOfSequence));
        }
        self.pending = Some(token);
        Ok(Event::Token(token))
    }

    fn rules(&self) -> Rules<'m> {
        self.decoder.model().rules()
    }

    /// Where the text stands.
    fn place(&self, rules: Rules) -> Place {
        let (len, prompt) = (self.decoder.len(), self.prompt);
        let new = len.saturating_sub(prompt);
        Place {
            len,
            new,
            begins: new == (prompt == 1 && rules.forces_first()) as usize,
            ends: self.decoder.remaining() == 0 || new + 1 >= self.limit,
        }
    }

    /// Tells how many new tokens the caller takes of a text at most: with a rule about the last one,
    /// that one ends the text; 0 is as 1, since a token is asked for one at a time. Without such a rule it
    /// changes nothing. [`Generator::generate`] does so itself, for its text alone.
    pub fn set_limit(&mut self, tokens: usize) {
        self.limit = tokens;
    }

    /// Feeds the token sampled last to the model, one step per call, until its logits are ready;
    /// true while work is left. [`Generator::step`] does the same before it samples the next token.
    ///
    /// # Errors
    /// As [`Generator::step`].
    pub fn settle(&mut self) -> Result<bool, RunError> {
        if self.pending.is_some() || self.unfed > 0 || self.decoder.in_flight() {
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
        let own = core::mem::replace(&mut self.limit, max_tokens);
        let stopped = self.write(text, max_tokens, out);
        self.limit = own;
        stopped
    }

    fn write(
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

/// Applies the rules to the logits of the next token; false where they look back on more tokens than were
/// kept.
fn allowed(rules: Rules, logits: &mut [i32], tokens: &[Token], place: Place) -> bool {
    let past = if rules.look_back() { tokens.get(..place.len) } else { Some(&[][..]) };
    let Some(past) = past else { return false };
    rules.apply(logits, past.iter().rev().copied(), place);
    true
}
