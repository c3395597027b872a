//! Decoder: a causal transformer with a key/value cache (Llama, GPT-2).
//!
//! Tokens go through all layers in tiles of rows, so a prompt costs one pass over the flash per
//! tile instead of one per token. [`Decoder::step`] processes one layer of one tile;
//! [`Decoder::prefill`] and [`Decoder::advance`] are loops over it.

use crate::arena::{ArenaParts, RunState};
use crate::config::{Architecture, Config, Head, Position, Side};
use crate::error::RunError;
use crate::kernels::Native;
use crate::model::{Model, Weights};
use crate::nn::attention::{Mask, Prefix};
use crate::nn::head::row_logits;
use crate::nn::input::{self, check_rows, check_tokens};
use crate::nn::layer::Layer;
use crate::nn::residual::{Tile, normalize};
use crate::probability::log_probability;
use crate::progress::Progress;
use crate::slices::{self, first_mut, part};
use crate::target::{self, Build};
use core::marker::PhantomData;

/// A decoder model with its state. Tokens in, logits out.
#[derive(Debug)]
pub struct Decoder<'m, 'a, B: Build = Native> {
    model: &'m Model<'m>,
    state: RunState<'a>,
    /// Positions that are in the cache.
    len: usize,
    /// Rows in flight, and the next layer for them.
    rows: usize,
    layer: usize,
    /// Rows of the residual stream that are complete and stand for the positions before `len`; the
    /// last one predicts the next token. 0: nothing does.
    complete: usize,
    /// The outputs are the logits of that row. With rows in flight, which leave no complete row:
    /// they will be.
    predicted: bool,
    /// Length of the prefix that every position sees, see [`Decoder::set_prefix`].
    prefix: usize,
    build: PhantomData<B>,
}

impl<'m, 'a> Decoder<'m, 'a> {
    /// A decoder on the kernels that this crate was built with.
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::UnsupportedPacking`], [`RunError::ArenaTooSmall`].
    pub fn new(model: &'m Model<'m>, arena: impl Into<ArenaParts<'a>>) -> Result<Self, RunError> {
        Self::new_for(model, arena)
    }
}

impl<'m, 'a, B: Build> Decoder<'m, 'a, B> {
    /// A decoder of a chosen [`Build`]: its kernels and, if it names one, its only model.
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::UnsupportedPacking`], [`RunError::ArenaTooSmall`].
    pub fn new_for(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
    ) -> Result<Self, RunError> {
        model.check::<B>()?;
        let config = target::config::<B>(model.config());
        let vocabulary = matches!(config.head, Head::TiedVocabulary | Head::Vocabulary);
        if !matches!(config.architecture, Architecture::Decoder) || !vocabulary {
            return Err(RunError::WrongModel { needed: "a decoder with a vocabulary head" });
        }
        let state = RunState::new(&target::lengths::<B>(config), arena.into())?;
        let (len, rows, layer, complete, predicted, prefix) = (0, 0, 0, 0, false, 0);
        let build = PhantomData;
        Ok(Self { model, state, len, rows, layer, complete, predicted, prefix, build })
    }

    /// The model.
    pub fn model(&self) -> &'m Model<'m> {
        self.model
    }

    /// Its hyperparameters.
    fn config(&self) -> &'m Config {
        target::config::<B>(self.model.config())
    }

    fn weights(&self) -> Weights<'m, B> {
        self.model.weights()
    }

    /// Positions in the cache.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Positions that were fed, rows in flight included.
    pub(crate) fn fed(&self) -> usize {
        self.len + self.rows
    }

    /// Whether nothing was fed yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether [`Decoder::step`] has work left.
    pub fn in_flight(&self) -> bool {
        self.rows > 0
    }

    /// Positions that can still be fed; with a sliding window and rotary or no positions, as many
    /// as 31 bits can count.
    pub fn remaining(&self) -> usize {
        capacity(self.config()).saturating_sub(self.len)
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.restart();
        self.prefix = 0;
    }

    /// Forgets the text, but not the length of its prefix.
    pub(crate) fn restart(&mut self) {
        (self.len, self.rows, self.complete) = (0, 0, 0);
    }

    /// Goes back to the first `len` positions, to try another continuation; rows in flight are
    /// abandoned. The logits are those of position `len − 1` if it was in the tile fed last;
    /// otherwise there are none until a token is fed: to score several continuations of a text, go
    /// back to one token before its end and feed that one again.
    ///
    /// Returns false, and changes nothing, if there are fewer positions, if a sliding window has
    /// already overwritten keys that would be needed, or if a part of a prefix would remain, whose
    /// positions have seen the rest of it.
    #[must_use]
    pub fn truncate(&mut self, len: usize) -> bool {
        let config = self.config();
        let kept = config.window == 0 || self.fed() <= config.cache_rows();
        let back = self.len.checked_sub(len).filter(|_| kept && (len == 0 || len >= self.prefix));
        if let Some(back) = back {
            (self.len, self.rows, self.complete) = (len, 0, self.complete.saturating_sub(back));
            self.predicted &= back == 0;
        }
        back.is_some()
    }

    /// Lets every position see the first `n` (a prefix language model, Raffel et al. 2020, §3.2.1).
    /// These must be fed in one tile, because each of them reads the keys of all others.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] with a sliding window, [`RunError::SplitPrefix`] if `n` is more
    /// than a tile, or if positions were fed that have not seen such a prefix. [`Decoder::begin`]
    /// refuses a first tile that is shorter than the prefix.
    pub fn set_prefix(&mut self, n: usize) -> Result<(), RunError> {
        let config = self.config();
        if config.window > 0 {
            return Err(RunError::WrongModel { needed: "a decoder without a sliding window" });
        }
        let begun = self.fed() > 0 && n != self.prefix;
        let given = if begun { 0 } else { config.tile_rows };
        if begun || n > given {
            return Err(RunError::SplitPrefix { needed: n, given });
        }
        self.prefix = n;
        Ok(())
    }

    /// Logits of the last row, Q15.16, `vocab_size` of them. Empty where there are none: before the
    /// first token, with rows in flight, in the middle of a prompt, after
    /// [`Decoder::logits_mut`] and where [`Decoder::truncate`] says so.
    pub fn logits(&self) -> &[i32] {
        let len = if self.predicted && self.complete > 0 { self.config().vocab_size } else { 0 };
        part(self.state.outputs, 0, len)
    }

    /// The logits for a sampler, which may change them: computed again if they are not those of the
    /// last row any more. Empty if no row is known that predicts the next token.
    pub fn logits_mut(&mut self) -> &mut [i32] {
        let known = self.predict();
        // Rows in flight leave none known, and keep what they will predict.
        self.predicted &= !known;
        first_mut(self.state.outputs, if known { self.config().vocab_size } else { 0 })
    }

    /// Makes the outputs the logits of the last row; false if it is not known.
    fn predict(&mut self) -> bool {
        if self.complete > 0 && !self.predicted {
            row_logits::<B>(&self.weights(), &mut self.state, self.complete - 1);
            self.predicted = true;
        }
        self.complete > 0
    }

    /// Takes up to `tile_rows` tokens into flight and returns how many; then call [`Decoder::step`]
    /// until done. Feed the remaining tokens next: logits are computed only for the last token
    /// given.
    ///
    /// # Errors
    /// [`RunError::EmptyInput`], [`RunError::TooLong`] (the context is full),
    /// [`RunError::TokenOutOfRange`], [`RunError::SplitPrefix`], [`RunError::InFlight`] (steps are
    /// left; [`Decoder::truncate`] or [`Decoder::reset`] abandon them). The decoder is then
    /// unchanged.
    #[inline(never)]
    pub fn begin(&mut self, tokens: &[u32]) -> Result<usize, RunError> {
        self.check(tokens)?;
        let rows = tokens.len().min(self.config().tile_rows);
        let (weights, state) = (self.weights(), &mut self.state);
        input::tokens::<B>(&weights, Side::Decoder, state, part(tokens, 0, rows), 0, self.len);
        input::rotations::<B>(&weights, state, self.len, rows);
        (self.rows, self.layer, self.complete) = (rows, 0, 0);
        self.predicted = tokens.len() == rows;
        Ok(rows)
    }

    /// Processes one layer of the rows in flight. After the last layer come the final norm and the
    /// logits of the last row, except in the middle of a prompt, where nobody reads them.
    #[inline(never)]
    pub fn step(&mut self) -> Progress {
        let (config, weights, state) = (self.config(), self.weights(), &mut self.state);
        if self.rows == 0 {
            return Progress::Done;
        }
        let tile = Tile { first_row: 0, first_position: self.len, rows: self.rows, beams: false };
        if self.layer < config.n_layers {
            let layer = Layer::<B>::new(&weights, Side::Decoder, self.layer);
            let keys = self.len + self.rows;
            match config.window {
                0 => layer.attend(state, tile, Prefix(self.prefix), keys),
                window => layer.attend(state, tile, Mask::SlidingWindow(window), keys),
            }
            layer.feed_forward(state, tile);
            self.layer += 1;
            return Progress::Working;
        }
        if let Some(norm) = weights.final_norm(Side::Decoder) {
            normalize::<B>(&weights, &norm, state, 0..self.rows);
        }
        if self.predicted {
            row_logits::<B>(&weights, state, self.rows - 1);
        }
        (self.len, self.complete, self.rows) = (self.len + self.rows, self.rows, 0);
        Progress::Done
    }

    /// Feeds a prompt, tile by tile; the logits of its last token are ready afterwards.
    ///
    /// # Errors
    /// As [`Decoder::begin`], for the whole prompt before anything is fed.
    pub fn prefill(&mut self, tokens: &[u32]) -> Result<(), RunError> {
        self.check(tokens)?;
        let mut rest = tokens;
        while !rest.is_empty() {
            let rows = self.begin(rest)?;
            while self.step() == Progress::Working {}
            rest = slices::rest(rest, rows);
        }
        Ok(())
    }

    /// Feeds one token; its logits are ready afterwards.
    ///
    /// # Errors
    /// As [`Decoder::begin`].
    pub fn advance(&mut self, token: u32) -> Result<(), RunError> {
        self.prefill(&[token])
    }

    /// Log-probability (nats, Q15.16) of `tokens` after the tokens fed so far, in one pass of
    /// tiles. `each(index, log_probability)` is called for every token; returns the sum. The first
    /// token of an empty decoder has no prediction and does not count, nor do the tokens of a
    /// prefix, which see themselves.
    ///
    /// Checking an answer this way is cheaper than generating it, because the rows of a tile share
    /// one pass over the flash.
    ///
    /// # Errors
    /// As [`Decoder::begin`]; [`RunError::NoLogits`] if nothing predicts the first token, see
    /// [`Decoder::truncate`].
    pub fn score(
        &mut self,
        tokens: &[u32],
        mut each: impl FnMut(usize, i32),
    ) -> Result<i64, RunError> {
        self.check(tokens)?;
        let (mut total, mut fed) = (0i64, 0);
        let mut count = |index: usize, logits: &[i32]| {
            if let Some(&token) = tokens.get(index) {
                let value = log_probability(logits, token as usize);
                each(index, value);
                total += value as i64;
            }
        };
        if !self.is_empty() {
            if !self.predict() {
                return Err(RunError::NoLogits);
            }
            count(0, self.logits());
        }
        while fed < tokens.len() {
            let rows = self.begin(slices::rest(tokens, fed))?;
            self.predicted = false;
            while self.step() == Progress::Working {}
            // Every row predicts the next token; the logits of the last one stay.
            for row in 0..rows {
                row_logits::<B>(&self.weights(), &mut self.state, row);
                if self.len - rows + row + 1 >= self.prefix {
                    count(fed + row + 1, part(self.state.outputs, 0, self.config().vocab_size));
                }
            }
            fed += rows;
            self.predicted = true;
        }
        Ok(total)
    }

    /// Whether these tokens can be fed, all of them.
    pub(crate) fn check(&self, tokens: &[u32]) -> Result<(), RunError> {
        if self.in_flight() {
            return Err(RunError::InFlight);
        }
        check_rows(tokens.len(), self.remaining())?;
        if self.len == 0 && tokens.len() < self.prefix {
            return Err(RunError::SplitPrefix { needed: self.prefix, given: tokens.len() });
        }
        check_tokens(tokens, self.config())
    }
}

/// Positions that a decoder can be fed: its context, or, with a sliding window and rotary or no
/// positions, as many as 31 bits can count.
fn capacity(config: &Config) -> usize {
    match config.position {
        Position::Rotary | Position::None if config.window > 0 => u32::MAX as usize >> 1,
        _ => config.context,
    }
}
