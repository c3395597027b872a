//! RV32 with multiplication (M): no vectors, no 16-bit halves, but 31 registers and the upper half of
//! a product in one instruction.
//!
//! Each function checks what its assembly assumes (lengths, alignment, ranges) and hands everything
//! else to [`Portable`], so it is as total as that.
#![allow(unsafe_code)]

mod linear;

use super::{Kernels, Portable, Quantizer};
use crate::config::KEY_BLOCK;

/// The backend for RV32IM.
#[derive(Clone, Copy, Debug)]
pub struct RiscV;

/// The shape of a product in words of four inputs and groups of four outputs, if the assembly can
/// take it.
fn shape(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    sums: &[i32],
) -> Option<(usize, usize)> {
    let rows = if rows == 2 { 2 } else { 1 };
    let (words, groups) = (lanes.len() / (4 * rows), sums.len() / (4 * rows));
    let needed = groups.checked_sub(1)?.checked_mul(group_bytes)?.checked_add(16 * words)?;
    let fits = words > 0
        && needed <= weights.len()
        && weights.as_ptr().addr().is_multiple_of(2)
        && group_bytes.is_multiple_of(2);
    fits.then_some((words, groups))
}

impl Kernels for RiscV {
    const NAME: &'static str = "riscv";

    fn largest(x: &[i16]) -> u32 {
        Portable::largest(x)
    }

    fn moments(x: &[i16]) -> (i32, u64) {
        Portable::moments(x)
    }

    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        Portable::quantize(x, by, rows, row, lanes);
    }

    fn matmul(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let Some((words, groups)) = shape(lanes, rows, weights, group_bytes, accumulators) else {
            return Portable::matmul(lanes, rows, weights, group_bytes, accumulators);
        };
        let (x, w, to) = (lanes.as_ptr(), weights.as_ptr(), accumulators.as_mut_ptr());
        let product = if rows == 2 { linear::paired_2 } else { linear::paired_1 };
        // SAFETY: `shape` has checked lengths and alignment.
        unsafe { product(w, x, words, group_bytes, to, groups) };
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
        Portable::rescale(
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
    }
}
