//! One block of attention. Keys are cached as plain weights.

use super::attention::{Weigh, Weighted, scores, weigh, weighted};
use super::{aligned, product};
use crate::config::KEY_BLOCK;
use crate::fixed::EXP2;
use crate::kernels::{Kernels, KeyBlock, Portable, Softmax};
use crate::matrix::Packing;
use core::mem::MaybeUninit;

/// Number of keys if the visible ones are the first ones.
fn prefix(visible: u32) -> Option<usize> {
    let ones = visible.trailing_ones();
    (visible.checked_shr(ones).unwrap_or(0) == 0 && ones as usize <= KEY_BLOCK)
        .then_some(ones as usize)
}

/// See [`Kernels::write_key`](super::Kernels::write_key); the words are plain.
pub fn write_key(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
    let half = (1 << shift) >> 1;
    for (out, four) in out.chunks_mut(16).zip(x.as_chunks::<4>().0) {
        if let Some(out) = out.first_chunk_mut::<4>() {
            *out = four.map(|x| ((x as i32 * inverse as i32 + half) >> shift) as u8);
        }
    }
}

/// See [`Kernels::attend`](super::Kernels::attend).
pub fn attend(
    lanes: &[i16],
    block: &KeyBlock,
    visible: [u32; 2],
    shift: u32,
    queries: &mut [Softmax],
    sums: &mut [i32],
) {
    let rows = queries.len();
    let head_dim = lanes.len() / 2;
    let (layout, keys, group_bytes) = (Packing::Plain, block.keys, head_dim * 4);
    let mut products = [MaybeUninit::uninit(); 2 * KEY_BLOCK];
    let products = products.get_mut(..KEY_BLOCK * rows).unwrap_or_default();
    let len = products.len();
    let shape = product::assembly(layout, false, lanes, rows, keys, group_bytes, len);
    match shape {
        Some((assembly, words)) => {
            let (ends, x) = (products.as_mut_ptr_range(), lanes.as_ptr().cast());
            // SAFETY: `assembly` has checked every length and alignment.
            unsafe {
                assembly(keys.as_ptr(), x, words, group_bytes, ends.start.cast(), ends.end.cast());
            }
        }
        None => products.fill(MaybeUninit::new(0)),
    }
    // SAFETY: they have just been written, one way or the other.
    let products = unsafe { products.assume_init_mut() };
    if shape.is_none() {
        product::any_shape(layout, false, lanes, rows, keys, group_bytes, products);
    }
    for (row, (query, visible)) in queries.iter_mut().zip(visible).enumerate() {
        let mut weights = [0; KEY_BLOCK];
        let keys = if visible == 0 {
            continue; // nothing is added
        } else if let (Some(keys), 1..32) = (prefix(visible), shift)
            && block.key_codes.len() >= KEY_BLOCK
            && block.value_codes.len() >= KEY_BLOCK
            && products.len() == KEY_BLOCK * rows
        {
            numerators(products, rows, row, block, keys, shift, query, sums, &mut weights);
            keys
        } else {
            any_numerators(products, rows, row, block, visible, shift, query, sums, &mut weights);
            KEY_BLOCK
        };
        add_values(&weights, keys, block.values, rows, row, sums);
    }
}

/// Weights of the first `keys` keys for one query.
#[allow(clippy::too_many_arguments)] // one caller
fn numerators(
    products: &[i32],
    rows: usize,
    row: usize,
    block: &KeyBlock,
    keys: usize,
    shift: u32,
    query: &mut Softmax,
    sums: &mut [i32],
    weights: &mut [i32; KEY_BLOCK],
) {
    let weights = weights.as_mut_ptr();
    // SAFETY: the caller has checked that there are 16 of everything; `keys` is 1 to 16.
    unsafe {
        let (from, codes) = (products.as_ptr().add(row), block.key_codes.as_ptr());
        // Scores first, weights in their place then.
        let maximum = scores(from, codes, weights, keys, 4 * rows);
        if maximum > query.maximum {
            query.raise(maximum, rows, row, sums);
        }
        let by = Weigh {
            end: weights.add(keys),
            maximum: query.maximum,
            factor_low: query.factor & 0xffff,
            factor_high: query.factor >> 16,
            table: EXP2.as_ptr(),
            half: 1 << (shift - 1),
            shift,
        };
        let sum = weigh(weights, block.value_codes.as_ptr(), weights, &by);
        query.sum = query.sum.saturating_add(sum);
    }
}

/// The same for any mask, in plain Rust.
#[allow(clippy::too_many_arguments)] // one caller
#[inline(never)]
fn any_numerators(
    products: &[i32],
    rows: usize,
    row: usize,
    block: &KeyBlock,
    visible: u32,
    shift: u32,
    query: &mut Softmax,
    sums: &mut [i32],
    weights: &mut [i32; KEY_BLOCK],
) {
    let mut scores = [0; KEY_BLOCK];
    let maximum = Portable::scores(products, rows, row, &block.key_scales(), visible, &mut scores);
    if maximum > query.maximum {
        query.raise(maximum, rows, row, sums);
    }
    let (maximum, factor, scales) = (query.maximum, query.factor, block.value_scales());
    let mut lanes = [0; KEY_BLOCK];
    let sum = Portable::weigh(&scores, maximum, factor, &scales, visible, shift, 1, 0, &mut lanes);
    query.sum = query.sum.saturating_add(sum);
    let fours = weights.as_chunks_mut::<4>().0.iter_mut().zip(lanes.as_chunks::<4>().0);
    for (to, &[p0, p2, p1, p3]) in fours {
        *to = [p0, p1, p2, p3].map(i32::from);
    }
}

/// `sums[d · rows + row] += Σ weights · values[d]` of the first `keys` keys; further weights are 0.
fn add_values(
    weights: &[i32; KEY_BLOCK],
    keys: usize,
    values: &[u8],
    rows: usize,
    row: usize,
    sums: &mut [i32],
) {
    let head_dim = if rows == 2 { sums.len() / 2 } else { sums.len() };
    let bytes = KEY_BLOCK * head_dim;
    if head_dim.is_multiple_of(4) && head_dim > 0 && aligned(values) && values.len() >= bytes {
        let (start, weights) = (values.as_ptr(), weights.as_ptr());
        let by = Weighted {
            end: weights.wrapping_add(keys.next_multiple_of(4)),
            stride: 4 * rows,
            values_end: start.wrapping_add(bytes),
        };
        // SAFETY: 16 values for each of `head_dim` sums, which lie `rows` apart; 4 to 16 weights.
        unsafe { weighted(start, weights, sums.as_mut_ptr().add(row), &by) };
        return;
    }
    let sums = sums.chunks_exact_mut(rows.max(1)).filter_map(|rows| rows.get_mut(row));
    for (sum, values) in sums.zip(values.as_chunks::<KEY_BLOCK>().0) {
        for (weight, &value) in weights.iter().zip(values) {
            *sum = sum.wrapping_add(weight * (value as i8) as i32);
        }
    }
}
