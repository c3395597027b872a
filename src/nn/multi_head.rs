//! Multi-head attention (Vaswani et al. 2017, §3.2.2): from the rows of a sublayer to the
//! concatenated outputs of all heads.

use super::attention::{Attention, Visibility, write};
use super::linear::Rows;
use super::residual::{Pair, Tile};
use crate::arena::{Cache, RunState};
use crate::blob::{AttentionLayout, Placed};
use crate::config::{Config, Position, Side};
use crate::kernels::Kernels;
use crate::model::LayerWeights;
use crate::slices::{rest_mut, row};
use crate::target::{self, Build};

/// The rows that queries attend to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// The rows of the layer's own side (self-attention).
    Own,
    /// The final rows of the encoder (cross-attention).
    Source,
}

/// An attention of a layer.
pub struct MultiHead<'l, 'm, B: Build> {
    /// The layer.
    pub layer: &'l LayerWeights<'m, B>,
    /// The rows that it attends to.
    pub memory: Memory,
}

impl<'m, B: Build> MultiHead<'_, 'm, B> {
    #[inline(always)]
    fn config(&self) -> &'m Config {
        self.layer.model.config()
    }

    /// The offsets of its weights.
    #[inline(always)]
    pub fn layout(&self) -> &'m AttentionLayout {
        let all = self.layer.model.layout();
        match self.memory {
            Memory::Own => &all.layer.attention,
            Memory::Source => &all.decoder.cross,
        }
    }

    /// Writes keys and values of a pair of rows into a cache. `tile` is scratch.
    #[inline(never)]
    pub fn keys_and_values(
        &self,
        x: &mut Rows,
        pair: Pair,
        tile: &mut [i16],
        rotary: &[i16],
        cache: &mut Cache,
    ) {
        let (c, at) = (self.config(), self.layout());
        for (linear, keys) in [(&at.k, true), (&at.v, false)] {
            let rotary = if keys { rotary } else { &[] };
            let rows = self.project(x, linear, c.kv_dim(), pair, tile, rotary);
            for (i, row) in rows.into_iter().enumerate().take(pair.count) {
                if keys && self.adds_keys() {
                    let base = self.layer.model.key_base(self.layer.index);
                    let base = base.as_chunks().0.iter().map(|&x| i16::from_le_bytes(x));
                    row.iter_mut().zip(base).for_each(|(x, base)| *x = x.saturating_sub(base));
                }
                let (layer, position) = self.place(*pair.tile, pair.first + i);
                write::<B>(c, self.cache_rows(), cache, layer, position, row, keys);
            }
        }
    }

    /// Writes the queries of a pair of rows into `tile`.
    pub fn queries(&self, x: &mut Rows, pair: Pair, tile: &mut [i16], rotary: &[i16]) {
        self.project(x, &self.layout().q, self.config().q_dim(), pair, tile, rotary);
    }

    /// Projects a pair of rows into `tile`, and rotates them if `rotary` is not empty.
    #[inline(never)]
    fn project<'t>(
        &self,
        x: &mut Rows,
        at: &Placed,
        width: usize,
        pair: Pair,
        tile: &'t mut [i16],
        rotary: &[i16],
    ) -> [&'t mut [i16]; 2] {
        let (c, stride) = (self.config(), self.config().tile_width());
        let mut rows = pair.of(tile, stride, width);
        let [a, b] = &mut rows;
        x.forward::<B>(&self.layer.section.linear(at), 0, [a, b]);
        if matches!(c.position, Position::Rotary) && !rotary.is_empty() {
            for (i, x) in rows.iter_mut().enumerate().take(pair.count) {
                <B::Kernels>::rotate(x, row(rotary, pair.first + i, c.head_dim));
            }
        }
        rows
    }

    /// Replaces the queries in `state.tile` by `softmax(q kᵀ / √d) v` over `keys` positions of the
    /// cache; returns the exponent of the result.
    pub fn forward<M: Visibility>(
        &self,
        state: &mut RunState,
        tile: Tile,
        mask: M,
        keys: usize,
    ) -> i32 {
        let (config, at, stride) = (self.config(), self.layout(), self.config().tile_width());
        let (model, section) = (&self.layer.model, self.layer.section);
        let cache = match self.memory {
            Memory::Own => &state.cache,
            Memory::Source => &state.source,
        };
        // Each hypothesis has its own cache, so it needs its own call.
        let (calls, rows) = if self.is_search(tile) { (tile.rows, 1) } else { (1, tile.rows) };
        for first in 0..calls {
            let (layer_index, first_position) = self.place(tile, first);
            let attention = Attention {
                config,
                score_scale: section.score_scale(at),
                bias: model.relative_bias(self.layer.side()).filter(|_| self.is_own()),
                layer_index,
                cache_rows: self.cache_rows(),
                mask,
                first_position,
                keys,
                rows,
                stride,
            };
            let q = rest_mut(state.tile, first * stride);
            attention.forward::<B>(cache, q, state.lanes, state.sums);
        }
        section.output_exponent(&at.v)
    }

    /// Whether the keys and values of a tile must be added to the cache before it attends: only in
    /// a decoder's self-attention.
    #[inline(always)]
    pub fn adds_keys(&self) -> bool {
        self.is_own() && matches!(self.layer.side(), Side::Decoder)
    }

    fn is_own(&self) -> bool {
        matches!(self.memory, Memory::Own)
    }

    /// Whether each row of a tile has its own cache.
    #[inline(always)]
    fn is_search(&self, tile: Tile) -> bool {
        target::has_beams::<B>() && tile.beams && self.is_own()
    }

    /// Layer of the cache and position of row `i` of a tile.
    fn place(&self, tile: Tile, i: usize) -> (usize, usize) {
        match self.layer.side() {
            // All encoder layers reuse one layer of the cache.
            Side::Encoder => (0, tile.first_position + i),
            Side::Decoder if self.is_search(tile) => {
                let hypothesis = (tile.first_row + i) * self.config().decoder_layers;
                (hypothesis + self.layer.index, tile.first_position)
            }
            Side::Decoder => (self.layer.index, tile.first_position + i),
        }
    }

    /// Positions that a layer of the cache holds.
    fn cache_rows(&self) -> usize {
        let c = self.config();
        match self.is_own() && self.layer.model.is_target(self.layer.side()) {
            true => c.decoder_side().cache_rows(),
            false => c.cache_rows(),
        }
    }
}
