//! One transformer layer over a tile of rows (Vaswani et al. 2017, "Attention Is All You Need",
//! figure 1).
//!
//! ```text
//! encoder                             decoder
//! x = x + attention(norm(x))          x = x + attention(norm(x))              masked
//!                                     x = x + attention(norm(x), source)      where there is a source
//! x = x + feed_forward(norm(x))       x = x + feed_forward(norm(x))
//! ```
//!
//! Each of these lines is one call of `sublayer`. In a post-norm model, as in the figure,
//! `sublayer` computes `x = norm(x + part(x))`.

use super::attention::{Prefix, Visibility};
use super::feed_forward::hidden;
use super::linear::Rows;
use super::multi_head::{Memory, MultiHead};
use super::norm::normalized;
use super::residual::{Pair, Tile, add_sums, normalize};
use super::row::Input;
use crate::arena::{Residual, RunState};
use crate::blob::Placed;
use crate::config::{Config, NormOrder, Side};
use crate::model::{LayerWeights, Weights};
use crate::slices::{first_mut, rest_mut, row_mut};
use crate::target::Build;

/// One layer about to run.
pub struct Layer<'m, B: Build> {
    weights: LayerWeights<'m, B>,
}

/// The output projection of a sublayer, and the norm after it.
struct Output<'m> {
    /// The linear layer that maps the part's rows back to `d_model`, and the number of its inputs.
    linear: &'m Placed,
    width: usize,
    /// Offset of the norm after it (post-norm).
    norm: usize,
}

impl<'m, B: Build> Layer<'m, B> {
    /// Layer `index` of one side.
    pub fn new(model: &Weights<'m, B>, side: Side, index: usize) -> Self {
        Self { weights: model.layer(side, index) }
    }

    /// First pass over an encoder layer: writes the keys and values of a tile.
    pub fn keys_and_values(&self, state: &mut RunState, tile: Tile) {
        let heads = self.heads(Memory::Own);
        let wide = self.weights.section.is_wide(&heads.layout().k);
        for pair in tile.pairs() {
            let mut x = self.norm(&state.residual, state.lanes, pair, wide);
            heads.keys_and_values(&mut x, pair, state.tile, state.rotary, &mut state.cache);
        }
    }

    /// Self-attention: `x + attention(norm(x))`, over `keys` positions of the cache. A decoder
    /// first writes those of the tile; an encoder has written all of them in the first pass.
    pub fn attend<M: Visibility>(&self, state: &mut RunState, tile: Tile, mask: M, keys: usize) {
        self.attention(state, tile, self.heads(Memory::Own), mask, keys);
    }

    /// Once per source, before cross-attention: writes this layer's keys and values for a tile of
    /// the encoder's final rows.
    pub fn source_keys_and_values(&self, state: &mut RunState, tile: Tile) {
        let heads = self.heads(Memory::Source);
        let wide = self.weights.section.is_wide(&heads.layout().k);
        for pair in tile.pairs() {
            let input = |x, exponent| Input::new::<B::Kernels>(x, exponent, wide);
            let mut x = pair.read(&state.residual, self.config().d_model, state.lanes, input);
            heads.keys_and_values(&mut x, pair, state.tile, &[], &mut state.source);
        }
    }

    /// Cross-attention: `x + attention(norm(x), source)`, over the `keys` rows of the source.
    pub fn attend_source(&self, state: &mut RunState, tile: Tile, keys: usize) {
        self.attention(state, tile, self.heads(Memory::Source), Prefix::ALL, keys);
    }

    /// `x + o(heads(q, k, v))`, where `q` is projected from `norm(x)`.
    #[inline(never)]
    fn attention<M: Visibility>(
        &self,
        state: &mut RunState,
        tile: Tile,
        heads: MultiHead<'_, 'm, B>,
        mask: M,
        keys: usize,
    ) {
        let at = heads.layout();
        let output = Output { linear: &at.o, width: self.config().q_dim(), norm: at.norm };
        self.sublayer(state, tile, output, |state| {
            let wide = self.weights.section.is_wide(&at.q);
            for pair in tile.pairs() {
                let mut x = self.norm(&state.residual, state.lanes, pair, wide);
                if heads.adds_keys() {
                    heads.keys_and_values(&mut x, pair, state.tile, state.rotary, &mut state.cache);
                }
                heads.queries(&mut x, pair, state.tile, state.rotary);
            }
            heads.forward(state, tile, mask, keys)
        });
    }

    /// The feed-forward part: `x + down(hidden(norm(x)))`.
    #[inline(never)]
    pub fn feed_forward(&self, state: &mut RunState, tile: Tile) {
        let (c, at) = (self.config(), &self.weights.model.layout().layer);
        let output = Output { linear: &at.down, width: c.d_ff, norm: at.norm };
        self.sublayer(state, tile, output, |state| {
            let (up, stride) = (self.weights.section.linear(&at.up), c.tile_width());
            let mut exponent = 0;
            for pair in tile.pairs() {
                let mut x = self.norm(&state.residual, state.lanes, pair, up.wide);
                let rows = rest_mut(state.tile, pair.first * stride);
                exponent = hidden::<B>(&mut x, &self.weights, &up, rows, stride);
            }
            exponent
        });
    }

    /// `x + output(part(norm(x)))`; post-norm: `norm(x + output(part(x)))`. The part reads
    /// [`Layer::norm`], leaves its rows in `state.tile` and returns their exponent.
    #[inline(always)]
    fn sublayer(
        &self,
        state: &mut RunState,
        tile: Tile,
        output: Output,
        part: impl FnOnce(&mut RunState) -> i32,
    ) {
        let exponent = part(state);
        self.add(state, tile, &output, exponent);
        if matches!(self.config().norm_order, NormOrder::Post) {
            let norm = self.weights.section.norm(output.norm, self.config());
            let rows = tile.first_row..tile.first_row + tile.rows;
            normalize::<B>(&self.weights.model, &norm, state, rows);
        }
    }

    /// `norm(x)` (in a post-norm model `x`) of a pair of rows, as input of linear layers.
    #[inline(never)]
    fn norm<'s>(
        &self,
        residual: &'s Residual,
        lanes: &'s mut [i16],
        pair: Pair,
        wide: bool,
    ) -> Rows<'s, 's> {
        let (c, epsilon) = (self.config(), self.weights.model.epsilon());
        pair.read(residual, c.d_model, lanes, |x, exponent| match c.norm_order {
            NormOrder::Pre => normalized::<B::Kernels>(x, exponent, c.norm, epsilon, wide),
            NormOrder::Post => Input::new::<B::Kernels>(x, exponent, wide),
        })
    }

    /// `x + output(rows of state.tile)`; those rows are in units of `2^exponent`.
    #[inline(never)] // so that its stack frame does not add to that of attention
    fn add(&self, state: &mut RunState, tile: Tile, output: &Output, exponent: i32) {
        let (c, d) = (self.config(), self.config().d_model);
        let linear = self.weights.section.linear(output.linear);
        for pair in tile.pairs() {
            let [a, b] = pair.of(state.tile, c.tile_width(), output.width);
            let input = |x| Input::new::<B::Kernels>(x, exponent, linear.wide);
            let inputs = [Some(input(a)), (pair.count > 1).then(|| input(b))];
            let mut rows = Rows::new(inputs, state.lanes);
            let mut units = [0; 2];
            for i in 0..pair.count {
                let (_, exponent) = state.residual.row(pair.row() + i, d);
                units[i & 1] = rows.sum_exponent(&linear, i, exponent);
            }
            rows.forward_32::<B>(&linear, units, first_mut(state.sums, pair.count * d));
            for i in 0..pair.count {
                let Some((x, exponent)) = state.residual.row_mut(pair.row() + i, d) else { return };
                let sums = row_mut(state.sums, i, d);
                *exponent = add_sums::<B::Kernels>(x, *exponent, sums, units[i & 1]);
            }
        }
    }

    #[inline(always)]
    fn config(&self) -> &'m Config {
        self.weights.model.config()
    }

    fn heads(&self, memory: Memory) -> MultiHead<'_, 'm, B> {
        MultiHead { layer: &self.weights, memory }
    }
}
