//! Cortex-M4, M7, M33, M55: two 16-bit products per instruction (SMLAD).
//!
//! The types of the operands guarantee lengths and alignment. The functions here check for even counts
//! and for shifts within the range of the instructions; other operands go through the loops of [`slow`].
//!
//! Rows of 16-bit numbers may begin at any halfword. They are read and written with LDR and STR, which
//! accept every address as long as CCR.UNALIGN_TRP is 0, its value after reset.
#![allow(unsafe_code)]

#[macro_use]
mod backend;
mod attention;
mod curves;
mod dense;
mod linear;
mod nibbles;
mod pointwise;
mod product;
mod quantize;
mod rescale;
mod rows;
mod slow;
mod stream;

use super::{
    Attend, Channels, Curve, HeadScale, Kernels, LanesMut, Linear, Nibbles, Product, Quantizer,
    Ratio, RowScale, Statistics, Sums, Visible,
};
pub use backend::ArmDsp;

use crate::config::KEY_BLOCK;
use crate::fixed::saturate_16;
use crate::matrix::Packing;
use core::mem::MaybeUninit;

impl Kernels for ArmDsp {
    const NAME: &'static str = "arm-dsp";
    const PACKINGS: &'static [Packing] = &[Packing::Paired];
    const NIBBLE_SHIFT: i32 = 12;
    const MAX_KEYS: usize = stream::MAX_KEYS;

    fn largest(x: &[i16]) -> u32 {
        if x.is_empty() {
            return 0;
        }
        // SAFETY: pointer and length of a slice that is not empty.
        let packed = unsafe { rows::range(x.as_ptr(), x.len()) };
        let (low, high) = (packed as i16, (packed >> 16) as i16);
        low.unsigned_abs().max(high.unsigned_abs()) as u32
    }

    fn statistics(x: &[i16]) -> Statistics {
        if x.is_empty() {
            return Statistics { sum: 0, squares: 0, range: (i16::MAX, i16::MIN) };
        }
        let mut found = MaybeUninit::<rows::Found>::uninit();
        // SAFETY: pointer and length of a slice that is not empty; everything is written.
        let rows::Found { squares, sum, range } = unsafe {
            rows::statistics(x.as_ptr(), x.len(), found.as_mut_ptr());
            found.assume_init()
        };
        Statistics { sum, squares, range: (range as i16, (range >> 16) as i16) }
    }

    #[inline(never)]
    fn quantize(x: &[i16], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<Self>) {
        quantize::run(x, quantizer, lanes.row(row), lanes);
    }

    fn matmul(product: &Product<Self>, sums: &mut [i32]) {
        product::matmul(product, sums);
    }

    fn quantize_nibbles(
        x: &[i16],
        quantizer: &Quantizer,
        row: usize,
        lanes: &mut LanesMut<Nibbles<Self>>,
    ) {
        nibbles::quantize(x, quantizer, row, lanes);
    }

    fn matmul_nibbles(product: &Product<Nibbles<Self>>, sums: &mut [i32]) {
        product::matmul(product, sums);
    }

    #[inline(always)]
    fn linear_nibbles(linear: Linear<Nibbles<Self>, i16>) {
        dense::halves(linear);
    }

    #[inline(always)]
    fn linear_32_nibbles(linear: Linear<Nibbles<Self>, i32>) {
        dense::words(linear);
    }

    fn rescale(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]) {
        let scale = RowScale { bias_shift: scale.bias_shift.max(0), ..*scale };
        slow::rescale(sums.iter(), channels, &scale, out, saturate_16);
    }

    fn rescale_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]) {
        slow::rescale(sums.iter(), channels, scale, out, |value| value);
    }

    #[inline(always)]
    fn linear(linear: Linear<Self, i16>) {
        dense::halves(linear);
    }

    #[inline(always)]
    fn linear_32(linear: Linear<Self, i32>) {
        dense::words(linear);
    }

    #[inline(never)]
    fn gain(
        x: &[i16],
        quantizer: &Quantizer,
        channels: &Channels,
        scale: &RowScale,
        sums: &mut [i32],
    ) {
        let n = x.len().min(sums.len()).min(channels.len());
        let left = quantizer.shift.min(0).unsigned_abs();
        let multiply = quantizer.multiply << left;
        let biased = channels.has_biases();
        let fits = n >= 2
            && n.is_multiple_of(2)
            && (scale.shift, scale.scale >> 15) == (15, 0)
            && multiply < 1 << 15
            && (!biased || scale.bias_shift >= -13);
        if !fits {
            let shifted = x.iter().map(|&x| quantizer.shifted(x));
            return slow::rescale(shifted, channels, scale, sums, |value| value);
        }
        let (gains, biases) = (channels.factors.as_ptr(), channels.biases.as_ptr());
        let parameters = pointwise::Gain {
            pairs: n / 2,
            multiply,
            offset: quantizer.subtract.wrapping_neg() << left,
            shift: quantizer.shift.max(0) as u32,
            scale: scale.scale as u32,
            biases: if biased { biases } else { gains },
            bias: if biased { 1 << (17 - scale.bias_shift.min(17)) } else { 0 },
        };
        // SAFETY: all slices hold `n` numbers (`Channels`: no fewer biases than factors).
        unsafe { pointwise::gain(x.as_ptr(), gains, sums.as_mut_ptr(), &parameters) };
    }

    #[inline(never)]
    fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
        if shift < -14 {
            return slow::add(x, shift, sums);
        }
        // Beyond 17, all is rounded to 0.
        let down = shift.clamp(0, 17);
        let shifts = [1 << -shift.min(0), (1 << down) >> 1, down];
        let n = x.len().min(sums.len());
        // SAFETY: both slices hold `n` numbers.
        unsafe { rows::add(x.as_ptr(), sums.as_mut_ptr(), n, &shifts) };
    }

    fn magnitude(sums: &[i32]) -> u32 {
        // SAFETY: pointer and length of a slice.
        unsafe { rows::magnitude(sums.as_ptr(), sums.len()) }
    }

    fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
        let n = sums.len().min(out.len());
        if n > 0 {
            // SAFETY: both slices hold `n` numbers. Shifts beyond the limits give the same.
            unsafe { rows::narrow(sums.as_ptr(), out.as_mut_ptr(), n, shift.clamp(-15, 33)) };
        }
    }

    fn activate(curve: &Curve, x: &mut [i16]) {
        curves::activate(curve, None, x);
    }

    fn activate_gated(curve: &Curve, factors: &[i16], x: &mut [i16]) {
        let n = x.len().min(factors.len());
        curves::activate(curve, factors.get(..n), x.get_mut(..n).unwrap_or_default());
    }

    fn rotate(row: &mut [i16], table: &[i16]) {
        let pairs = table.len() / 2;
        let heads = row.len().checked_div(2 * pairs).unwrap_or(0);
        if heads > 0 {
            let at = row.as_mut_ptr();
            let end = at.wrapping_add(heads * 2 * pairs);
            // SAFETY: whole heads of the row.
            unsafe { pointwise::rotate(at, end, table.as_ptr(), pairs) };
        }
    }

    fn write_key(x: &[i16], scale: HeadScale, out: &mut [u8]) {
        let words = (x.len() / 4).min((out.len() + 12) / 16);
        if words > 0 {
            let (x, out) = (x.as_ptr(), out.as_mut_ptr());
            // SAFETY: `out` holds a word at every step.
            unsafe { pointwise::write_key(x, scale.inverse as u32, scale.shift(), out, words) };
        }
    }

    fn write_value(x: &[i16], scale: HeadScale, out: &mut [u8]) {
        let n = x.len().min(out.len().div_ceil(KEY_BLOCK));
        if n > 0 {
            let (x, out) = (x.as_ptr(), out.as_mut_ptr());
            // SAFETY: `out` holds a byte at every step.
            unsafe { pointwise::write_value(x, scale.inverse as u32, scale.shift(), out, n) };
        }
    }

    #[inline(never)]
    fn divide(sums: &Sums, ratio: &Ratio, out: &mut [i16]) {
        let Ratio { factor, shift } = *ratio;
        let n = out.len().min(sums.len());
        let fits = n > 0 && n.is_multiple_of(2) && (18..48).contains(&shift) && factor < 1 << 16;
        if !fits {
            return slow::divide(sums, ratio, out);
        }
        let (at, step) = (sums.data.as_ptr().wrapping_add(sums.row), 4 * sums.rows.get());
        // SAFETY: `Sums`: it has `n` numbers, one for every row apart.
        unsafe { rescale::divide(at, step, out.as_mut_ptr(), n, factor << 15, shift - 17) };
    }

    /// Masks and biases have a path of their own, which is linked only where it is used.
    #[inline(always)]
    fn attend(attend: Attend<Self>) {
        match attend.visible {
            Visible::First(keys) => stream::stream(attend, keys),
            Visible::Block { .. } => stream::masked(attend),
        }
    }
}
