//! RV32 with multiplication (M): no vectors and no 16-bit arithmetic, but 31 registers and the upper half
//! of a product in one instruction.
//!
//! Cases that the assembly does not handle (12-bit lanes, small shifts, the ends of rows) are left to
//! [`portable`].
#![allow(unsafe_code)]

mod attention;
mod backend;
mod dense;
mod linear;
mod nibbles;
mod plain;
mod rows;
mod sums;

use super::{
    Attend, Bits, Channels, Kernels, LanesMut, Linear, Nibbles, Product, Quantizer, RowCount,
    RowScale, Statistics, Sums, pairs, portable,
};
pub use backend::RiscV;

use crate::fixed::shift_by;
use crate::matrix::Packing;
use sums::Outputs;

/// The part of a slice that is not done yet.
#[inline(always)]
fn rest<T>(x: &mut [T], done: usize) -> Option<&mut [T]> {
    x.get_mut(done..).filter(|rest| !rest.is_empty())
}

/// Adds the biases of the first sums.
#[inline(always)]
fn add_biases(channels: &Channels, scale: &RowScale, sums: &mut [i32]) {
    // SAFETY: any two bytes are a number; `Channels`: they are aligned. RV32 is little-endian as the blob is.
    let (_, biases, _) = unsafe { channels.biases.align_to::<i16>() };
    RiscV::add(biases, scale.bias_shift, sums);
}

/// See [`Kernels::rescale`].
#[inline(always)]
fn rescale(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]) {
    let done = match sums.rows {
        _ if scale.shift < 33 => 0,
        RowCount::One => Outputs::<4>::new(sums, channels).rescale(channels, scale, out),
        RowCount::Two => Outputs::<8>::new(sums, channels).rescale(channels, scale, out),
    };
    if let Some(out) = rest(out, done) {
        portable::rescale(&sums.skip(done), &channels.skip(done), scale, out);
    }
}

/// See [`Kernels::rescale_32`].
#[inline(always)]
fn rescale_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]) {
    let done = match sums.rows {
        RowCount::One => Outputs::<4>::new(sums, channels).rescale_32(scale, out),
        RowCount::Two => Outputs::<8>::new(sums, channels).rescale_32(scale, out),
    };
    add_biases(channels, scale, out.get_mut(..done).unwrap_or_default());
    if let Some(out) = rest(out, done) {
        portable::rescale_32(&sums.skip(done), &channels.skip(done), scale, out);
    }
}

/// [`Kernels::quantize`] of 8 bits where the last word is not full.
#[inline(never)]
fn some_words(
    fours: &[[i16; 4]],
    rest: &[i16],
    quantizer: &Quantizer,
    row: usize,
    lanes: &mut LanesMut<RiscV>,
) {
    rows::quantize(fours, quantizer, row, lanes);
    let at = fours.len() * lanes.rows.get() + row;
    match lanes.packing {
        Packing::Paired => {
            if let Some(lane) = lanes.data.as_chunks_mut::<4>().0.get_mut(at) {
                *lane = portable::lane(rest, quantizer);
            }
        }
        _ => plain::quantize_word(rest, quantizer, row, lanes, fours.len()),
    }
}

impl Kernels for RiscV {
    const NAME: &'static str = "riscv";

    fn largest(x: &[i16]) -> u32 {
        let (fours, rest) = x.as_chunks::<4>();
        let (low, high) = rows::range_16(fours, 0, 0);
        low.unsigned_abs().max(high.unsigned_abs()).max(portable::largest(rest))
    }

    fn statistics(x: &[i16]) -> Statistics {
        let (fours, rest) = x.as_chunks::<4>();
        let (sum, squares) = rows::moments(fours);
        let (sum_of_rest, squares_of_rest) = portable::moments(rest);
        let (low, high) = portable::range(rest);
        let (low, high) = rows::range_16(fours, low as i32, high as i32);
        Statistics {
            sum: sum.wrapping_add(sum_of_rest),
            squares: squares + squares_of_rest,
            range: (low as i16, high as i16),
        }
    }

    fn quantize(x: &[i16], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<Self>) {
        let row = lanes.row(row);
        let (fours, rest) = x.as_chunks::<4>();
        match (quantizer.bits, fours.get(..lanes.words)) {
            (8, Some(fours)) => rows::quantize(fours, quantizer, row, lanes),
            (8, None) => some_words(fours, rest, quantizer, row, lanes),
            _ => portable::quantize(x, quantizer, row, lanes),
        }
    }

    fn matmul(product: &Product<Self>, sums: &mut [i32]) {
        let Product { lanes, matrix } = product;
        let groups = product.groups(sums.len());
        if matches!(lanes.bits, Bits::Twelve) || groups == 0 {
            return portable::matmul(product, sums);
        }
        let (x, w, to) = (lanes.data.as_ptr(), matrix.bytes.as_ptr(), sums.as_mut_ptr());
        // SAFETY: `Product`: lanes and weights hold `words` words for each row and group; the sums of so many
        // groups have room.
        unsafe { dense::assembly(product)(w, x, matrix.words, matrix.stride, to, groups) };
    }

    fn quantize_nibbles(
        x: &[i16],
        quantizer: &Quantizer,
        row: usize,
        lanes: &mut LanesMut<Nibbles<Self>>,
    ) {
        pairs::quantize(x, quantizer, row, lanes, |_, _| (0, 0));
    }

    fn matmul_nibbles(product: &Product<Nibbles<Self>>, sums: &mut [i32]) {
        let groups = product.groups(sums.len());
        if groups > 0 {
            let weights = product.matrix.bytes.as_ptr();
            // SAFETY: so many groups have room, and the matrix has them.
            unsafe { nibbles::multiply(product, weights, sums.as_mut_ptr(), groups) };
        }
    }

    fn linear_nibbles(linear: Linear<Nibbles<Self>, i16>) {
        dense::linear(linear, rescale);
    }

    fn linear_32_nibbles(linear: Linear<Nibbles<Self>, i32>) {
        dense::linear(linear, rescale_32);
    }

    fn rescale(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]) {
        rescale(sums, channels, scale, out);
    }

    fn rescale_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]) {
        rescale_32(sums, channels, scale, out);
    }

    fn linear(linear: Linear<Self, i16>) {
        dense::linear(linear, rescale);
    }

    fn linear_32(linear: Linear<Self, i32>) {
        dense::linear(linear, rescale_32);
    }

    fn gain(
        x: &[i16],
        quantizer: &Quantizer,
        channels: &Channels,
        scale: &RowScale,
        sums: &mut [i32],
    ) {
        let done =
            if scale.shift < 32 { sums::gain(x, quantizer, channels, scale, sums) } else { 0 };
        add_biases(channels, scale, sums.get_mut(..done).unwrap_or_default());
        if let (Some(x), Some(sums)) = (x.get(done..), rest(sums, done)) {
            portable::gain(x, quantizer, &channels.skip(done), scale, sums);
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
        if let (Some(x), Some(sums)) = (x.get(done..), rest(sums, done)) {
            portable::add(x, shift, sums);
        }
    }

    fn magnitude(sums: &[i32]) -> u32 {
        let (fours, rest) = sums.as_chunks::<4>();
        let (low, high) = rows::range_32(fours, 0, 0);
        low.unsigned_abs().max(high.unsigned_abs()).max(portable::magnitude(rest))
    }

    fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
        let mut done = 0;
        if (2..32).contains(&shift) {
            done = sums::narrow(sums, shift as u32, out);
        }
        if let (Some(sums), Some(out)) = (sums.get(done..), rest(out, done)) {
            portable::narrow(sums, shift, out);
        }
    }

    fn attend(attend: Attend<Self>) {
        let shift = attend.shift;
        attend.by_blocks(|queries, block, seen, biases| {
            if biases.is_some() || attention::attend(queries, block, seen, shift).is_none() {
                portable::attend_block(queries, block, seen, shift, biases, Self::matmul);
            }
        });
    }
}
