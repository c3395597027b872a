//! Tiled streaming attention: softmax(q kᵀ / √d) v without a row, let alone a matrix, of scores.
//!
//! The online softmax of Milakov & Gimelshein 2018 ("Online normalizer calculation for softmax",
//! §3) as FlashAttention tiles it (Dao et al. 2022, algorithm 1): blocks of [`KEY_BLOCK`] keys, a
//! running maximum `m` and sum `l`, and the weighted values rescaled when `m` grows. Blocks are
//! aligned to positions, so a result does not depend on how rows were grouped into tiles.
//!
//! Numbers: q, k and v are int8 with an 8-bit scale per position and head
//! ([`scale_code`](crate::fixed::scale_code)); scores stay 32 bits; numerators are Q1.15.

pub use super::mask::{Mask, Prefix, Visibility};

use super::mask::visible;
use crate::arena::Cache;
use crate::config::{Config, KEY_BLOCK};
use crate::fixed::{decode_scale, round_shift};
use crate::kernels::{
    Attend, BIASED_FACTOR, Biases, Bits, HeadScale, Kernels, KeyRun, LanesMut, Quantizer, Queries,
    Ratio, RowCount, Sums, Visible,
};
use crate::model::RelativeBias;
use crate::nn::position::relative;
use crate::slices::{part, part_mut, rest, rest_mut};
use crate::target::{self, Build};

/// One block of one head of one layer in the cache.
struct Block {
    index: usize,
    head_dim: usize,
}

impl Block {
    fn new(config: &Config, rows: usize, layer: usize, position: usize, head: usize) -> Self {
        let blocks = rows / KEY_BLOCK;
        let block = position / KEY_BLOCK;
        // Only a sliding window goes beyond the last block; small cores have no division.
        let block = if block < blocks { block } else { block % blocks.max(1) };
        Self {
            index: (layer * blocks + block) * config.n_kv_heads + head,
            head_dim: config.head_dim,
        }
    }

    fn data(&self) -> core::ops::Range<usize> {
        let len = KEY_BLOCK * self.head_dim;
        self.index * len..(self.index + 1) * len
    }

    fn scales(&self) -> core::ops::Range<usize> {
        self.index * KEY_BLOCK..(self.index + 1) * KEY_BLOCK
    }

    /// This block and all following ones.
    fn run<'a>(&self, cache: &'a Cache, config: &Config) -> KeyRun<'a> {
        let (data, codes) = (self.data().start, self.scales().start);
        KeyRun {
            keys: rest(cache.keys, data),
            key_codes: rest(cache.key_scales, codes),
            values: rest(cache.values, data),
            value_codes: rest(cache.value_scales, codes),
            stride: config.n_kv_heads * KEY_BLOCK * self.head_dim,
            code_stride: config.n_kv_heads * KEY_BLOCK,
        }
    }
}

/// Writes the keys or values of one position (all heads, a 16-bit `row` of `kv_dim`) into the
/// cache, whose layers hold `cache_rows` positions each.
#[inline(never)]
pub fn write<B: Build>(
    config: &Config,
    cache_rows: usize,
    cache: &mut Cache,
    layer: usize,
    position: usize,
    row: &[i16],
    keys: bool,
) {
    let config = target::config::<B>(config);
    let slot = position % KEY_BLOCK;
    let (data, scales, offset) = match keys {
        true => (
            &mut *cache.keys,
            &mut *cache.key_scales,
            <B::Kernels>::KEY_PACKING.word_offset(slot, 0, config.head_dim),
        ),
        false => (&mut *cache.values, &mut *cache.value_scales, slot),
    };
    for (head, x) in row.chunks_exact(config.head_dim.max(1)).enumerate() {
        let rows = target::cache_rows::<B>(cache_rows);
        let block = Block::new(config, rows, layer, position, head);
        let scale = HeadScale::of_largest(<B::Kernels>::largest(x));
        part_mut(scales, block.scales().start + slot, 1).fill(scale.code());
        let block = block.data();
        let data = rest_mut(part_mut(data, block.start, block.len()), offset);
        match keys {
            true => <B::Kernels>::write_key(x, scale, data),
            false => <B::Kernels>::write_value(x, scale, data),
        }
    }
}

/// One query: its position, its head, its offset in `q`, and the range of keys that it may see.
#[derive(Clone, Copy, Debug)]
struct Query {
    position: usize,
    head: usize,
    offset: usize,
    range: (usize, usize),
}

/// `max|q| · score_multiplier · 2^(score_exponent + 49)`; [`Kernels::attend`] divides by 2¹⁷ and
/// 2³². Clamped to 32 bits: with such a factor, scores one step apart differ by 2⁸ already, and the
/// softmax takes the largest one alone.
fn factor(code: u8, (multiplier, exponent): (u16, i32)) -> u32 {
    let product = decode_scale(code) as u64 * multiplier as u64; // at most 30 bits
    let value = match (exponent + 49).min(32) {
        shift @ 0.. => product << shift,
        shift => round_shift(product as i64, shift.unsigned_abs()) as u64,
    };
    value.min(u32::MAX as u64) as u32
}

/// One attention call: query rows and the keys that they attend to.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a, M: Visibility> {
    /// Hyperparameters.
    pub config: &'a Config,
    /// The layer's score multiplier and exponent.
    pub score_scale: (u16, i32),
    /// Biases of relative positions.
    pub bias: Option<RelativeBias<'a>>,
    /// Layer of the cache.
    pub layer_index: usize,
    /// Positions that a layer of the cache holds.
    pub cache_rows: usize,
    /// Which keys a query sees.
    pub mask: M,
    /// Position of the first query row.
    pub first_position: usize,
    /// Number of positions written to the cache.
    pub keys: usize,
    /// Number of query rows.
    pub rows: usize,
    /// Distance between query rows in `q`.
    pub stride: usize,
}

impl<M: Visibility> Attention<'_, M> {
    /// Attends. `q` holds the query rows (`q_dim` each, in the 16-bit unit of the layer's q); the
    /// result replaces it, in the unit of the layer's v. A query that sees no key gets zeros.
    /// Scratch: `lanes` `(2, head_dim)`, `sums` `(head_dim, 2)`.
    pub fn forward<B: Build>(
        &self,
        cache: &Cache,
        q: &mut [i16],
        lanes: &mut [i16],
        sums: &mut [i32],
    ) {
        let config = target::config::<B>(self.config);
        let group = (config.n_heads / config.n_kv_heads.max(1)).max(1);
        for kv_head in 0..config.n_kv_heads {
            // All queries that read this head's keys, two at a time: first those of one row.
            let mut first = 0;
            while first < self.rows * group {
                let count = (self.rows * group - first).min(2);
                let query = |i: usize| {
                    let (row, position) = (i / group, self.first_position + i / group);
                    let range = self.mask.range(position, self.keys);
                    let head = kv_head * group + i % group;
                    let offset = row * self.stride + head * config.head_dim;
                    Query { position, head, range, offset }
                };
                let queries = [query(first), query(first + count - 1)];
                let count = RowCount::at_most_two(count);
                self.stream::<B>(kv_head, (&queries, count), cache, q, lanes, sums);
                first += 2;
            }
        }
    }

    /// One query (given twice) or two over all blocks of one key/value head.
    #[inline(never)]
    fn stream<B: Build>(
        &self,
        kv_head: usize,
        (queries, count): (&[Query; 2], RowCount),
        cache: &Cache,
        q: &mut [i16],
        lanes: &mut [i16],
        sums: &mut [i32],
    ) {
        let config = target::config::<B>(self.config);
        let head_dim = config.head_dim;
        let packing = <B::Kernels>::KEY_PACKING;
        let lanes = LanesMut::<B::Kernels>::new(lanes, count, head_dim, packing, Bits::Eight);
        debug_assert!(lanes.is_some(), "no lanes for a head of {head_dim}");
        let Some(mut lanes) = lanes else { return };
        let mut factors = [0; 2];
        for row in 0..count.get() {
            let x = part(q, queries[row & 1].offset, head_dim);
            let scale = HeadScale::of_largest(<B::Kernels>::largest(x));
            factors[row & 1] = factor(scale.code(), self.score_scale);
            <B::Kernels>::quantize(x, &Quantizer::of_head(scale), row, &mut lanes);
        }
        let bias = self.bias.filter(|_| target::has_relative_positions::<B>());
        let [a, b] = queries.map(|query| query.range);
        let (low, high) = (a.0.min(b.0), a.1.max(b.1));
        let cache_rows = target::cache_rows::<B>(self.cache_rows);
        // 15-bit numerators of up to 512 keys fit 32-bit sums of values; more keys leave fewer
        // bits.
        let bits = usize::BITS - (cache_rows - 1).leading_zeros();
        let shift = 15 + bits.saturating_sub(9);
        let from_first =
            M::FROM_FIRST || (self.mask.is_run() && high <= cache_rows && (a.0, b.0) == (0, 0));
        let own_factors = if bias.is_some() { [BIASED_FACTOR; 2] } else { factors };
        let state = Queries::new(lanes.lanes(), own_factors, sums);
        debug_assert!(state.is_some(), "no sums for a head of {head_dim}");
        let Some(mut state) = state else { return };
        if from_first && bias.is_none() {
            let run =
                Block::new(config, cache_rows, self.layer_index, 0, kv_head).run(cache, config);
            let visible = [a.1, if count.get() > 1 { b.1 } else { 0 }];
            attend::<B::Kernels>(&mut state, run, Visible::First(visible), shift);
        } else {
            let queries = part(queries, 0, count.get());
            self.blocks::<B>(kv_head, low..high, queries, cache, shift, factors, &mut state);
        }
        for row in 0..count.get() {
            let out = part_mut(q, queries[row & 1].offset, head_dim);
            if let Some((softmax, sums)) = state.query(row) {
                divide::<B::Kernels>(&sums, softmax.sum, shift, out);
            }
        }
    }

    /// Block by block over the positions `keys`: any mask, biases, and a cache that may be a ring.
    #[allow(clippy::too_many_arguments)] // one caller
    #[inline(never)]
    fn blocks<B: Build>(
        &self,
        kv_head: usize,
        keys: core::ops::Range<usize>,
        queries: &[Query],
        cache: &Cache,
        shift: u32,
        factors: [u32; 2],
        state: &mut Queries<B::Kernels>,
    ) {
        let config = target::config::<B>(self.config);
        let mut biases = Biases { factors, biases: [[0; KEY_BLOCK]; 2] };
        for first in (keys.start / KEY_BLOCK * KEY_BLOCK..keys.end).step_by(KEY_BLOCK) {
            let mut seen = [0; 2];
            for (seen, query) in seen.iter_mut().zip(queries) {
                *seen = visible(self.mask, query.position, first, query.range);
            }
            if seen == [0; 2] {
                continue;
            }
            // `stream` handles keys from the first on without biases.
            if M::FROM_FIRST && self.bias.is_none() {
                return;
            }
            let rows = target::cache_rows::<B>(self.cache_rows);
            let block = Block::new(config, rows, self.layer_index, first, kv_head);
            let run = block.run(cache, config);
            let biases = self.bias.as_ref().map(|bias| {
                for (biases, query) in biases.biases.iter_mut().zip(queries) {
                    for (entry, key) in biases.iter_mut().zip(first..) {
                        *entry = relative(bias, query.head, query.position, key);
                    }
                }
                &biases
            });
            attend::<B::Kernels>(state, run, Visible::Block { keys: seen, biases }, shift);
        }
    }
}

/// Attends to keys within the cache.
#[inline(always)]
fn attend<K: Kernels>(queries: &mut Queries<K>, run: KeyRun, visible: Visible, shift: u32) {
    let attend = Attend::new(queries, run, visible, shift);
    debug_assert!(attend.is_some(), "keys that the cache does not hold");
    let _ = attend.map(K::attend);
}

/// `out = sums / sum · 2^shift / 127`: the weighted mean of the values, in the unit of v.
///
/// With `l` = the 16 leading bits of `sum`, `floor(2^31 / l) · (128/127)` is the reciprocal in 15
/// bits; it is at most 2^16, so that the product fits 32 bits.
fn divide<K: Kernels>(sums: &Sums, sum: u32, shift: u32, out: &mut [i16]) {
    let zeros = sum.leading_zeros();
    let leading = sum.checked_shl(zeros).unwrap_or(0) >> 16;
    let Some(reciprocal) = (1u32 << 31).checked_div(leading) else {
        out.fill(0);
        return;
    };
    let factor = (reciprocal * 33026 + (1 << 15)) >> 16;
    K::divide(sums, &Ratio::new(factor, 53 - zeros as i32 - shift as i32), out);
}
