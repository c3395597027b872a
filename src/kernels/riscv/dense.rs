//! A whole linear layer: chunk after chunk of products and their rescaling.

use super::backend::RiscV;
use super::{linear as products, nibbles, plain};
use crate::kernels::{
    Bits, Channels, Linear, Multiply, Nibbles, Product, RowCount, RowScale, Sums, portable,
};
use crate::matrix::Packing;
use core::mem::MaybeUninit;

/// A product of 8-bit lanes, see [`products`] and [`plain`].
pub type Assembly =
    unsafe extern "C" fn(*const u8, *const i16, words: usize, stride: usize, *mut i32, usize);

/// The assembly for a product of 8-bit lanes.
pub fn assembly(product: &Product<RiscV>) -> Assembly {
    match (product.matrix.packing, product.lanes.rows) {
        (Packing::Paired, RowCount::Two) => products::paired_2,
        (Packing::Paired, RowCount::One) => products::paired_1,
        (_, RowCount::Two) => plain::plain_2,
        (_, RowCount::One) => products::plain_1,
    }
}

/// Weights of one width.
pub trait Loops: Multiply {
    /// The sums of `groups` groups, one at least.
    ///
    /// # Safety
    /// `weights` is a group of the product's matrix that has so many after it, itself included, and `sums` has
    /// room for four numbers each a row. Not for 12-bit lanes.
    unsafe fn multiply(product: &Product<Self>, weights: *const u8, sums: *mut i32, groups: usize);
}

impl Loops for RiscV {
    #[inline(always)]
    unsafe fn multiply(product: &Product<Self>, weights: *const u8, sums: *mut i32, groups: usize) {
        let Product { lanes, matrix } = product;
        let x = lanes.data.as_ptr();
        // SAFETY: `Product`: lanes and weights hold `words` words for each row and group; the caller's promise.
        unsafe { assembly(product)(weights, x, matrix.words, matrix.stride, sums, groups) };
    }
}

impl Loops for Nibbles<RiscV> {
    #[inline(always)]
    unsafe fn multiply(product: &Product<Self>, weights: *const u8, sums: *mut i32, groups: usize) {
        // SAFETY: the caller's promise.
        unsafe { nibbles::multiply(product, weights, sums, groups) };
    }
}

/// Sums on the stack: of 128 outputs of one row or 64 of two. Fewer cost more calls.
const SUMS: usize = 128;

/// See [`Kernels::linear`](crate::kernels::Kernels::linear); 12-bit lanes are left to [`portable`].
#[inline(always)]
pub fn linear<K: Loops, T>(
    linear: Linear<K, T>,
    rescale: impl Fn(&Sums, &Channels, &RowScale, &mut [T]),
) {
    if matches!(linear.product.lanes.bits, Bits::Twelve) {
        return portable::linear(linear, K::products, rescale);
    }
    let Linear { product, channels, scales, mut out } = linear;
    let (lanes, matrix) = (product.lanes, product.matrix);
    let mut buffer = MaybeUninit::<[i32; SUMS]>::uninit();
    let to = buffer.as_mut_ptr().cast::<i32>();
    let (mut weights, outputs) = (matrix.bytes.as_ptr(), out[0].len());
    let chunk = SUMS / lanes.rows.get();
    for first in (0..outputs).step_by(chunk) {
        let groups = (outputs - first).min(chunk).div_ceil(4);
        // SAFETY: `Linear`: lanes and weights hold `words` words for each row and group, and there are as
        // many groups as results. All of the slice is written.
        let sums = unsafe {
            K::multiply(&product, weights, to, groups);
            core::slice::from_raw_parts(to, 4 * groups * lanes.rows.get())
        };
        weights = weights.wrapping_add(groups * matrix.stride);
        let channels = channels.skip(first);
        for (row, (out, scale)) in out.iter_mut().zip(&scales).enumerate() {
            let Some(sums) = Sums::new(sums, lanes.rows, row) else { break };
            let out = out.get_mut(first..).unwrap_or_default();
            let len = out.len().min(chunk);
            rescale(&sums, &channels, scale, out.get_mut(..len).unwrap_or_default());
        }
    }
}
