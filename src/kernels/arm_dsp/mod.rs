//! Cortex-M4, M7, M33, M55: two 16-bit products an instruction (SMLAD).
//!
//! Each function checks what its assembly assumes (lengths, alignment, ranges) and hands everything
//! else to [`Portable`], so it is as total as that.
#![allow(unsafe_code)]

/// Code by hand for the Cortex-M4 and every core after it. It names its core, because the linker
/// reads it once more knowing only the target, and Armv8-M alone does not say that there is DSP.
macro_rules! naked_asm {
    ($($line:tt)*) => { core::arch::naked_asm!(".cpu cortex-m4", $($line)*) };
}

/// Concatenates lines, each with its end.
macro_rules! lines {
    ($($line:expr,)*) => { concat!($($line, "\n",)*) };
}

mod attention;
mod glue;
mod layer;
mod linear;
mod pointwise;
mod quantize;
mod rescale;
mod rows;
mod slow;
mod stream;

use super::{Activate, Kernels, KeyRun, Portable, Product, Quantizer, RowScale, Softmax};
use crate::config::KEY_BLOCK;
use crate::fixed::saturate_16;
use core::iter::repeat;
use core::mem::MaybeUninit;
use glue::{aligned, bend, sums};
use slow::rescale_one;

/// The backend for cores with the DSP extension.
#[derive(Clone, Copy, Debug)]
pub struct ArmDsp;

impl Kernels for ArmDsp {
    const NAME: &'static str = "arm-dsp";
    const MAX_KEYS: usize = stream::MAX_KEYS;

    fn largest(x: &[i16]) -> u32 {
        if x.is_empty() {
            return 0;
        }
        let (low, high) = Self::range(x);
        low.unsigned_abs().max(high.unsigned_abs()) as u32
    }

    fn moments(x: &[i16]) -> (i32, u64) {
        let (sum, squares, _) = Self::statistics(x);
        (sum, squares)
    }

    fn statistics(x: &[i16]) -> (i32, u64, (i16, i16)) {
        if x.is_empty() {
            return (0, 0, (i16::MAX, i16::MIN));
        }
        let mut found = MaybeUninit::<rows::Statistics>::uninit();
        // SAFETY: pointer and length of a slice that is not empty; everything is written.
        let found = unsafe {
            rows::statistics(x.as_ptr(), x.len(), found.as_mut_ptr());
            found.assume_init()
        };
        (found.sum, found.squares, (found.range as i16, (found.range >> 16) as i16))
    }

    fn range(x: &[i16]) -> (i16, i16) {
        if x.is_empty() {
            return (i16::MAX, i16::MIN);
        }
        // SAFETY: pointer and length of a slice that is not empty.
        let packed = unsafe { rows::range(x.as_ptr(), x.len()) };
        (packed as i16, (packed >> 16) as i16)
    }

    #[inline(never)]
    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        let rows = if rows == 2 { 2 } else { 1 };
        let room = ((lanes.len() / 4).saturating_sub(row) + rows - 1) >> (rows - 1);
        // A shift to the left is part of the factor, as far as that has room, or of the first one.
        let up = by.bits + 1 + by.shift.min(0).unsigned_abs();
        let over = up.saturating_sub(by.inverse.leading_zeros().saturating_sub(1)).min(15);
        let multiply = by.multiply << over;
        let fits = multiply >> 15 == 0 && aligned(lanes) && aligned(x);
        let fours = if fits { (x.len() / 4).min(room) } else { 0 };
        if fours > 0 {
            let params = quantize::Quantize {
                wide: (by.bits != 8) as usize,
                fours,
                multiply,
                offset: by.subtract.wrapping_neg() << over,
                shift: by.shift.max(0) as u32,
                inverse: by.inverse << (up - over),
                stride: 8 * rows,
            };
            let plain = by.shift <= 0 && by.bits == 8 && multiply == 1 && by.subtract == 0;
            let at = lanes.as_mut_ptr().wrapping_add(4 * row);
            // SAFETY: `fours` of them lie in both slices.
            unsafe {
                if plain {
                    quantize::quantize_plain(x.as_ptr(), at, &params);
                } else {
                    quantize::quantize(x.as_ptr(), at, &params);
                }
            }
        }
        if 4 * fours < x.len() {
            slow::quantize(x, by, lanes.as_chunks_mut().0, (rows, row), fours);
        }
    }

    fn matmul(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let multiply = if rows == 2 { linear::paired_2 } else { linear::paired_1 };
        if !sums(lanes, rows, weights, group_bytes, accumulators, multiply) {
            slow::sums(lanes, rows, weights, group_bytes, accumulators, false);
        }
    }

    fn matmul_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let multiply = if rows == 2 { linear::wide_2 } else { linear::wide_1 };
        if !sums(lanes, rows, weights, group_bytes, accumulators, multiply) {
            slow::sums(lanes, rows, weights, group_bytes, accumulators, true);
        }
    }

    fn scores(
        accumulators: &[i32],
        rows: usize,
        row: usize,
        scales: &[u16; KEY_BLOCK],
        visible: u32,
        scores: &mut [i32; KEY_BLOCK],
    ) -> i32 {
        Portable::scores(accumulators, rows, row, scales, visible, scores)
    }

    fn weigh(
        scores: &[i32; KEY_BLOCK],
        maximum: i32,
        factor: u32,
        scales: &[u16; KEY_BLOCK],
        visible: u32,
        shift: u32,
        rows: usize,
        row: usize,
        lanes: &mut [i16],
    ) -> u32 {
        Portable::weigh(scores, maximum, factor, scales, visible, shift, rows, row, lanes)
    }

    fn weighted_sum(lanes: &[i16], rows: usize, values: &[u8], accumulators: &mut [i32]) {
        let rows = if rows == 2 { 2 } else { 1 };
        let fits = lanes.len() == KEY_BLOCK * rows
            && accumulators.len().is_multiple_of(4)
            && !accumulators.is_empty()
            && values.len() >= accumulators.len() / rows * KEY_BLOCK
            && aligned(lanes)
            && aligned(values);
        if !fits {
            return Portable::weighted_sum(lanes, rows, values, accumulators);
        }
        let sums = accumulators.as_mut_ptr_range();
        // SAFETY: every length and alignment was checked.
        unsafe {
            if rows == 2 {
                attention::weighted_2(values.as_ptr(), sums.start, lanes.as_ptr(), sums.end, 4);
            } else {
                attention::weighted_1(values.as_ptr(), sums.start, lanes.as_ptr(), sums.end, 4);
            }
        }
    }

    fn rescale(
        accumulators: &[i32],
        rows: usize,
        row: usize,
        multipliers: &[u8],
        biases: &[u8],
        scale: u16,
        shift: u32,
        bias_shift: u32,
        out: &mut [i16],
    ) {
        // Only what `layer` leaves comes here: rows wider than a segment.
        let sums = accumulators.chunks_exact(rows.max(1)).filter_map(|sums| sums.get(row));
        let biases = biases.chunks(2).chain(repeat(&[][..]));
        let passes = sums.zip(multipliers.chunks_exact(2).zip(biases));
        for (out, (&sum, (multiplier, bias))) in out.iter_mut().zip(passes) {
            let by = (scale, shift, bias_shift as i32);
            *out = saturate_16(rescale_one(sum, multiplier, bias, by));
        }
    }

    fn rescale_32(
        accumulators: &[i32],
        rows: usize,
        row: usize,
        multipliers: &[u8],
        biases: &[u8],
        scale: u16,
        shift: u32,
        bias_shift: i32,
        out: &mut [i32],
    ) {
        let sums = accumulators.chunks_exact(rows.max(1)).filter_map(|sums| sums.get(row));
        let biases = biases.chunks(2).chain(repeat(&[][..]));
        let passes = sums.zip(multipliers.chunks_exact(2).zip(biases));
        for (out, (&sum, (multiplier, bias))) in out.iter_mut().zip(passes) {
            *out = rescale_one(sum, multiplier, bias, (scale, shift, bias_shift));
        }
    }

    #[inline(never)]
    fn gain(
        x: &[i16],
        by: &Quantizer,
        gains: &[u8],
        biases: &[u8],
        mantissa: u16,
        shift: u32,
        bias_shift: i32,
        sums: &mut [i32],
    ) {
        let n = x.len().min(sums.len()).min(gains.len() / 2);
        let left = by.shift.min(0).unsigned_abs();
        let multiply = by.multiply.checked_shl(left).unwrap_or(i32::MAX);
        let biased = !biases.is_empty();
        let fits = n >= 2
            && n.is_multiple_of(2)
            && (shift, mantissa >> 15) == (15, 0)
            && (0..1 << 15).contains(&multiply)
            && (by.shift <= 31 && left <= 15)
            && (!biased || (biases.len() >= 2 * n && bias_shift >= -13));
        if !fits {
            return slow::gain(x, by, gains, biases, (mantissa, shift, bias_shift), sums);
        }
        let params = pointwise::Gain {
            pairs: n / 2,
            multiply,
            offset: by.subtract.wrapping_neg() << left,
            shift: by.shift.max(0) as u32,
            mantissa: mantissa as u32,
            biases: if biased { biases.as_ptr() } else { gains.as_ptr() },
            bias: if biased { 1 << (17 - bias_shift.min(17)) } else { 0 },
        };
        // SAFETY: all slices hold `n` numbers.
        unsafe { pointwise::gain(x.as_ptr(), gains.as_ptr(), sums.as_mut_ptr(), &params) };
    }

    #[inline(never)]
    fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
        if shift < -14 {
            return slow::add(x, shift, sums);
        }
        // Beyond 17, all is rounded to 0.
        let down = shift.clamp(0, 17);
        let by = [1 << -shift.min(0), (1 << down) >> 1, down];
        let n = x.len().min(sums.len());
        // SAFETY: both slices hold `n` numbers.
        unsafe { rows::add(x.as_ptr(), sums.as_mut_ptr(), n, &by) };
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

    fn activate(by: &Activate, x: &mut [i16]) {
        bend(by, None, x);
    }

    fn activate_gated(by: &Activate, factors: &[i16], x: &mut [i16]) {
        let n = x.len().min(factors.len());
        bend(by, factors.get(..n), x.get_mut(..n).unwrap_or_default());
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

    fn write_key(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
        let words = (x.len() / 4).min((out.len() + 12) / 16);
        if words > 0 {
            let (x, out) = (x.as_ptr(), out.as_mut_ptr());
            // SAFETY: `out` holds a word at every step.
            unsafe { pointwise::write_key(x, inverse as u32, shift, out, words) };
        }
    }

    fn write_value(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
        let n = x.len().min(out.len().div_ceil(KEY_BLOCK));
        if n > 0 {
            let (x, out) = (x.as_ptr(), out.as_mut_ptr());
            // SAFETY: `out` holds a byte at every step.
            unsafe { pointwise::write_value(x, inverse as u32, shift, out, n) };
        }
    }

    #[inline(never)]
    fn divide(sums: &[i32], rows: usize, row: usize, factor: u32, shift: u32, out: &mut [i16]) {
        let n = out.len().min(sums.len() / rows.max(1));
        let fits = n > 0 && n.is_multiple_of(2) && (18..48).contains(&shift) && factor < 1 << 16;
        if !fits || row >= rows {
            return slow::divide(sums, (rows, row), factor, shift, out);
        }
        let at = sums.as_ptr().wrapping_add(row);
        // SAFETY: `n` whole groups of rows lie in `sums`.
        unsafe { rescale::divide(at, 4 * rows, out.as_mut_ptr(), n, factor << 15, shift - 17) };
    }

    fn linear(product: &Product, by: [RowScale; 2], mut out: [&mut [i16]; 2]) {
        let done = layer::halves(product, by, &mut out);
        if done < out[0].len() {
            slow::linear(product, by, &mut out, done, 0..=40, saturate_16);
        }
    }

    fn linear_32(product: &Product, by: [RowScale; 2], mut out: [&mut [i32]; 2]) {
        let done = layer::words(product, by, &mut out);
        if done < out[0].len() {
            slow::linear(product, by, &mut out, done, i32::MIN..=i32::MAX, |value| value);
        }
    }

    #[inline(never)]
    fn stream(
        lanes: &[i16],
        run: &KeyRun,
        visible: [usize; 2],
        shift: u32,
        queries: &mut [Softmax],
        sums: &mut [i32],
    ) {
        stream::stream(lanes, run, visible, shift, queries, sums);
    }
}
