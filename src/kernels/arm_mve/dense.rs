//! Whole linear layers: the sums of a chunk of outputs are rescaled as soon as they are computed. Handles
//! outputs in multiples of eight; the remainder, and 12-bit rows, are left to [`portable`].

use core::mem::MaybeUninit;

use super::backend::ArmMve;
use super::eights::{self, Eights};
use super::linear::Frame;
use super::product::{self, kernel, starts};
use super::sums::{HALVES, KernelSet, Rescaler, WORDS};
use crate::kernels::{Bits, Channels, Kernels, Linear, RowCount, RowScale, Sums, portable};

/// Outputs of one row computed at a time; of two rows, half as many.
const CHUNK: usize = 64;

/// See [`Kernels::linear`](crate::kernels::Kernels::linear).
#[inline(always)]
pub fn linear(mut linear: Linear<ArmMve, i16>) {
    let len = ready(&linear);
    // SAFETY: `ready`.
    unsafe { halves(&mut linear, len) };
    if len < linear.len() {
        remainder(linear, len, ArmMve::rescale);
    }
}

/// See [`Kernels::linear_32`](crate::kernels::Kernels::linear_32).
pub fn linear_32(mut linear: Linear<ArmMve, i32>) {
    let len = ready(&linear);
    // SAFETY: `ready`; these kernels write 32 bits.
    unsafe { row_by_row(&WORDS, &mut linear, len, 4) };
    if len < linear.len() {
        remainder(linear, len, ArmMve::rescale_32);
    }
}

/// Computes the outputs from `len` on with the separate functions for product and rescaling.
#[cold]
#[inline(never)]
fn remainder<T>(
    linear: Linear<ArmMve, T>,
    len: usize,
    rescale: fn(&Sums, &Channels, &RowScale, &mut [T]),
) {
    if let Some(rest) = linear.skip(len) {
        portable::linear(rest, product::matmul, rescale);
    }
}

/// How many outputs, a multiple of eight, can be done here. [`Linear`] has so many groups and channels, and
/// room in each row.
#[inline(always)]
fn ready<T>(linear: &Linear<ArmMve, T>) -> usize {
    let shifts = linear.scales.iter().take(linear.product.lanes.rows.get()).all(|s| s.shift > 1);
    let eight = matches!(linear.product.lanes.bits, Bits::Eight);
    if eight && shifts { linear.len() & !7 } else { 0 }
}

/// # Safety
/// `len` is what [`ready`] says.
#[inline(always)]
unsafe fn halves(linear: &mut Linear<ArmMve, i16>, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match linear.product.lanes.rows {
            RowCount::One => eight_by_eight::<1>(linear, len),
            RowCount::Two => two_rows(linear, len),
        }
    }
}

/// # Safety
/// As for [`halves`], of two rows.
#[inline(never)]
unsafe fn two_rows(linear: &mut Linear<ArmMve, i16>, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { eight_by_eight::<2>(linear, len) }
}

/// # Safety
/// As for [`halves`], of `ROWS` rows.
#[inline(always)]
unsafe fn eight_by_eight<const ROWS: usize>(linear: &mut Linear<ArmMve, i16>, len: usize) {
    let kernel = if ROWS == 1 { eights::one_row } else { eights::two_rows };
    // SAFETY: the caller's promise.
    unsafe {
        match Eights::new::<ROWS>(linear) {
            Some(mut by) => run(linear, len, |sums, count| kernel(sums, count / 8, &mut by)),
            None => {
                // In 16 bits no bias is shifted to the left.
                linear.scales.iter_mut().for_each(|s| s.bias_shift = s.bias_shift.max(0));
                row_by_row(&HALVES, linear, len, 2);
            }
        }
    }
}

/// # Safety
/// `len` is what [`ready`] says; the results are of `width` bytes each as the kernels write them.
#[inline(never)]
unsafe fn row_by_row<T>(
    kernels: &KernelSet,
    linear: &mut Linear<ArmMve, T>,
    len: usize,
    width: usize,
) {
    let rows = linear.product.lanes.rows;
    let mut out = linear.out.each_mut().map(|out| out.as_mut_ptr().cast::<u8>());
    let mut rescalers =
        linear.scales.map(|scale| Rescaler::new(kernels, rows, &linear.channels, &scale));
    let rescale = |sums: *const i32, count: usize| {
        let rows = rescalers.iter_mut().zip(&mut out).enumerate().take(rows.get());
        for (row, (rescaler, out)) in rows {
            // SAFETY: so many sums there are, and so many results fit.
            unsafe { rescaler.run(sums.add(row), count, *out) };
            *out = out.wrapping_add(width * count);
        }
    };
    // SAFETY: the caller's promise.
    unsafe { run(linear, len, rescale) }
}

/// Calls `rescale` with the sums of some outputs after those of others, and their number, a multiple of
/// eight.
///
/// # Safety
/// `len` is what [`ready`] says.
#[inline(always)]
unsafe fn run<T>(
    linear: &Linear<ArmMve, T>,
    len: usize,
    mut rescale: impl FnMut(*const i32, usize),
) {
    let (lanes, matrix) = (&linear.product.lanes, &linear.product.matrix);
    let (rows, stride) = (lanes.rows.get(), matrix.stride);
    let mut sums = MaybeUninit::<[i32; CHUNK]>::uninit();
    let sums = sums.as_mut_ptr().cast::<i32>();
    let (mut weights, mut left) = (matrix.bytes.as_ptr(), len);
    let kernel = kernel(lanes.rows, matrix.packing);
    // One row's groups come in pairs.
    let mut frame = Frame::new(starts(lanes), lanes.words, stride << (2 - rows), sums);
    while left > 0 {
        let count = left.min(CHUNK >> (rows - 1));
        frame.end = sums.wrapping_add(count << (rows - 1));
        // SAFETY: `Linear`: there are so many groups; a chunk's sums have room.
        unsafe { kernel(weights, weights.wrapping_add(stride), sums, &mut frame) };
        rescale(sums, count);
        weights = weights.wrapping_add(count / 4 * stride);
        left -= count;
    }
}
