//! What the assembly does not take: odd numbers of results, shifts beyond its range, rows of several
//! segments. Small, since it hardly ever runs.

use crate::fixed::{round_shift, saturate, saturate_16};
use crate::kernels::{Channels, Curve, Ratio, RowScale, Sums, interpolate};

/// `out[i] = narrow(saturate(round(x[i] · (factors[i] · scale) / 2^shift)) + round(biases[i] /
/// 2^bias_shift))`.
pub fn rescale<T>(
    x: impl Iterator<Item = i32>,
    channels: &Channels,
    scale: &RowScale,
    out: &mut [T],
    narrow: fn(i32) -> T,
) {
    for ((out, x), (factor, bias)) in out.iter_mut().zip(x).zip(channels.iter()) {
        *out = narrow(rescale_one(x, factor, bias.unwrap_or(0), scale));
    }
}

#[inline(never)]
fn rescale_one(x: i32, factor: i16, bias: i16, scale: &RowScale) -> i32 {
    let value = scaled(x, factor as i64 * scale.scale as i64, scale.shift);
    value.saturating_add(shifted(bias as i32, scale.bias_shift))
}

/// `round(x · factor / 2^shift)`, saturated: what every pass does, where its assembly does not.
#[inline(never)]
fn scaled(x: i32, factor: i64, shift: u32) -> i32 {
    saturate(round_shift(x as i64 * factor, shift))
}

/// [`shift_by`](crate::fixed::shift_by) by means of [`scaled`].
#[inline(never)]
fn shifted(x: i32, shift: i32) -> i32 {
    scaled(x, 1 << shift.min(0).unsigned_abs().min(32), shift.max(0) as u32)
}

/// An activation of each number, times its factor in Q0.15 if there are any.
#[inline(never)]
pub fn activate(curve: &Curve, factors: &[i16], x: &mut [i16]) {
    let mut factors = factors.iter();
    for x in x {
        let magnitude = x.unsigned_abs() as u32;
        let h = curve.table.map_or(0, |table| interpolate(table, magnitude, curve.position_shift));
        *x = saturate_16((*x as i32).max(0) - shifted(h as i32, curve.value_shift));
        if let Some(&factor) = factors.next() {
            *x = saturate_16((*x as i32 * factor as i32 + (1 << 14)) >> 15);
        }
    }
}

/// See [`Kernels::add`](crate::kernels::Kernels::add), for shifts to the left.
pub fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
    for (sum, &x) in sums.iter_mut().zip(x) {
        *sum = sum.saturating_add(shifted(x as i32, shift));
    }
}

/// See [`Kernels::divide`](crate::kernels::Kernels::divide).
pub fn divide(sums: &Sums, ratio: &Ratio, out: &mut [i16]) {
    for (out, sum) in out.iter_mut().zip(sums.iter()) {
        *out = saturate_16(scaled(sum, ratio.factor as i64, ratio.shift));
    }
}
