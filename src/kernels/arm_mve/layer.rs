//! Whole linear layers: products of a chunk of outputs, rescaled while they are warm. What is left over
//! of a multiple of eight outputs, and shapes that no model has, are left to the other methods.

use core::mem::MaybeUninit;

use super::ArmMve;
use super::eights::{self, Eights};
use super::linear::Frame;
use super::product::kernel;
use super::sums::{Factors, KernelSet, NARROW, Rescaler, WIDE};
use crate::kernels::{Product, RowScale, linear as by_parts};

/// Outputs of one row computed at a time; of two rows, half as many.
const CHUNK: usize = 64;

/// See [`Kernels::linear`](crate::kernels::Kernels::linear).
pub fn linear(product: &Product, by: [RowScale; 2], out: [&mut [i16]; 2]) {
    let len = ready(product, [out[0].len(), out[1].len()]);
    if len < out[0].len() {
        return linear_and_rest(product, by, len, out);
    }
    // SAFETY: the layer is ready for so many outputs.
    unsafe { halves(product, &by, len, out.map(|out| out.as_mut_ptr())) }
}

/// As [`linear`] where only `len` outputs can be done here.
#[cold]
fn linear_and_rest(product: &Product, by: [RowScale; 2], len: usize, mut out: [&mut [i16]; 2]) {
    // SAFETY: the layer is ready for so many outputs.
    unsafe { halves(product, &by, len, out.each_mut().map(|out| out.as_mut_ptr())) }
    let out = out.map(|out| out.get_mut(len..).unwrap_or_default());
    by_parts::linear::<ArmMve>(&product.skip(len), by, out);
}

/// See [`Kernels::linear_32`](crate::kernels::Kernels::linear_32).
pub fn linear_32(product: &Product, by: [RowScale; 2], mut out: [&mut [i32]; 2]) {
    let len = ready(product, [out[0].len(), out[1].len()]);
    let pointers = out.each_mut().map(|out| out.as_mut_ptr().cast());
    // SAFETY: the layer is ready for so many outputs; these kernels write 32 bits.
    unsafe { row_by_row(&WIDE, product, &by, len, pointers, 4) }
    if len < out[0].len() {
        let out = out.map(|out| out.get_mut(len..).unwrap_or_default());
        by_parts::linear_32::<ArmMve>(&product.skip(len), by, out);
    }
}

/// How many outputs, a multiple of eight, of a layer with so many results in its rows can be run here.
#[inline(always)]
fn ready(product: &Product, [len, second]: [usize; 2]) -> usize {
    let Product { lanes, rows, weights, group_bytes, multipliers, biases, .. } = *product;
    let len = len & !7;
    let biased = !biases.is_empty();
    let words = lanes.as_ptr().addr() | weights.as_ptr().addr() | group_bytes;
    let halves = multipliers.as_ptr().addr() | if biased { biases.as_ptr().addr() } else { 0 };
    let fits = !product.wide
        && (rows == 1 || rows == 2 && second >= len)
        && (words | halves << 1).is_multiple_of(4)
        && group_bytes >= 16 * (lanes.len() >> (rows + 1))
        && (len / 4).checked_mul(group_bytes).is_some_and(|bytes| bytes <= weights.len())
        && multipliers.len() >= 2 * len
        && (!biased || biases.len() >= 2 * len);
    if fits { len } else { 0 }
}

/// # Safety
/// The layer is [`ready`] for `len` outputs, and there is room for them in each row's `out`.
#[inline(always)]
unsafe fn halves(product: &Product, by: &[RowScale; 2], len: usize, out: [*mut i16; 2]) {
    // SAFETY: the caller's promise.
    unsafe {
        match product.rows {
            1 => eight_by_eight::<1>(product, by, len, out),
            _ => two_rows(product, by, len, out),
        }
    }
}

/// # Safety
/// As for [`halves`], of two rows.
#[inline(never)]
unsafe fn two_rows(product: &Product, by: &[RowScale; 2], len: usize, out: [*mut i16; 2]) {
    // SAFETY: the caller's promise.
    unsafe { eight_by_eight::<2>(product, by, len, out) }
}

/// # Safety
/// As for [`halves`], of `ROWS` rows.
#[inline(always)]
unsafe fn eight_by_eight<const ROWS: usize>(
    product: &Product,
    by: &[RowScale; 2],
    len: usize,
    out: [*mut i16; 2],
) {
    let kernel = if ROWS == 1 { eights::one_row } else { eights::two_rows };
    // SAFETY: the caller's promise.
    unsafe {
        match Eights::new::<ROWS>(product, by, out) {
            Some(mut by) => {
                run(product, ROWS, len, |sums, count| kernel(sums, count / 8, &mut by));
            }
            None => row_by_row(&NARROW, product, by, len, out.map(|out| out.cast()), 2),
        }
    }
}

/// # Safety
/// As for [`halves`]; the results are of `width` bytes each as the kernels write them.
#[inline(never)]
unsafe fn row_by_row(
    kernels: &KernelSet,
    product: &Product,
    by: &[RowScale; 2],
    len: usize,
    mut out: [*mut u8; 2],
    width: usize,
) {
    let rows = product.rows;
    let factors = Factors { multipliers: product.multipliers, biases: product.biases };
    let mut rescalers = by.map(|by| Rescaler::new(kernels, rows, &factors, by));
    let rescale = |sums: *const i32, count: usize| {
        for (row, (rescaler, out)) in rescalers.iter_mut().zip(&mut out).enumerate().take(rows) {
            // SAFETY: so many sums there are, and so many results fit.
            unsafe { rescaler.run(sums.add(row), count, *out) };
            *out = out.wrapping_add(width * count);
        }
    };
    // SAFETY: the caller's promise.
    unsafe { run(product, rows, len, rescale) }
}

/// Calls `rescale` with the sums of some outputs after those of others, and their number, a multiple of
/// eight.
///
/// # Safety
/// The layer, of 1 or 2 `rows`, is [`ready`] for `len` outputs.
#[inline(always)]
unsafe fn run(
    product: &Product,
    rows: usize,
    len: usize,
    mut rescale: impl FnMut(*const i32, usize),
) {
    let words = product.lanes.len() >> (rows + 1);
    let group_bytes = product.group_bytes;
    let mut sums = MaybeUninit::<[i32; CHUNK]>::uninit();
    let sums = sums.as_mut_ptr().cast::<i32>();
    let (mut weights, mut left) = (product.weights.as_ptr(), len);
    let first = product.lanes.as_ptr();
    let starts = [first, first.wrapping_add(4 * words * (rows - 1))];
    let kernel = kernel(rows, product.packing);
    // One row's groups come in pairs.
    let mut frame = Frame::new(starts, words, group_bytes << (2 - rows), sums);
    while left > 0 {
        let count = left.min(CHUNK >> (rows - 1));
        frame.end = sums.wrapping_add(count << (rows - 1));
        // SAFETY: the layer is ready, and a chunk's sums have room.
        unsafe { kernel(weights, weights.wrapping_add(group_bytes), sums, &mut frame) };
        rescale(sums, count);
        weights = weights.wrapping_add(count / 4 * group_bytes);
        left -= count;
    }
}
