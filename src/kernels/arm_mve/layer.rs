//! Whole linear layers: products of a chunk of outputs, rescaled while they are warm. What is left over
//! of a multiple of eight outputs, and shapes that no model has, are left to the other methods.

use core::mem::MaybeUninit;

use super::ArmMve;
use super::eights::{self, Eights};
use super::linear::{Frame, paired_1, paired_2, plain_1, plain_2};
use super::sums::{Factors, KernelSet, NARROW, Rescaler, WIDE};
use crate::config::WeightLayout;
use crate::kernels::{Product, RowScale, linear as by_parts};

/// Outputs of one row computed at a time; of two rows, half as many.
const CHUNK: usize = 128;

/// See [`Kernels::linear`](crate::kernels::Kernels::linear).
pub fn linear(product: &Product, by: [RowScale; 2], mut out: [&mut [i16]; 2]) {
    let len = ready(product, [out[0].len(), out[1].len()]);
    if len > 0 {
        let pointers = out.each_mut().map(|out| out.as_mut_ptr());
        // SAFETY: the layer is ready for so many outputs.
        unsafe {
            match product.rows {
                1 => narrow::<1>(product, &by, len, pointers),
                _ => narrow::<2>(product, &by, len, pointers),
            }
        }
    }
    if len < out[0].len() {
        by_parts::linear::<ArmMve>(&product.skip(len), by, out.map(|out| rest(out, len)));
    }
}

/// See [`Kernels::linear_wide`](crate::kernels::Kernels::linear_wide).
pub fn linear_wide(product: &Product, by: [RowScale; 2], mut out: [&mut [i32]; 2]) {
    let len = ready(product, [out[0].len(), out[1].len()]);
    if len > 0 {
        let pointers = out.each_mut().map(|out| out.as_mut_ptr().cast());
        // SAFETY: the layer is ready for so many outputs; these kernels write 32 bits.
        unsafe {
            match product.rows {
                1 => row_by_row::<1>(&WIDE, product, &by, len, pointers, 4),
                _ => row_by_row::<2>(&WIDE, product, &by, len, pointers, 4),
            }
        }
    }
    if len < out[0].len() {
        by_parts::linear_wide::<ArmMve>(&product.skip(len), by, out.map(|out| rest(out, len)));
    }
}

fn rest<T>(out: &mut [T], from: usize) -> &mut [T] {
    out.get_mut(from..).unwrap_or_default()
}

/// How many outputs, a multiple of eight, of a layer with so many results in its rows can be run here.
#[inline(always)]
fn ready(product: &Product, [len, second]: [usize; 2]) -> usize {
    let Product { lanes, rows, weights, group_bytes, multipliers, biases, .. } = *product;
    let len = len & !7;
    let fits = !product.wide
        && (rows == 1 || rows == 2 && second >= len)
        && (lanes.as_ptr().addr() | weights.as_ptr().addr() | group_bytes).is_multiple_of(4)
        && group_bytes >= 16 * (lanes.len() >> (rows + 1))
        && (len / 4).checked_mul(group_bytes).is_some_and(|bytes| bytes <= weights.len())
        && Factors { multipliers, biases }.fit(len);
    if fits { len } else { 0 }
}

/// # Safety
/// The layer, of `ROWS` rows, is [`ready`] for `len` outputs, and there is room for them in each row's
/// `out`.
#[inline(never)]
unsafe fn narrow<const ROWS: usize>(
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
                run::<ROWS>(product, len, |sums, count| kernel(sums, count / 8, &mut by));
            }
            None => row_by_row::<ROWS>(&NARROW, product, by, len, out.map(|out| out.cast()), 2),
        }
    }
}

/// # Safety
/// As for [`narrow`]; the results are of `width` bytes each as the kernels write them.
#[inline(never)]
unsafe fn row_by_row<const ROWS: usize>(
    kernels: &KernelSet,
    product: &Product,
    by: &[RowScale; 2],
    len: usize,
    mut out: [*mut u8; 2],
    width: usize,
) {
    let factors = Factors { multipliers: product.multipliers, biases: product.biases };
    let mut rescalers = by.map(|by| Rescaler::new(kernels, ROWS, &factors, by));
    let rescale = |sums: *const i32, count: usize| {
        for (row, (rescaler, out)) in rescalers.iter_mut().zip(&mut out).enumerate().take(ROWS) {
            // SAFETY: so many sums there are, and so many results fit.
            unsafe { rescaler.run(sums.add(row), count, *out) };
            *out = out.wrapping_add(width * count);
        }
    };
    // SAFETY: the caller's promise.
    unsafe { run::<ROWS>(product, len, rescale) }
}

/// Calls `rescale` with the sums of some outputs after those of others, and their number, a multiple of
/// eight.
///
/// # Safety
/// The layer, of `ROWS` rows, is [`ready`] for `len` outputs, at least eight.
#[inline(always)]
unsafe fn run<const ROWS: usize>(
    product: &Product,
    len: usize,
    mut rescale: impl FnMut(*const i32, usize),
) {
    let (words, group_bytes) = (product.lanes.len() / (4 * ROWS), product.group_bytes);
    let mut sums = MaybeUninit::<[i32; CHUNK]>::uninit();
    let sums = sums.as_mut_ptr().cast::<i32>();
    let (mut weights, mut left) = (product.weights.as_ptr(), len);
    let start = product.lanes.as_ptr();
    let a = start.expose_provenance();
    // SAFETY: the layer is ready, and a chunk's sums have room.
    unsafe {
        if ROWS == 1 {
            let kernel = match product.layout {
                WeightLayout::Paired => paired_1,
                WeightLayout::Plain => plain_1,
            };
            let registers = [0, 0, a, 0, 0, 0, 0, 0, 0, 0];
            let mut frame = Frame::new(registers, words, 2 * group_bytes, sums);
            while left > 0 {
                let count = left.min(CHUNK);
                frame.end = sums.add(count);
                kernel(weights, weights.add(group_bytes), words / 4, &mut frame, sums);
                rescale(sums, count);
                weights = weights.wrapping_add(count / 4 * group_bytes);
                left -= count;
            }
        } else {
            let kernel = match product.layout {
                WeightLayout::Paired => paired_2,
                WeightLayout::Plain => plain_2,
            };
            let b = start.add(4 * words).expose_provenance();
            let registers = [0, 0, a, 0, b, 0, 0, 0, 0, 0, 0];
            let mut frame = Frame::new(registers, words, group_bytes, sums);
            while left > 0 {
                let count = left.min(CHUNK / 2);
                frame.end = sums.add(2 * count);
                kernel(weights, words / 4, sums, &mut frame);
                rescale(sums, count);
                weights = weights.wrapping_add(count / 4 * group_bytes);
                left -= count;
            }
        }
    }
}
