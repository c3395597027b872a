//! Encoder-decoder (Vaswani et al. 2017, figure 1): a source is read once, a target is written token by
//! token, every decoder layer attending to the source.
//!
//! Three stages: the encoder's layers over all rows of the source; the keys and values of the source for
//! the cross-attention of every decoder layer, once; then the decoder, all hypotheses of a [`Search`] in
//! tiles of rows, until the search is over. The encoder's rows and keys are dead when the decoder begins,
//! so both use the same buffers. Work is done by [`Seq2Seq::step`], one [`Part`] of one layer of one tile
//! at a time; everything else is a loop over it.

mod part;
mod search;

use part::check;
pub use part::{Found, Part};
pub use search::Search;

use crate::arena::{ArenaParts, RunState};
use crate::config::Architecture;
use crate::decoder::{Progress, epsilon, log_probability};
use crate::error::RunError;
use crate::kernels::{Kernels, Native};
use crate::model::Model;
use crate::nn::attention::{Bidirectional, Prefix};
use crate::nn::embedding;
use crate::nn::head::logits;
use crate::nn::layer::{Layer, Tile, normalize_rows, project_source};
use crate::target::{self, Build};
use crate::tokenizer::Token;
use core::marker::PhantomData;

/// An encoder-decoder model with its state. A source in, a target out.
#[derive(Debug)]
pub struct Seq2Seq<'m, 'a, B: Build = Native> {
    model: &'m Model<'m>,
    state: RunState<'a>,
    search: Search,
    limit: usize,
    /// Rows of the source.
    rows: usize,
    part: Part,
    /// The next layer; the first row of the next tile; which pass of an encoder layer.
    layer: usize,
    tile: usize,
    second_pass: bool,
    build: PhantomData<B>,
}

impl<'m, 'a> Seq2Seq<'m, 'a> {
    /// An encoder-decoder on the kernels that this crate was built with. Its beam width is that of the
    /// blob, or of [`Model::with_beams`].
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::UnsupportedPacking`], [`RunError::ArenaTooSmall`].
    pub fn new(model: &'m Model<'m>, arena: impl Into<ArenaParts<'a>>) -> Result<Self, RunError> {
        Self::new_for(model, arena)
    }
}

impl<'m, 'a, B: Build> Seq2Seq<'m, 'a, B> {
    /// An encoder-decoder of another build: its kernels, the model that it is for.
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::UnsupportedPacking`], [`RunError::ArenaTooSmall`].
    pub fn new_for(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
    ) -> Result<Self, RunError> {
        let config = model.config();
        if !matches!(config.architecture, Architecture::EncoderDecoder) {
            return Err(RunError::WrongModel { needed: "an encoder-decoder" });
        }
        target::check::<B>(model)?;
        Ok(Self {
            model,
            state: RunState::new::<B::Kernels>(config, arena.into())?,
            search: Search::new(config, config.target_context),
            limit: config.target_context,
            rows: 0,
            part: Part::Done,
            layer: 0,
            tile: 0,
            second_pass: false,
            build: PhantomData,
        })
    }

    /// The model.
    pub fn model(&self) -> &'m Model<'m> {
        self.model
    }

    /// What the next step works on.
    pub fn part(&self) -> Part {
        self.part
    }

    /// Limits the targets of the sources to come to `tokens` tokens, the end token counted; at most (and
    /// by default) the model's target context.
    pub fn set_limit(&mut self, tokens: usize) {
        self.limit = tokens;
    }

    /// Takes a source. Then [`Seq2Seq::step`] until done.
    ///
    /// # Errors
    /// [`RunError::EmptyInput`], [`RunError::TooLong`], [`RunError::TokenOutOfRange`]. Nothing has
    /// changed then.
    pub fn begin(&mut self, source: &[Token]) -> Result<(), RunError> {
        let config = self.model.config();
        check(source, config.context, config)?;
        let weights = self.model.source_embedding::<B::Kernels>();
        let rows = self.state.residual.chunks_exact_mut(config.d_model.max(1));
        let rows = rows.zip(self.state.exponents.iter_mut()).enumerate();
        for ((position, (row, exponent)), &token) in rows.zip(source) {
            *exponent = embedding::token::<B::Kernels>(
                &weights,
                token as usize,
                position,
                row,
                self.state.sums,
            );
        }
        if let Some(norm) = weights.norm {
            let epsilon = epsilon(self.model);
            normalize_rows::<B::Kernels>(config, epsilon, &norm, &mut self.state, 0, source.len());
        }
        self.search.restart(config, self.limit);
        (self.rows, self.part) = (source.len(), Part::Encoder);
        (self.layer, self.tile, self.second_pass) = (0, 0, false);
        Ok(())
    }

    /// One part of one layer of one tile of rows.
    #[inline(never)] // each part's frame is its own
    pub fn step(&mut self) -> Progress {
        match self.part {
            Part::Encoder => self.encode(),
            Part::Source => self.project(),
            Part::SelfAttention | Part::CrossAttention | Part::FeedForward => self.decode(),
            Part::Head => self.choose(),
            Part::Done => {}
        }
        if self.part == Part::Done { Progress::Done } else { Progress::Working }
    }

    /// A tile of an encoder layer: first every row's keys and values, then the rest.
    #[inline(never)]
    fn encode(&mut self) {
        let side = self.model.config().encoder_side();
        let tile = self.next_tile(self.rows);
        let layer = Layer::<B::Kernels>::of_side(self.model, &side, self.layer);
        if self.second_pass {
            layer.attend(&mut self.state, tile, false, Bidirectional, self.rows);
            layer.feed_forward(&mut self.state, tile);
        } else {
            layer.project_keys_values(&mut self.state, tile);
        }
        if self.tile > 0 {
            return;
        }
        self.layer += self.second_pass as usize;
        self.second_pass = !self.second_pass;
        if self.layer >= side.n_layers {
            if let Some(norm) = self.model.final_norm::<B::Kernels>() {
                let epsilon = epsilon(self.model);
                normalize_rows::<B::Kernels>(&side, epsilon, &norm, &mut self.state, 0, self.rows);
            }
            (self.layer, self.part) = (0, Part::Source);
        }
    }

    /// A tile of the source's keys and values for a decoder layer.
    #[inline(never)]
    fn project(&mut self) {
        let side = self.model.config().encoder_side();
        let tile = self.next_tile(self.rows);
        let weights = self.model.cross::<B::Kernels>(self.layer);
        project_source::<B::Kernels>(&side, &weights, &mut self.state, tile, self.layer);
        if self.tile == 0 {
            self.layer += 1;
        }
        if self.layer >= self.model.config().decoder_layers {
            self.embed();
        }
    }

    /// The tile that begins at `self.tile`, which goes on to the next, or to 0 after the last.
    fn next_tile(&mut self, rows: usize) -> Tile {
        let first = self.tile;
        let rows_left = rows.saturating_sub(first);
        let tile_rows = self.model.config().tile_rows.min(rows_left);
        self.tile = if tile_rows < rows_left { first + tile_rows } else { 0 };
        Tile { first_row: first, first_position: first, rows: tile_rows, beams: false }
    }

    /// The rows of the tokens that every hypothesis ends with.
    #[inline(never)]
    fn embed(&mut self) {
        let config = self.model.config();
        let position = self.search.len();
        for slot in 0..self.search.live() {
            let token = self.search.token(config, self.state.history, slot);
            self.embed_row(slot, token, position);
        }
        (self.layer, self.part) = (0, Part::SelfAttention);
    }

    #[inline(never)]
    fn embed_row(&mut self, row: usize, token: Token, position: usize) {
        let config = self.model.config();
        let weights = self.model.target_embedding::<B::Kernels>();
        let rows = self.state.residual.chunks_exact_mut(config.d_model.max(1));
        for (x, exponent) in rows.zip(self.state.exponents.iter_mut()).skip(row).take(1) {
            *exponent = embedding::token::<B::Kernels>(
                &weights,
                token as usize,
                position,
                x,
                self.state.sums,
            );
        }
        if let Some(norm) = weights.norm {
            normalize_rows::<B::Kernels>(
                config,
                epsilon(self.model),
                &norm,
                &mut self.state,
                row,
                1,
            );
        }
    }

    /// A part of a decoder layer for a tile of hypotheses.
    fn decode(&mut self) {
        let len = self.search.len();
        let tile = self.next_tile(self.search.live());
        let tile = Tile { first_position: len, beams: true, ..tile };
        self.decode_part(tile, len + 1);
        if self.tile > 0 {
            return;
        }
        self.part = match self.part {
            Part::SelfAttention => Part::CrossAttention,
            Part::CrossAttention => Part::FeedForward,
            _ => {
                self.layer += 1;
                Part::SelfAttention
            }
        };
        if self.layer >= self.model.config().decoder_layers {
            self.finish_rows(self.search.live());
            self.part = Part::Head;
        }
    }

    #[inline(never)]
    fn decode_part(&mut self, tile: Tile, keys: usize) {
        let config = self.model.config();
        let side = config.decoder_side();
        let layer = Layer::<B::Kernels>::of_side(self.model, &side, self.layer);
        match self.part {
            Part::SelfAttention => {
                layer.attend(&mut self.state, tile, true, Prefix(0), keys);
            }
            Part::CrossAttention => {
                attend_source::<B::Kernels>(
                    self.model,
                    self.layer,
                    &layer,
                    &mut self.state,
                    tile,
                    self.rows,
                );
            }
            _ => layer.feed_forward(&mut self.state, tile),
        }
    }

    fn finish_rows(&mut self, rows: usize) {
        if let Some(norm) = self.model.target_norm::<B::Kernels>() {
            let epsilon = epsilon(self.model);
            normalize_rows::<B::Kernels>(
                self.model.config(),
                epsilon,
                &norm,
                &mut self.state,
                0,
                rows,
            );
        }
    }

    /// Logits of row `row`, which has been normalised.
    #[inline(never)]
    fn write_logits(&mut self, row: usize) {
        let d = self.model.config().d_model;
        let Some(head) = self.model.head::<B::Kernels>() else { return };
        let x = self.state.residual.get(row * d..(row + 1) * d).unwrap_or_default();
        let exponent = self.state.exponents.get(row).copied().unwrap_or(0) as i32;
        logits::<B::Kernels>(&head, x, exponent, self.state.lanes, self.state.outputs);
    }

    /// Logits of one hypothesis; after the last, the next tokens of all.
    #[inline(never)]
    fn choose(&mut self) {
        let config = self.model.config();
        self.write_logits(self.tile);
        let logits = self.state.outputs.get(..config.vocab_size).unwrap_or_default();
        self.search.add(config, self.tile, logits);
        self.tile += 1;
        if self.tile < self.search.live() {
            return;
        }
        self.tile = 0;
        self.advance();
        if self.search.is_done() {
            self.part = Part::Done;
        } else {
            self.embed();
        }
    }

    /// The next token of every hypothesis.
    #[inline(never)]
    fn advance(&mut self) {
        let config = self.model.config();
        let (side, layers, rows) =
            (config.decoder_side(), config.decoder_layers, self.search.len() + 1);
        let cache = &mut self.state.cache;
        self.search.advance(config, self.state.history, |from, to| {
            for layer in 0..layers {
                cache.copy(&side, from * layers + layer, to * layers + layer, rows);
            }
        });
    }

    /// A source in, the best target found: `begin` and all steps. [`Seq2Seq::tokens`] gives the tokens.
    ///
    /// # Errors
    /// As [`Seq2Seq::begin`].
    pub fn run(&mut self, source: &[Token]) -> Result<Found, RunError> {
        self.begin(source)?;
        while self.step() == Progress::Working {}
        self.found().ok_or(RunError::EmptyInput)
    }

    /// The best target, once the steps are done.
    pub fn found(&self) -> Option<Found> {
        let (log_probability, len, complete) =
            self.search.best().filter(|_| self.part == Part::Done)?;
        Some(Found { len, log_probability, complete })
    }

    /// The tokens of the best target into `out`, as many as fit; returns how many there are.
    pub fn tokens(&self, out: &mut [Token]) -> usize {
        self.search.tokens(self.state.history, out)
    }

    /// The logits that were computed last, Q15.16, `vocab_size` of them.
    pub fn logits(&self) -> &[i32] {
        self.state.outputs.get(..self.model.config().vocab_size).unwrap_or_default()
    }

    /// Log-probability (nats, Q15.16) of `target` (without the start token; with the end token if it is to
    /// count) given `source`, in one teacher-forced pass of tiles: `each` is called with every token's
    /// own and the logits that it was taken from. Returns the sum.
    ///
    /// # Errors
    /// As [`Seq2Seq::begin`], for both.
    pub fn score(
        &mut self,
        source: &[Token],
        target: &[Token],
        mut each: impl FnMut(usize, i32, &[i32]),
    ) -> Result<i64, RunError> {
        let config = self.model.config();
        check(target, config.target_context, config)?;
        self.begin(source)?;
        while matches!(self.part, Part::Encoder | Part::Source) {
            self.step();
        }
        let mut total = 0i64;
        for first in (0..target.len()).step_by(config.tile_rows.max(1)) {
            let rows = (target.len() - first).min(config.tile_rows);
            for row in 0..rows {
                let before = (first + row).checked_sub(1).and_then(|i| target.get(i));
                let token = before.copied().unwrap_or(config.start_token as Token);
                self.embed_row(row, token, first + row);
            }
            let tile = Tile { first_row: 0, first_position: first, rows, beams: false };
            for layer in 0..config.decoder_layers {
                self.layer = layer;
                for part in [Part::SelfAttention, Part::CrossAttention, Part::FeedForward] {
                    self.part = part;
                    self.decode_part(tile, first + rows);
                }
            }
            self.finish_rows(rows);
            for (row, &token) in target.iter().enumerate().skip(first).take(rows) {
                self.write_logits(row - first);
                let value = log_probability(self.logits(), token as usize);
                each(row, value, self.logits());
                total += value as i64;
            }
        }
        self.part = Part::Done;
        Ok(total)
    }
}

/// Cross-attention of decoder layer `index` to `keys` rows of the source; apart, since the other parts
/// need no stack for its weights.
#[inline(never)]
fn attend_source<K: Kernels>(
    model: &Model,
    index: usize,
    layer: &Layer<K>,
    state: &mut RunState,
    tile: Tile,
    keys: usize,
) {
    let (cross, source) = (model.cross::<K>(index), model.config().encoder_side());
    layer.attend_source(state, tile, &cross, &source, keys);
}
