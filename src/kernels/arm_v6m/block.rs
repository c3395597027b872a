//! One block of attention. Keys are cached as plain weights.

use super::attention::{Weigh, Weighed, Weighted, scores, weigh, weighted};
use super::backend::ArmV6m;
use super::linear::{plain_1, plain_2};
use crate::config::KEY_BLOCK;
use crate::fixed::EXP2;
use crate::kernels::streams::prefix;
use crate::kernels::{HeadScale, KeyBlock, Queries, RowCount, Softmax, Sums, portable};
use core::mem::MaybeUninit;

/// See [`Kernels::write_key`](super::Kernels::write_key); the words are plain.
pub fn write_key(x: &[i16], scale: HeadScale, out: &mut [u8]) {
    let (inverse, shift) = (scale.inverse as i32, scale.shift());
    let half = (1 << shift) >> 1;
    for (out, four) in out.chunks_mut(16).zip(x.as_chunks::<4>().0) {
        if let Some(out) = out.first_chunk_mut::<4>() {
            *out = four.map(|x| ((x as i32 * inverse + half) >> shift) as u8);
        }
    }
}

/// Room for the scores of a block, then for its keys that count, in the same place.
type Scratch = [MaybeUninit<Weighed>; KEY_BLOCK];

/// Blocks without biases, see [`Kernels::attend`](super::Kernels::attend).
pub struct Attention {
    /// Distances from which on each query's numerators are 0, see [`Weigh::limit`].
    limits: [u32; 2],
    shift: u32,
}

impl Attention {
    /// For these queries.
    pub fn new(queries: &Queries<ArmV6m>, shift: u32) -> Self {
        // Fifteen octaves, by the upper half of the factor.
        let limit = |state: Softmax| (15u32 << 24).checked_div(state.factor >> 16);
        let limits = queries.states.map(|state| limit(state).map_or(u32::MAX, |limit| limit + 1));
        Self { limits, shift }
    }

    /// One block.
    pub fn block(&self, queries: &mut Queries<ArmV6m>, block: &KeyBlock, seen: [u16; 2]) {
        let Queries { lanes, states, sums } = queries;
        let rows = lanes.rows.get();
        let product = if matches!(lanes.rows, RowCount::Two) { plain_2 } else { plain_1 };
        // Fours of keys up to the last one that is seen.
        let last = u16::BITS - (seen[0] | seen[1]).leading_zeros();
        let keys = (last as usize).next_multiple_of(4);
        let mut products = [MaybeUninit::uninit(); 2 * KEY_BLOCK];
        let products = products.get_mut(..keys * rows).unwrap_or_default();
        if products.is_empty() {
            return;
        }
        let (ends, words) = (products.as_mut_ptr_range(), lanes.words);
        let (start, x) = (block.keys.as_ptr(), lanes.data.as_ptr().cast());
        // SAFETY: `Lanes` and `KeyBlock`: there are `words` words for each query and each of 16 keys. All
        // products are written.
        let products = unsafe {
            product(start, x, words, 16 * words, ends.start.cast(), ends.end.cast());
            products.assume_init_mut()
        };
        for (row, (state, seen)) in states.iter_mut().zip(seen).enumerate() {
            let Some(products) = Sums::new(products, lanes.rows, row) else { break };
            let mut weighed: Scratch = [const { MaybeUninit::uninit() }; KEY_BLOCK];
            let end = match prefix(seen) {
                Some(0) => continue, // nothing is added
                Some(keys) => self.numerators(&products, block, keys, state, sums, &mut weighed),
                None => self.some_numerators(&products, block, seen, state, sums, &mut weighed),
            };
            let first = weighed.as_ptr().cast();
            if end == first {
                continue;
            }
            let start = block.values.as_ptr();
            let by = Weighted {
                end,
                stride: 4 * rows,
                values_end: start.wrapping_add(block.values.len()),
            };
            // SAFETY: `KeyBlock` and `Queries`: 16 values for each dimension, whose sums lie a stride apart; one
            // key at least, and all of them written.
            unsafe { weighted(start, first, sums.as_mut_ptr().add(row), &by) };
        }
    }

    /// The first `keys` keys for one query; returns the end of those that count.
    fn numerators(
        &self,
        products: &Sums,
        block: &KeyBlock,
        keys: usize,
        state: &mut Softmax,
        sums: &mut [i32],
        weighed: &mut Scratch,
    ) -> *const Weighed {
        let rows = products.rows.get();
        let weighed = weighed.as_mut_ptr().cast::<Weighed>();
        // SAFETY: there are 16 of everything; `keys` is 1 to 16, and products are no fewer.
        unsafe {
            let from = products.data.as_ptr().add(products.row);
            let found = weighed.cast::<i32>().add(KEY_BLOCK);
            let maximum = scores(from, block.key_codes.as_ptr(), found, keys, 4 * rows);
            if maximum > state.maximum {
                portable::raise(state, maximum, rows, products.row, sums);
            }
            let mut by = Weigh {
                end: found.add(keys),
                maximum: state.maximum,
                factor_low: state.factor & 0xffff,
                factor_high: state.factor >> 16,
                table: EXP2.as_ptr(),
                limit: self.limits[products.row & 1],
                shift: self.shift,
            };
            let sum = weigh(found, block.value_codes.as_ptr(), weighed, &mut by);
            state.sum = state.sum.saturating_add(sum);
            by.end.cast()
        }
    }

    /// The same for any keys, in plain Rust.
    #[inline(never)]
    fn some_numerators(
        &self,
        products: &Sums,
        block: &KeyBlock,
        seen: u16,
        state: &mut Softmax,
        sums: &mut [i32],
        weighed: &mut Scratch,
    ) -> *const Weighed {
        let found = portable::scores(products, &block.key_scales());
        let maximum = portable::largest_seen(&found, seen);
        if maximum > state.maximum {
            portable::raise(state, maximum, products.rows.get(), products.row, sums);
        }
        let scales = block.value_scales();
        let (weights, sum) = portable::weigh(&found, state, &scales, seen, self.shift);
        state.sum = state.sum.saturating_add(sum);
        let weights = weights.map(i32::from).into_iter().enumerate();
        for (to, (key, weight)) in weighed.iter_mut().zip(weights) {
            to.write(Weighed { key, weight });
        }
        weighed.as_ptr_range().end.cast()
    }
}
