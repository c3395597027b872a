//! Cortex-M55, M85: vectors of sixteen int8 numbers (Helium, the M-profile vector extension).
//!
//! Lanes are of this backend's own kind: a row of int8 numbers as it is; a 12-bit row is two such rows,
//! `128 · high + low`. Keys are cached as plain weights. Each function checks what its assembly
//! assumes (lengths, alignment, ranges) and does everything else in plain Rust.
#![allow(unsafe_code)]

/// The body of a function in assembly. Module-level assembly does not know the compiler's
/// `target-cpu`, so the core is named in each.
macro_rules! helium {
    ($($line:tt)*) => { core::arch::naked_asm!(".cpu cortex-m55", $($line)*) };
}

mod attention;
mod block;
mod linear;
mod product;
mod rows;

use super::{Kernels, KeyBlock, Portable, Quantizer, Softmax};
use crate::config::{KEY_BLOCK, WeightLayout};
use product::{Inputs, Weights, multiply};

/// The backend for cores with Helium.
#[derive(Clone, Copy, Debug)]
pub struct ArmMve;

/// 8-bit rows in lanes.
fn inputs(lanes: &[i16], rows: usize) -> Inputs<'_> {
    let rows = rows.clamp(1, 2);
    let words = lanes.len() / (4 * rows);
    Inputs { lanes, starts: [0, 4 * words * (rows - 1)], rows, words }
}

/// `accumulators[o · rows + r] = Σ w x` of 12-bit rows: products with the high and the low part of
/// each, 32 outputs at a time, put together.
fn wide(lanes: &[i16], rows: usize, weights: &Weights, accumulators: &mut [i32]) {
    let rows = rows.clamp(1, 2);
    let words = lanes.len() / (4 * rows);
    let outputs = accumulators.len() / rows;
    for (row, lanes) in lanes.chunks_exact((4 * words).max(1)).enumerate() {
        let inputs = Inputs { lanes, starts: [0, 2 * words], rows: 2, words };
        let mut weights = *weights;
        for first in (0..outputs).step_by(32) {
            let mut parts = [0i32; 64];
            let parts = parts.get_mut(..2 * (outputs - first).min(32)).unwrap_or_default();
            multiply(&inputs, &weights, parts);
            let out = accumulators.iter_mut().skip(first * rows + row).step_by(rows);
            for (out, &[high, low]) in out.zip(parts.as_chunks::<2>().0) {
                *out = 128 * high + low;
            }
            weights.bytes = weights.bytes.get(8 * weights.group_bytes..).unwrap_or_default();
        }
    }
}

impl Kernels for ArmMve {
    const NAME: &'static str = "arm-mve";
    const LAYOUTS: &'static [WeightLayout] = &[WeightLayout::Plain, WeightLayout::Paired];
    const PRODUCT_SHIFT: i32 = 0;

    fn largest(x: &[i16]) -> u32 {
        // SAFETY: the length is the slice's.
        unsafe { rows::largest(x.as_ptr(), x.len()) }
    }

    fn moments(x: &[i16]) -> (i32, u64) {
        let mut squares = 0;
        // SAFETY: the length is the slice's.
        let sum = unsafe { rows::moments(x.as_ptr(), x.len(), &mut squares) };
        (sum, squares)
    }

    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        let words = lanes.len() / (4 * rows.max(1));
        let Some(lanes) = lanes.get_mut(4 * words * row..).and_then(|l| l.get_mut(..4 * words))
        else {
            return;
        };
        let len = x.len().min(4 * words);
        if len < 4 * words {
            lanes.fill(0);
        }
        let out = lanes.as_mut_ptr().cast::<i8>();
        let numbers = rows::Quantize {
            multiply: by.multiply,
            subtract: by.subtract,
            shift: by.shift.wrapping_neg(),
            inverse: by.inverse,
        };
        // An inverse above this one belongs to a row that the shift brings to less than 2^15.
        let narrow = by.multiply == 1 && by.subtract == 0 && by.inverse > 127 << 8;
        // SAFETY: `lanes` holds 8 · words bytes, `x` at least `len` numbers.
        unsafe {
            match by.bits {
                8 if narrow => rows::quantize(x.as_ptr(), len, out, &numbers),
                8 => rows::quantize_centred(x.as_ptr(), len, out, &numbers, out),
                _ => rows::quantize_wide(x.as_ptr(), len, out, &numbers, out.add(4 * words)),
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
        let weights = Weights { layout: WeightLayout::Paired, bytes: weights, group_bytes };
        multiply(&inputs(lanes, rows), &weights, accumulators);
    }

    fn matmul_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let weights = Weights { layout: WeightLayout::Paired, bytes: weights, group_bytes };
        wide(lanes, rows, &weights, accumulators);
    }

    fn matmul_plain(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let weights = Weights { layout: WeightLayout::Plain, bytes: weights, group_bytes };
        multiply(&inputs(lanes, rows), &weights, accumulators);
    }

    fn matmul_plain_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let weights = Weights { layout: WeightLayout::Plain, bytes: weights, group_bytes };
        wide(lanes, rows, &weights, accumulators);
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
        let rows = rows.max(1);
        let sums = accumulators.get(row..).unwrap_or_default();
        let len = out.len().min(sums.len().div_ceil(rows)).min(multipliers.len() / 2);
        let fits = rows <= 2
            && shift > 32
            && (biases.is_empty() || biases.len() >= 2 * len)
            && multipliers.as_ptr().addr().is_multiple_of(2)
            && biases.as_ptr().addr().is_multiple_of(2);
        if !fits {
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
        }
        let kernel = match (rows, biases.is_empty()) {
            (1, true) => rows::rescale_1,
            (1, false) => rows::rescale_biased_1,
            (_, true) => rows::rescale_2,
            (_, false) => rows::rescale_biased_2,
        };
        let by = rows::Rescale {
            multipliers: multipliers.as_ptr(),
            scale: scale as u32,
            shift: 32 - shift as i32,
            biases: biases.as_ptr(),
            bias_shift: -(bias_shift as i32),
        };
        // SAFETY: every length and alignment was checked.
        unsafe { kernel(sums.as_ptr(), len, out.as_mut_ptr(), &by) }
    }

    fn write_key(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
        block::write_key(x, inverse, shift, out);
    }

    fn attend(
        lanes: &[i16],
        block: &KeyBlock,
        visible: [u32; 2],
        shift: u32,
        queries: &mut [Softmax],
        sums: &mut [i32],
    ) {
        block::attend(&inputs(lanes, queries.len()), block, visible, shift, queries, sums);
    }
}
