//! One transformer layer over a tile of rows: attention, residual, feed-forward, residual, with the
//! norms before (pre-norm) or after (post-norm) each.

use super::attention::{Attention, Mask, write_keys, write_values};
use super::feed_forward::hidden;
use super::linear::Rows;
use super::norm::{self, Epsilon};
use super::row::{Input, pair_mut, renormalize};
use crate::arena::{Cache, RunState};
use crate::config::{Architecture, Config, NormOrder};
use crate::kernels::Kernels;
use crate::model::{CrossWeights, LayerWeights, Linear, Model, NormWeights, RelativeBias};

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
pub struct Layer<'m> {
    config: &'m Config,
    weights: LayerWeights<'m>,
    /// Which layer of the cache this one uses.
    cache: usize,
    bias: Option<RelativeBias<'m>>,
    epsilon: Epsilon,
    tile_width: usize,
}

impl<'m> Layer<'m> {
    /// Layer `index` of a model.
    pub fn new(model: &'m Model<'m>, index: usize) -> Self {
        Self::of_side(model, model.config(), index)
    }

    /// Layer `index` of one side of an encoder-decoder: `side` is the model's configuration, its
    /// [`Config::encoder_side`] or its [`Config::decoder_side`].
    pub fn of_side(model: &'m Model<'m>, side: &'m Config, index: usize) -> Self {
        let header = model.header();
        let decoder = matches!(side.architecture, Architecture::Decoder);
        let weights = match model.config().architecture {
            Architecture::EncoderDecoder if decoder => model.decoder_layer(index),
            _ => model.layer(index),
        };
        Self {
            config: side,
            weights,
            // An encoder has one cache for all layers.
            cache: if decoder { index } else { 0 },
            bias: model.relative_bias(decoder),
            epsilon: (header.epsilon_mantissa, header.epsilon_exponent),
            tile_width: side.q_dim().max(side.d_ff).max(side.d_model),
        }
    }

    /// Which layer of the cache and which position row `i` of a tile has.
    fn place(&self, tile: Tile, i: usize) -> (usize, usize) {
        match tile.beams {
            true => (self.cache + (tile.first_row + i) * self.config.n_layers, tile.first_position),
            false => (self.cache, tile.first_position + i),
        }
    }

    /// Keys and values of a tile into the cache.
    pub fn project_keys_values<K: Kernels>(&self, state: &mut RunState, tile: Tile) {
        self.project::<K>(state, tile, true, false);
    }

    /// Queries of a tile into `state.tile`, then attention over `keys` positions and its residual.
    #[inline(never)]
    pub fn attend<K: Kernels>(
        &self,
        state: &mut RunState,
        tile: Tile,
        with_keys_values: bool,
        mask: Mask,
        keys: usize,
    ) {
        self.project::<K>(state, tile, with_keys_values, true);
        // Hypotheses have caches of their own: one call each.
        let rows = if tile.beams { 1 } else { tile.rows };
        for first in (0..tile.rows).step_by(rows.max(1)) {
            let (layer_index, first_position) = self.place(tile, first);
            let attention = Attention {
                config: self.config,
                score_scale: self.weights.score_scale(),
                bias: self.bias,
                layer_index,
                mask,
                first_position,
                keys,
                rows,
                stride: self.tile_width,
            };
            let q = state.tile.get_mut(first * self.tile_width..).unwrap_or_default();
            attention.forward::<K>(&state.cache, q, state.lanes, state.sums);
        }
        let exponent = self.weights.v().output_exponent;
        self.add_residual::<K>(state, tile, &self.weights.o(), self.config.q_dim(), exponent);
        self.post_norm::<K>(state, tile, self.weights.norm_1());
    }

    /// The feed-forward part of a tile and its residual.
    #[inline(never)]
    pub fn feed_forward<K: Kernels>(&self, state: &mut RunState, tile: Tile) {
        let (config, width) = (self.config, self.tile_width);
        let wide = self.weights.up().wide;
        let mut exponent = 0;
        for first in (0..tile.rows).step_by(2) {
            let count = (tile.rows - first).min(2);
            let row = |i: usize| {
                self.input::<K>(state.residual, state.exponents, tile.first_row + i, wide)
            };
            let second = (count > 1).then(|| row(first + 1));
            let mut rows = Rows::new(row(first), second, state.lanes);
            let out = pair_mut(state.tile, first, count, width, config.d_ff);
            exponent = hidden::<K>(&mut rows, &self.weights, config.activation, out);
        }
        self.add_residual::<K>(state, tile, &self.weights.down(), config.d_ff, exponent);
        self.post_norm::<K>(state, tile, self.weights.norm_2());
    }

    /// Cross-attention of a tile of decoder rows to `keys` source positions, and its residual.
    /// `source` is the configuration of the encoder's side.
    #[inline(never)]
    pub fn attend_source<K: Kernels>(
        &self,
        state: &mut RunState,
        tile: Tile,
        weights: &CrossWeights,
        source: &Config,
        keys: usize,
    ) {
        let width = self.tile_width;
        for first in (0..tile.rows).step_by(2) {
            let count = (tile.rows - first).min(2);
            let (residual, exponents) = (&*state.residual, &*state.exponents);
            let row =
                |i: usize| self.input::<K>(residual, exponents, tile.first_row + i, weights.q.wide);
            let second = (count > 1).then(|| row(first + 1));
            let mut rows = Rows::new(row(first), second, state.lanes);
            let q = pair_mut(state.tile, first, count, width, source.q_dim());
            rows.forward::<K>(&weights.q, q);
        }
        let attention = Attention {
            config: source,
            score_scale: (weights.score_multiplier, weights.score_exponent),
            bias: None,
            layer_index: self.cache,
            mask: Mask::Bidirectional,
            first_position: 0,
            keys,
            rows: tile.rows,
            stride: width,
        };
        attention.forward::<K>(&state.source, state.tile, state.lanes, state.sums);
        let exponent = weights.v.output_exponent;
        self.add_residual::<K>(state, tile, &weights.o, source.q_dim(), exponent);
        self.post_norm::<K>(state, tile, weights.norm);
    }

    /// A residual row as the input of q, k, v or the feed-forward part.
    fn input<'a, K: Kernels>(
        &self,
        residual: &'a [i16],
        exponents: &[i16],
        row: usize,
        wide: bool,
    ) -> Input<'a> {
        let d = self.config.d_model;
        let x = residual.get(row * d..(row + 1) * d).unwrap_or_default();
        let exponent = exponents.get(row).copied().unwrap_or(0) as i32;
        match self.config.norm_order {
            NormOrder::Pre => {
                norm::normalized::<K>(x, exponent, self.config.norm, self.epsilon, wide)
            }
            NormOrder::Post => Input::new::<K>(x, exponent, wide),
        }
    }

    /// q, k and v of a tile: k and v go to the cache, q stays in `state.tile`.
    #[inline(never)]
    fn project<K: Kernels>(
        &self,
        state: &mut RunState,
        tile: Tile,
        keys_values: bool,
        queries: bool,
    ) {
        let (config, weights, width) = (self.config, &self.weights, self.tile_width);
        let wide = weights.q().wide;
        for first in (0..tile.rows).step_by(2) {
            let count = (tile.rows - first).min(2);
            let row = |i: usize| {
                self.input::<K>(state.residual, state.exponents, tile.first_row + i, wide)
            };
            let second = (count > 1).then(|| row(first + 1));
            let mut rows = Rows::new(row(first), second, state.lanes);
            let tables = state.rotary.chunks_exact(config.head_dim.max(1)).skip(first);
            if keys_values {
                rows.forward::<K>(
                    &weights.k(),
                    pair_mut(state.tile, first, count, width, config.kv_dim()),
                );
                let keys = pair_mut(state.tile, first, count, width, config.kv_dim());
                for (table, row) in tables.clone().zip(keys) {
                    K::rotate(row, table);
                }
                let keys = pair_mut(state.tile, first, count, width, config.kv_dim());
                for (i, row) in keys.into_iter().enumerate().take(count) {
                    let (layer, position) = self.place(tile, first + i);
                    write_keys::<K>(config, &mut state.cache, layer, position, row);
                }
                rows.forward::<K>(
                    &weights.v(),
                    pair_mut(state.tile, first, count, width, config.kv_dim()),
                );
                let values = pair_mut(state.tile, first, count, width, config.kv_dim());
                for (i, row) in values.into_iter().enumerate().take(count) {
                    let (layer, position) = self.place(tile, first + i);
                    write_values::<K>(config, &mut state.cache, layer, position, row);
                }
            }
            if queries {
                rows.forward::<K>(
                    &weights.q(),
                    pair_mut(state.tile, first, count, width, config.q_dim()),
                );
                let q = pair_mut(state.tile, first, count, width, config.q_dim());
                for (table, row) in tables.zip(q) {
                    K::rotate(row, table);
                }
            }
        }
    }

    /// `residual += layer(tile rows)`, the tile's rows being 16 bits of unit `2^exponent`.
    #[inline(never)] // its frame must not be the attention's
    fn add_residual<K: Kernels>(
        &self,
        state: &mut RunState,
        tile: Tile,
        layer: &Linear,
        width: usize,
        exponent: i32,
    ) {
        let d = self.config.d_model;
        for first in (0..tile.rows).step_by(2) {
            let count = (tile.rows - first).min(2);
            let input = |i: usize| {
                let start = i * self.tile_width;
                let x = state.tile.get(start..start + width).unwrap_or_default();
                Input::new::<K>(x, exponent, layer.wide)
            };
            let second = (count > 1).then(|| input(first + 1));
            let mut rows = Rows::new(input(first), second, state.lanes);
            let exponents = state.exponents.get_mut(tile.first_row + first..).unwrap_or_default();
            let old = |i: usize| exponents.get(i).copied().unwrap_or(0) as i32;
            let units = [0, 1].map(|i| rows.sum_exponent(layer, i, old(i)));
            let sums = state.sums.get_mut(..count * d).unwrap_or_default();
            rows.forward_wide::<K>(layer, units, sums);
            let residual = pair_mut(state.residual, tile.first_row + first, count, d, d);
            let exponents = exponents.iter_mut();
            for (((row, exponent), sums), unit) in
                residual.into_iter().zip(exponents).zip(sums.chunks_mut(d.max(1))).zip(units)
            {
                K::add(row, unit - *exponent as i32, sums);
                *exponent = renormalize::<K>(sums, unit, row);
            }
        }
    }

    #[inline(never)]
    fn post_norm<K: Kernels>(
        &self,
        state: &mut RunState,
        tile: Tile,
        weights: Option<NormWeights>,
    ) {
        if let Some(weights) = weights {
            normalize_rows::<K>(
                self.config,
                self.epsilon,
                &weights,
                state,
                tile.first_row,
                tile.rows,
            );
        }
    }
}

/// Applies an explicit norm to rows of the residual stream, in place.
pub fn normalize_rows<K: Kernels>(
    config: &Config,
    epsilon: Epsilon,
    weights: &NormWeights,
    state: &mut RunState,
    first_row: usize,
    rows: usize,
) {
    let d = config.d_model;
    let residual = state.residual.chunks_exact_mut(d.max(1)).skip(first_row).take(rows);
    for (row, exponent) in residual.zip(state.exponents.iter_mut().skip(first_row)) {
        *exponent =
            norm::apply::<K>(row, *exponent as i32, config.norm, epsilon, weights, state.sums);
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
    for first in (0..tile.rows).step_by(2) {
        let count = (tile.rows - first).min(2);
        let (residual, exponents) = (&*state.residual, &*state.exponents);
        let row = |i: usize| {
            let row = tile.first_row + i;
            let x = residual.get(row * d..(row + 1) * d).unwrap_or_default();
            let exponent = exponents.get(row).copied().unwrap_or(0) as i32;
            Input::new::<K>(x, exponent, weights.k.wide)
        };
        let second = (count > 1).then(|| row(first + 1));
        let mut rows = Rows::new(row(first), second, state.lanes);
        for (layer, write) in
            [(&weights.k, write_keys::<K> as WriteRow), (&weights.v, write_values::<K>)]
        {
            rows.forward::<K>(layer, pair_mut(state.tile, 0, count, width, width));
            let out = pair_mut(state.tile, 0, count, width, width);
            for (i, row) in out.into_iter().enumerate().take(count) {
                let position = tile.first_position + first + i;
                write(source, &mut state.source, index, position, row);
            }
        }
    }
}

/// [`write_keys`] or [`write_values`].
type WriteRow = fn(&Config, &mut Cache, usize, usize, &[i16]);
