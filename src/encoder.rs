//! Encoder: a bidirectional transformer (BERT), or the causal body of a classifier. All rows of an
//! input go through a layer in two passes, tile by tile: first keys and values, then attention and
//! feed-forward.

use crate::arena::{ArenaParts, RunState};
use crate::config::{Architecture, Config, Head, Input, Pooling, Side};
use crate::error::RunError;
use crate::kernels::Native;
use crate::model::{Model, Weights};
use crate::nn::attention::{Mask, Prefix, Visibility};
use crate::nn::head::{row_logits, whole};
use crate::nn::input::{self, check_rows, check_tokens};
use crate::nn::layer::Layer;
use crate::nn::residual::{Tile, normalize};
use crate::progress::Progress;
use crate::slices::part;
use crate::target::{self, Build};
use core::marker::PhantomData;

/// An encoder model with its state. Tokens or frames in; logits of labels, an embedding, or rows
/// out.
#[derive(Debug)]
pub struct Encoder<'m, 'a, B: Build = Native> {
    model: &'m Model<'m>,
    state: RunState<'a>,
    rows: usize,
    layer: usize,
    /// First row of the next tile, and its pass.
    tile: usize,
    second_pass: bool,
    done: bool,
    /// Inputs so far: what was said of one does not hold of the next.
    inputs: u32,
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
    /// An encoder of a chosen [`Build`]: its kernels and, if it names one, its only model.
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::UnsupportedPacking`], [`RunError::ArenaTooSmall`].
    pub fn new_for(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
    ) -> Result<Self, RunError> {
        model.check::<B>()?;
        let config = target::config::<B>(model.config());
        if !matches!(config.architecture, Architecture::Encoder) {
            return Err(RunError::WrongModel { needed: "an encoder" });
        }
        let state = RunState::new(&target::lengths::<B>(config), arena.into())?;
        Ok(Self {
            model,
            state,
            rows: 0,
            layer: 0,
            tile: 0,
            second_pass: false,
            done: false,
            inputs: 0,
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

    fn weights(&self) -> Weights<'m, B> {
        self.model.weights()
    }

    /// Rows of the current input; 0 before the first, and while a [`Masked`] holds it.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Takes tokens as input. Then [`Encoder::step`] until done.
    ///
    /// Where the last row is pooled ([`Pooling::Last`]), padding at the end of the input
    /// ([`Config::suppressed_token`] of such a model) is no part of it: [`Encoder::rows`] are the rows before
    /// it. Of padding alone, the first token is kept.
    ///
    /// An input before that one is abandoned, with its outputs.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] (the model takes frames), [`RunError::EmptyInput`],
    /// [`RunError::TooLong`], [`RunError::TokenOutOfRange`]. The encoder is then unchanged.
    pub fn begin(&mut self, tokens: &[u32]) -> Result<(), RunError> {
        let config = self.config();
        if !matches!(config.input, Input::Tokens) {
            return Err(RunError::WrongModel { needed: "a model with token input" });
        }
        let text = without_padding(tokens, config);
        check_rows(text.len(), config.context)?;
        check_tokens(tokens, config)?;
        let tokens = text;
        input::tokens::<B>(&self.weights(), Side::Encoder, &mut self.state, tokens, 0, 0);
        self.start(tokens.len());
        Ok(())
    }

    /// [`Encoder::begin`] with a mask that says which rows see each other. It holds for all steps,
    /// so these are methods of the returned value: [`Masked::step`], [`Masked::finish`].
    ///
    /// # Errors
    /// As [`Encoder::begin`].
    pub fn begin_masked<'e>(
        &'e mut self,
        tokens: &[u32],
        mask: Mask<'e>,
    ) -> Result<Masked<'e, 'm, 'a, B>, RunError> {
        self.begin(tokens)?;
        let rows = core::mem::take(&mut self.rows);
        Ok(Masked { encoder: self, mask, rows })
    }

    /// Takes frames as input: `frame_len` features each, integers in units of
    /// `2^header.frame_exponent`.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] (the model takes tokens), [`RunError::WrongFrameLength`],
    /// [`RunError::EmptyInput`], [`RunError::TooLong`]. The encoder is then unchanged.
    pub fn begin_frames(&mut self, features: &[i16]) -> Result<(), RunError> {
        let frames = features.chunks_exact(self.config().frame_len.max(1));
        if !frames.remainder().is_empty() {
            return Err(self.wrong_length(features.len()));
        }
        let rows = frames.len();
        self.check_frames(rows)?;
        frames.enumerate().for_each(|(row, frame)| self.frame(row, frame));
        self.start(rows);
        Ok(())
    }

    /// As [`Encoder::begin_frames`], of frames that are made one at a time, for example from the ring of a
    /// [`Window`](crate::features::Window): `write(row, frame)` is called for each of `rows` rows, with
    /// the `frame` given here, of `frame_len` features.
    ///
    /// # Errors
    /// As [`Encoder::begin_frames`].
    pub fn begin_rows(
        &mut self,
        rows: usize,
        frame: &mut [i16],
        mut write: impl FnMut(usize, &mut [i16]),
    ) -> Result<(), RunError> {
        if frame.len() != self.config().frame_len {
            return Err(self.wrong_length(frame.len()));
        }
        self.check_frames(rows)?;
        for row in 0..rows {
            write(row, frame);
            self.frame(row, frame);
        }
        self.start(rows);
        Ok(())
    }

    fn check_frames(&self, rows: usize) -> Result<(), RunError> {
        if !matches!(self.config().input, Input::Frames) {
            return Err(RunError::WrongModel { needed: "a model with frame input" });
        }
        check_rows(rows, self.config().context)
    }

    fn wrong_length(&self, given: usize) -> RunError {
        RunError::WrongFrameLength { needed: self.config().frame_len, given }
    }

    fn frame(&mut self, row: usize, features: &[i16]) {
        let unit = self.model.header().frame_exponent as i32;
        input::frame::<B>(&self.weights(), &mut self.state, features, unit, row);
    }

    /// Calls of [`Encoder::step`] that an input of so many rows takes; `usize::MAX` for more than that.
    pub fn steps(&self, rows: usize) -> usize {
        let config = self.config();
        let tiles = rows.div_ceil(config.tile_rows.max(1));
        tiles.saturating_mul(2 * config.n_layers).saturating_add(1)
    }

    fn start(&mut self, rows: usize) {
        (self.rows, self.layer, self.tile) = (rows, 0, 0);
        (self.second_pass, self.done) = (false, false);
        self.inputs = self.inputs.wrapping_add(1);
    }

    /// The number of the current input.
    pub(crate) fn input(&self) -> u32 {
        self.inputs
    }

    /// Forgets the input and its outputs.
    pub(crate) fn abandon(&mut self) {
        self.rows = 0;
    }

    /// Processes one tile of rows in one pass of one layer; after the last, the final norm and the
    /// head.
    pub fn step(&mut self) -> Progress {
        match *self.config() {
            Config { causal: false, .. } => self.step_with(Prefix::ALL),
            Config { window: 0, .. } => self.step_with(Prefix::NONE),
            Config { window, .. } => self.step_with(Mask::SlidingWindow(window)),
        }
    }

    fn step_with<M: Visibility>(&mut self, mask: M) -> Progress {
        let (config, weights) = (self.config(), self.weights());
        if self.rows == 0 || self.done {
            return Progress::Done;
        }
        if self.layer >= config.n_layers {
            self.finish();
            return Progress::Done;
        }
        let rows = (self.rows - self.tile).min(config.tile_rows);
        let tile = Tile { first_row: self.tile, first_position: self.tile, rows, beams: false };
        let layer = Layer::<B>::new(&weights, Side::Encoder, self.layer);
        input::rotations::<B>(&weights, &mut self.state, self.tile, rows);
        if self.second_pass {
            layer.attend(&mut self.state, tile, mask, self.rows);
            layer.feed_forward(&mut self.state, tile);
        } else {
            layer.keys_and_values(&mut self.state, tile);
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
        let (config, weights, state) = (self.config(), self.weights(), &mut self.state);
        if let Some(norm) = weights.final_norm(Side::Encoder) {
            normalize::<B>(&weights, &norm, state, 0..self.rows);
        }
        self.done = true;
        if matches!(config.head, Head::Classifier | Head::Embedding) {
            whole::<B>(&weights, state, self.rows);
        }
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

    /// A classifier's logits, or an embedding, in units of `2^` [`Config::output_exponent`]. Empty before the
    /// last step, and in a model without a head for the whole input.
    pub fn outputs(&self) -> &[i32] {
        let whole = matches!(self.config().head, Head::Classifier | Head::Embedding);
        let ready = whole && self.ready_rows() > 0;
        part(self.state.outputs, 0, if ready { self.config().n_outputs() } else { 0 })
    }

    /// Rows whose outputs are ready.
    fn ready_rows(&self) -> usize {
        if self.done { self.rows } else { 0 }
    }

    /// Hidden row `row` and its exponent: the output of a model without a head. In a pooled model,
    /// row 0 is the pooled row. Empty before the last step, and beyond the input.
    pub fn hidden(&self, row: usize) -> (&[i16], i32) {
        match row < self.ready_rows() {
            true => self.state.residual.row(row, self.config().d_model),
            false => (&[], 0),
        }
    }

    /// Per-token logits of row `row`, Q15.16.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] without a per-token head, [`RunError::InFlight`] before the last
    /// step, [`RunError::TooLong`] beyond the input, [`RunError::EmptyInput`] without one.
    pub fn label_logits(&mut self, row: usize) -> Result<&[i32], RunError> {
        if !matches!(self.config().head, Head::TokenLabels) {
            return Err(RunError::WrongModel { needed: "a model with per-token labels" });
        }
        if self.rows == 0 {
            return Err(RunError::EmptyInput);
        }
        if !self.done {
            return Err(RunError::InFlight);
        }
        check_rows(row.saturating_add(1), self.rows)?;
        row_logits::<B>(&self.weights(), &mut self.state, row);
        Ok(part(self.state.outputs, 0, self.config().n_outputs()))
    }
}

/// Where the last row is pooled: the tokens up to the last one that is no padding; if all are, the first.
fn without_padding<'t>(tokens: &'t [u32], config: &Config) -> &'t [u32] {
    if !matches!(config.pooling, Pooling::Last) {
        return tokens;
    }
    let is_text = |&token: &u32| token as usize + 1 != config.suppressed_token;
    let rows = tokens.iter().rposition(is_text).map_or(tokens.len().min(1), |last| last + 1);
    tokens.get(..rows).unwrap_or_default()
}

/// An encoder that processes an input under a [`Mask`], see [`Encoder::begin_masked`]. Without its
/// last step the input is abandoned.
#[derive(Debug)]
pub struct Masked<'e, 'm, 'a, B: Build = Native> {
    encoder: &'e mut Encoder<'m, 'a, B>,
    mask: Mask<'e>,
    /// Rows of the input. The encoder is told them for a step, and keeps them after the last one: so
    /// it never goes on without the mask.
    rows: usize,
}

impl<B: Build> Masked<'_, '_, '_, B> {
    /// As [`Encoder::step`].
    pub fn step(&mut self) -> Progress {
        self.encoder.rows = self.rows;
        let progress = self.encoder.step_with(self.mask);
        if progress == Progress::Working {
            self.encoder.rows = 0;
        }
        progress
    }

    /// All steps.
    pub fn finish(mut self) {
        while self.step() == Progress::Working {}
    }
}
