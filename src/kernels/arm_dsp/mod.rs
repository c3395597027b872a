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

mod attention;
mod glue;
mod layer;
mod linear;
mod pointwise;
mod rescale;
mod rows;
mod slow;
mod stream;

use super::{Activate, Kernels, KeyRun, Portable, Product, Quantizer, RowScale, Softmax};
use crate::config::KEY_BLOCK;
use crate::fixed::{saturate_16, shift_by};
use core::iter::repeat;
use glue::{aligned, curve, rescale_one, rescale_pairs, rescaling, scaled, slow_sums, words};

/// The backend for cores with the DSP extension.
#[derive(Clone, Copy, Debug)]
pub struct ArmDsp;

impl Kernels for ArmDsp {
    const NAME: &'static str = "arm-dsp";

    fn largest(x: &[i16]) -> u32 {
        if x.is_empty() {
            return 0;
        }
        let (low, high) = Self::range(x);
        low.unsigned_abs().max(high.unsigned_abs()) as u32
    }

    fn moments(x: &[i16]) -> (i32, u64) {
        let mut sum = 0;
        // SAFETY: pointer and length of a slice.
        let squares = unsafe { rows::moments(x.as_ptr(), x.len(), &mut sum) };
        (sum, squares)
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
        let rows = rows.max(1);
        let room = (lanes.len() / 4).saturating_sub(row).div_ceil(rows);
        let fours = (x.len() / 4).min(room);
        // A shift to the left can be part of the factor, whose product wraps alike.
        let inverse = if by.shift < 0 { by.inverse << (-by.shift & 31) } else { by.inverse };
        let mut params = rows::Quantize {
            stride: 8 * rows,
            fours,
            multiply: by.multiply,
            offset: by.subtract.wrapping_neg(),
            shift: by.shift.max(0) as u32,
            inverse,
            half: 1 << (30 - by.bits),
            up: 15 - by.bits,
        };
        let plain = by.shift <= 0 && by.bits == 8 && by.multiply == 1 && by.subtract == 0;
        if fours > 0 {
            let at = lanes.as_mut_ptr().wrapping_add(4 * row);
            // SAFETY: `fours` of them lie in both slices.
            unsafe {
                if plain && inverse < 1 << 22 && aligned(lanes) {
                    params.inverse <<= 9;
                    rows::quantize_plain(x.as_ptr(), at, &params);
                } else {
                    rows::quantize(x.as_ptr(), at, &params);
                }
            }
        }
        if let Some(rest) = x.get(4 * fours..).filter(|rest| !rest.is_empty()) {
            let mut four = [0; 4];
            for (q, &x) in four.iter_mut().zip(rest) {
                let product = by.shifted(x).wrapping_mul(by.inverse);
                *q = (product.wrapping_add(params.half) >> (31 - by.bits)) as i16;
            }
            if let Some(lane) = lanes.as_chunks_mut::<4>().0.get_mut(fours * rows + row) {
                let [x0, x1, x2, x3] = four;
                *lane = match by.bits {
                    8 => [x1, x3, (x0 << 8).wrapping_sub(x1), (x2 << 8).wrapping_sub(x3)],
                    _ => [x1, x3, x0, x2],
                };
            }
        }
    }

    fn matmul(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let rows = if rows == 2 { 2 } else { 1 };
        let groups = accumulators.len() / (4 * rows);
        let whole = accumulators.len().is_multiple_of(4 * rows);
        let Some(words) = words(lanes, rows, weights, group_bytes, groups).filter(|_| whole) else {
            return slow_sums(lanes, rows, weights, group_bytes, accumulators, false);
        };
        let sums = accumulators.as_mut_ptr_range();
        // SAFETY: `words` has checked every length and alignment.
        unsafe {
            if rows == 2 {
                let (w, x) = (weights.as_ptr(), lanes.as_ptr());
                linear::paired_2(w, x, words, group_bytes, sums.start, sums.end);
            } else {
                let skip = group_bytes as isize - 16 * words as isize;
                let (w, x) = (weights.as_ptr(), lanes.as_ptr());
                linear::paired_1(w, x, words, skip, sums.start, sums.end);
            }
        }
    }

    fn matmul_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let rows = if rows == 2 { 2 } else { 1 };
        let groups = accumulators.len() / (4 * rows);
        let whole = accumulators.len().is_multiple_of(4 * rows);
        let Some(words) = words(lanes, rows, weights, group_bytes, groups).filter(|_| whole) else {
            return slow_sums(lanes, rows, weights, group_bytes, accumulators, true);
        };
        let sums = accumulators.as_mut_ptr_range();
        // SAFETY: `words` has checked every length and alignment.
        unsafe {
            if rows == 2 {
                let (w, x) = (weights.as_ptr(), lanes.as_ptr());
                linear::wide_2(w, x, words, group_bytes, sums.start, sums.end);
            } else {
                let skip = group_bytes as isize - 16 * words as isize;
                let (w, x) = (weights.as_ptr(), lanes.as_ptr());
                linear::wide_1(w, x, words, skip, sums.start, sums.end);
            }
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
                attention::weighted_1(values.as_ptr(), sums.start, lanes.as_ptr(), sums.end);
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
        let write = match (rows, biases.is_empty()) {
            (1, true) => rescale::halves_1,
            (1, false) => rescale::biased_halves_1,
            (_, true) => rescale::halves_2,
            (_, false) => rescale::biased_halves_2,
        };
        let by = rescaling(!biases.is_empty(), scale, shift, bias_shift as i32)
            .map(|by| rescale::Rescale { out: out.as_mut_ptr().addr(), ..by });
        let n = out.len();
        let done = rescale_pairs(accumulators, (rows, row), multipliers, biases, by, n, write);
        let accumulators = accumulators.chunks_exact(rows.max(1)).filter_map(|a| a.get(row));
        for (i, (out, &accumulator)) in out.iter_mut().zip(accumulators).enumerate().skip(done) {
            let Some(multiplier) = multipliers.get(2 * i..2 * i + 2) else { break };
            let bias = biases.get(2 * i..).unwrap_or_default();
            let by = (scale, shift, bias_shift as i32);
            *out = saturate_16(rescale_one(accumulator, multiplier, bias, by));
        }
    }

    fn rescale_wide(
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
        let write = match (rows, biases.is_empty()) {
            (1, true) => rescale::words_1,
            (1, false) => rescale::biased_words_1,
            (_, true) => rescale::words_2,
            (_, false) => rescale::biased_words_2,
        };
        let by = rescaling(!biases.is_empty(), scale, shift, bias_shift)
            .map(|by| rescale::Rescale { out: out.as_mut_ptr().addr(), ..by });
        let n = out.len();
        let done = rescale_pairs(accumulators, (rows, row), multipliers, biases, by, n, write);
        let accumulators = accumulators.chunks_exact(rows.max(1)).filter_map(|a| a.get(row));
        for (i, (out, &accumulator)) in out.iter_mut().zip(accumulators).enumerate().skip(done) {
            let Some(multiplier) = multipliers.get(2 * i..2 * i + 2) else { break };
            let bias = biases.get(2 * i..).unwrap_or_default();
            *out = rescale_one(accumulator, multiplier, bias, (scale, shift, bias_shift));
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
        let fits = n >= 2 && n.is_multiple_of(2) && shift == 15 && (0..1 << 15).contains(&multiply);
        if !fits || by.shift > 31 || left > 15 || !(biases.is_empty() || biases.len() >= 2 * n) {
            let (gains, biases) = (gains.chunks_exact(2), biases.chunks(2).chain(repeat(&[][..])));
            let passes = sums.iter_mut().zip(x).zip(gains.zip(biases));
            passes.for_each(|((sum, &x), (gain, bias))| {
                *sum = rescale_one(by.shifted(x), gain, bias, (mantissa, shift, bias_shift));
            });
            return;
        }
        let over = (mantissa >> 15) as u32;
        let params = pointwise::Gain {
            pairs: n / 2,
            multiply,
            offset: by.subtract.wrapping_neg() << left,
            shift: by.shift.max(0) as u32,
            mantissa: (mantissa >> over) as u32,
            up: 1 + over,
        };
        // SAFETY: all slices hold `n` numbers.
        unsafe { pointwise::gain(x.as_ptr(), gains.as_ptr(), sums.as_mut_ptr(), &params) };
        let mut sums = sums.iter_mut();
        for (sum, &bias) in sums.by_ref().zip(biases.as_chunks::<2>().0).take(n) {
            *sum = sum.saturating_add(shift_by(i16::from_le_bytes(bias) as i32, bias_shift));
        }
    }

    #[inline(never)]
    fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
        if shift < -14 {
            let up = 1 << shift.unsigned_abs().min(32);
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum = sum.saturating_add(scaled(x as i32, up, 0));
            }
            return;
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
        let curve = curve(by);
        if !x.is_empty() {
            // SAFETY: pointer and length of a slice.
            unsafe { pointwise::activate(x.as_mut_ptr(), x.len(), &curve) };
        }
    }

    fn activate_gated(by: &Activate, factors: &[i16], x: &mut [i16]) {
        let curve = curve(by);
        let n = x.len().min(factors.len());
        if n > 0 {
            // SAFETY: both slices hold `n` numbers.
            unsafe { pointwise::activate_gated(x.as_mut_ptr(), n, &curve, factors.as_ptr()) };
        }
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
        if !(18..48).contains(&shift) || factor >= 1 << 16 || row >= rows || n == 0 {
            for (out, sums) in out.iter_mut().zip(sums.chunks_exact(rows.max(1))) {
                let sum = sums.get(row).copied().unwrap_or(0);
                *out = saturate_16(scaled(sum, factor as i64, shift));
            }
            return;
        }
        let at = sums.as_ptr().wrapping_add(row);
        // SAFETY: `n` whole groups of rows lie in `sums`.
        unsafe { rescale::divide(at, 4 * rows, out.as_mut_ptr(), n, factor << 15, shift - 17) };
    }

    fn linear(product: &Product, by: [RowScale; 2], mut out: [&mut [i16]; 2]) {
        if !layer::halves(product, by, &mut out) {
            let clamped = |by: RowScale| RowScale { bias_shift: by.bias_shift.clamp(0, 40), ..by };
            slow::linear(product, by.map(clamped), out[0].len(), &mut |row, i, value| {
                if let Some(out) = out.get_mut(row).and_then(|out| out.get_mut(i)) {
                    *out = saturate_16(value);
                }
            });
        }
    }

    fn linear_wide(product: &Product, by: [RowScale; 2], mut out: [&mut [i32]; 2]) {
        if !layer::words(product, by, &mut out) {
            slow::linear(product, by, out[0].len(), &mut |row, i, value| {
                if let Some(out) = out.get_mut(row).and_then(|out| out.get_mut(i)) {
                    *out = value;
                }
            });
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
        if !stream::stream(lanes, run, visible, shift, queries, sums) {
            slow::stream(lanes, run, visible, shift, queries, sums);
        }
    }
}
