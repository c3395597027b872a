//! Encoder-decoder (Vaswani et al. 2017, figure 1): a source is read once, a target is written
//! token by token, every decoder layer attending to the source.
//!
//! There are three stages: the encoder layers over all rows of the source; once, the keys and
//! values of the source for the cross-attention of every decoder layer; then the decoder, with all
//! hypotheses of a [`Search`] in tiles of rows, until the search is over. The encoder's rows and
//! keys are no longer needed when the decoder begins, so both use the same buffers.
//! [`Seq2Seq::step`] processes one [`Part`] of one layer of one tile; everything else is a loop
//! over it.

mod part;
mod past;
mod search;

pub use part::{Found, Part};
pub use search::Search;

use crate::arena::{ArenaParts, RunState};
use crate::config::{Architecture, Config, Side};
use crate::error::RunError;
use crate::kernels::Native;
use crate::model::{Model, Weights};
use crate::nn::attention::Prefix;
use crate::nn::head::row_logits;
use crate::nn::input::{self, check_rows, check_tokens};
use crate::nn::layer::Layer;
use crate::nn::residual::{Tile, normalize};
use crate::probability::log_probability;
use crate::progress::Progress;
use crate::seq2seq::search::check_limit;
use crate::slices::{at, first_mut, part as slice};
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
    /// The next layer; the first row of the next tile; the pass of an encoder layer.
    layer: usize,
    tile: usize,
    second_pass: bool,
    /// Logits have been computed for the current source.
    predicted: bool,
    build: PhantomData<B>,
}

impl<'m, 'a> Seq2Seq<'m, 'a> {
    /// An encoder-decoder on the kernels that this crate was built with. The beam width is the one
    /// in the blob, or the one set by [`Model::with_beams`].
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::UnsupportedPacking`], [`RunError::ArenaTooSmall`].
    pub fn new(model: &'m Model<'m>, arena: impl Into<ArenaParts<'a>>) -> Result<Self, RunError> {
        Self::new_for(model, arena)
    }
}

impl<'m, 'a, B: Build> Seq2Seq<'m, 'a, B> {
    /// An encoder-decoder of a chosen [`Build`]. The beam width of its known model is the widest
    /// that is accepted; [`Model::with_beams`] may set a narrower one.
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::BeamTooWide`], [`RunError::UnsupportedPacking`],
    /// [`RunError::ArenaTooSmall`].
    pub fn new_for(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
    ) -> Result<Self, RunError> {
        model.check::<B>()?;
        let config = target::config::<B>(model.config());
        if !matches!(config.architecture, Architecture::EncoderDecoder) {
            return Err(RunError::WrongModel { needed: "an encoder-decoder" });
        }
        Ok(Self {
            model,
            state: RunState::new(&target::lengths::<B>(config), arena.into())?,
            search: Search::start(model.config(), config.target_context),
            limit: config.target_context,
            rows: 0,
            part: Part::Done,
            layer: 0,
            tile: 0,
            second_pass: false,
            predicted: false,
            build: PhantomData,
        })
    }

    /// The model.
    pub fn model(&self) -> &'m Model<'m> {
        self.model
    }

    /// Its hyperparameters; for the beam width, ask [`Seq2Seq::model`].
    fn config(&self) -> &'m Config {
        target::config::<B>(self.model.config())
    }

    fn weights(&self) -> Weights<'m, B> {
        self.model.weights()
    }

    /// The part that the next step processes.
    pub fn part(&self) -> Part {
        self.part
    }

    /// Limits the targets of future sources to `tokens` tokens, including the end token; by default to the
    /// model's target context. [`Found::complete`] says whether a target was cut there.
    ///
    /// # Errors
    /// [`RunError::LimitOutOfRange`] for other limits than 1 … [`Config::target_context`]. The limit
    /// before then holds.
    pub fn set_limit(&mut self, tokens: usize) -> Result<(), RunError> {
        check_limit(self.config(), tokens)?;
        self.limit = tokens;
        Ok(())
    }

    /// Takes a source. Then [`Seq2Seq::step`] until done. A source before that one is abandoned,
    /// with its target.
    ///
    /// # Errors
    /// [`RunError::EmptyInput`], [`RunError::TooLong`], [`RunError::TokenOutOfRange`]. The engine
    /// is then unchanged.
    pub fn begin(&mut self, source: &[Token]) -> Result<(), RunError> {
        let config = self.config();
        check_rows(source.len(), config.context)?;
        check_tokens(source, config)?;
        input::tokens::<B>(&self.weights(), Side::Encoder, &mut self.state, source, 0, 0);
        self.search.restart(self.model.config(), self.limit);
        (self.rows, self.part) = (source.len(), Part::Encoder);
        (self.layer, self.tile, self.second_pass, self.predicted) = (0, 0, false, false);
        Ok(())
    }

    /// Forgets source and target.
    pub(crate) fn abandon(&mut self) {
        (self.part, self.predicted) = (Part::Done, false);
    }

    /// Processes one part of one layer of one tile of rows.
    #[inline(never)] // so that each part has a stack frame of its own
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

    /// A tile of an encoder layer: keys and values in the first pass, the rest in the second.
    #[inline(never)]
    fn encode(&mut self) {
        let tile = self.next_tile(self.rows);
        let (weights, state) = (self.weights(), &mut self.state);
        let layer = Layer::<B>::new(&weights, Side::Encoder, self.layer);
        if self.second_pass {
            layer.attend(state, tile, Prefix::ALL, self.rows);
            layer.feed_forward(state, tile);
        } else {
            layer.keys_and_values(state, tile);
        }
        if self.tile > 0 {
            return;
        }
        self.layer += self.second_pass as usize;
        self.second_pass = !self.second_pass;
        if self.layer >= self.config().n_layers {
            self.finish_rows(Side::Encoder, self.rows);
            (self.layer, self.part) = (0, Part::Source);
        }
    }

    /// A tile of the source's keys and values for a decoder layer.
    #[inline(never)]
    fn project(&mut self) {
        let tile = self.next_tile(self.rows);
        let layer = Layer::<B>::new(&self.weights(), Side::Decoder, self.layer);
        layer.source_keys_and_values(&mut self.state, tile);
        if self.tile == 0 {
            self.layer += 1;
        }
        if self.layer >= self.config().decoder_layers {
            self.embed();
        }
    }

    /// The tile that begins at `self.tile`; advances `self.tile` to the next one, or to 0 after the
    /// last.
    fn next_tile(&mut self, rows: usize) -> Tile {
        let first = self.tile;
        let rows_left = rows.saturating_sub(first);
        let tile_rows = self.config().tile_rows.min(rows_left);
        self.tile = if tile_rows < rows_left { first + tile_rows } else { 0 };
        Tile { first_row: first, first_position: first, rows: tile_rows, beams: false }
    }

    /// Embeds the last token of every hypothesis.
    #[inline(never)]
    fn embed(&mut self) {
        for slot in 0..self.search.live() {
            let token = self.search.token(self.config(), self.state.history, slot);
            self.embed_row(slot, token, self.search.len());
        }
        (self.layer, self.part) = (0, Part::SelfAttention);
    }

    fn embed_row(&mut self, row: usize, token: Token, position: usize) {
        let (weights, state) = (self.weights(), &mut self.state);
        input::tokens::<B>(&weights, Side::Decoder, state, &[token], row, position);
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
        if self.layer >= self.config().decoder_layers {
            self.finish_rows(Side::Decoder, self.search.live());
            self.part = Part::Head;
        }
    }

    #[inline(never)]
    fn decode_part(&mut self, tile: Tile, keys: usize) {
        let (weights, state) = (self.weights(), &mut self.state);
        let layer = Layer::<B>::new(&weights, Side::Decoder, self.layer);
        match self.part {
            Part::SelfAttention => layer.attend(state, tile, Prefix::NONE, keys),
            Part::CrossAttention => layer.attend_source(state, tile, self.rows),
            _ => layer.feed_forward(state, tile),
        }
    }

    /// The last norm of one side.
    fn finish_rows(&mut self, side: Side, rows: usize) {
        let weights = self.weights();
        if let Some(norm) = weights.final_norm(side) {
            normalize::<B>(&weights, &norm, &mut self.state, 0..rows);
        }
    }

    /// Logits of one hypothesis; after the last one, the next tokens of all.
    #[inline(never)]
    fn choose(&mut self) {
        let (config, rules) = (self.config(), self.model.rules());
        row_logits::<B>(&self.weights(), &mut self.state, self.tile);
        self.predicted = true;
        let logits = first_mut(self.state.outputs, config.vocab_size);
        self.search.extend::<B>(config, rules, self.state.history, self.tile, logits);
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
        let config = self.config();
        let (side, layers, rows) =
            (config.decoder_side(), config.decoder_layers, self.search.len() + 1);
        let cache = &mut self.state.cache;
        let rules = self.model.rules();
        self.search.select::<B>(config, rules, self.state.history, |from, to| {
            for layer in 0..layers {
                cache.copy(&side, from * layers + layer, to * layers + layer, rows);
            }
        });
    }

    /// Runs `begin` and all steps; returns the best target. [`Seq2Seq::tokens`] gives its tokens.
    ///
    /// # Errors
    /// As [`Seq2Seq::begin`].
    pub fn run(&mut self, source: &[Token]) -> Result<Found, RunError> {
        self.begin(source)?;
        while self.step() == Progress::Working {}
        self.found().ok_or(RunError::EmptyInput)
    }

    /// The best target, once the steps are done; `None` before, and after [`Seq2Seq::score`].
    pub fn found(&self) -> Option<Found> {
        let (log_probability, len, complete) = self.search.best().filter(|_| self.is_ready())?;
        Some(Found { len, log_probability, complete })
    }

    /// Whether the search, and not only a source before this one, is over.
    fn is_ready(&self) -> bool {
        self.part == Part::Done && self.predicted
    }

    /// The tokens of the target that [`Seq2Seq::found`] tells into `out`, as many as fit; returns
    /// how many there are, 0 before the steps are done.
    pub fn tokens(&self, out: &mut [Token]) -> usize {
        if self.is_ready() { self.search.tokens(self.state.history, out) } else { 0 }
    }

    /// The logits that were computed last for the current source, Q15.16, `vocab_size` of them;
    /// empty before the first. They belong to the hypothesis of the last step of [`Part::Head`], as
    /// the model's [`Rules`](crate::rules::Rules) leave them, or to the last token of
    /// [`Seq2Seq::score`].
    pub fn logits(&self) -> &[i32] {
        slice(self.state.outputs, 0, if self.predicted { self.config().vocab_size } else { 0 })
    }

    /// Log-probability (nats, Q15.16) of `target` given `source`, in one teacher-forced pass of
    /// tiles. `target` has no start token, and ends with the end token if that shall count.
    /// `each(index, log_probability, logits)` is called for every token; returns the sum.
    ///
    /// # Errors
    /// As [`Seq2Seq::begin`], for both.
    pub fn score(
        &mut self,
        source: &[Token],
        target: &[Token],
        mut each: impl FnMut(usize, i32, &[i32]),
    ) -> Result<i64, RunError> {
        let config = self.config();
        check_rows(target.len(), config.target_context)?;
        check_tokens(target, config)?;
        self.begin(source)?;
        while matches!(self.part, Part::Encoder | Part::Source) {
            self.step();
        }
        let mut total = 0i64;
        for first in (0..target.len()).step_by(config.tile_rows.max(1)) {
            let rows = (target.len() - first).min(config.tile_rows);
            for row in 0..rows {
                let token = match first + row {
                    0 => config.start_token as Token,
                    position => at(target, position - 1),
                };
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
            self.finish_rows(Side::Decoder, rows);
            for (row, &token) in target.iter().enumerate().skip(first).take(rows) {
                row_logits::<B>(&self.weights(), &mut self.state, row - first);
                self.predicted = true;
                let value = log_probability(self.logits(), token as usize);
                each(row, value, self.logits());
                total += value as i64;
            }
        }
        self.part = Part::Done;
        Ok(total)
    }
}
