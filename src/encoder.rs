//! Encoder: a bidirectional transformer (BERT). All rows at once, two passes a layer: first every row's
//! keys and values, then attention and feed-forward, tile by tile.

use crate::arena::{ArenaParts, RunState};
use crate::config::{Architecture, Config, Head, Input, Pooling, Position};
use crate::decoder::epsilon;
use crate::error::RunError;
use crate::kernels::Native;
use crate::model::Model;
use crate::nn::attention::{Bidirectional, Mask, Visibility};
use crate::nn::embedding;
use crate::nn::head::{logits, mean, pool, unit_length};
use crate::nn::layer::{Layer, Tile, normalize_rows};
use crate::nn::position::rotary_table;
use crate::progress::Progress;
use crate::target::{self, Build};
use core::marker::PhantomData;

/// An encoder model with its state. Tokens or frames in; a label's logits, an embedding, or rows out.
#[derive(Debug)]
pub struct Encoder<'m, 'a, B: Build = Native> {
    model: &'m Model<'m>,
    state: RunState<'a>,
    rows: usize,
    layer: usize,
    /// First row of the next tile, and which pass it belongs to.
    tile: usize,
    second_pass: bool,
    done: bool,
    build: PhantomData<B>,
}

impl<'m, 'a> Encoder<'m, 'a> {
    /// An encoder on the kernels that this crate was built with.
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::UnsupportedPacking`], [`RunError::ArenaTooSmall`].
    pub fn new(model: &'m Model<'m>, arena: impl Into<ArenaParts<'a>>) -> Result<Self, RunError> {
        Self::new_for(model, arena)
    }
}

impl<'m, 'a, B: Build> Encoder<'m, 'a, B> {
    /// An encoder of another build: its kernels, the model that it is for.
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::UnsupportedPacking`], [`RunError::ArenaTooSmall`].
    pub fn new_for(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
    ) -> Result<Self, RunError> {
        target::check::<B>(model)?;
        let config = target::config::<B>(model.config());
        if !matches!(config.architecture, Architecture::Encoder) {
            return Err(RunError::WrongModel { needed: "an encoder" });
        }
        let state = RunState::new::<B>(config, arena.into())?;
        Ok(Self {
            model,
            state,
            rows: 0,
            layer: 0,
            tile: 0,
            second_pass: false,
            done: false,
            build: PhantomData,
        })
    }

    /// The model.
    pub fn model(&self) -> &'m Model<'m> {
        self.model
    }

    /// Its hyperparameters.
    fn config(&self) -> &'m Config {
        target::config::<B>(self.model.config())
    }

    /// Rows of the current input.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Takes tokens as input. Then [`Encoder::step`] until done.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] (the model takes frames), [`RunError::EmptyInput`],
    /// [`RunError::TooLong`], [`RunError::TokenOutOfRange`].
    pub fn begin(&mut self, tokens: &[u32]) -> Result<(), RunError> {
        let config = self.config();
        if !matches!(config.input, Input::Tokens) {
            return Err(RunError::WrongModel { needed: "a model with token input" });
        }
        self.check(tokens.len())?;
        if let Some(&token) = tokens.iter().find(|&&token| token as usize >= config.vocab_size) {
            return Err(RunError::TokenOutOfRange { token, vocab_size: config.vocab_size });
        }
        let weights = self.model.source_embedding::<B>();
        let rows = self.state.residual.chunks_exact_mut(config.d_model.max(1));
        let rows = rows.zip(self.state.exponents.iter_mut()).enumerate();
        for ((position, (row, exponent)), &token) in rows.zip(tokens) {
            *exponent =
                embedding::token::<B>(&weights, token as usize, position, row, self.state.sums);
        }
        self.start(tokens.len());
        Ok(())
    }

    /// Takes frames as input: `frame_len` features each, integers in units of
    /// `2^header.frame_exponent`.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] (the model takes tokens), [`RunError::WrongFrameLength`],
    /// [`RunError::EmptyInput`], [`RunError::TooLong`].
    pub fn begin_frames(&mut self, features: &[i16]) -> Result<(), RunError> {
        let config = self.config();
        if !matches!(config.input, Input::Frames) {
            return Err(RunError::WrongModel { needed: "a model with frame input" });
        }
        let frames = features.chunks_exact(config.frame_len.max(1));
        if !frames.remainder().is_empty() {
            let (needed, given) = (config.frame_len, features.len());
            return Err(RunError::WrongFrameLength { needed, given });
        }
        let count = frames.len();
        self.check(count)?;
        let unit = self.model.header().frame_exponent as i32;
        let weights = self.model.source_embedding::<B>();
        let rows = self.state.residual.chunks_exact_mut(config.d_model.max(1));
        let rows = rows.zip(self.state.exponents.iter_mut()).enumerate();
        for ((position, (row, exponent)), frame) in rows.zip(frames) {
            *exponent = embedding::frame::<B>(
                &weights,
                frame,
                unit,
                position,
                row,
                self.state.lanes,
                self.state.sums,
            );
        }
        self.start(count);
        Ok(())
    }

    fn check(&self, rows: usize) -> Result<(), RunError> {
        let given = self.config().context;
        match rows {
            0 => Err(RunError::EmptyInput),
            needed if needed > given => Err(RunError::TooLong { needed, given }),
            _ => Ok(()),
        }
    }

    fn start(&mut self, rows: usize) {
        if let Some(norm) = self.model.embedding_norm::<B>() {
            let epsilon = epsilon(self.model);
            normalize_rows::<B>(self.config(), epsilon, &norm, &mut self.state, 0, rows);
        }
        (self.rows, self.layer, self.tile) = (rows, 0, 0);
        (self.second_pass, self.done) = (false, false);
    }

    /// One tile of rows of one pass of one layer; after the last, the final norm and the head.
    pub fn step(&mut self) -> Progress {
        self.step_by(Bidirectional)
    }

    /// As [`Encoder::step`] with another mask.
    pub fn step_masked(&mut self, mask: Mask) -> Progress {
        self.step_by(mask)
    }

    fn step_by<M: Visibility>(&mut self, mask: M) -> Progress {
        let config = self.config();
        if self.rows == 0 || self.done {
            return Progress::Done;
        }
        if self.layer >= config.n_layers {
            self.finish();
            return Progress::Done;
        }
        let rows = (self.rows - self.tile).min(config.tile_rows);
        let tile = Tile { first_row: self.tile, first_position: self.tile, rows, beams: false };
        if matches!(config.position, Position::Rotary) {
            let tables = self.state.rotary.chunks_exact_mut(config.head_dim.max(1));
            for (i, table) in tables.enumerate().take(rows) {
                rotary_table(self.model.position::<B>().0, self.tile + i, table);
            }
        }
        let layer = Layer::<B>::new(self.model, self.layer);
        if self.second_pass {
            layer.attend(&mut self.state, tile, false, mask, self.rows);
            layer.feed_forward(&mut self.state, tile);
        } else {
            layer.project_keys_values(&mut self.state, tile);
        }
        self.tile += rows;
        if self.tile >= self.rows {
            self.tile = 0;
            self.layer += self.second_pass as usize;
            self.second_pass = !self.second_pass;
        }
        Progress::Working
    }

    /// Final norm, pooling and head.
    fn finish(&mut self) {
        let config = self.config();
        if let Some(norm) = self.model.final_norm::<B>() {
            let epsilon = epsilon(self.model);
            normalize_rows::<B>(config, epsilon, &norm, &mut self.state, 0, self.rows);
        }
        self.done = true;
        if !matches!(config.head, Head::Classifier | Head::Embedding) {
            return;
        }
        let (state, d) = (&mut self.state, config.d_model);
        let mut exponent = state.exponents.first().copied().unwrap_or(0);
        if matches!(config.pooling, Pooling::Mean) {
            exponent =
                mean::<B::Kernels>(state.residual, state.exponents, d, self.rows, state.sums);
        }
        let row = state.residual.get_mut(..d).unwrap_or_default();
        if let Some(pooler) = self.model.pooler::<B>() {
            exponent = pool::<B>(&pooler, row, exponent as i32, state.lanes, state.sums);
        }
        match self.model.head::<B>() {
            Some(head) => {
                logits::<B>(&head, row, exponent as i32, state.lanes, state.outputs);
            }
            None => unit_length(row, state.outputs),
        }
    }

    /// Runs the input taken by `begin` to its end.
    pub fn finish_steps(&mut self, mask: Mask) {
        while self.step_masked(mask) == Progress::Working {}
    }

    /// Tokens in, outputs ready: `begin` and all steps.
    ///
    /// # Errors
    /// As [`Encoder::begin`].
    pub fn run(&mut self, tokens: &[u32]) -> Result<&[i32], RunError> {
        self.begin(tokens)?;
        while self.step() == Progress::Working {}
        Ok(self.outputs())
    }

    /// Frames in, outputs ready: `begin_frames` and all steps.
    ///
    /// # Errors
    /// As [`Encoder::begin_frames`].
    pub fn run_frames(&mut self, features: &[i16]) -> Result<&[i32], RunError> {
        self.begin_frames(features)?;
        while self.step() == Progress::Working {}
        Ok(self.outputs())
    }

    /// A classifier's logits in Q15.16, or an embedding of length one in Q1.30.
    pub fn outputs(&self) -> &[i32] {
        self.state.outputs.get(..self.config().n_outputs()).unwrap_or_default()
    }

    /// Hidden row `row` and its exponent: the answer of a model without head. A pooled model's row 0 is
    /// the pooled row.
    pub fn hidden(&self, row: usize) -> (&[i16], i32) {
        let d = self.config().d_model;
        let exponent = self.state.exponents.get(row).copied().unwrap_or(0) as i32;
        (self.state.residual.get(row * d..(row + 1) * d).unwrap_or_default(), exponent)
    }

    /// Per-token logits of row `row`, Q15.16.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] without a per-token head, [`RunError::TooLong`] beyond the input.
    pub fn label_logits(&mut self, row: usize) -> Result<&[i32], RunError> {
        let config = self.config();
        let (Head::TokenLabels, Some(head)) = (config.head, self.model.head::<B>()) else {
            return Err(RunError::WrongModel { needed: "a model with per-token labels" });
        };
        if row >= self.rows {
            return Err(RunError::TooLong { needed: row + 1, given: self.rows });
        }
        let d = config.d_model;
        let x = self.state.residual.get(row * d..(row + 1) * d).unwrap_or_default();
        let exponent = self.state.exponents.get(row).copied().unwrap_or(0) as i32;
        logits::<B>(&head, x, exponent, self.state.lanes, self.state.outputs);
        Ok(self.outputs())
    }
}
