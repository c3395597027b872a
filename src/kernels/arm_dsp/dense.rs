//! Matrix products and whole linear layers: from the operands to the assembly.

use super::linear::Tail;
use super::product::Loops;
use super::rescale::{self, Rescale, Row};
use super::slow;
use crate::kernels::{Bits, Channels, Linear, Product, RowCount, RowScale};
use core::mem::MaybeUninit;

/// See [`Kernels::linear`](crate::kernels::Kernels::linear).
#[inline(always)]
pub fn halves<K: Loops>(linear: Linear<K, i16>) {
    let tail = match (linear.product.lanes.rows, linear.channels.has_biases()) {
        (RowCount::One, false) => rescale::halves_1,
        (RowCount::One, true) => rescale::biased_halves_1,
        (RowCount::Two, false) => rescale::halves_2,
        (RowCount::Two, true) => rescale::biased_halves_2,
    };
    layer(linear, tail);
}

/// See [`Kernels::linear_32`](crate::kernels::Kernels::linear_32).
#[inline(always)]
pub fn words<K: Loops>(linear: Linear<K, i32>) {
    let tail = match (linear.product.lanes.rows, linear.channels.has_biases()) {
        (RowCount::One, false) => rescale::words_1,
        (RowCount::One, true) => rescale::biased_words_1,
        (RowCount::Two, false) => rescale::words_2,
        (RowCount::Two, true) => rescale::biased_words_2,
    };
    layer(linear, tail);
}

#[inline(always)]
fn layer<K: Loops, T>(linear: Linear<K, T>, tail: Tail) {
    let len = linear.len();
    let Linear { product, channels, mut scales, out } = linear;
    let out = out.map(|out| out.as_mut_ptr().cast());
    // SAFETY: `Linear`: each `out` of a row has room for `len` numbers of this width, and the matrix has so
    // many outputs, each with a factor.
    unsafe { outputs(&product, &channels, &mut scales, len, out, size_of::<T>() / 2, tail) };
}

/// Computes all outputs: in assembly where possible, else one at a time.
///
/// # Safety
/// The matrix and the channels have `len` outputs, and each row's `out` room for so many numbers of `width`
/// halfwords, the width that `tail` writes.
#[inline(never)]
unsafe fn outputs<K: Loops>(
    product: &Product<K>,
    channels: &Channels,
    scales: &mut [RowScale; 2],
    len: usize,
    out: [*mut u8; 2],
    width: usize,
    tail: Tail,
) {
    if width == 1 {
        scales.iter_mut().for_each(|scale| scale.bias_shift = scale.bias_shift.max(0));
    }
    // SAFETY: as promised by the caller.
    unsafe {
        let done = run(product, channels, scales, len & !3, out, width, tail);
        if done < len {
            slow::outputs(product, channels, scales, done..len, out, width);
        }
    }
}

/// `tail` writes `outputs` (a multiple of four) numbers of `width` halfwords to each `out`. Returns how
/// many: all or none.
///
/// # Safety
/// As for [`outputs`].
#[inline(always)]
unsafe fn run<K: Loops>(
    product: &Product<K>,
    channels: &Channels,
    scales: &[RowScale; 2],
    outputs: usize,
    out: [*mut u8; 2],
    width: usize,
    tail: Tail,
) -> usize {
    let Product { lanes, matrix } = *product;
    let (words, two) = (matrix.words, lanes.rows == RowCount::Two);
    if outputs == 0 {
        return 0;
    }
    let biased = channels.has_biases();
    // The cursor has moved on when a tail looks for biases and outputs: by their distance from it.
    let cursor = channels.factors.as_ptr();
    let moved = cursor.expose_provenance() + if two { 4 } else { 8 };
    let mut rescale = MaybeUninit::<Rescale>::uninit();
    let rescale = rescale.as_mut_ptr();
    for row in 0..lanes.rows.get() {
        let (scale, out) = (&scales[row & 1], out[row & 1]);
        // A scale of 2^15 is one of 2^14 with a shift less.
        let over = (scale.scale >> 15) as u32;
        let (mut shift, mut up) = (scale.shift - over, 0);
        if shift < 33 {
            // Sums of 8-bit lanes, times 256 (or 4096, for weights of four bits), are below 2²² for every input,
            // those of 12-bit lanes below 2¹⁸; of 32 bits, the rest makes up for too small a shift.
            let bits = if lanes.bits == Bits::Eight { 22 } else { 18 } + usize::BITS;
            (up, shift) = (33 - shift, 33);
            if width == 1 || bits - (4 * words - 1).leading_zeros() + up > 31 {
                return 0;
            }
        }
        let bias_shift = if biased { scale.bias_shift } else { 0 };
        if bias_shift < -13 {
            return 0;
        }
        // Of 16 bits, both rows have the same unit.
        if width == 1 && two && scales[0].bias_shift != scales[1].bias_shift {
            return 0;
        }
        let bias = 1 << (17 - bias_shift.min(17));
        // SAFETY: there are two rows.
        unsafe {
            (&raw mut (*rescale).rows[row & 1]).write(Row {
                scale: (scale.scale >> over) as u32,
                half: 1 << (shift - 33),
                shift: shift - 32,
                up,
                bias,
                out: out.wrapping_sub(width * moved),
            });
            (&raw mut (*rescale).bias).write(bias);
        }
    }
    // SAFETY: as above; of one row, the second is neither written nor read.
    let rescale = unsafe {
        (&raw mut (*rescale).biases).write(channels.biases.as_ptr().wrapping_sub(moved));
        (&raw mut (*rescale).one).write(1);
        let rows_only = &raw const (*rescale).rows;
        if two && biased { rescale.cast_const().cast() } else { rows_only.cast() }
    };
    let (multiply, step) = K::multiply(product);
    let (weights, lanes, end) =
        (matrix.bytes.as_ptr(), lanes.data.as_ptr(), cursor.wrapping_add(2 * outputs));
    // SAFETY: as for `matmul` and as promised by the caller; `Channels`: factors and biases are aligned to
    // four bytes, and there are no fewer of these.
    unsafe { multiply(weights, lanes, words, step, cursor, end, tail, rescale) };
    outputs
}
