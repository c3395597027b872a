//! Products of int8 rows and packed weights.

use super::backend::ArmMve;
use super::linear::{Frame, Kernel, paired_1, paired_2, plain_1, plain_2};
use crate::kernels::{Bits, Lanes, Matrix, Product, RowCount};
use crate::matrix::Packing;

/// Where the int8 rows begin: two rows stand one behind the other, each in the room of 16-bit numbers.
#[inline(always)]
pub fn starts(lanes: &Lanes<ArmMve>) -> [*const i16; 2] {
    let first = lanes.data.as_ptr();
    [first, first.wrapping_add(4 * lanes.words * (lanes.rows.get() - 1))]
}

/// The product of so many rows and weights of a packing.
#[inline(always)]
pub fn kernel(rows: RowCount, packing: Packing) -> Kernel {
    match (rows, packing) {
        (RowCount::One, Packing::Paired) => paired_1,
        (RowCount::One, _) => plain_1,
        (RowCount::Two, Packing::Paired) => paired_2,
        (RowCount::Two, _) => plain_2,
    }
}

/// See [`Kernels::matmul`](crate::kernels::Kernels::matmul).
pub fn matmul(product: &Product<ArmMve>, sums: &mut [i32]) {
    let Product { lanes, matrix } = product;
    let (rows, groups) = (lanes.rows.get(), product.groups(sums.len()));
    let Some(sums) = sums.get_mut(..4 * groups * rows).filter(|sums| !sums.is_empty()) else {
        return;
    };
    match lanes.bits {
        // SAFETY: `Product`: lanes and weights hold `words` words for each row and group; sums have room.
        Bits::Eight => unsafe {
            multiply(starts(lanes), lanes.rows, matrix, groups, sums.as_mut_ptr());
        },
        Bits::Twelve => {
            for (row, start) in starts(lanes).into_iter().enumerate().take(rows) {
                wide(start, matrix, sums.chunks_exact_mut(4 * rows), row, rows);
            }
        }
    }
}

/// Products of one 12-bit row, which is two rows of int8 numbers: `128 · high + low`.
fn wide<'s>(
    start: *const i16,
    matrix: &Matrix,
    groups: impl Iterator<Item = &'s mut [i32]>,
    row: usize,
    rows: usize,
) {
    let starts = [start, start.wrapping_add(2 * matrix.words)];
    for (index, sums) in groups.enumerate() {
        let Some(matrix) = matrix.skip(4 * index) else { return };
        let mut parts = [0i32; 8];
        // SAFETY: `Lanes`: both parts of a row have `words` words; `Matrix`: this is one of its groups.
        unsafe { multiply(starts, RowCount::Two, &matrix, 1, parts.as_mut_ptr()) };
        let sums = sums.iter_mut().skip(row).step_by(rows);
        for (sum, &[high, low]) in sums.zip(parts.as_chunks::<2>().0) {
            *sum = high.wrapping_mul(128).wrapping_add(low);
        }
    }
}

/// # Safety
/// There are `matrix.words` words at each row's start, `groups` (at least one) groups of the matrix, and room
/// for all sums.
unsafe fn multiply(
    starts: [*const i16; 2],
    rows: RowCount,
    matrix: &Matrix,
    groups: usize,
    sums: *mut i32,
) {
    let (kernel, words, stride) = (kernel(rows, matrix.packing), matrix.words, matrix.stride);
    let weights = matrix.bytes.as_ptr();
    // SAFETY: the caller's promise; a single group's sums go to a buffer of eight.
    unsafe {
        if matches!(rows, RowCount::Two) {
            let mut frame = Frame::new(starts, words, stride, sums.add(8 * groups));
            return kernel(weights, weights, sums, &mut frame);
        }
        // One row's groups come in pairs.
        let (pairs, step) = (groups / 2, 2 * stride);
        if pairs > 0 {
            let mut frame = Frame::new(starts, words, step, sums.add(8 * pairs));
            kernel(weights, weights.add(stride), sums, &mut frame);
        }
        if groups % 2 == 1 {
            let mut last = [0i32; 8];
            let mut frame = Frame::new(starts, words, step, last.as_mut_ptr_range().end);
            let weights = weights.add(pairs * step);
            kernel(weights, weights, last.as_mut_ptr(), &mut frame);
            sums.add(8 * pairs).copy_from_nonoverlapping(last.as_ptr(), 4);
        }
    }
}
