//! What the assembly does not take, one output after another: slices that are not aligned, an odd number
//! of outputs, shifts beyond its range. Small, since it hardly ever runs.

use crate::fixed::{round_shift, saturate, saturate_16};
use crate::kernels::{Activate, Product, Quantizer, RowScale, interpolate};
use core::iter::repeat;
use core::ops::RangeInclusive;

/// Any output of a linear layer from its sum.
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
    value.saturating_add(shifted(half(bias), bias_shift))
}

/// `round(x · factor / 2^shift)`, saturated: what every pass does, where its assembly does not.
#[inline(never)]
pub fn scaled(x: i32, factor: i64, shift: u32) -> i32 {
    saturate(round_shift(x as i64 * factor, shift))
}

/// [`shift_by`](crate::fixed::shift_by) by means of [`scaled`].
#[inline(never)]
fn shifted(x: i32, shift: i32) -> i32 {
    scaled(x, 1 << (-shift).clamp(0, 32), shift.max(0) as u32)
}

/// An activation of each number, times its factor in Q0.15 if there are any.
#[inline(never)]
pub fn activate(by: &Activate, factors: &[i16], x: &mut [i16]) {
    let mut factors = factors.iter();
    for x in x {
        let h = by
            .table
            .map_or(0, |table| interpolate(table, x.unsigned_abs() as u32, by.position_shift));
        *x = saturate_16((*x as i32).max(0) - shifted(h as i32, by.value_shift));
        if let Some(&factor) = factors.next() {
            *x = saturate_16((*x as i32 * factor as i32 + (1 << 14)) >> 15);
        }
    }
}

/// Inputs that the assembly leaves, from four `from` on: the last ones, and rows that are next to nothing.
#[inline(never)]
pub fn quantize(
    x: &[i16],
    by: &Quantizer,
    lanes: &mut [[i16; 4]],
    (rows, row): (usize, usize),
    from: usize,
) {
    for at in from..x.len().div_ceil(4) {
        let Some(lane) = lanes.get_mut(at * rows + row) else { return };
        let [x0, x1, x2, x3] = [0, 1, 2, 3].map(|i| quantize_one(x, 4 * at + i, by));
        *lane = match by.bits {
            8 => [x1, x3, (x0 << 8).wrapping_sub(x1), (x2 << 8).wrapping_sub(x3)],
            _ => [x1, x3, x0, x2],
        };
    }
}

/// A rounded number, 0 beyond the end.
#[inline(never)]
fn quantize_one(x: &[i16], i: usize, by: &Quantizer) -> i16 {
    let Some(&x) = x.get(i) else { return 0 };
    let product = by.shifted(x).wrapping_mul(by.inverse);
    (product.wrapping_add(1 << (30 - by.bits)) >> (31 - by.bits)) as i16
}

/// Sums of products for slices that the assembly does not take (misaligned ones).
#[inline(never)]
pub fn sums(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    accumulators: &mut [i32],
    wide: bool,
) {
    let rows = if rows == 2 { 2 } else { 1 };
    let used = accumulators.len() - accumulators.len() % (4 * rows);
    for (i, to) in accumulators.iter_mut().take(used).enumerate() {
        *to = sum(lanes, (rows, i % rows), weights, group_bytes, i / rows, wide);
    }
}

/// The outputs of a layer from `done` on; `shifts`: to where a bias's shift is clamped.
#[inline(never)]
pub fn linear<T>(
    product: &Product,
    by: [RowScale; 2],
    out: &mut [&mut [T]; 2],
    done: usize,
    shifts: RangeInclusive<i32>,
    narrow: fn(i32) -> T,
) {
    let len = out[0].len();
    for (row, (out, by)) in out.iter_mut().zip(by).enumerate().take(product.rows) {
        // Not `clamp`, which could panic.
        let bias_shift = by.bias_shift.max(*shifts.start()).min(*shifts.end());
        let by = RowScale { bias_shift, ..by };
        for i in done..len {
            if let (Some(out), Some(value)) = (out.get_mut(i), output(product, row, i, &by)) {
                *out = narrow(value);
            }
        }
    }
}

/// One output of a layer for one row, in 32 bits; `None` beyond the last.
#[inline(never)]
fn output(product: &Product, row: usize, output: usize, by: &RowScale) -> Option<i32> {
    let Product { lanes, rows, weights, group_bytes, wide, .. } = *product;
    let multiplier = product.multipliers.get(2 * output..2 * output + 2)?;
    let bias = product.biases.get(2 * output..).unwrap_or_default();
    let sum = sum(lanes, (rows, row), weights, group_bytes, output, wide);
    Some(rescale_one(sum, multiplier, bias, (by.scale, by.shift, by.bias_shift)))
}

/// One output's sum of products for row `row` of `rows`.
#[inline(never)]
pub fn sum(
    lanes: &[i16],
    (rows, row): (usize, usize),
    weights: &[u8],
    group_bytes: usize,
    output: usize,
    wide: bool,
) -> i32 {
    let (mut at, mut sum) = (output / 4 * group_bytes + output % 4 * 4, 0i32);
    for x in lanes.as_chunks::<4>().0.iter().skip(row).step_by(rows.max(1)) {
        let Some(&word) = weights.get(at..).and_then(|rest| rest.first_chunk()) else { break };
        let word = u32::from_le_bytes(word);
        let (h0, h1) = (word as i16 as i32, (word >> 16) as i16 as i32);
        let (w0, w2) = (h0 as i8 as i32, h1 as i8 as i32);
        // Of 12-bit lanes the odd weights alone, as `matrix` says.
        let (w1, w3) = if wide { ((h0 - w0) >> 8, (h1 - w2) >> 8) } else { (h0, h1) };
        let [a, b, c, d] = x.map(i32::from);
        sum = sum.wrapping_add(w1 * a + w3 * b + w0 * c + w2 * d);
        at += 16;
    }
    sum
}

/// See [`Kernels::gain`](crate::kernels::Kernels::gain).
pub fn gain(
    x: &[i16],
    by: &Quantizer,
    gains: &[u8],
    biases: &[u8],
    scale: (u16, u32, i32),
    sums: &mut [i32],
) {
    let (gains, biases) = (gains.chunks_exact(2), biases.chunks(2).chain(repeat(&[][..])));
    let passes = sums.iter_mut().zip(x).zip(gains.zip(biases));
    passes.for_each(|((sum, &x), (gain, bias))| {
        *sum = rescale_one(by.shifted(x), gain, bias, scale);
    });
}

/// See [`Kernels::add`](crate::kernels::Kernels::add), for shifts to the left.
pub fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
    for (sum, &x) in sums.iter_mut().zip(x) {
        *sum = sum.saturating_add(shifted(x as i32, shift));
    }
}

/// See [`Kernels::divide`](crate::kernels::Kernels::divide).
pub fn divide(sums: &[i32], (rows, row): (usize, usize), factor: u32, shift: u32, out: &mut [i16]) {
    for (out, sums) in out.iter_mut().zip(sums.chunks_exact(rows.max(1))) {
        let sum = sums.get(row).copied().unwrap_or(0);
        *out = saturate_16(scaled(sum, factor as i64, shift));
    }
}
