//! Passes over one row.

use super::super::lanes::{Quantizer, Sums};
use super::super::rows::{Curve, Ratio, Statistics};
use super::super::weights::{Channels, RowScale};
use crate::fixed::{round_shift, saturate, saturate_16, shift_by};

/// See [`Kernels::largest`](crate::kernels::Kernels::largest).
pub fn largest(x: &[i16]) -> u32 {
    x.iter().fold(0, |most, &x| most.max(x.unsigned_abs())) as u32
}

/// Sum and sum of squares of a row.
pub fn moments(x: &[i16]) -> (i32, u64) {
    let (mut sum, mut squares) = (0i32, 0u64);
    // Four squares can reach 2^32, so their sum is kept in 32 bits and a carry.
    for four in x.chunks(4) {
        let mut part = 0u32;
        for &x in four {
            sum = sum.wrapping_add(x as i32);
            let (next, overflow) = part.overflowing_add((x as i32 * x as i32) as u32);
            part = next;
            squares += (overflow as u64) << 32;
        }
        squares += part as u64;
    }
    (sum, squares)
}

/// Smallest and largest number of a row; `(i16::MAX, i16::MIN)` for an empty row.
pub fn range(x: &[i16]) -> (i16, i16) {
    x.iter().fold((i16::MAX, i16::MIN), |(low, high), &x| (low.min(x), high.max(x)))
}

/// See [`Kernels::statistics`](crate::kernels::Kernels::statistics).
pub fn statistics(x: &[i16]) -> Statistics {
    let (sum, squares) = moments(x);
    Statistics { sum, squares, range: range(x) }
}

/// See [`Kernels::gain`](crate::kernels::Kernels::gain).
#[inline(never)]
pub fn gain(
    x: &[i16],
    quantizer: &Quantizer,
    channels: &Channels,
    scale: &RowScale,
    sums: &mut [i32],
) {
    for ((sum, &x), (gain, bias)) in sums.iter_mut().zip(x).zip(channels.iter()) {
        // 15 + 15 + 15 bits, one rounding.
        let factor = gain as i64 * scale.scale as i64;
        *sum = saturate(round_shift(quantizer.shifted(x) as i64 * factor, scale.shift));
        if let Some(bias) = bias {
            *sum = sum.saturating_add(shift_by(bias as i32, scale.bias_shift));
        }
    }
}

/// See [`Kernels::add`](crate::kernels::Kernels::add).
pub fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
    for (sum, &x) in sums.iter_mut().zip(x) {
        *sum = sum.saturating_add(shift_by(x as i32, shift));
    }
}

/// See [`Kernels::magnitude`](crate::kernels::Kernels::magnitude).
pub fn magnitude(sums: &[i32]) -> u32 {
    sums.iter().fold(0, |bits, sum| bits | sum.unsigned_abs())
}

/// See [`Kernels::narrow`](crate::kernels::Kernels::narrow).
pub fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
    for (out, &sum) in out.iter_mut().zip(sums) {
        *out = saturate_16(shift_by(sum, shift));
    }
}

/// See [`Kernels::activate`](crate::kernels::Kernels::activate).
#[inline(never)]
pub fn activate(curve: &Curve, x: &mut [i16]) {
    for x in x {
        *x = curve.apply(*x);
    }
}

/// See [`Kernels::activate_gated`](crate::kernels::Kernels::activate_gated).
#[inline(never)]
pub fn activate_gated(curve: &Curve, factors: &[i16], x: &mut [i16]) {
    for (x, &factor) in x.iter_mut().zip(factors) {
        let product = curve.apply(*x) as i32 * factor as i32;
        *x = saturate_16((product + (1 << 14)) >> 15);
    }
}

/// See [`Kernels::rotate`](crate::kernels::Kernels::rotate).
pub fn rotate(row: &mut [i16], table: &[i16]) {
    let (table, _) = table.as_chunks::<2>();
    for head in row.chunks_exact_mut((2 * table.len()).max(1)) {
        for (pair, &[cos, sin]) in head.as_chunks_mut::<2>().0.iter_mut().zip(table) {
            let [a, b] = pair.map(i32::from);
            let (cos, sin) = (cos as i32, sin as i32);
            // |a cos ± b sin| ≤ √2 · 2^15 · 2^14 < 2^30, so the sum with 2^13 fits. With other tables it
            // wraps.
            let x = (a * cos).wrapping_sub(b * sin).wrapping_add(1 << 13) >> 14;
            let y = (a * sin).wrapping_add(b * cos).wrapping_add(1 << 13) >> 14;
            *pair = [saturate_16(x), saturate_16(y)];
        }
    }
}

/// See [`Kernels::divide`](crate::kernels::Kernels::divide).
pub fn divide(sums: &Sums, ratio: &Ratio, out: &mut [i16]) {
    for (out, sum) in out.iter_mut().zip(sums.iter()) {
        let value = round_shift(sum as i64 * ratio.factor as i64, ratio.shift);
        *out = saturate_16(saturate(value));
    }
}
