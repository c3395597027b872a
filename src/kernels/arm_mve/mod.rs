//! Cortex-M55, M85: vectors of sixteen int8 numbers (Helium, the M-profile vector extension).
//!
//! Lanes have a format of their own: the row as int8 numbers; a 12-bit row is two such rows,
//! `128 · high + low`. Keys are cached as plain weights. Cases that the assembly does not handle (extreme
//! shifts, outputs beyond a multiple of eight) are left to [`portable`].
#![allow(unsafe_code)]

#[macro_use]
mod backend;
mod attention;
mod block;
mod curves;
mod dense;
mod eights;
mod gain;
mod linear;
mod product;
mod rows;
mod sums;

use super::{
    Attend, Channels, Curve, HeadScale, Kernels, LanesMut, Linear, Product, Quantizer, Ratio,
    RowScale, Statistics, Sums, portable,
};
pub use backend::ArmMve;

use crate::matrix::Packing;

impl Kernels for ArmMve {
    const NAME: &'static str = "arm-mve";
    const PACKINGS: &'static [Packing] = &[Packing::Plain, Packing::Paired];
    const PRODUCT_SHIFT: i32 = 0;
    const KEY_PACKING: Packing = Packing::Plain;

    fn largest(x: &[i16]) -> u32 {
        // SAFETY: the length is the slice's.
        unsafe { rows::largest(x.as_ptr(), x.len()) }
    }

    fn statistics(x: &[i16]) -> Statistics {
        let (mut squares, mut low) = (0, i16::MAX);
        // SAFETY: the length is the slice's.
        let (sum, high) = unsafe {
            let sum = rows::moments(x.as_ptr(), x.len(), &mut squares);
            (sum, rows::range(x.as_ptr(), x.len(), &mut low))
        };
        Statistics { sum, squares, range: (low, high as i16) }
    }

    #[inline(always)] // a third of it is for the call
    fn quantize(x: &[i16], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<Self>) {
        // The room of a row of 16-bit numbers, of which half is used.
        let room = 4 * lanes.words;
        let out = lanes.data.as_mut_ptr().wrapping_add(lanes.row(row) * room).cast::<i8>();
        let len = x.len().min(room);
        // An inverse above this one belongs to a row that the shift brings to less than 2^15.
        let uncentred =
            quantizer.multiply == 1 && quantizer.subtract == 0 && quantizer.inverse > 127 << 8;
        // SAFETY: `LanesMut`: there are `2 · room` bytes for each row, `x` has at least `len` numbers; a last
        // word that is not full begins before `room`, which is a multiple of four.
        unsafe {
            if !len.is_multiple_of(4) {
                let last = out.add(len & !3);
                last.cast::<[i8; 4]>().write([0; 4]);
                last.add(room).cast::<[i8; 4]>().write([0; 4]);
            }
            match quantizer.bits {
                8 if uncentred => rows::quantize(x.as_ptr(), len, out, quantizer),
                8 => rows::quantize_centred(x.as_ptr(), len, out, quantizer, out),
                _ => rows::quantize_wide(x.as_ptr(), len, out, quantizer, out.add(room)),
            }
        }
    }

    fn matmul(product: &Product<Self>, sums: &mut [i32]) {
        product::matmul(product, sums);
    }

    fn rescale(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]) {
        match scale.shift {
            // In 16 bits no bias is shifted to the left.
            2.. => {
                let bias_shift = scale.bias_shift.max(0);
                let scale = RowScale { bias_shift, ..*scale };
                sums::rescale(&sums::HALVES, sums, channels, &scale, out);
            }
            _ => portable::rescale(sums, channels, scale, out),
        }
    }

    fn rescale_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]) {
        match scale.shift {
            2.. => sums::rescale(&sums::WORDS, sums, channels, scale, out),
            _ => portable::rescale_32(sums, channels, scale, out),
        }
    }

    #[inline(always)]
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
        gain::gain(x, quantizer, channels, scale, sums);
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

    fn activate(curve: &Curve, x: &mut [i16]) {
        curves::activate(curve, x);
    }

    fn activate_gated(curve: &Curve, factors: &[i16], x: &mut [i16]) {
        curves::activate_gated(curve, factors, x);
    }

    fn rotate(row: &mut [i16], table: &[i16]) {
        curves::rotate(row, table);
    }

    fn write_key(x: &[i16], scale: HeadScale, out: &mut [u8]) {
        block::write_key(x, scale, out);
    }

    fn write_value(x: &[i16], scale: HeadScale, out: &mut [u8]) {
        block::write_value(x, scale, out);
    }

    fn divide(sums: &Sums, ratio: &Ratio, out: &mut [i16]) {
        sums::divide(sums, ratio, out);
    }

    #[inline(always)]
    fn attend(attend: Attend<Self>) {
        block::attend(attend);
    }
}
