//! x86-64: SSE2, which every such core has.
//!
//! The paired weights and the lanes are what PMADDWD takes: eight products of 16 bits, added in pairs.
//! Each function hands what it does not do, the ends of rows and arguments out of the ordinary, to
//! [`Portable`].
#![allow(unsafe_code)]

mod attention;
mod linear;
mod rows;

use super::{Activate, Kernels, KeyBlock, Portable, Quantizer, Softmax, defaults};
use crate::config::KEY_BLOCK;
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

fn product<const WIDE: bool>(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    sums: &mut [i32],
) -> bool {
    let rows = if rows == 2 { 2 } else { 1 };
    let (words, groups) = (lanes.len() / (4 * rows), sums.len() / (4 * rows));
    let needed = groups.saturating_sub(1).checked_mul(group_bytes);
    let fits = needed
        .and_then(|start| start.checked_add(16 * words))
        .is_some_and(|needed| needed <= weights.len());
    if fits {
        let (x, w, to) = (lanes.as_ptr(), weights.as_ptr(), sums.as_mut_ptr());
        // SAFETY: SSE2 is part of x86-64; every group lies within the weights.
        unsafe { linear::product::<WIDE>(x, rows, words, w, group_bytes, groups, to) };
    }
    fits
}

impl Kernels for X86 {
    const NAME: &'static str = "x86-64";
    // Lanes are those of `Portable`, which multiplies plain weights.
    const PACKINGS: &'static [Packing] = &[Packing::Paired, Packing::Plain];

    fn largest(x: &[i16]) -> u32 {
        Portable::largest(x)
    }

    fn moments(x: &[i16]) -> (i32, u64) {
        let (eights, rest) = x.as_chunks::<8>();
        // SAFETY: SSE2 is part of x86-64.
        let (sum, squares) = unsafe { rows::moments(eights) };
        let (sum_of_rest, squares_of_rest) = Portable::moments(rest);
        (sum.wrapping_add(sum_of_rest), squares + squares_of_rest)
    }

    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        let ordinary = (0..1 << 16).contains(&by.inverse)
            && (-31..=15).contains(&by.shift)
            && (1..1 << 15).contains(&by.multiply)
            && (1..31).contains(&by.bits);
        let rows = rows.max(1);
        if !ordinary || row >= rows {
            return Portable::quantize(x, by, rows, row, lanes);
        }
        let (eights, rest) = x.as_chunks::<8>();
        let mut fours = lanes.as_chunks_mut::<4>().0.iter_mut().skip(row).step_by(rows);
        let put = |both: [[i16; 4]; 2]| {
            for four in both {
                if let Some(to) = fours.next() {
                    *to = four;
                }
            }
        };
        // SAFETY: SSE2 is part of x86-64.
        unsafe { rows::quantize(eights, by, put) };
        if !rest.is_empty() {
            let lanes = lanes.get_mut(8 * rows * eights.len()..).unwrap_or_default();
            Portable::quantize(rest, by, rows, row, lanes);
        }
    }

    fn matmul(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        if !product::<false>(lanes, rows, weights, group_bytes, accumulators) {
            Portable::matmul(lanes, rows, weights, group_bytes, accumulators);
        }
    }

    fn matmul_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        if !product::<true>(lanes, rows, weights, group_bytes, accumulators) {
            Portable::matmul_wide(lanes, rows, weights, group_bytes, accumulators);
        }
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
        // Rows of sums alternate: eight of this row are 8 · rows numbers.
        let mut done = 0;
        if (33..=62).contains(&shift) && scale <= 1 << 15 && rows <= 2 && row < rows {
            // SAFETY: SSE2 is part of x86-64.
            done = unsafe {
                rows::rescale(
                    accumulators,
                    rows,
                    row,
                    multipliers,
                    biases,
                    scale,
                    shift,
                    bias_shift,
                    out,
                )
            };
        }
        Portable::rescale(
            accumulators.get(done * rows..).unwrap_or_default(),
            rows,
            row,
            multipliers.get(2 * done..).unwrap_or_default(),
            biases.get(2 * done..).unwrap_or_default(),
            scale,
            shift,
            bias_shift,
            out.get_mut(done..).unwrap_or_default(),
        );
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
        let rows = rows.max(1);
        let ordinary = (33..=62).contains(&shift) && scale <= 1 << 15 && biases.is_empty();
        let mut done = 0;
        if ordinary && rows <= 2 && row < rows {
            // SAFETY: SSE2 is part of x86-64.
            done = unsafe {
                rows::rescale_32(accumulators, rows, row, multipliers, scale, shift, out)
            };
        }
        defaults::rescale_32(
            accumulators.get(done * rows..).unwrap_or_default(),
            rows,
            row,
            multipliers.get(2 * done..).unwrap_or_default(),
            biases,
            scale,
            shift,
            bias_shift,
            out.get_mut(done..).unwrap_or_default(),
        );
    }

    fn activate(by: &Activate, x: &mut [i16]) {
        let (eights, rest) = x.as_chunks_mut::<8>();
        let Some(table) = rows::ordinary(by) else {
            return defaults::activate(by, x);
        };
        // SAFETY: SSE2 is part of x86-64.
        unsafe { rows::activate(by, table, eights) };
        defaults::activate(by, rest);
    }

    fn activate_gated(by: &Activate, factors: &[i16], x: &mut [i16]) {
        let Some(table) = rows::ordinary(by) else {
            return defaults::activate_gated(by, factors, x);
        };
        let (len, rest_of_factors) = (x.len().min(factors.len()), factors);
        let x = x.get_mut(..len).unwrap_or_default();
        let (eights, rest) = x.as_chunks_mut::<8>();
        let (factors, _) = factors.as_chunks::<8>();
        // SAFETY: SSE2 is part of x86-64.
        unsafe { rows::activate_gated(by, table, factors, eights) };
        let rest_of_factors = rest_of_factors.get(8 * eights.len()..).unwrap_or_default();
        defaults::activate_gated(by, rest_of_factors, rest);
    }

    fn attend(
        lanes: &[i16],
        block: &KeyBlock,
        visible: [u32; 2],
        shift: u32,
        queries: &mut [Softmax],
        sums: &mut [i32],
    ) {
        // SAFETY: SSE2 is part of x86-64.
        let done = unsafe {
            match queries.len() {
                1 => attention::attend::<1>(lanes, block, visible, shift, queries, sums),
                2 => attention::attend::<2>(lanes, block, visible, shift, queries, sums),
                _ => false,
            }
        };
        if !done {
            defaults::attend::<Self>(lanes, block, visible, shift, queries, sums);
        }
    }
}
