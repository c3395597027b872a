//! Cortex-M0 and M0+ (ARMv6-M): no SIMD, no long multiply, eight registers that can do everything.
//!
//! What costs time there is 64-bit arithmetic, a library call each: every product that needs more
//! than 32 bits is taken apart into 16-bit halves, with the same result. Each function checks what
//! its assembly assumes (lengths, alignment, ranges) and hands everything else to [`Portable`], so
//! it is as total as that.
#![allow(unsafe_code)]

mod attention;
mod elements;
mod linear;
mod passes;
mod rows;

use super::{Activate, Kernels, KeyBlock, Portable, Quantizer, Softmax, defaults};
use crate::config::KEY_BLOCK;
use crate::fixed::shift_by;
use core::mem::MaybeUninit;
use linear::TILE_WORDS;

/// The backend for ARMv6-M.
#[derive(Clone, Copy, Debug)]
pub struct ArmV6m;

/// Unpacked lanes: written before they are read.
type Tile = [MaybeUninit<i32>; 4 * TILE_WORDS];

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

/// What the assembly needs to rescale one row, if it can take it; the shift is still missing.
fn rescaling<T>(
    accumulators: &[i32],
    rows: usize,
    row: usize,
    multipliers: &[u8],
    scale: u16,
    out: &[T],
) -> Option<rows::Rescale> {
    let last = out.len().checked_sub(1)?.checked_mul(rows)?.checked_add(row)?;
    let fits = row < rows
        && last < accumulators.len()
        && multipliers.len() / 2 >= out.len()
        && multipliers.as_ptr().addr().is_multiple_of(2)
        && scale <= 1 << 15;
    fits.then(|| rows::Rescale {
        stride: 4 * rows,
        scale: scale as u32,
        shift: 0,
        end: out.as_ptr_range().end.addr(),
    })
}

impl Kernels for ArmV6m {
    const NAME: &'static str = "arm-v6m";

    fn largest(x: &[i16]) -> u32 {
        match passes::extremes(x) {
            Some((low, high)) => low.unsigned_abs().max(high.unsigned_abs()),
            None => Portable::largest(x),
        }
    }

    fn moments(x: &[i16]) -> (i32, u64) {
        passes::moments(x).unwrap_or_else(|| Portable::moments(x))
    }

    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        let whole = x.len() / 4 * 4;
        let fits = by.bits == 8
            && row < rows
            && whole > 0
            && lanes.len() >= whole * rows
            && (0..32).contains(&by.shift.unsigned_abs())
            && aligned(x)
            && aligned(lanes);
        if !fits {
            return Portable::quantize(x, by, rows, row, lanes);
        }
        let pointers = x.as_ptr_range();
        let quantize = rows::Quantize {
            multiply: by.multiply,
            shift: by.shift.max(0) as u32,
            // Wrapping products do not mind which factor was shifted.
            inverse: by.inverse << by.shift.min(0).unsigned_abs(),
            end: pointers.start.wrapping_add(whole),
            add: by.subtract.wrapping_neg(),
            skip: 8 * (rows - 1),
        };
        // SAFETY: `whole` numbers of the row, and as many lanes in steps of `4 · rows`, exist.
        unsafe { rows::quantize(pointers.start, lanes.as_mut_ptr().add(4 * row), &quantize) };
        if let (Some(rest), Some(lanes)) = (x.get(whole..), lanes.get_mut(whole * rows..))
            && !rest.is_empty()
        {
            Portable::quantize(rest, by, rows, row, lanes);
        }
    }

    #[inline(never)]
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
        let mut tile: Tile = [MaybeUninit::uninit(); 4 * TILE_WORDS];
        let tile = tile.as_mut_ptr().cast::<i32>();
        for first in (0..words).step_by(TILE_WORDS) {
            let count = (words - first).min(TILE_WORDS);
            let keep = -((first > 0) as i32);
            // SAFETY: `words` has checked every length and alignment; `count` words of lanes fit the
            // tile, and are written before they are read.
            unsafe {
                let w = weights.as_ptr().add(16 * first);
                if rows == 2 {
                    linear::pack(lanes.as_ptr().add(8 * first), tile, tile.add(4 * count));
                    linear::paired_2(w, tile, count, group_bytes, sums.start, sums.end, keep);
                } else {
                    linear::expand(lanes.as_ptr().add(4 * first), tile, count, 0);
                    let skip = group_bytes as isize - 16 * count as isize;
                    linear::paired_1(w, tile, count, skip, sums.start, sums.end, keep);
                }
            }
        }
    }

    #[inline(never)]
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
        let rows = if rows == 2 { 2 } else { 1 };
        accumulators.fill(0);
        let mut tile: Tile = [MaybeUninit::uninit(); 4 * TILE_WORDS];
        let tile = tile.as_mut_ptr().cast::<i32>();
        for row in 0..rows {
            for first in (0..words).step_by(TILE_WORDS) {
                let count = (words - first).min(TILE_WORDS);
                // SAFETY: as in `matmul`.
                unsafe {
                    let lanes = lanes.as_ptr().add(4 * (rows * first + row));
                    linear::expand(lanes, tile, count, 8 * (rows - 1));
                }
                let groups = accumulators.chunks_exact_mut(4 * rows);
                for (weights, sums) in weights.chunks(group_bytes.max(1)).zip(groups) {
                    let mut part = [0; 4];
                    let end = part.as_mut_ptr_range().end;
                    // SAFETY: as in `matmul`.
                    unsafe {
                        let w = weights.as_ptr().add(16 * first);
                        linear::wide_1(w, tile, count, 0, part.as_mut_ptr(), end, 0);
                    }
                    for (sum, part) in sums.iter_mut().skip(row).step_by(rows).zip(part) {
                        *sum = sum.wrapping_add(part);
                    }
                }
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
        Portable::weighted_sum(lanes, rows, values, accumulators);
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
        let rescale = rescaling(accumulators, rows, row, multipliers, scale, out);
        let (Some(mut by), 33..=62) = (rescale, shift) else {
            return Portable::rescale(
                accumulators,
                rows,
                row,
                multipliers,
                biases,
                scale,
                shift,
                bias_shift,
                out,
            );
        };
        by.shift = shift - 32;
        // The biases go where the products will be added to them; those beyond 16 bits of shift are 0.
        let bias_shift = bias_shift.min(17);
        let half = (1 << bias_shift) >> 1;
        let biases = biases.as_chunks::<2>().0;
        for (out, &bias) in out.iter_mut().zip(biases) {
            *out = ((i16::from_le_bytes(bias) as i32 + half) >> bias_shift) as i16;
        }
        // SAFETY: `rescaling` has checked every length and alignment.
        unsafe {
            let (sums, m) = (accumulators.as_ptr().add(row), multipliers.as_ptr());
            if biases.is_empty() {
                rows::rescale(sums, m, out.as_mut_ptr(), &by);
            } else {
                out.iter_mut().skip(biases.len()).for_each(|out| *out = 0);
                rows::rescale_biased(sums, m, out.as_mut_ptr(), &by);
            }
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
        let rescale = rescaling(accumulators, rows, row, multipliers, scale, out);
        let (Some(mut by), 1..=62) = (rescale, shift) else {
            return defaults::rescale_wide(
                accumulators,
                rows,
                row,
                multipliers,
                biases,
                scale,
                shift,
                bias_shift,
                out,
            );
        };
        // SAFETY: `rescaling` has checked every length and alignment.
        unsafe {
            let (sums, m) = (accumulators.as_ptr().add(row), multipliers.as_ptr());
            if shift > 32 {
                by.shift = shift - 32;
                rows::rescale_high(sums, m, out.as_mut_ptr(), &by);
            } else {
                by.shift = shift;
                rows::rescale_low(sums, m, out.as_mut_ptr(), &by);
            }
        }
        for (out, &bias) in out.iter_mut().zip(biases.as_chunks::<2>().0) {
            *out = out.saturating_add(shift_by(i16::from_le_bytes(bias) as i32, bias_shift));
        }
    }

    fn range(x: &[i16]) -> (i16, i16) {
        match passes::extremes(x) {
            Some((low, high)) => (low as i16, high as i16),
            None => defaults::range(x),
        }
    }

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
        if !elements::gain(x, by, gains, biases, mantissa, shift, bias_shift, sums) {
            defaults::gain(x, by, gains, biases, mantissa, shift, bias_shift, sums);
        }
    }

    fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
        if !passes::add(x, shift, sums) {
            defaults::add(x, shift, sums);
        }
    }

    fn largest_sum(sums: &[i32]) -> u32 {
        passes::largest_sum(sums)
    }

    fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
        if !passes::narrow(sums, shift, out) {
            defaults::narrow(sums, shift, out);
        }
    }

    fn activate(by: &Activate, x: &mut [i16]) {
        if !elements::activate(by, x) {
            defaults::activate(by, x);
        }
    }

    fn activate_gated(by: &Activate, factors: &[i16], x: &mut [i16]) {
        if !elements::activate_gated(by, factors, x) {
            defaults::activate_gated(by, factors, x);
        }
    }

    fn divide(sums: &[i32], rows: usize, row: usize, factor: u32, shift: u32, out: &mut [i16]) {
        // The factor has 17 bits of 30: with 13 more, no shift is too small for the high word.
        if factor >= 1 << 17 || !(20..=49).contains(&shift) {
            return defaults::divide(sums, rows, row, factor, shift, out);
        }
        let len = out.len().min((sums.len() + rows).saturating_sub(1 + row) / rows.max(1));
        let out = out.get_mut(..len).unwrap_or_default();
        if row >= rows || out.is_empty() {
            return;
        }
        let by = rows::Rescale {
            stride: 4 * rows,
            scale: factor << 13,
            shift: shift + 13 - 32,
            end: out.as_ptr_range().end.addr(),
        };
        // SAFETY: `len` sums lie `rows` apart, from number `row` on.
        unsafe { rows::divide(sums.as_ptr().add(row), [].as_ptr(), out.as_mut_ptr(), &by) };
    }

    fn attend(
        lanes: &[i16],
        block: &KeyBlock,
        visible: [u32; 2],
        shift: u32,
        queries: &mut [Softmax],
        sums: &mut [i32],
    ) {
        if !attention::attend(lanes, block, visible, shift, queries, sums) {
            defaults::attend::<Self>(lanes, block, visible, shift, queries, sums);
        }
    }
}
