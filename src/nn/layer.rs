//! One transformer layer over a tile of rows: attention, residual, feed-forward, residual, with the
//! norms before (pre-norm) or after (post-norm) each.

use super::attention::{Attention, Bidirectional, Visibility, write};
use super::feed_forward::hidden;
use super::linear::Rows;
use super::norm::{Epsilon, apply, normalized};
use super::row::{Input, pair_mut, renormalize};
use crate::arena::RunState;
use crate::config::{Architecture, Config, NormOrder};
use crate::kernels::Kernels;
use crate::model::{CrossWeights, LayerWeights, Linear, Model, NormWeights, RelativeBias};
use crate::target::{self, Build};
use core::marker::PhantomData;

/// A tile: rows `first_row …` of the residual stream, at positions `first_position …`.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// First row of the residual stream.
    pub first_row: usize,
    /// Position of the first row.
    pub first_position: usize,
    /// Rows, at most `tile_rows`.
    pub rows: usize,
    /// Every row is a hypothesis of its own at `first_position`, with keys and values of its own.
    pub beams: bool,
}

/// One layer about to run.
pub struct Layer<'m, B: Build> {
    config: &'m Config,
    weights: LayerWeights<'m>,
    /// Which layer of the cache this one uses.
    cache: usize,
    bias: Option<RelativeBias<'m>>,
    epsilon: Epsilon,
    build: PhantomData<B>,
}

/// What a row of the residual stream is projected to before attention.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Projection {
    Keys,
    Values,
    Queries,
}

impl<'m, B: Build> Layer<'m, B> {
    /// Layer `index` of a model.
    pub fn new(model: &'m Model<'m>, index: usize) -> Self {
        Self::of_side(model, model.config(), index)
    }

    /// Layer `index` of one side of an encoder-decoder: `side` is the model's configuration, its
    /// [`Config::encoder_side`] or its [`Config::decoder_side`].
    pub fn of_side(model: &'m Model<'m>, side: &'m Config, index: usize) -> Self {
        let header = model.header();
        let decoder = matches!(target::config::<B>(side).architecture, Architecture::Decoder);
        let weights = match target::config::<B>(model.config()).architecture {
            Architecture::EncoderDecoder if decoder => model.decoder_layer(index),
            _ => model.layer::<B>(index),
        };
        Self {
            config: side,
            weights,
            // An encoder has one cache for all layers.
            cache: if decoder { index } else { 0 },
            bias: model.relative_bias::<B>(decoder),
            epsilon: (header.epsilon_mantissa, header.epsilon_exponent),
            build: PhantomData,
        }
    }

    #[inline(always)]
    fn config(&self) -> &'m Config {
        target::config::<B>(self.config)
    }

    /// Distance of the rows in `state.tile`.
    fn tile_width(&self) -> usize {
        self.config().q_dim().max(self.config().d_ff).max(self.config().d_model)
    }

    /// Which layer of the cache and which position row `i` of a tile has.
    fn place(&self, tile: Tile, i: usize) -> (usize, usize) {
        match target::has_beams::<B>() && tile.beams {
            true => {
                let layer = self.cache + (tile.first_row + i) * self.config().n_layers;
                (layer, tile.first_position)
            }
            false => (self.cache, tile.first_position + i),
        }
    }

    /// Keys and values of a tile into the cache.
    pub fn project_keys_values(&self, state: &mut RunState, tile: Tile) {
        self.project(state, tile, &[Projection::Keys, Projection::Values]);
    }

    /// Queries of a tile into `state.tile`, then attention over `keys` positions and its residual.
    #[inline(never)]
    pub fn attend<M: Visibility>(
        &self,
        state: &mut RunState,
        tile: Tile,
        with_keys_values: bool,
        mask: M,
        keys: usize,
    ) {
        let all = [Projection::Keys, Projection::Values, Projection::Queries];
        self.project(state, tile, if with_keys_values { &all } else { &[Projection::Queries] });
        // Hypotheses have caches of their own: one call each.
        let (calls, rows) =
            if target::has_beams::<B>() && tile.beams { (tile.rows, 1) } else { (1, tile.rows) };
        for first in 0..calls {
            let (layer_index, first_position) = self.place(tile, first);
            let attention = Attention {
                config: self.config,
                score_scale: self.weights.score_scale::<B>(),
                bias: self.bias,
                layer_index,
                mask,
                first_position,
                keys,
                rows,
                stride: self.tile_width(),
            };
            let q = state.tile.get_mut(first * self.tile_width()..).unwrap_or_default();
            attention.forward::<B>(&state.cache, q, state.lanes, state.sums);
        }
        let exponent = self.weights.value_exponent::<B>();
        let width = self.config().q_dim();
        self.add_residual(state, tile, &self.weights.o::<B>(), width, exponent);
        self.post_norm(state, tile, self.weights.norm_1::<B>());
    }

    /// The feed-forward part of a tile and its residual.
    #[inline(never)]
    pub fn feed_forward(&self, state: &mut RunState, tile: Tile) {
        let config = self.config();
        let up = self.weights.up::<B>();
        let mut exponent = 0;
        let mut first = 0;
        while first < tile.rows {
            let count = (tile.rows - first).min(2);
            let inputs = self.inputs(
                state.residual,
                state.exponents,
                tile.first_row + first,
                count,
                up.wide,
            );
            let mut rows = Rows::new(inputs, state.lanes);
            let width = self.tile_width();
            let tile = state.tile.get_mut(first * width..).unwrap_or_default();
            exponent = hidden::<B>(&mut rows, &self.weights, &up, config, tile, width);
            first += 2;
        }
        let width = config.d_ff;
        self.add_residual(state, tile, &self.weights.down::<B>(), width, exponent);
        self.post_norm(state, tile, self.weights.norm_2::<B>());
    }

    /// Cross-attention of a tile of decoder rows to `keys` source positions, and its residual.
    /// `source` is the configuration of the encoder's side.
    #[inline(never)]
    pub fn attend_source(
        &self,
        state: &mut RunState,
        tile: Tile,
        weights: &CrossWeights,
        source: &Config,
        keys: usize,
    ) {
        let width = self.tile_width();
        let mut first = 0;
        while first < tile.rows {
            let count = (tile.rows - first).min(2);
            let (row, wide) = (tile.first_row + first, weights.q.wide);
            let inputs = self.inputs(state.residual, state.exponents, row, count, wide);
            let mut rows = Rows::new(inputs, state.lanes);
            let q = pair_mut(state.tile, first, count, width, source.q_dim());
            rows.forward::<B>(&weights.q, 0, q);
            first += 2;
        }
        let attention = Attention {
            config: source,
            score_scale: (weights.score_multiplier, weights.score_exponent),
            bias: None,
            layer_index: self.cache,
            mask: Bidirectional,
            first_position: 0,
            keys,
            rows: tile.rows,
            stride: width,
        };
        attention.forward::<B>(&state.source, state.tile, state.lanes, state.sums);
        let exponent = weights.v.output_exponent;
        self.add_residual(state, tile, &weights.o, source.q_dim(), exponent);
        self.post_norm(state, tile, weights.norm);
    }

    /// `count` residual rows as the input of q, k, v or the feed-forward part.
    fn inputs<'a>(
        &self,
        residual: &'a [i16],
        exponents: &[i16],
        first: usize,
        count: usize,
        wide: bool,
    ) -> [Option<Input<'a>>; 2] {
        let d = self.config().d_model;
        let mut inputs = [None; 2];
        for (row, input) in (first..first + count).zip(&mut inputs) {
            let x = residual.get(row * d..(row + 1) * d).unwrap_or_default();
            let exponent = exponents.get(row).copied().unwrap_or(0) as i32;
            *input = Some(self.input(x, exponent, wide));
        }
        inputs
    }

    #[inline(never)]
    fn input<'a>(&self, x: &'a [i16], exponent: i32, wide: bool) -> Input<'a> {
        let config = self.config();
        match config.norm_order {
            NormOrder::Pre => {
                normalized::<B::Kernels>(x, exponent, config.norm, self.epsilon, wide)
            }
            NormOrder::Post => Input::new::<B::Kernels>(x, exponent, wide),
        }
    }

    /// q, k and v of a tile: k and v go to the cache, q stays in `state.tile`.
    #[inline(never)]
    fn project(&self, state: &mut RunState, tile: Tile, projections: &[Projection]) {
        let (config, weights, width) = (self.config(), &self.weights, self.tile_width());
        let wide = weights.wide::<B>();
        let mut first = 0;
        while first < tile.rows {
            let count = (tile.rows - first).min(2);
            let inputs =
                self.inputs(state.residual, state.exponents, tile.first_row + first, count, wide);
            let mut rows = Rows::new(inputs, state.lanes);
            for &projection in projections {
                let (layer, dim) = match projection {
                    Projection::Keys => (weights.k::<B>(), config.kv_dim()),
                    Projection::Values => (weights.v::<B>(), config.kv_dim()),
                    Projection::Queries => (weights.q::<B>(), config.q_dim()),
                };
                rows.forward::<B>(&layer, 0, pair_mut(state.tile, first, count, width, dim));
                let out = pair_mut(state.tile, first, count, width, dim);
                for (i, row) in out.into_iter().enumerate().take(count) {
                    let head_dim = config.head_dim;
                    let table = state.rotary.get((first + i) * head_dim..);
                    let table = table.and_then(|table| table.get(..head_dim));
                    if let Some(table) = table.filter(|_| projection != Projection::Values) {
                        <B::Kernels>::rotate(row, table);
                    }
                    let (layer, position) = self.place(tile, first + i);
                    if projection != Projection::Queries {
                        let keys = projection == Projection::Keys;
                        write::<B>(self.config, &mut state.cache, layer, position, row, keys);
                    }
                }
            }
            first += 2;
        }
    }

    /// `residual += layer(tile rows)`, the tile's rows being 16 bits of unit `2^exponent`.
    #[inline(never)] // its frame must not be the attention's
    fn add_residual(
        &self,
        state: &mut RunState,
        tile: Tile,
        layer: &Linear,
        width: usize,
        exponent: i32,
    ) {
        let d = self.config().d_model;
        let mut first = 0;
        while first < tile.rows {
            let count = (tile.rows - first).min(2);
            let [a, b] = pair_mut(state.tile, first, count, self.tile_width(), width);
            let input = |x| Input::new::<B::Kernels>(x, exponent, layer.wide);
            let inputs = [Some(input(a)), (count > 1).then(|| input(b))];
            let mut rows = Rows::new(inputs, state.lanes);
            let exponents = state.exponents.get_mut(tile.first_row + first..).unwrap_or_default();
            let mut units = [0; 2];
            for (i, (unit, &old)) in units.iter_mut().zip(&*exponents).enumerate() {
                *unit = rows.sum_exponent(layer, i, old as i32);
            }
            let sums = state.sums.get_mut(..count * d).unwrap_or_default();
            rows.forward_32::<B>(layer, units, sums);
            let residual = pair_mut(state.residual, tile.first_row + first, count, d, d);
            let exponents = exponents.iter_mut();
            for (((row, exponent), sums), unit) in
                residual.into_iter().zip(exponents).zip(sums.chunks_mut(d.max(1))).zip(units)
            {
                *exponent = add_row::<B::Kernels>(row, *exponent, sums, unit);
            }
            first += 2;
        }
    }

    #[inline(never)]
    fn post_norm(&self, state: &mut RunState, tile: Tile, weights: Option<NormWeights>) {
        if let Some(weights) = weights {
            let (first, rows) = (tile.first_row, tile.rows);
            normalize_rows::<B>(self.config, self.epsilon, &weights, state, first, rows);
        }
    }
}

/// A row of unit `2^exponent` plus sums of unit `2^unit`; returns the row's new exponent.
#[inline(never)]
fn add_row<K: Kernels>(row: &mut [i16], exponent: i16, sums: &mut [i32], unit: i32) -> i16 {
    K::add(row, unit - exponent as i32, sums);
    renormalize::<K>(sums, unit, row)
}

/// Applies an explicit norm to rows of the residual stream, in place.
#[inline(never)]
pub fn normalize_rows<B: Build>(
    config: &Config,
    epsilon: Epsilon,
    weights: &NormWeights,
    state: &mut RunState,
    first_row: usize,
    rows: usize,
) {
    let config = target::config::<B>(config);
    let d = config.d_model;
    for i in first_row..first_row + rows {
        let row = state.residual.get_mut(i * d..(i + 1) * d);
        let (Some(row), Some(exponent)) = (row, state.exponents.get_mut(i)) else { return };
        let unit = *exponent as i32;
        *exponent = apply::<B::Kernels>(row, unit, config.norm, epsilon, weights, state.sums);
    }
}

/// Keys and values of a tile of the encoder's last rows for the cross-attention of decoder layer
/// `index`, into the source's cache. `source` is the configuration of the encoder's side.
#[inline(never)]
pub fn project_source<K: Kernels>(
    source: &Config,
    weights: &CrossWeights,
    state: &mut RunState,
    tile: Tile,
    index: usize,
) {
    let (d, width) = (source.d_model, source.kv_dim());
    let mut first = 0;
    while first < tile.rows {
        let count = (tile.rows - first).min(2);
        let (residual, exponents) = (&*state.residual, &*state.exponents);
        let mut inputs = [None; 2];
        for (row, input) in (tile.first_row + first..).zip(&mut inputs).take(count) {
            let x = residual.get(row * d..(row + 1) * d).unwrap_or_default();
            let exponent = exponents.get(row).copied().unwrap_or(0) as i32;
            *input = Some(Input::new::<K>(x, exponent, weights.k.wide));
        }
        let mut rows = Rows::new(inputs, state.lanes);
        for (layer, keys) in [(&weights.k, true), (&weights.v, false)] {
            rows.forward::<K>(layer, 0, pair_mut(state.tile, 0, count, width, width));
            let out = pair_mut(state.tile, 0, count, width, width);
            for (i, row) in out.into_iter().enumerate().take(count) {
                let position = tile.first_position + first + i;
                write::<K>(source, &mut state.source, index, position, row, keys);
            }
        }
        first += 2;
    }
}
