//! A whole linear layer: products and their rescaling, group by group.

use super::glue::{aligned, words as shape};
use super::linear::{Tail, paired_1, paired_2, wide_1, wide_2};
use super::rescale::{self, Rescale, Row};
use crate::config::WeightLayout;
use crate::kernels::{Product, RowScale};

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

/// As [`halves`], see [`Kernels::linear_wide`](crate::kernels::Kernels::linear_wide).
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
    let fits = matches!(product.layout, WeightLayout::Paired)
        && (rows == 1 || (rows == 2 && lens[1] >= n))
        && multipliers.len() >= 2 * n
        && (!biased || (biases.len() >= 2 * n && aligned(biases)))
        && aligned(multipliers);
    let words = shape(lanes, rows, weights, group_bytes, n / 4).filter(|_| fits);
    let Some(words) = words else { return 0 };
    // Sums of 8-bit lanes, times 256, are below 2²² for every input, those of 12-bit lanes below 2¹⁸; the
    // rest of 31 bits makes up for too small a shift.
    let taken = if product.wide { 18 } else { 22 } + usize::BITS - (4 * words - 1).leading_zeros();
    let most = if width == 2 { 31u32.saturating_sub(taken) } else { 0 };
    // The cursor has moved on when a tail looks for biases and outputs.
    let cursor = multipliers.as_ptr();
    let moved = cursor.addr() + if rows == 1 { 8 } else { 4 };
    let row = |by: &RowScale, out: usize| {
        // A scale of 2^15 is one of 2^14 with a shift less.
        let over = (by.scale >> 15) as u32;
        let shift = by.shift - over;
        let up = 33u32.saturating_sub(shift);
        let shift = shift + up;
        let bias_shift = match (biased, width) {
            (false, _) => 0,
            (true, 1) => by.bias_shift.max(0),
            (true, _) => by.bias_shift,
        };
        (up <= most && shift < 64 && bias_shift >= -13).then(|| Row {
            scale: (by.scale >> over) as u32,
            half: 1 << (shift - 33),
            shift: shift - 32,
            up,
            bias: 1 << (17 - bias_shift.min(17)),
            out: out.wrapping_sub(width * moved),
        })
    };
    let last = rows - 1;
    let (Some(a), Some(b)) = (row(&by[0], out[0]), row(&by[last], out[last])) else { return 0 };
    if width == 1 && a.bias != b.bias {
        return 0;
    }
    let biases = biases.as_ptr().addr().wrapping_sub(moved);
    let by = Rescale { bias: a.bias, rows: [a, b], biases };
    let (multiply, step) = match (rows, product.wide) {
        (1, false) => (paired_1 as super::linear::Multiply, group_bytes.wrapping_sub(16 * words)),
        (1, true) => (wide_1 as _, group_bytes.wrapping_sub(16 * words)),
        (_, false) => (paired_2 as _, group_bytes),
        (_, true) => (wide_2 as _, group_bytes),
    };
    let end = cursor.wrapping_add(2 * n);
    // SAFETY: lanes, weights, multipliers, biases and `out` hold what the checks above say.
    unsafe { multiply(weights.as_ptr(), lanes.as_ptr(), words, step, cursor, end, tail, &by) };
    n
}
