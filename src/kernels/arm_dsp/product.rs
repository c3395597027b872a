//! Matrix products: between the operands and the assembly.

use super::backend::ArmDsp;
use super::linear::{Multiply, paired_1, paired_2, store, wide_1, wide_2};
use super::nibbles;
use crate::kernels::{Bits, Multiply as Width, Nibbles, Product, RowCount};

/// Weights of one width.
pub trait Loops: Width {
    /// The loop for a product, and its parameter for the distance between groups.
    fn multiply(product: &Product<Self>) -> (Multiply, usize);
}

impl Loops for ArmDsp {
    #[inline(always)]
    fn multiply(product: &Product<Self>) -> (Multiply, usize) {
        multiply(product)
    }
}

impl Loops for Nibbles<ArmDsp> {
    #[inline(always)]
    fn multiply(product: &Product<Self>) -> (Multiply, usize) {
        nibbles::loops(product)
    }
}

#[inline(always)]
fn multiply(product: &Product<ArmDsp>) -> (Multiply, usize) {
    let stride = product.matrix.stride;
    let left_out = stride.wrapping_sub(16 * product.matrix.words);
    match (product.lanes.rows, product.lanes.bits) {
        (RowCount::One, Bits::Eight) => (paired_1, left_out),
        (RowCount::One, Bits::Twelve) => (wide_1, left_out),
        (RowCount::Two, Bits::Eight) => (paired_2, stride),
        (RowCount::Two, Bits::Twelve) => (wide_2, stride),
    }
}

/// See [`Kernels::matmul`](crate::kernels::Kernels::matmul).
#[inline(never)]
pub fn matmul<K: Loops>(product: &Product<K>, sums: &mut [i32]) {
    let Product { lanes, matrix } = *product;
    let groups = product.groups(sums.len());
    if groups == 0 {
        return;
    }
    let (multiply, step) = K::multiply(product);
    let (weights, lanes, rows) = (matrix.bytes.as_ptr(), lanes.data.as_ptr(), lanes.rows.get());
    let start = sums.as_mut_ptr();
    let (start, end) = (start.cast(), start.wrapping_add(4 * rows * groups).cast());
    let none = core::ptr::null();
    // SAFETY: `Lanes` and `Matrix` hold `words` ≥ 1 words (of so many groups), aligned to four bytes, and
    // `sums` has room for `groups` ≥ 1 groups.
    unsafe { multiply(weights, lanes, matrix.words, step, start, end, store, none) };
}
