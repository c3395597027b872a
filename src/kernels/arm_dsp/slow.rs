//! Loops for the cases without assembly: odd numbers of results, shifts beyond the range of the
//! instructions, rows of several segments. They are small rather than fast, because they hardly ever run.

use super::backend::ArmDsp;
use super::product::{self, Loops};
use crate::fixed::{round_shift, saturate, saturate_16};
use crate::kernels::{
    Channels, Curve, LanesMut, Product, Quantizer, Ratio, RowScale, Sums, interpolate,
};
use core::ops::Range;

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

/// Some outputs of a layer, from a multiple of four on.
///
/// # Safety
/// The matrix has these outputs, and each `out` room for them: numbers of `width` halfwords.
#[inline(never)]
pub unsafe fn outputs<K: Loops>(
    product: &Product<K>,
    channels: &Channels,
    scales: &[RowScale; 2],
    outputs: Range<usize>,
    out: [*mut u8; 2],
    width: usize,
) {
    let rows = product.lanes.rows.get();
    let factors = channels.factors.as_ptr().cast::<i16>();
    let biases = channels.biases.as_ptr().cast::<i16>();
    let mut sums = [0; 8];
    for output in outputs {
        if output.is_multiple_of(4) {
            let Some(matrix) = product.matrix.skip(output) else { return };
            product::matmul(&Product { matrix, ..*product }, &mut sums);
        }
        let sums = sums.iter().skip(output % 4 * rows);
        for ((&sum, scale), out) in sums.zip(scales).zip(out).take(rows) {
            // SAFETY: as promised by the caller; every output has a factor, and perhaps a bias.
            unsafe {
                let factor = factors.add(output).read();
                let bias = if channels.has_biases() { biases.add(output).read() } else { 0 };
                let value = rescale_one(sum, factor, bias, scale);
                match width {
                    1 => out.cast::<i16>().add(output).write(saturate_16(value)),
                    _ => out.cast::<i32>().add(output).write(value),
                }
            }
        }
    }
}

/// `round(x · factor / 2^shift)`, saturated: the arithmetic of every pass here.
#[inline(never)]
fn scaled(x: i32, factor: i64, shift: u32) -> i32 {
    saturate(round_shift(x as i64 * factor, shift))
}

/// [`shift_by`](crate::fixed::shift_by) by means of [`scaled`].
#[inline(never)]
fn shifted(x: i32, shift: i32) -> i32 {
    scaled(x, 1 << shift.min(0).unsigned_abs().min(32), shift.max(0) as u32)
}

/// The inputs that the assembly does not quantise, from word `from` on: the last ones, and rows of very
/// small numbers.
#[inline(never)]
pub fn quantize(
    x: &[i16],
    quantizer: &Quantizer,
    row: usize,
    lanes: &mut LanesMut<ArmDsp>,
    from: usize,
) {
    let (rows, words) = (lanes.rows, lanes.words);
    for four in from..words.min(x.len().div_ceil(4)) {
        let Some(lane) = lanes.data.as_chunks_mut::<4>().0.get_mut(four * rows.get() + row) else {
            return;
        };
        let [x0, x1, x2, x3] = [0, 1, 2, 3].map(|i| quantize_one(x, 4 * four + i, quantizer));
        *lane = match quantizer.bits {
            8 => [x1, x3, (x0 << 8).wrapping_sub(x1), (x2 << 8).wrapping_sub(x3)],
            _ => [x1, x3, x0, x2],
        };
    }
}

/// A quantised number, 0 beyond the end.
#[inline(never)]
fn quantize_one(x: &[i16], i: usize, quantizer: &Quantizer) -> i16 {
    x.get(i).map_or(0, |&x| quantizer.quantize(x))
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
