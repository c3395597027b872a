//! Cortex-M4, M7, M33, M55: two 16-bit products an instruction (SMLAD).
//!
//! Each function checks what its assembly assumes (lengths, alignment, ranges) and hands everything
//! else to [`Portable`], so it is as total as that.
#![allow(unsafe_code)]

mod attention;
mod linear;
mod rows;

use super::{Kernels, Portable, Quantizer};
use crate::config::KEY_BLOCK;

/// The backend for cores with the DSP extension.
#[derive(Clone, Copy, Debug)]
pub struct ArmDsp;

/// Whether a slice begins at a multiple of four bytes.
fn aligned<T>(x: &[T]) -> bool {
    x.as_ptr().addr().is_multiple_of(4)
}

/// The shape of a product, if the assembly can take it: words of four inputs.
fn words(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    accumulators: &[i32],
) -> Option<usize> {
    let rows = if rows == 2 { 2 } else { 1 };
    let words = lanes.len() / (4 * rows);
    let groups = accumulators.len() / (4 * rows);
    let needed = groups.checked_sub(1)?.checked_mul(group_bytes)?.checked_add(16 * words)?;
    let fits = lanes.len().is_multiple_of(4 * rows)
        && accumulators.len().is_multiple_of(4 * rows)
        && words > 0
        && weights.len() >= needed
        && group_bytes.is_multiple_of(4);
    (fits && aligned(lanes) && aligned(weights)).then_some(words)
}

/// Number of keys if the visible ones are the first ones.
fn prefix(visible: u32) -> Option<usize> {
    let ones = visible.trailing_ones();
    (visible.checked_shr(ones).unwrap_or(0) == 0 && ones as usize <= KEY_BLOCK)
        .then_some(ones as usize)
}

impl Kernels for ArmDsp {
    const NAME: &'static str = "arm-dsp";

    fn largest(x: &[i16]) -> u32 {
        rows::largest(x)
    }

    fn moments(x: &[i16]) -> (i32, u64) {
        rows::moments(x)
    }

    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        rows::quantize(x, by, rows, row, lanes);
    }

    fn matmul(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let Some(words) = words(lanes, rows, weights, group_bytes, accumulators) else {
            return Portable::matmul(lanes, rows, weights, group_bytes, accumulators);
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
        let Some(words) = words(lanes, rows, weights, group_bytes, accumulators) else {
            return Portable::matmul_wide(lanes, rows, weights, group_bytes, accumulators);
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
        let keys = prefix(visible).unwrap_or(0);
        let rows = rows.max(1);
        if keys < 4 || row >= rows || rows > 2 || accumulators.len() < KEY_BLOCK * rows {
            return Portable::scores(accumulators, rows, row, scales, visible, scores);
        }
        let fours = keys / 4;
        let (from, to) = (accumulators.as_ptr(), scores.as_mut_ptr());
        // SAFETY: `fours` is 1 to 4, and there are 16 of everything, 16 · rows accumulators.
        let mut maximum = unsafe {
            if rows == 2 {
                attention::scores_2(from.add(row), scales.as_ptr(), to, fours)
            } else {
                attention::scores_1(from, scales.as_ptr(), to, fours)
            }
        };
        let rest = accumulators.iter().skip(row).step_by(rows).zip(scales).zip(scores.iter_mut());
        for ((&accumulator, &scale), score) in rest.take(keys).skip(4 * fours) {
            *score = ((accumulator as i64 * scale as i64) >> 17) as i32;
            maximum = maximum.max(*score);
        }
        maximum
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
        let keys = prefix(visible).unwrap_or(0);
        let fours = keys / 4;
        let rows = rows.max(1);
        let fits = fours > 0
            && row < rows
            && lanes.len() == KEY_BLOCK * rows
            && aligned(lanes)
            && factor < 1 << 31
            && (1..32).contains(&shift);
        if !fits {
            return Portable::weigh(
                scores, maximum, factor, scales, visible, shift, rows, row, lanes,
            );
        }
        let by = attention::Weigh {
            maximum,
            factor,
            stride: 8 * rows,
            shift_and_fours: shift + 256 * (fours as u32 - 1),
            half: 1 << (shift - 1),
            table: crate::fixed::EXP2.as_ptr(),
        };
        // SAFETY: 1 to 4 fours of scores and scales; `lanes` has a four for each at every stride.
        let mut sum = unsafe {
            attention::weigh(scores.as_ptr(), scales.as_ptr(), lanes.as_mut_ptr().add(4 * row), &by)
        };
        // The four in which the visible keys end, then zeros.
        let (score_fours, scale_fours) = (scores.as_chunks::<4>().0, scales.as_chunks::<4>().0);
        let rest = lanes.as_chunks_mut::<4>().0.iter_mut().skip(row).step_by(rows);
        for (i, ((lane, scores), scales)) in
            rest.zip(score_fours).zip(scale_fours).enumerate().skip(fours)
        {
            let mut q = [0i16; 4];
            for ((q, &score), &scale) in
                q.iter_mut().zip(scores).zip(scales).take(keys.saturating_sub(4 * i))
            {
                let distance = maximum.wrapping_sub(score) as u32;
                let p =
                    crate::fixed::exp2_negative(((distance as u64 * factor as u64) >> 32) as u32);
                sum += p;
                *q = ((p * scale as u32 + by.half) >> shift) as i16;
            }
            *lane = [q[0], q[2], q[1], q[3]];
        }
        sum
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
                attention::weighted_2(values.as_ptr(), sums.start, lanes.as_ptr(), sums.end);
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
        rows::rescale(accumulators, rows, row, multipliers, biases, scale, shift, bias_shift, out);
    }
}
