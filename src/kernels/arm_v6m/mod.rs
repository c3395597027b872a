//! Cortex-M0 and M0+ (ARMv6-M): no SIMD, no long multiply, eight registers for all instructions.
//!
//! 64-bit arithmetic costs a library call per operation, so every product of more than 32 bits is computed
//! from 16-bit halves, with the same result. Cases that the assembly does not handle (extreme shifts, rows
//! that do not begin at a word) are left to [`portable`].
#![allow(unsafe_code)]

mod attention;
mod backend;
mod block;
mod dense;
mod elements;
mod lanes;
mod linear;
mod nibbles;
mod passes;
mod product;
mod rows;

use super::{
    Attend, Channels, Curve, HeadScale, Kernels, LanesMut, Linear, Nibbles, Product, Quantizer,
    Ratio, RowScale, Statistics, Sums, portable,
};
pub use backend::ArmV6m;

use crate::matrix::Packing;

impl Kernels for ArmV6m {
    const NAME: &'static str = "arm-v6m";
    const KEY_PACKING: Packing = Packing::Plain;

    fn largest(x: &[i16]) -> u32 {
        match passes::extremes(x) {
            Some((low, high)) => low.unsigned_abs().max(high.unsigned_abs()),
            None => portable::largest(x),
        }
    }

    fn statistics(x: &[i16]) -> Statistics {
        let (sum, squares) = passes::moments(x).unwrap_or_else(|| portable::moments(x));
        let range = match passes::extremes(x) {
            Some((low, high)) => (low as i16, high as i16),
            None => portable::range(x),
        };
        Statistics { sum, squares, range }
    }

    fn quantize(x: &[i16], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<Self>) {
        lanes::quantize(x, quantizer, row, lanes);
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
        product::matmul_nibbles(product, sums);
    }

    fn linear_nibbles(linear: Linear<Nibbles<Self>, i16>) {
        dense::linear(linear);
    }

    fn linear_32_nibbles(linear: Linear<Nibbles<Self>, i32>) {
        dense::linear_32(linear);
    }

    fn rescale(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]) {
        if scale.shift < 33 {
            return portable::rescale(sums, channels, scale, out);
        }
        let n = out.len().min(sums.len()).min(channels.len());
        let out = out.get_mut(..n).unwrap_or_default();
        let from = sums.data.as_ptr().wrapping_add(sums.row);
        let rescale = dense::Rescaler::new(sums.rows, channels, scale);
        // SAFETY: `Sums` and `Channels`: there are a sum, a factor and a bias (or none) for each output.
        unsafe { rescale.halves(from, channels.factors.as_ptr(), out) };
    }

    fn rescale_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]) {
        let n = out.len().min(sums.len()).min(channels.len());
        let out = out.get_mut(..n).unwrap_or_default();
        let from = sums.data.as_ptr().wrapping_add(sums.row);
        let rescale = dense::Rescaler::new(sums.rows, channels, scale);
        // SAFETY: as in `rescale`.
        unsafe { rescale.words(from, channels.factors.as_ptr(), out) };
        passes::add_biases(channels, scale, out);
    }

    fn linear(linear: Linear<Self, i16>) {
        dense::linear(linear);
    }

    fn linear_32(linear: Linear<Self, i32>) {
        dense::linear_32(linear);
    }

    fn gain(
        x: &[i16],
        quantizer: &Quantizer,
        channels: &Channels,
        scale: &RowScale,
        sums: &mut [i32],
    ) {
        if !elements::gain(x, quantizer, channels, scale, sums) {
            portable::gain(x, quantizer, channels, scale, sums);
        }
    }

    fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
        if !passes::add(x, shift, sums) {
            portable::add(x, shift, sums);
        }
    }

    fn magnitude(sums: &[i32]) -> u32 {
        passes::magnitude(sums)
    }

    fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
        if !passes::narrow(sums, shift, out) {
            portable::narrow(sums, shift, out);
        }
    }

    fn activate(curve: &Curve, x: &mut [i16]) {
        if !elements::activate(curve, x) {
            portable::activate(curve, x);
        }
    }

    fn activate_gated(curve: &Curve, factors: &[i16], x: &mut [i16]) {
        if !elements::activate_gated(curve, factors, x) {
            portable::activate_gated(curve, factors, x);
        }
    }

    fn write_key(x: &[i16], scale: HeadScale, out: &mut [u8]) {
        block::write_key(x, scale, out);
    }

    fn divide(sums: &Sums, ratio: &Ratio, out: &mut [i16]) {
        // The factor has 17 bits of 30: with 13 more, no shift is too small for the high word.
        if !(20..=49).contains(&ratio.shift) {
            return portable::divide(sums, ratio, out);
        }
        let n = out.len().min(sums.len());
        let out = out.get_mut(..n).unwrap_or_default();
        let from = sums.data.as_ptr().wrapping_add(sums.row);
        // SAFETY: `Sums`: there is one for each output.
        unsafe { dense::divide(from, sums.rows, ratio, out) };
    }

    fn attend(attend: Attend<Self>) {
        let shift = attend.shift;
        let plain = block::Attention::new(attend.queries, shift);
        attend.by_blocks(|queries, block, seen, biases| match biases {
            None => plain.block(queries, block, seen),
            Some(_) => {
                portable::attend_block(queries, block, seen, shift, biases, product::matmul);
            }
        });
    }
}
