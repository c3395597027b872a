//! Whole linear layers: products of 64 sums at a time, rescaled while they are warm.

use core::mem::MaybeUninit;

use super::ArmMve;
use super::product::{Inputs, Weights, fits, products};
use super::sums::{Factors, KernelSet, NARROW, Rescaler, WIDE};
use crate::kernels::{Product, RowScale, linear as by_parts};

/// Sums held at a time.
const SUMS: usize = 64;

/// See [`Kernels::linear`](crate::kernels::Kernels::linear).
pub fn linear(product: &Product, by: [RowScale; 2], out: [&mut [i16]; 2]) {
    if !ready(product, by, out.each_ref().map(|out| out.len())) {
        return by_parts::linear::<ArmMve>(product, by, out);
    }
    let len = out[0].len();
    // SAFETY: the shapes were checked; these kernels write 16 bits.
    unsafe { run(&NARROW, product, by, len, out.map(|out| out.as_mut_ptr().cast()), 2) }
}

/// See [`Kernels::linear_wide`](crate::kernels::Kernels::linear_wide).
pub fn linear_wide(product: &Product, by: [RowScale; 2], out: [&mut [i32]; 2]) {
    if !ready(product, by, out.each_ref().map(|out| out.len())) {
        return by_parts::linear_wide::<ArmMve>(product, by, out);
    }
    let len = out[0].len();
    // SAFETY: the shapes were checked; these kernels write 32 bits.
    unsafe { run(&WIDE, product, by, len, out.map(|out| out.as_mut_ptr().cast()), 4) }
}

/// 8-bit rows of a product.
fn inputs<'a>(product: &Product<'a>) -> Inputs<'a> {
    super::inputs(product.lanes, product.rows)
}

/// Weights of a product.
fn weights<'a>(product: &Product<'a>) -> Weights<'a> {
    Weights { layout: product.layout, bytes: product.weights, group_bytes: product.group_bytes }
}

/// Whether a layer with so many results in its rows can be run here.
fn ready(product: &Product, by: [RowScale; 2], len: [usize; 2]) -> bool {
    let [len, second] = len;
    let factors = Factors { multipliers: product.multipliers, biases: product.biases };
    !product.wide
        && (1..=2).contains(&product.rows)
        && (product.rows == 1 || second >= len)
        && by.iter().take(product.rows).all(|by| by.shift >= 2)
        && factors.fit(len)
        && fits(&inputs(product), &weights(product), len.div_ceil(4))
}

/// # Safety
/// The product is [`ready`] for `len` results in each row, and there is room for them in `out`, of
/// `width` bytes each as the kernels write them.
unsafe fn run(
    kernels: &KernelSet,
    product: &Product,
    by: [RowScale; 2],
    len: usize,
    mut out: [*mut u8; 2],
    width: usize,
) {
    let (x, mut w, rows) = (inputs(product), weights(product), product.rows);
    let factors = Factors { multipliers: product.multipliers, biases: product.biases };
    let first = Rescaler::new(kernels, rows, &factors, by[0]);
    let second = if rows == 2 { Rescaler::new(kernels, rows, &factors, by[1]) } else { first };
    let mut rescalers = [first, second];
    let chunk = SUMS / rows;
    let mut sums = MaybeUninit::<[i32; SUMS]>::uninit();
    let sums = sums.as_mut_ptr().cast::<i32>();
    let mut left = len;
    while left > 0 {
        let count = left.min(chunk);
        // SAFETY: the caller's promise; `chunk` outputs of all rows have room in `sums`.
        unsafe {
            products(&x, &w, count.div_ceil(4), sums);
            for (row, (rescaler, out)) in rescalers.iter_mut().zip(&mut out).enumerate().take(rows)
            {
                rescaler.run(sums.add(row), count, *out);
                *out = out.wrapping_add(width * count);
            }
        }
        w.bytes = w.bytes.get(count / 4 * w.group_bytes..).unwrap_or_default();
        left -= count;
    }
}
