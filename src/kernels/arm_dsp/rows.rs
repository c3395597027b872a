//! Passes over one row: largest magnitude, moments, quantisation, rescaling.

use super::super::{Kernels, Portable, Quantizer};

/// See [`Kernels::largest`].
pub fn largest(x: &[i16]) -> u32 {
    Portable::largest(x)
}

/// See [`Kernels::moments`].
pub fn moments(x: &[i16]) -> (i32, u64) {
    Portable::moments(x)
}

/// See [`Kernels::quantize`].
pub fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
    Portable::quantize(x, by, rows, row, lanes);
}

/// See [`Kernels::rescale`].
#[allow(clippy::too_many_arguments)]
pub fn rescale(
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
    Portable::rescale(accumulators, rows, row, multipliers, biases, scale, shift, bias_shift, out);
}
