//! A whole linear layer: products and their rescaling, group by group.

use super::glue::{aligned, words as shape};
use super::linear::{Multiply, Tail, paired_1, paired_2, wide_1, wide_2};
use super::rescale::{self, Rescale, Row};
use crate::kernels::{Product, RowScale};
use crate::matrix::Packing;
use core::mem::MaybeUninit;

/// See [`Kernels::linear`](crate::kernels::Kernels::linear). Returns how many outputs are done, a multiple of
/// four; the assembly may not be able to do any.
pub fn halves(product: &Product, by: [RowScale; 2], out: &mut [&mut [i16]; 2]) -> usize {
    let tail = match (product.rows, product.biases.is_empty()) {
        (1, true) => rescale::halves_1,
        (1, false) => rescale::biased_halves_1,
        (_, true) => rescale::halves_2,
        (_, false) => rescale::biased_halves_2,
    };
    let lens = [out[0].len(), out[1].len()];
    let at = out.each_mut().map(|out| out.as_mut_ptr().addr());
    run(product, by, at, lens, 1, tail)
}

/// As [`halves`], see [`Kernels::linear_32`](crate::kernels::Kernels::linear_32).
pub fn words(product: &Product, by: [RowScale; 2], out: &mut [&mut [i32]; 2]) -> usize {
    let tail = match (product.rows, product.biases.is_empty()) {
        (1, true) => rescale::words_1,
        (1, false) => rescale::biased_words_1,
        (_, true) => rescale::words_2,
        (_, false) => rescale::biased_words_2,
    };
    let lens = [out[0].len(), out[1].len()];
    let at = out.each_mut().map(|out| out.as_mut_ptr().addr());
    run(product, by, at, lens, 2, tail)
}

/// `tail` writes numbers of `width` halfwords to the addresses `out`, as many as `lens` says.
#[inline(never)]
fn run(
    product: &Product,
    by: [RowScale; 2],
    out: [usize; 2],
    lens: [usize; 2],
    width: usize,
    tail: Tail,
) -> usize {
    let Product { lanes, rows, weights, group_bytes, multipliers, biases, .. } = *product;
    let n = lens[0] / 4 * 4;
    let biased = !biases.is_empty();
    let fits = matches!(product.packing, Packing::Paired)
        && (rows == 1 || (rows == 2 && lens[1] >= n))
        && multipliers.len() >= 2 * n
        && (!biased || (biases.len() >= 2 * n && aligned(biases)))
        && aligned(multipliers);
    let words = shape(lanes, rows, weights, group_bytes, n / 4).filter(|_| fits);
    let Some(words) = words else { return 0 };
    // The cursor has moved on when a tail looks for biases and outputs.
    let cursor = multipliers.as_ptr();
    let moved = cursor.addr() + if rows == 1 { 8 } else { 4 };
    let mut rescale = MaybeUninit::<Rescale>::uninit();
    let rescale = rescale.as_mut_ptr();
    let mut bias = None;
    for (row, (by, out)) in by.iter().zip(out).enumerate().take(rows) {
        // A scale of 2^15 is one of 2^14 with a shift less.
        let over = (by.scale >> 15) as u32;
        let (mut shift, mut up) = (by.shift - over, 0);
        if shift < 33 {
            // Sums of 8-bit lanes, times 256, are below 2²² for every input, those of 12-bit lanes below
            // 2¹⁸; of 32 bits, the rest makes up for too small a shift.
            let bits = if product.wide { 18 } else { 22 } + usize::BITS;
            (up, shift) = (33 - shift, 33);
            if width == 1 || bits - (4 * words - 1).leading_zeros() + up > 31 {
                return 0;
            }
        }
        let bias_shift = match (biased, width) {
            (false, _) => 0,
            (true, 1) => by.bias_shift.max(0),
            (true, _) => by.bias_shift,
        };
        let factor = 1 << (17 - bias_shift.min(17));
        // Of 16 bits, both rows have the same unit.
        if shift >= 64 || bias_shift < -13 || (width == 1 && *bias.get_or_insert(factor) != factor)
        {
            return 0;
        }
        // SAFETY: there are two rows.
        unsafe {
            (&raw mut (*rescale).rows[row & 1]).write(Row {
                scale: (by.scale >> over) as u32,
                half: 1 << (shift - 33),
                shift: shift - 32,
                up,
                bias: factor,
                out: out.wrapping_sub(width * moved),
            });
        }
    }
    // SAFETY: as above; of one row, the second is neither written nor read.
    let by = unsafe {
        (&raw mut (*rescale).biases).write(biases.as_ptr().addr().wrapping_sub(moved));
        (&raw mut (*rescale).bias).write(bias.unwrap_or(0));
        (&raw mut (*rescale).one).write(1);
        let rows_only = &raw const (*rescale).rows;
        if rows == 2 && biased { rescale.cast_const().cast() } else { rows_only.cast() }
    };
    let skip = group_bytes.wrapping_sub(16 * words);
    let (multiply, step): (Multiply, usize) = match (rows, product.wide) {
        (1, false) => (paired_1, skip),
        (1, true) => (wide_1, skip),
        (_, false) => (paired_2, group_bytes),
        (_, true) => (wide_2, group_bytes),
    };
    let end = cursor.wrapping_add(2 * n);
    // SAFETY: lanes, weights, multipliers, biases and `out` hold what the checks above say.
    unsafe { multiply(weights.as_ptr(), lanes.as_ptr(), words, step, cursor, end, tail, by) };
    n
}
