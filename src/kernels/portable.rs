//! Plain Rust: the definition of every result.

use super::{Kernels, Quantizer};
use crate::config::KEY_BLOCK;
use crate::fixed::{exp2_negative, round_shift, saturate_16};
use crate::matrix::Packing;

/// The backend that runs everywhere and says what is right.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// Sums over one group of four outputs; `lane(w, x)` is the sum of one word's four products.
#[inline(always)]
fn groups<const ROWS: usize>(
    lanes: &[i16],
    weights: &[u8],
    group_bytes: usize,
    accumulators: &mut [i32],
    product: impl Fn(i32, i32, &[i16; 4]) -> i32,
) {
    let (outputs, _) = accumulators.as_chunks_mut::<4>();
    // Accumulators of one group are 4 · ROWS numbers.
    let mut outputs = outputs.chunks_exact_mut(ROWS);
    let mut weights = weights;
    for group in outputs.by_ref() {
        let mut sums = [[0i32; 4]; ROWS];
        let (words, _) = weights.as_chunks::<16>();
        let (lanes, _) = lanes.as_chunks::<4>();
        for (word, x) in words.iter().zip(lanes.chunks_exact(ROWS)) {
            let (halves, _) = word.as_chunks::<4>();
            for (sum, x) in sums.iter_mut().zip(x) {
                for (sum, half) in sum.iter_mut().zip(halves) {
                    let low = i16::from_le_bytes([half[0], half[1]]) as i32;
                    let high = i16::from_le_bytes([half[2], half[3]]) as i32;
                    *sum = sum.wrapping_add(product(low, high, x));
                }
            }
        }
        for (i, out) in group.as_flattened_mut().iter_mut().enumerate() {
            *out = sums.get(i % ROWS).and_then(|s| s.get(i / ROWS)).copied().unwrap_or(0);
        }
        weights = weights.get(group_bytes..).unwrap_or(&[]);
    }
}

/// `256 Σ w x` of four weights: the halfwords themselves, then their low bytes.
#[inline(always)]
fn paired(h0: i32, h1: i32, x: &[i16; 4]) -> i32 {
    let [x1, x3, z0, z2] = x.map(i32::from);
    h0 * x1 + h1 * x3 + (h0 as i8 as i32) * z0 + (h1 as i8 as i32) * z2
}

/// `Σ w x` of four weights.
#[inline(always)]
fn wide(h0: i32, h1: i32, x: &[i16; 4]) -> i32 {
    let [x1, x3, x0, x2] = x.map(i32::from);
    let (w0, w2) = (h0 as i8 as i32, h1 as i8 as i32);
    ((h0 - w0) >> 8) * x1 + ((h1 - w2) >> 8) * x3 + w0 * x0 + w2 * x2
}

/// As [`paired`] for two halfwords of plain weights.
#[inline(always)]
fn plain(h0: i32, h1: i32, x: &[i16; 4]) -> i32 {
    paired(pair(h0), pair(h1), x)
}

/// As [`wide`] for two halfwords of plain weights.
#[inline(always)]
fn plain_wide(h0: i32, h1: i32, x: &[i16; 4]) -> i32 {
    wide(pair(h0), pair(h1), x)
}

/// `256 w1 + w0` of a halfword that holds the bytes `w0 w1`.
#[inline(always)]
fn pair(half: i32) -> i32 {
    (half & !255) + half as i8 as i32
}

/// See [`Kernels::matmul_plain`].
pub fn matmul_plain(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    sums: &mut [i32],
) {
    match rows {
        2 => groups::<2>(lanes, weights, group_bytes, sums, plain),
        _ => groups::<1>(lanes, weights, group_bytes, sums, plain),
    }
}

/// See [`Kernels::matmul_plain_wide`].
pub fn matmul_plain_wide(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    sums: &mut [i32],
) {
    match rows {
        2 => groups::<2>(lanes, weights, group_bytes, sums, plain_wide),
        _ => groups::<1>(lanes, weights, group_bytes, sums, plain_wide),
    }
}

impl Kernels for Portable {
    const NAME: &'static str = "portable";
    const PACKINGS: &'static [Packing] = &[Packing::Paired, Packing::Plain];

    fn largest(x: &[i16]) -> u32 {
        // Two maxima vectorise better than an absolute value, which has no 16-bit form for -32768.
        let (mut low, mut high) = (0i16, 0i16);
        for &x in x {
            low = low.min(x);
            high = high.max(x);
        }
        high.unsigned_abs().max(low.unsigned_abs()) as u32
    }

    fn moments(x: &[i16]) -> (i32, u64) {
        let (mut sum, mut squares) = (0i32, 0u64);
        for four in x.chunks(4) {
            // Four squares of 2^30 fit 32 unsigned bits when one is short of the extreme; a 64-bit
            // add per element would cost a 32-bit core twice as much.
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

    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        let shift = 31u32.wrapping_sub(by.bits) & 31;
        let half = 1i32 << (shift - 1);
        let one = |x: i16| {
            let shifted = by.shifted(x);
            (shifted.wrapping_mul(by.inverse).wrapping_add(half) >> shift) as i16
        };
        let (lanes, _) = lanes.as_chunks_mut::<4>();
        let mut lanes = lanes.iter_mut().skip(row).step_by(rows.max(1));
        let (fours, rest) = x.as_chunks::<4>();
        let mut put = |q: [i16; 4]| {
            if let Some(lane) = lanes.next() {
                *lane = match by.bits {
                    8 => {
                        [q[1], q[3], (q[0] << 8).wrapping_sub(q[1]), (q[2] << 8).wrapping_sub(q[3])]
                    }
                    _ => [q[1], q[3], q[0], q[2]],
                };
            }
        };
        for four in fours {
            put(four.map(one));
        }
        if !rest.is_empty() {
            let mut last = [0; 4];
            for (to, &from) in last.iter_mut().zip(rest) {
                *to = one(from);
            }
            put(last);
        }
    }

    fn matmul(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        match rows {
            2 => groups::<2>(lanes, weights, group_bytes, accumulators, paired),
            _ => groups::<1>(lanes, weights, group_bytes, accumulators, paired),
        }
    }

    fn matmul_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        match rows {
            2 => groups::<2>(lanes, weights, group_bytes, accumulators, wide),
            _ => groups::<1>(lanes, weights, group_bytes, accumulators, wide),
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
        let mut maximum = i32::MIN;
        let accumulators = accumulators.chunks_exact(rows.max(1)).filter_map(|rows| rows.get(row));
        let mut visible = visible;
        for ((score, &accumulator), &scale) in scores.iter_mut().zip(accumulators).zip(scales) {
            *score = ((accumulator as i64 * scale as i64) >> 17) as i32;
            if visible & 1 != 0 {
                maximum = maximum.max(*score);
            }
            visible >>= 1;
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
        let half = 1u32 << (shift.wrapping_sub(1) & 31);
        let (mut sum, mut visible) = (0u32, visible);
        let (lanes, _) = lanes.as_chunks_mut::<4>();
        let lanes = lanes.iter_mut().skip(row).step_by(rows.max(1));
        let (scores, _) = scores.as_chunks::<4>();
        let (scales, _) = scales.as_chunks::<4>();
        for ((lane, scores), scales) in lanes.zip(scores).zip(scales) {
            let mut q = [0i16; 4];
            for ((q, &score), &scale) in q.iter_mut().zip(scores).zip(scales) {
                if visible & 1 != 0 {
                    let distance = maximum.wrapping_sub(score) as u32;
                    let p = exp2_negative(((distance as u64 * factor as u64) >> 32) as u32);
                    sum += p;
                    *q = ((p * scale as u32 + half) >> (shift & 31)) as i16;
                }
                visible >>= 1;
            }
            *lane = [q[0], q[2], q[1], q[3]];
        }
        sum
    }

    fn weighted_sum(lanes: &[i16], rows: usize, values: &[u8], accumulators: &mut [i32]) {
        let (values, _) = values.as_chunks::<KEY_BLOCK>();
        let (lanes, _) = lanes.as_chunks::<4>();
        let rows = rows.max(1);
        for (accumulators, values) in accumulators.chunks_exact_mut(rows).zip(values) {
            for (row, accumulator) in accumulators.iter_mut().enumerate() {
                let (values, _) = values.as_chunks::<4>();
                for (p, v) in lanes.iter().skip(row).step_by(rows).zip(values) {
                    let [v0, v1, v2, v3] = v.map(|v| v as i8 as i32);
                    let [p0, p2, p1, p3] = p.map(i32::from);
                    let sum = p0 * v0 + p1 * v1 + p2 * v2 + p3 * v3;
                    *accumulator = accumulator.wrapping_add(sum);
                }
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
        let accumulators = accumulators.chunks_exact(rows.max(1)).filter_map(|rows| rows.get(row));
        let (multipliers, _) = multipliers.as_chunks::<2>();
        let (biases, _) = biases.as_chunks::<2>();
        let mut biases = biases.iter();
        for ((out, &accumulator), &multiplier) in out.iter_mut().zip(accumulators).zip(multipliers)
        {
            // Below 2^30: both factors have 15 bits.
            let factor = (u16::from_le_bytes(multiplier) as i32).wrapping_mul(scale as i32);
            let value = round_shift(accumulator as i64 * factor as i64, shift);
            let bias =
                biases.next().map_or(0, |&b| round_shift(i16::from_le_bytes(b) as i64, bias_shift));
            // A forged exponent can make `value` large; clamp in 64 bits.
            *out = saturate_16(crate::fixed::saturate(value + bias));
        }
    }
}
