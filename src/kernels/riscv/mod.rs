//! RV32 with multiplication (M): no vectors, no 16-bit halves, but 31 registers and the upper half of
//! a product in one instruction.
//!
//! Each function checks what its assembly assumes (lengths, alignment, ranges) and hands everything
//! else to [`Portable`], so it is as total as that.
#![allow(unsafe_code)]

mod attention;
mod layer;
mod linear;
mod plain;
mod rows;
mod sums;

use super::{Kernels, KeyBlock, Portable, Product, Quantizer, RowScale, Softmax, defaults};
use crate::config::KEY_BLOCK;
use crate::fixed::shift_by;
use crate::matrix::Packing;
use sums::Outputs;

/// The backend for RV32IM.
#[derive(Clone, Copy, Debug)]
pub struct RiscV;

/// A product of 8-bit lanes, see [`linear`] and [`plain`].
type Assembly =
    unsafe extern "C" fn(*const u8, *const i16, words: usize, group_bytes: usize, *mut i32, usize);

/// The assembly for a product of `groups` groups of four outputs and how many words of four inputs it
/// has, if there is one for its shape.
fn assembly(
    layout: Packing,
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    groups: usize,
) -> Option<(Assembly, usize)> {
    let words = lanes.len() / (if rows == 2 { 8 } else { 4 });
    let needed = groups.checked_sub(1)?.checked_mul(group_bytes)?.checked_add(16 * words)?;
    let even = weights.as_ptr().addr().is_multiple_of(2) && group_bytes.is_multiple_of(2);
    let (product, aligned): (Assembly, bool) = match (layout, rows) {
        (Packing::Paired, 2) => (linear::paired_2, even),
        (Packing::Paired, _) => (linear::paired_1, even),
        (Packing::Plain, 2) => (plain::plain_2, lanes.as_ptr().addr().is_multiple_of(4)),
        (Packing::Plain, _) => (linear::plain_1, true),
    };
    (words > 0 && needed <= weights.len() && aligned).then_some((product, words))
}

/// A product of 8-bit lanes; false, nothing done, if the assembly cannot take it.
fn multiply(
    layout: Packing,
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    sums: &mut [i32],
) -> bool {
    let groups = sums.len() / (if rows == 2 { 8 } else { 4 });
    let found = assembly(layout, lanes, rows, weights, group_bytes, groups);
    if let Some((product, words)) = found {
        let (x, w, to) = (lanes.as_ptr(), weights.as_ptr(), sums.as_mut_ptr());
        // SAFETY: `assembly` has checked lengths and alignment.
        unsafe { product(w, x, words, group_bytes, to, groups) };
    }
    found.is_some()
}

/// Adds biases to as many sums as there are.
fn biased<K: Kernels>(biases: &[u8], shift: i32, sums: &mut [i32]) {
    // SAFETY: any two bytes are a number; RV32 is little-endian as the blob is.
    let (odd, halves, _) = unsafe { biases.align_to::<i16>() };
    if odd.is_empty() {
        return K::add(halves, shift, sums);
    }
    for (sum, &bias) in sums.iter_mut().zip(biases.as_chunks::<2>().0) {
        *sum = sum.saturating_add(shift_by(i16::from_le_bytes(bias) as i32, shift));
    }
}

/// See [`Kernels::rescale`].
#[allow(clippy::too_many_arguments)] // as the method
#[inline(always)]
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
    let rows = rows.max(1);
    let mut done = 0;
    if (33..=62).contains(&shift) && scale <= 1 << 15 {
        done = match (rows, biases.is_empty()) {
            (1, true) => {
                Outputs::<4>::new(accumulators, row, multipliers).rescale(scale, shift, out)
            }
            (1, false) => Outputs::<4>::new(accumulators, row, multipliers)
                .rescale_biased(scale, shift, biases, bias_shift, out),
            (2, true) => {
                Outputs::<8>::new(accumulators, row, multipliers).rescale(scale, shift, out)
            }
            (2, false) => Outputs::<8>::new(accumulators, row, multipliers)
                .rescale_biased(scale, shift, biases, bias_shift, out),
            _ => 0,
        };
    }
    if done < out.len() {
        Portable::rescale(
            accumulators.get(done * rows..).unwrap_or_default(),
            rows,
            row,
            multipliers.get(2 * done..).unwrap_or_default(),
            biases.get(2 * done..).unwrap_or_default(),
            scale,
            shift,
            bias_shift,
            out.get_mut(done..).unwrap_or_default(),
        );
    }
}

/// See [`Kernels::rescale_32`].
#[allow(clippy::too_many_arguments)] // as the method
#[inline(always)]
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
    let rows = rows.max(1);
    let mut done = 0;
    if (1..=62).contains(&shift) && scale <= 1 << 15 {
        done = match rows {
            1 => Outputs::<4>::new(accumulators, row, multipliers).rescale_32(scale, shift, out),
            2 => Outputs::<8>::new(accumulators, row, multipliers).rescale_32(scale, shift, out),
            _ => 0,
        };
        biased::<RiscV>(biases, bias_shift, out.get_mut(..done).unwrap_or_default());
    }
    if done < out.len() {
        defaults::rescale_32(
            accumulators.get(done * rows..).unwrap_or_default(),
            rows,
            row,
            multipliers.get(2 * done..).unwrap_or_default(),
            biases.get(2 * done..).unwrap_or_default(),
            scale,
            shift,
            bias_shift,
            out.get_mut(done..).unwrap_or_default(),
        );
    }
}

impl Kernels for RiscV {
    const NAME: &'static str = "riscv";
    const PACKINGS: &'static [Packing] = &[Packing::Paired, Packing::Plain];
    const TILE_PACKING: Packing = Packing::Plain;

    fn largest(x: &[i16]) -> u32 {
        let (fours, rest) = x.as_chunks::<4>();
        let (low, high) = rows::range_16(fours, 0, 0);
        low.unsigned_abs().max(high.unsigned_abs()).max(Portable::largest(rest))
    }

    fn range(x: &[i16]) -> (i16, i16) {
        let (fours, rest) = x.as_chunks::<4>();
        let (low, high) = defaults::range(rest);
        let (low, high) = rows::range_16(fours, low as i32, high as i32);
        (low as i16, high as i16)
    }

    fn magnitude(sums: &[i32]) -> u32 {
        let (fours, rest) = sums.as_chunks::<4>();
        let (low, high) = rows::range_32(fours, 0, 0);
        low.unsigned_abs().max(high.unsigned_abs()).max(defaults::magnitude(rest))
    }

    fn moments(x: &[i16]) -> (i32, u64) {
        let (fours, rest) = x.as_chunks::<4>();
        let (sum, squares) = rows::moments(fours);
        let (sum_of_rest, squares_of_rest) = Portable::moments(rest);
        (sum.wrapping_add(sum_of_rest), squares + squares_of_rest)
    }

    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        if by.bits != 8 {
            return Portable::quantize(x, by, rows, row, lanes);
        }
        let (fours, rest) = x.as_chunks::<4>();
        let rows = rows.max(1);
        rows::quantize(fours, by, rows, row, lanes);
        if !rest.is_empty() {
            let lanes = lanes.get_mut(4 * rows * fours.len()..).unwrap_or_default();
            Portable::quantize(rest, by, rows, row, lanes);
        }
    }

    fn quantize_plain(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        if by.bits != 8 {
            return Portable::quantize(x, by, rows, row, lanes);
        }
        let rows = if rows == 2 { 2 } else { 1 };
        let done = 4 * rows::quantize_plain(x.as_chunks::<4>().0, by, rows, row, lanes);
        let (x, lanes) = (x.get(done..), lanes.get_mut(rows * done..));
        plain::quantize_any(x.unwrap_or_default(), by, rows, row, lanes.unwrap_or_default());
    }

    fn matmul(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        if !multiply(Packing::Paired, lanes, rows, weights, group_bytes, accumulators) {
            Portable::matmul(lanes, rows, weights, group_bytes, accumulators);
        }
    }

    fn matmul_plain(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        if !multiply(Packing::Plain, lanes, rows, weights, group_bytes, accumulators) {
            plain::any_shape(lanes, rows, weights, group_bytes, accumulators);
        }
    }

    fn matmul_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        Portable::matmul_wide(lanes, rows, weights, group_bytes, accumulators);
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
        rescale(accumulators, rows, row, multipliers, biases, scale, shift, bias_shift, out);
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
        rescale_32(accumulators, rows, row, multipliers, biases, scale, shift, bias_shift, out);
    }

    fn linear(product: &Product, by: [RowScale; 2], out: [&mut [i16]; 2]) {
        layer::linear(product, by, out);
    }

    fn linear_32(product: &Product, by: [RowScale; 2], out: [&mut [i32]; 2]) {
        layer::linear_32(product, by, out);
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
        let mut done = 0;
        if (1..32).contains(&shift) && mantissa <= 1 << 15 {
            done = sums::gain(x, by, gains, mantissa, shift, sums);
            biased::<Self>(biases, bias_shift, sums.get_mut(..done).unwrap_or_default());
        }
        if done < sums.len() {
            defaults::gain(
                x.get(done..).unwrap_or_default(),
                by,
                gains.get(2 * done..).unwrap_or_default(),
                biases.get(2 * done..).unwrap_or_default(),
                mantissa,
                shift,
                bias_shift,
                sums.get_mut(done..).unwrap_or_default(),
            );
        }
    }

    fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
        let mut done = 0;
        if shift >= -15 {
            done = sums::add(x, shift, sums);
            // The four that may have wrapped are added already: once more, from what they were.
            let wrapped = x.len().min(sums.len()) / 4 * 4 - done;
            if wrapped > 0 {
                for (sum, &x) in sums.iter_mut().zip(x).skip(done).take(4) {
                    *sum = sum.wrapping_sub(shift_by(x as i32, shift));
                }
            }
        }
        let (x, sums) = (x.get(done..), sums.get_mut(done..));
        defaults::add(x.unwrap_or_default(), shift, sums.unwrap_or_default());
    }

    fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
        let mut done = 0;
        if (2..32).contains(&shift) {
            done = sums::narrow(sums, shift as u32, out);
        }
        let (sums, out) = (sums.get(done..), out.get_mut(done..));
        defaults::narrow(sums.unwrap_or_default(), shift, out.unwrap_or_default());
    }

    fn attend(
        lanes: &[i16],
        block: &KeyBlock,
        visible: [u32; 2],
        shift: u32,
        queries: &mut [Softmax],
        sums: &mut [i32],
    ) {
        if attention::attend(lanes, block, visible, shift, queries, sums).is_none() {
            defaults::attend::<Self>(lanes, block, visible, shift, queries, sums);
        }
    }
}
