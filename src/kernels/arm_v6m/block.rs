//! One block of attention. Keys are cached as plain weights.

use super::ArmV6m;
use super::attention::{Weigh, Weighted, scores, weigh, weighted};
use super::linear::{plain_1, plain_2};
use crate::config::KEY_BLOCK;
use crate::fixed::EXP2;
use crate::kernels::{HeadScale, KeyBlock, Queries, RowCount, Softmax, Sums, portable};
use core::mem::MaybeUninit;

/// Number of visible keys if they are the first ones.
fn prefix(seen: u16) -> Option<usize> {
    (seen & seen.wrapping_add(1) == 0).then_some(seen.trailing_ones() as usize)
}

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

/// One block for [`Kernels::attend`](super::Kernels::attend), with no biases.
pub fn attend(queries: &mut Queries<ArmV6m>, block: &KeyBlock, seen: [u16; 2], shift: u32) {
    let Queries { lanes, states, sums } = queries;
    let product = if matches!(lanes.rows, RowCount::Two) { plain_2 } else { plain_1 };
    let mut products = [MaybeUninit::uninit(); 2 * KEY_BLOCK];
    let products = products.get_mut(..KEY_BLOCK * lanes.rows.get()).unwrap_or_default();
    let (ends, x, words) = (products.as_mut_ptr_range(), lanes.data.as_ptr().cast(), lanes.words);
    // SAFETY: `Lanes` and `KeyBlock`: there are `words` words for each query and each of 16 keys. All
    // products are written.
    let products = unsafe {
        product(block.keys.as_ptr(), x, words, 16 * words, ends.start.cast(), ends.end.cast());
        products.assume_init_mut()
    };
    for (row, (state, seen)) in states.iter_mut().zip(seen).enumerate() {
        let Some(products) = Sums::new(products, lanes.rows, row) else { break };
        let mut weights = [0; KEY_BLOCK];
        let keys = match prefix(seen) {
            Some(0) => continue, // nothing is added
            Some(keys) => {
                numerators(&products, block, keys, shift, state, sums, &mut weights);
                keys
            }
            None => {
                some_numerators(&products, block, seen, shift, state, sums, &mut weights);
                KEY_BLOCK
            }
        };
        let start = block.values.as_ptr();
        let by = Weighted {
            end: weights.as_ptr().wrapping_add(keys.next_multiple_of(4)),
            stride: 4 * lanes.rows.get(),
            values_end: start.wrapping_add(block.values.len()),
        };
        // SAFETY: `KeyBlock` and `Queries`: 16 values for each dimension, whose sums lie a stride apart; 4 to
        // 16 weights.
        unsafe { weighted(start, weights.as_ptr(), sums.as_mut_ptr().add(row), &by) };
    }
}

/// Weights of the first `keys` keys for one query.
fn numerators(
    products: &Sums,
    block: &KeyBlock,
    keys: usize,
    shift: u32,
    state: &mut Softmax,
    sums: &mut [i32],
    weights: &mut [i32; KEY_BLOCK],
) {
    let weights = weights.as_mut_ptr();
    let rows = products.rows.get();
    // SAFETY: there are 16 of everything; `keys` is 1 to 16.
    unsafe {
        let from = products.data.as_ptr().add(products.row);
        // Scores first, weights in their place then.
        let maximum = scores(from, block.key_codes.as_ptr(), weights, keys, 4 * rows);
        if maximum > state.maximum {
            portable::raise(state, maximum, rows, products.row, sums);
        }
        let by = Weigh {
            end: weights.add(keys),
            maximum: state.maximum,
            factor_low: state.factor & 0xffff,
            factor_high: state.factor >> 16,
            table: EXP2.as_ptr(),
            half: 1 << (shift - 1),
            shift,
        };
        let sum = weigh(weights, block.value_codes.as_ptr(), weights, &by);
        state.sum = state.sum.saturating_add(sum);
    }
}

/// The same for any keys, in plain Rust.
#[inline(never)]
fn some_numerators(
    products: &Sums,
    block: &KeyBlock,
    seen: u16,
    shift: u32,
    state: &mut Softmax,
    sums: &mut [i32],
    weights: &mut [i32; KEY_BLOCK],
) {
    let found = portable::scores(products, &block.key_scales());
    let maximum = portable::largest_seen(&found, seen);
    if maximum > state.maximum {
        portable::raise(state, maximum, products.rows.get(), products.row, sums);
    }
    let (numerators, sum) = portable::weigh(&found, state, &block.value_scales(), seen, shift);
    state.sum = state.sum.saturating_add(sum);
    *weights = numerators.map(i32::from);
}
