//! Whole linear layers: products and rescaling alternate, without checks or clearing in between.

use super::passes;
use super::product::Loops;
use super::rows::{self, Rescale};
use crate::kernels::{Bits, CHUNK, Channels, Linear, Ratio, RowCount, RowScale, portable};
use core::mem::MaybeUninit;

/// Parameters of the assembly that rescales one row.
#[derive(Clone, Copy)]
pub struct Rescaler {
    /// Its end and its shift are still missing.
    by: Rescale,
    shift: u32,
    biased: bool,
}

impl Rescaler {
    /// For sums of `rows` rows.
    #[inline(always)]
    pub fn new(rows: RowCount, channels: &Channels, scale: &RowScale) -> Self {
        let (factors, biases) = (channels.factors.as_ptr(), channels.biases.as_ptr());
        // Biases beyond 16 bits of shift are 0.
        let bias_shift = scale.bias_shift.max(0).min(17) as u32;
        let offset = factors.expose_provenance().wrapping_add(2);
        let by = Rescale {
            stride: 4 * rows.get(),
            scale: scale.scale as u32,
            shift: 0,
            end: 0,
            biases: biases.expose_provenance().wrapping_sub(offset),
            bias_half: (1 << bias_shift) >> 1,
            bias_shift,
        };
        Self { by, shift: scale.shift, biased: channels.has_biases() }
    }

    /// Results of 16 bits, for shifts from 33 on.
    ///
    /// # Safety
    /// There are a factor, and a bias (or none) as far from it as from the channels' first, and a sum for
    /// every output.
    #[inline(always)]
    pub unsafe fn halves(&self, sums: *const i32, factors: *const u8, out: &mut [i16]) {
        let ends = out.as_mut_ptr_range();
        if out.is_empty() {
            return;
        }
        let (shift, end) = (self.shift - 32, ends.end.expose_provenance());
        let by = Rescale { shift, end, ..self.by };
        let rescale = if self.biased { rows::rescale_biased } else { rows::rescale };
        // SAFETY: the caller's promise; at least one output.
        unsafe { rescale(sums, factors, ends.start, &by) }
    }

    /// Results of 32 bits with no bias.
    ///
    /// # Safety
    /// There are a factor and a sum for every output.
    #[inline(always)]
    pub unsafe fn words(&self, sums: *const i32, factors: *const u8, out: &mut [i32]) {
        let ends = out.as_mut_ptr_range();
        if out.is_empty() {
            return;
        }
        let end = ends.end.expose_provenance();
        let high = self.shift > 32;
        let shift = if high { self.shift - 32 } else { self.shift };
        let by = Rescale { shift, end, ..self.by };
        let rescale = if high { rows::rescale_high } else { rows::rescale_low };
        // SAFETY: the caller's promise; at least one output.
        unsafe { rescale(sums, factors, ends.start, &by) }
    }
}

/// See [`Kernels::divide`](crate::kernels::Kernels::divide), for shifts from 20 to 49.
///
/// # Safety
/// There is a sum of `rows` rows for every output.
pub unsafe fn divide(sums: *const i32, rows: RowCount, ratio: &Ratio, out: &mut [i16]) {
    if out.is_empty() {
        return;
    }
    let scale = RowScale::new(0, 1, 0);
    let Rescaler { by, .. } = Rescaler::new(rows, &Channels::NONE, &scale);
    let ends = out.as_mut_ptr_range();
    let end = ends.end.expose_provenance();
    let by = Rescale { scale: ratio.factor << 13, shift: ratio.shift + 13 - 32, end, ..by };
    // SAFETY: the caller's promise; at least one output, and there are no factors.
    unsafe { rows::divide(sums, [].as_ptr(), ends.start, &by) }
}

/// Multiplies chunk by chunk; `write` gets the row, its sums, the first channel and the row's part of `out`.
/// Not for two rows of 12 bits.
#[inline(always)]
fn chunks<K: Loops, T>(
    linear: Linear<K, T>,
    write: impl Fn(usize, *const i32, &Channels, &mut [T]),
) {
    let Linear { product, channels, out, .. } = linear;
    let (lanes, matrix) = (product.lanes, product.matrix);
    let rows = lanes.rows.get();
    let mut buffer = [const { MaybeUninit::<i32>::uninit() }; 2 * CHUNK];
    let sums = buffer.as_mut_ptr().cast::<i32>();
    let (mut weights, mut channels) = (matrix.bytes.as_ptr(), channels);
    let [a, mut b] = out.map(|out| out.chunks_mut(CHUNK));
    for a in a {
        let end = sums.wrapping_add(a.len().next_multiple_of(4) * rows);
        // SAFETY: `Linear`: lanes and weights hold `words` words for each row and group, and there are as
        // many groups as results; the sums of a chunk fit the buffer.
        unsafe { K::multiply(&product, weights, sums, end) };
        write(0, sums, &channels, a);
        if let (RowCount::Two, Some(b)) = (lanes.rows, b.next()) {
            write(1, sums.wrapping_add(1), &channels, b);
        }
        weights = weights.wrapping_add(CHUNK / 4 * matrix.stride);
        channels = channels.skip(CHUNK);
    }
}

/// Whether the products are for [`chunks`].
fn ordinary<K: Loops, T>(linear: &Linear<K, T>) -> bool {
    let lanes = &linear.product.lanes;
    matches!(lanes.rows, RowCount::One) || matches!(lanes.bits, Bits::Eight)
}

/// See [`Kernels::linear`](crate::kernels::Kernels::linear).
pub fn linear<K: Loops>(linear: Linear<K, i16>) {
    let rows = linear.product.lanes.rows;
    if !ordinary(&linear) || linear.scales.iter().take(rows.get()).any(|scale| scale.shift < 33) {
        return portable::linear(linear, K::products, K::results);
    }
    let rescalers = linear.scales.map(|scale| Rescaler::new(rows, &linear.channels, &scale));
    chunks(linear, |row, sums, channels, out| {
        let rescaler = if row == 0 { &rescalers[0] } else { &rescalers[1] };
        // SAFETY: `Linear`: there is a channel for each output; `chunks` gives as many sums.
        unsafe { rescaler.halves(sums, channels.factors.as_ptr(), out) };
    });
}

/// See [`Kernels::linear_32`](crate::kernels::Kernels::linear_32).
pub fn linear_32<K: Loops>(linear: Linear<K, i32>) {
    if !ordinary(&linear) {
        return portable::linear(linear, K::products, K::results_32);
    }
    let (rows, scales) = (linear.product.lanes.rows, linear.scales);
    let rescalers = scales.map(|scale| Rescaler::new(rows, &linear.channels, &scale));
    chunks(linear, |row, sums, channels, out| {
        let (rescaler, scale) =
            if row == 0 { (&rescalers[0], &scales[0]) } else { (&rescalers[1], &scales[1]) };
        // SAFETY: as in `linear`.
        unsafe { rescaler.words(sums, channels.factors.as_ptr(), out) };
        passes::add_biases(channels, scale, out);
    });
}
