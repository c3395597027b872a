//! Between slices and the assembly: what it assumes is checked here, and what it leaves is done here.

use super::{layer, pointwise, rescale, slow};
use crate::fixed::{round_shift, saturate, shift_by};
use crate::kernels::Activate;

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
    let value = scaled(accumulator, half(multiplier) as i64 * scale as i64, shift);
    value.saturating_add(shift_by(half(bias), bias_shift))
}

/// `round(x · factor / 2^shift)`, saturated: what every pass does, where its assembly does not.
#[inline(never)]
pub fn scaled(x: i32, factor: i64, shift: u32) -> i32 {
    saturate(round_shift(x as i64 * factor, shift))
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
    let used = accumulators.len() - accumulators.len() % (4 * rows);
    for (i, to) in accumulators.iter_mut().take(used).enumerate() {
        *to = slow::sum(lanes, (rows, i % rows), weights, group_bytes, i / rows, wide);
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
        up: 1 << (-value).clamp(0, 16),
        half: (1 << down) >> 1,
        down,
    }
}
