//! Cortex-M0 and M0+ (ARMv6-M): no SIMD, no long multiply, eight registers that can do everything.
//!
//! What costs time there is 64-bit arithmetic, a library call each: every product that needs more
//! than 32 bits is taken apart into 16-bit halves, with the same result. Each function checks what
//! its assembly assumes (lengths, alignment, ranges) and hands everything else to [`Portable`], so
//! it is as total as that.
#![allow(unsafe_code)]

mod attention;
mod block;
mod elements;
mod lanes;
mod layer;
mod linear;
mod passes;
mod product;
mod rows;

use super::{
    Activate, Kernels, KeyBlock, Portable, Product, Quantizer, RowScale, Softmax, defaults,
};
use crate::config::KEY_BLOCK;
use crate::matrix::Packing;

/// The backend for ARMv6-M.
#[derive(Clone, Copy, Debug)]
pub struct ArmV6m;

/// Whether a slice begins at a multiple of four bytes.
fn aligned<T>(x: &[T]) -> bool {
    x.as_ptr().addr().is_multiple_of(4)
}

/// Whether there is a little-endian 16-bit number for each of `len` outputs, aligned.
fn halves(bytes: &[u8], len: usize) -> bool {
    bytes.len() / 2 >= len && bytes.as_ptr().addr().is_multiple_of(2)
}

/// What the assembly needs to rescale one row, if it can take it; scale and shift are still missing.
fn rescaling<T>(accumulators: &[i32], rows: usize, row: usize, out: &[T]) -> Option<rows::Rescale> {
    let stride = if rows == 2 { 1 } else { 0 };
    let fits = (1..=2).contains(&rows)
        && row < rows
        && !out.is_empty()
        && accumulators.len() > ((out.len() - 1) << stride) + row;
    fits.then(|| rows::Rescale {
        stride: 4 * rows,
        scale: 0,
        shift: 0,
        end: out.as_ptr_range().end.addr(),
        biases: 0,
        bias_half: 0,
        bias_shift: 0,
    })
}

impl Kernels for ArmV6m {
    const NAME: &'static str = "arm-v6m";
    const PACKINGS: &'static [Packing] = &[Packing::Paired, Packing::Plain];
    const SINGLE_LANES: usize = 2;
    const KEY_PACKING: Packing = Packing::Plain;
    const TILE_PACKING: Packing = Packing::Plain;

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
        lanes::quantize(x, by, rows, row, lanes);
    }

    fn matmul(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let layout = Packing::Paired;
        product::matmul(layout, false, lanes, rows, weights, group_bytes, accumulators);
    }

    fn matmul_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let layout = Packing::Paired;
        product::matmul(layout, true, lanes, rows, weights, group_bytes, accumulators);
    }

    fn matmul_plain(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let layout = Packing::Plain;
        product::matmul(layout, false, lanes, rows, weights, group_bytes, accumulators);
    }

    fn matmul_plain_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let layout = Packing::Plain;
        product::matmul(layout, true, lanes, rows, weights, group_bytes, accumulators);
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
        let fits = scale <= 1 << 15
            && halves(multipliers, out.len())
            && (biases.is_empty() || halves(biases, out.len()));
        let (Some(mut by), 33..=62, true) = (rescaling(accumulators, rows, row, out), shift, fits)
        else {
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
        (by.scale, by.shift) = (scale as u32, shift - 32);
        // Biases beyond 16 bits of shift are 0.
        by.bias_shift = bias_shift.min(17);
        by.bias_half = (1 << by.bias_shift) >> 1;
        by.biases = biases.as_ptr().addr().wrapping_sub(multipliers.as_ptr().addr() + 2);
        // SAFETY: `rescaling` has checked every length and alignment, and there is a bias for each
        // output or none.
        unsafe {
            let (sums, m) = (accumulators.as_ptr().add(row), multipliers.as_ptr());
            if biases.is_empty() {
                rows::rescale(sums, m, out.as_mut_ptr(), &by);
            } else {
                rows::rescale_biased(sums, m, out.as_mut_ptr(), &by);
            }
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
        let fits = scale <= 1 << 15 && halves(multipliers, out.len());
        let (Some(mut by), 1..=62, true) = (rescaling(accumulators, rows, row, out), shift, fits)
        else {
            return defaults::rescale_32(
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
        by.scale = scale as u32;
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
        passes::add_bytes(biases, bias_shift, out);
    }

    fn range(x: &[i16]) -> (i16, i16) {
        match passes::extremes(x) {
            Some((low, high)) => (low as i16, high as i16),
            None => defaults::range(x),
        }
    }

    fn linear(product: &Product, by: [RowScale; 2], out: [&mut [i16]; 2]) {
        let [a, b] = out;
        if !layer::linear(product, by, [&mut *a, &mut *b]) {
            super::linear::linear::<Self>(product, by, [a, b]);
        }
    }

    fn linear_32(product: &Product, by: [RowScale; 2], out: [&mut [i32]; 2]) {
        let [a, b] = out;
        if !layer::linear_32(product, by, [&mut *a, &mut *b]) {
            super::linear::linear_32::<Self>(product, by, [a, b]);
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

    fn magnitude(sums: &[i32]) -> u32 {
        passes::magnitude(sums)
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

    fn write_key(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
        block::write_key(x, inverse, shift, out);
    }

    fn divide(sums: &[i32], rows: usize, row: usize, factor: u32, shift: u32, out: &mut [i16]) {
        // The factor has 17 bits of 30: with 13 more, no shift is too small for the high word.
        let rescale = rescaling(sums, rows, row, out);
        let (Some(mut by), 20..=49, 0) = (rescale, shift, factor >> 17) else {
            return defaults::divide(sums, rows, row, factor, shift, out);
        };
        (by.scale, by.shift) = (factor << 13, shift + 13 - 32);
        // SAFETY: `rescaling` has checked every length and alignment; there are no multipliers.
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
        block::attend(lanes, block, visible, shift, queries, sums);
    }
}
