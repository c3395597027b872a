//! Between slices and the assembly: what it assumes is checked here, and what it leaves is done here.

use super::{layer, pointwise, rescale};
use crate::fixed::{requantize, shift_by};
use crate::kernels::{Activate, Quantizer};
use crate::matrix::unpair_word;

/// Whether a slice begins at a multiple of four bytes.
pub fn aligned<T>(x: &[T]) -> bool {
    x.as_ptr().addr().is_multiple_of(4)
}

/// The shape of a product, if the assembly can take it: words of four inputs.
pub fn words(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    groups: usize,
) -> Option<usize> {
    let words = lanes.len().checked_div(4 * rows)?;
    let needed = groups.checked_sub(1)?.checked_mul(group_bytes)?.checked_add(16 * words)?;
    let fits = lanes.len() == 4 * words * rows
        && words > 0
        && weights.len() >= needed
        && group_bytes.is_multiple_of(4);
    (fits && aligned(lanes) && aligned(weights)).then_some(words)
}

/// Inputs that the assembly leaves, from four `from` on: the last ones, and rows that are next to nothing.
#[inline(never)]
pub fn quantize_rest(
    x: &[i16],
    by: &Quantizer,
    lanes: &mut [[i16; 4]],
    (rows, row): (usize, usize),
    from: usize,
) {
    let lanes = lanes.iter_mut().skip(row).step_by(rows);
    for (lane, x) in lanes.zip(x.chunks(4)).skip(from) {
        let mut four = [0; 4];
        for (q, &x) in four.iter_mut().zip(x) {
            let product = by.shifted(x).wrapping_mul(by.inverse);
            *q = (product.wrapping_add(1 << (30 - by.bits)) >> (31 - by.bits)) as i16;
        }
        let [x0, x1, x2, x3] = four;
        *lane = match by.bits {
            8 => [x1, x3, (x0 << 8).wrapping_sub(x1), (x2 << 8).wrapping_sub(x3)],
            _ => [x1, x3, x0, x2],
        };
    }
}

/// Outputs that the assembly leaves: a shift below 33, the odd one at the end.
#[inline(never)]
pub fn rescale_one(
    accumulator: i32,
    multiplier: &[u8],
    bias: &[u8],
    (scale, shift, bias_shift): (u16, u32, i32),
) -> i32 {
    let half =
        |bytes: &[u8]| bytes.first_chunk().map_or(0, |&pair| i16::from_le_bytes(pair) as i32);
    let value = requantize(accumulator, half(multiplier) * scale as i32, shift);
    value.saturating_add(shift_by(half(bias), bias_shift))
}

/// How the assembly rescales, if it can: everything but the pairs, `out` and `up`.
pub fn rescaling(
    biased: bool,
    scale: u16,
    shift: u32,
    bias_shift: i32,
) -> Option<rescale::Rescale> {
    // A scale of 2^15 is one of 2^14 with a shift less.
    let over = (scale >> 15) as u32;
    let shift = shift.wrapping_sub(over);
    let bias_shift = if biased { bias_shift } else { 0 };
    ((33..64).contains(&shift) && bias_shift >= -13).then(|| rescale::Rescale {
        pairs: 0,
        out: 0,
        scale: (scale >> over) as u32,
        half: 1 << (shift - 33),
        shift: shift - 32,
        bias: 1 << (17 - bias_shift.min(17)),
        one: 1,
        up: 0,
    })
}

/// Rescales row `row` of `rows` with `write`, pair by pair; returns how many of `n` outputs are done.
pub fn rescale_pairs(
    accumulators: &[i32],
    (rows, row): (usize, usize),
    multipliers: &[u8],
    biases: &[u8],
    by: Option<rescale::Rescale>,
    n: usize,
    write: layer::Write,
) -> usize {
    let held = (accumulators.len() / rows.max(1)).min(multipliers.len() / 2).min(n);
    let held = if biases.is_empty() { held } else { held.min(biases.len() / 2) };
    let Some(by) = by.filter(|_| held >= 2 && row < rows && rows <= 2) else { return 0 };
    let by = rescale::Rescale { pairs: held / 2, ..by };
    let at = accumulators.as_ptr().wrapping_add(row);
    // SAFETY: all slices hold `2 · by.pairs` numbers, accumulators `rows` times as many.
    unsafe { write(at, multipliers.as_ptr(), biases.as_ptr(), &by) };
    2 * by.pairs
}

/// Sums of products for slices that the assembly does not take (misaligned ones).
#[inline(never)]
pub fn slow_sums(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    accumulators: &mut [i32],
    wide: bool,
) {
    let (fours, _) = lanes.as_chunks::<4>();
    let used = accumulators.len() - accumulators.len() % (4 * rows);
    for (i, sum) in accumulators.iter_mut().take(used).enumerate() {
        let (output, row) = (i / rows, i % rows);
        let at = output / 4 * group_bytes + output % 4 * 4;
        let words = weights.get(at..).unwrap_or_default().chunks(16);
        *sum = 0;
        for (word, x) in words.zip(fours.chunks_exact(rows)) {
            let (Some(&word), Some(x)) = (word.first_chunk(), x.get(row)) else { break };
            let word = u32::from_le_bytes(word);
            let [a, b, c, d] = x.map(i32::from);
            let product = if wide {
                let [w0, w1, w2, w3] = unpair_word(word).map(i32::from);
                w1 * a + w3 * b + w0 * c + w2 * d
            } else {
                let (h0, h1) = (word as i16 as i32, (word >> 16) as i16 as i32);
                h0 * a + h1 * b + (h0 as i8 as i32) * c + (h1 as i8 as i32) * d
            };
            *sum = sum.wrapping_add(product);
        }
    }
}

/// An activation as the assembly wants it.
pub fn curve(by: &Activate) -> pointwise::Curve {
    let (position, value) = (by.position_shift, by.value_shift);
    let limit = match (by.table, position) {
        (None, _) => 0,
        (_, 16..) => 1,
        (_, 0..) => 1 << (20 - position),
        _ => u32::MAX,
    };
    // A shift that leaves nothing, or less than half, may be larger.
    let down = value.clamp(0, 17) as u32;
    pointwise::Curve {
        table: by.table.map_or(core::ptr::null(), |table| table.as_ptr()),
        limit,
        position: if position < -11 { 32 } else { (position + 11) as u32 },
        up: (-value).clamp(0, 16) as u32,
        // Dividing twice, rounding down, is dividing once; to round half up, both halves are added.
        down: 12 + down,
        half: 2048 + ((1 << down >> 1) << 12),
    }
}
