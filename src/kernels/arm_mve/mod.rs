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
mod curves;
mod eights;
mod gain;
mod layer;
mod linear;
mod product;
mod rows;
mod sums;

use super::{
    Activate, Kernels, KeyBlock, KeyRun, Portable, Product, Quantizer, RowScale, Softmax, defaults,
};
use crate::config::KEY_BLOCK;
use crate::matrix::Packing;
use product::{Inputs, Weights, multiply};
use sums::Factors;

/// The backend for cores with Helium.
#[derive(Clone, Copy, Debug)]
pub struct ArmMve;

/// Whether an address is a multiple of `bytes`.
fn aligned<T>(x: &[T], bytes: usize) -> bool {
    x.as_ptr().addr().is_multiple_of(bytes)
}

/// 8-bit rows in lanes.
fn inputs(lanes: &[i16], rows: usize) -> Inputs<'_> {
    // Two rows stand one behind the other, in the room of one row of 16-bit numbers each.
    match rows {
        2 => {
            let words = lanes.len() / 8;
            Inputs { lanes, starts: [0, 4 * words], rows, words }
        }
        _ => Inputs { lanes, starts: [0, 0], rows: 1, words: lanes.len() / 4 },
    }
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
    const PACKINGS: &'static [Packing] = &[Packing::Plain, Packing::Paired];
    const TILE_PACKING: Packing = Packing::Plain;
    const PRODUCT_SHIFT: i32 = 0;

    const KEY_PACKING: Packing = Packing::Plain;

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

    #[inline(always)] // a third of it is for the call
    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        // The room of a row of 16-bit numbers, of which half is used.
        let room = if rows == 2 { lanes.len() / 2 } else { lanes.len() } & !3;
        let rest = lanes.get_mut(if row == 0 { 0 } else { room }..).unwrap_or_default();
        let Some(lanes) = rest.get_mut(..room) else { return };
        let len = x.len().min(room);
        let out = lanes.as_mut_ptr().cast::<i8>();
        // An inverse above this one belongs to a row that the shift brings to less than 2^15.
        let narrow = by.multiply == 1 && by.subtract == 0 && by.inverse > 127 << 8;
        // SAFETY: `lanes` holds `2 · room` bytes, `x` at least `len` numbers; a last word that is not
        // full begins before `room`, which is a multiple of four.
        unsafe {
            if !len.is_multiple_of(4) {
                let last = out.add(len & !3);
                last.cast::<[i8; 4]>().write([0; 4]);
                last.add(room).cast::<[i8; 4]>().write([0; 4]);
            }
            match by.bits {
                8 if narrow => rows::quantize(x.as_ptr(), len, out, by),
                8 => rows::quantize_centred(x.as_ptr(), len, out, by, out),
                _ => rows::quantize_wide(x.as_ptr(), len, out, by, out.add(room)),
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
        let weights = Weights { layout: Packing::Paired, bytes: weights, group_bytes };
        multiply(&inputs(lanes, rows), &weights, accumulators);
    }

    fn matmul_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let weights = Weights { layout: Packing::Paired, bytes: weights, group_bytes };
        wide(lanes, rows, &weights, accumulators);
    }

    fn matmul_plain(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let weights = Weights { layout: Packing::Plain, bytes: weights, group_bytes };
        multiply(&inputs(lanes, rows), &weights, accumulators);
    }

    fn matmul_plain_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let weights = Weights { layout: Packing::Plain, bytes: weights, group_bytes };
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
        let at = (rows, row);
        let by = RowScale { scale, shift, bias_shift: bias_shift as i32 };
        if !sums::rescale(accumulators, at, &Factors { multipliers, biases }, by, out) {
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

    fn range(x: &[i16]) -> (i16, i16) {
        let mut low = i16::MAX;
        // SAFETY: the length is the slice's.
        let high = unsafe { rows::range(x.as_ptr(), x.len(), &mut low) };
        (low, high as i16)
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
        let at = (rows, row);
        let by = RowScale { scale, shift, bias_shift };
        if !sums::rescale_32(accumulators, at, &Factors { multipliers, biases }, by, out) {
            defaults::rescale_32(
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
        let unit = RowScale { scale: mantissa, shift, bias_shift };
        gain::gain(x, by, &Factors { multipliers: gains, biases }, unit, sums);
    }

    fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
        sums::add(x, shift, sums);
    }

    fn magnitude(sums: &[i32]) -> u32 {
        // SAFETY: the length is the slice's.
        unsafe { sums::largest(sums.as_ptr(), sums.len()) }
    }

    fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
        sums::narrow(sums, shift, out);
    }

    fn activate(by: &Activate, x: &mut [i16]) {
        curves::activate(by, x);
    }

    fn activate_gated(by: &Activate, factors: &[i16], x: &mut [i16]) {
        curves::activate_gated(by, factors, x);
    }

    fn rotate(row: &mut [i16], table: &[i16]) {
        curves::rotate(row, table);
    }

    fn write_key(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
        block::write_key(x, inverse, shift, out);
    }

    fn write_value(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
        block::write_value(x, inverse, shift, out);
    }

    fn divide(sums: &[i32], rows: usize, row: usize, factor: u32, shift: u32, out: &mut [i16]) {
        sums::divide(sums, rows, row, factor, shift, out);
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

    fn stream(
        lanes: &[i16],
        run: &KeyRun,
        visible: [usize; 2],
        shift: u32,
        queries: &mut [Softmax],
        sums: &mut [i32],
    ) {
        if !block::stream(&inputs(lanes, queries.len()), run, visible, shift, queries, sums) {
            defaults::stream::<Self>(lanes, run, visible, shift, queries, sums);
        }
    }
}
