//! Selection of the product for a shape.

use super::backend::ArmV6m;
use super::{lanes, linear, nibbles};
use crate::kernels::{Bits, Multiply, Nibbles, Product, RowCount};
use crate::matrix::Packing;
use core::mem::MaybeUninit;

/// Words of four inputs that are unpacked at a time where lanes are not yet 32 bits wide.
const TILE_WORDS: usize = 16;

/// A product of one or two rows, see [`linear`].
pub type Assembly =
    unsafe extern "C" fn(*const u8, *const i32, usize, stride: usize, *mut i32, *mut i32);

/// The assembly for a product; of two rows of 12 bits that for one of them.
#[inline(always)]
pub fn assembly(product: &Product<ArmV6m>) -> Assembly {
    let Product { lanes, matrix } = product;
    match (matrix.packing, lanes.bits, lanes.rows) {
        (Packing::Paired, Bits::Eight, RowCount::Two) => linear::paired_2,
        (_, Bits::Eight, RowCount::Two) => linear::plain_2,
        (Packing::Paired, Bits::Eight, RowCount::One) => linear::paired_1,
        (_, Bits::Eight, RowCount::One) => linear::plain_1,
        (Packing::Paired, Bits::Twelve, _) => linear::paired_wide_1,
        (_, Bits::Twelve, _) => linear::plain_wide_1,
    }
}

/// Weights of one width.
pub trait Loops: Multiply {
    /// The sums from `sums` to `end`, those of one group at least.
    ///
    /// # Safety
    /// `weights` is a group of the product's matrix, and every four outputs of each row have one. Not for two
    /// rows of 12 bits.
    unsafe fn multiply(product: &Product<Self>, weights: *const u8, sums: *mut i32, end: *mut i32);
}

impl Loops for ArmV6m {
    #[inline(always)]
    unsafe fn multiply(product: &Product<Self>, weights: *const u8, sums: *mut i32, end: *mut i32) {
        let (x, words) = (product.lanes.data.as_ptr().cast(), product.matrix.words);
        // SAFETY: `Product`: lanes and weights hold `words` words for each row and group; the caller's promise.
        unsafe { assembly(product)(weights, x, words, product.matrix.stride, sums, end) };
    }
}

impl Loops for Nibbles<ArmV6m> {
    #[inline(always)]
    unsafe fn multiply(product: &Product<Self>, weights: *const u8, sums: *mut i32, end: *mut i32) {
        // SAFETY: the caller's promise.
        unsafe { nibbles::multiply(product, weights, sums, end) };
    }
}

/// See [`Kernels::matmul_nibbles`](super::Kernels::matmul_nibbles).
pub fn matmul_nibbles(product: &Product<Nibbles<ArmV6m>>, sums: &mut [i32]) {
    let len = product.groups(sums.len()) * 4 * product.lanes.rows.get();
    let Some(sums) = sums.get_mut(..len).filter(|sums| !sums.is_empty()) else { return };
    let ends = sums.as_mut_ptr_range();
    // SAFETY: there is at least one group, and the sums of all have room.
    unsafe { nibbles::multiply(product, product.matrix.bytes.as_ptr(), ends.start, ends.end) };
}

/// See [`Kernels::matmul`](super::Kernels::matmul).
pub fn matmul(product: &Product<ArmV6m>, sums: &mut [i32]) {
    let Product { lanes, matrix } = product;
    let len = product.groups(sums.len()) * 4 * lanes.rows.get();
    let Some(sums) = sums.get_mut(..len).filter(|sums| !sums.is_empty()) else { return };
    if matches!((lanes.bits, lanes.rows), (Bits::Twelve, RowCount::Two)) {
        return two_wide_rows(product, sums);
    }
    let ends = sums.as_mut_ptr_range();
    let (w, x) = (matrix.bytes.as_ptr(), lanes.data.as_ptr().cast());
    // SAFETY: `Product`: lanes and weights hold `words` words for each row and group; there is at least one
    // group, and the sums of all have room.
    unsafe { assembly(product)(w, x, matrix.words, matrix.stride, ends.start, ends.end) };
}

/// Two rows of 12-bit lanes, one after the other, for whole groups of sums.
#[inline(never)]
fn two_wide_rows(product: &Product<ArmV6m>, sums: &mut [i32]) {
    let Product { lanes, matrix } = product;
    sums.fill(0);
    // Written before it is read.
    let mut tile = [const { MaybeUninit::<i32>::uninit() }; 4 * TILE_WORDS];
    let tile = tile.as_mut_ptr().cast::<i32>();
    let words = matrix.words;
    for (row, first) in
        [0, 1].into_iter().flat_map(|r| (0..words).step_by(TILE_WORDS).map(move |w| (r, w)))
    {
        let count = (words - first).min(TILE_WORDS);
        // SAFETY: `Lanes`: both rows have `words` words; `count` of them fit the tile.
        unsafe { lanes::expand(lanes.data.as_ptr().add(8 * first + 4 * row), tile, count) };
        let mut weights = matrix.bytes.as_ptr().wrapping_add(16 * first);
        for sums in sums.as_chunks_mut::<8>().0 {
            let mut part = [0; 4];
            let ends = part.as_mut_ptr_range();
            // SAFETY: `Matrix`: each group has `words` words, of which `count` begin here.
            unsafe { assembly(product)(weights, tile, count, 16 * count, ends.start, ends.end) };
            for (sum, part) in sums.iter_mut().skip(row).step_by(2).zip(part) {
                *sum = sum.wrapping_add(part);
            }
            weights = weights.wrapping_add(matrix.stride);
        }
    }
}
