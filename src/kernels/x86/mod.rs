//! x86-64: SSE2, which every such core has.
//!
//! Paired weights and lanes match PMADDWD: eight products of 16 bits, added in pairs. Cases that a
//! function does not handle (the ends of rows, unusual shifts) are left to [`portable`].
#![allow(unsafe_code)]

mod attention;
mod linear;
mod rows;

use super::{
    Attend, Bits, Channels, Curve, Kernels, LanesMut, Product, Quantizer, RowScale, Statistics,
    Sums, portable,
};
use crate::matrix::Packing;
use core::arch::x86_64::*;

/// The backend for x86-64.
#[derive(Clone, Copy, Debug)]
pub struct X86;

/// Sixteen bytes of plain numbers.
#[inline]
#[target_feature(enable = "sse2")]
fn load<T: Copy, const N: usize>(x: &[T; N]) -> __m128i {
    const { assert!(size_of::<[T; N]>() == 16) };
    // SAFETY: sixteen bytes, from any address.
    unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
}

/// Sixteen bytes of plain numbers.
#[inline]
#[target_feature(enable = "sse2")]
fn store<T: Copy, const N: usize>(to: &mut [T; N], x: __m128i) {
    const { assert!(size_of::<[T; N]>() == 16) };
    // SAFETY: sixteen bytes, to any address; integers of any bits are valid.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), x) }
}

/// Dwords 0 and 2 of the first operand, then of the second.
#[inline]
#[target_feature(enable = "sse2")]
fn even_dwords(a: __m128i, b: __m128i) -> __m128i {
    _mm_castps_si128(_mm_shuffle_ps::<0x88>(_mm_castsi128_ps(a), _mm_castsi128_ps(b)))
}

/// Dwords 1 and 3 of the first operand, then of the second.
#[inline]
#[target_feature(enable = "sse2")]
fn odd_dwords(a: __m128i, b: __m128i) -> __m128i {
    _mm_castps_si128(_mm_shuffle_ps::<0xdd>(_mm_castsi128_ps(a), _mm_castsi128_ps(b)))
}

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
        let (eights, rest) = x.as_chunks::<8>();
        let (row, rows) = (lanes.row(row), lanes.rows.get());
        let words = lanes.data.as_chunks_mut::<4>().0.iter_mut().skip(row).step_by(rows);
        let mut words = words.take(lanes.words);
        // SAFETY: SSE2 is part of x86-64.
        unsafe { rows::quantize(eights, quantizer, &mut words) };
        for (lane, x) in words.zip(rest.chunks(4)) {
            *lane = portable::lane(x, quantizer);
        }
    }

    fn matmul(product: &Product<Self>, sums: &mut [i32]) {
        match (product.matrix.packing, product.lanes.bits) {
            (Packing::Paired, Bits::Eight) => linear::matmul::<false>(product, sums),
            (Packing::Paired, Bits::Twelve) => linear::matmul::<true>(product, sums),
            (Packing::Plain, _) => portable::matmul(product, sums),
        }
    }

    fn rescale(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]) {
        // SAFETY: SSE2 is part of x86-64.
        let done = unsafe { rows::rescale(sums, channels, scale, out) };
        let rest = out.get_mut(done..).unwrap_or_default();
        portable::rescale(&sums.skip(done), &channels.skip(done), scale, rest);
    }

    fn rescale_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]) {
        // SAFETY: SSE2 is part of x86-64.
        let done = unsafe { rows::rescale_32(sums, channels, scale, out) };
        let rest = out.get_mut(done..).unwrap_or_default();
        portable::rescale_32(&sums.skip(done), &channels.skip(done), scale, rest);
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
