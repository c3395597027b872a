//! x86-64: SSE2, which every such core has.
//!
//! Paired weights and lanes match PMADDWD: eight products of 16 bits, added in pairs. Cases that a
//! function does not handle (the ends of rows, unusual shifts) are left to [`portable`].
#![allow(unsafe_code)]

mod attention;
mod backend;
mod linear;
mod rows;

use super::{
    Attend, Bits, Channels, Curve, Kernels, LanesMut, Product, Quantizer, RowScale, Statistics,
    Sums, portable,
};
pub use backend::X86;

use crate::matrix::Packing;

impl Kernels for X86 {
    // Lanes are those of `Portable`, which multiplies plain weights.
    const NAME: &'static str = "x86-64";

    fn statistics(x: &[i16]) -> Statistics {
        let (eights, rest) = x.as_chunks::<8>();
        // SAFETY: SSE2 is part of x86-64.
        let (sum, squares) = unsafe { rows::moments(eights) };
        let (sum_of_rest, squares_of_rest) = portable::moments(rest);
        let (sum, squares) = (sum.wrapping_add(sum_of_rest), squares + squares_of_rest);
        Statistics { sum, squares, range: portable::range(x) }
    }

    fn quantize(x: &[i16], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<Self>) {
        let (eights, rest) = x.get(..4 * lanes.words).unwrap_or(x).as_chunks::<8>();
        let (row, rows) = (lanes.row(row), lanes.rows.get());
        let words = lanes.data.as_chunks_mut::<4>().0;
        let centred = quantizer.multiply != 1 || quantizer.subtract != 0;
        // SAFETY: SSE2 is part of x86-64.
        unsafe {
            match (centred, rows) {
                (false, 1) => rows::quantize::<false, 1>(eights, quantizer, row, words),
                (false, _) => rows::quantize::<false, 2>(eights, quantizer, row, words),
                (true, 1) => rows::quantize::<true, 1>(eights, quantizer, row, words),
                (true, _) => rows::quantize::<true, 2>(eights, quantizer, row, words),
            }
        }
        let words = words.iter_mut().skip(row).step_by(rows).take(lanes.words);
        for (lane, x) in words.skip(2 * eights.len()).zip(rest.chunks(4)) {
            *lane = portable::lane(x, quantizer);
        }
    }

    fn matmul(product: &Product<Self>, sums: &mut [i32]) {
        match (product.matrix.packing, product.lanes.bits) {
            (Packing::Paired, Bits::Eight) => linear::matmul::<false>(product, sums),
            (Packing::Paired, Bits::Twelve) => linear::matmul::<true>(product, sums),
            _ => portable::matmul(product, sums),
        }
    }

    fn rescale(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]) {
        // SAFETY: SSE2 is part of x86-64.
        let done = unsafe { rows::rescale(sums, channels, scale, out) };
        if let Some(rest @ [_, ..]) = out.get_mut(done..) {
            portable::rescale(&sums.skip(done), &channels.skip(done), scale, rest);
        }
    }

    fn rescale_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]) {
        // SAFETY: SSE2 is part of x86-64.
        let done = unsafe { rows::rescale_32(sums, channels, scale, out) };
        if let Some(rest @ [_, ..]) = out.get_mut(done..) {
            portable::rescale_32(&sums.skip(done), &channels.skip(done), scale, rest);
        }
    }

    fn gain(
        x: &[i16],
        quantizer: &Quantizer,
        channels: &Channels,
        scale: &RowScale,
        sums: &mut [i32],
    ) {
        rows::gain(x, quantizer, channels, scale, sums);
    }

    fn activate(curve: &Curve, x: &mut [i16]) {
        let Some(table) = rows::ordinary(curve) else { return portable::activate(curve, x) };
        let (eights, rest) = x.as_chunks_mut::<8>();
        // SAFETY: SSE2 is part of x86-64.
        unsafe { rows::activate(curve, table, eights) };
        portable::activate(curve, rest);
    }

    fn activate_gated(curve: &Curve, factors: &[i16], x: &mut [i16]) {
        let Some(table) = rows::ordinary(curve) else {
            return portable::activate_gated(curve, factors, x);
        };
        let x = x.split_at_mut(x.len().min(factors.len())).0;
        let (eights, rest) = x.as_chunks_mut::<8>();
        let (factors, rest_of_factors) = factors.split_at(8 * eights.len());
        // SAFETY: SSE2 is part of x86-64.
        unsafe { rows::activate_gated(curve, table, factors.as_chunks().0, eights) };
        portable::activate_gated(curve, rest_of_factors, rest);
    }

    fn attend(attend: Attend<Self>) {
        attention::attend(attend);
    }
}
