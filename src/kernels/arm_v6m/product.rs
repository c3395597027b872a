//! Which product a shape takes, and what no assembly takes.

use super::{aligned, lanes, linear};
use crate::matrix::Packing;
use core::mem::MaybeUninit;

/// Words of four inputs that are unpacked at a time where lanes are not yet 32 bits wide.
const TILE_WORDS: usize = 16;

/// A product of one or two rows, see [`linear`].
pub type Assembly =
    unsafe extern "C" fn(*const u8, *const i32, usize, group_bytes: usize, *mut i32, *mut i32);

/// The assembly for a product with `sums` numbers in all and how many words of four inputs it has, if
/// there is one for its shape. No division and no checked product: both are library calls.
pub fn assembly(
    layout: Packing,
    wide: bool,
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    sums: usize,
) -> Option<(Assembly, usize)> {
    let four = if rows == 2 { 3 } else { 2 };
    let (words, groups) = (lanes.len() >> 3, sums >> four);
    let fits = words << 3 == lanes.len()
        && groups << four == sums
        && words > 0
        && (1..1 << 12).contains(&groups)
        && group_bytes < 1 << 18
        && weights.len() >= (groups - 1) * group_bytes + 16 * words
        && group_bytes.is_multiple_of(4);
    let product: Assembly = match (layout, wide, rows) {
        (Packing::Paired, false, 2) => linear::paired_2,
        (Packing::Plain, false, 2) => linear::plain_2,
        (Packing::Paired, false, _) => linear::paired_1,
        (Packing::Plain, false, _) => linear::plain_1,
        (Packing::Paired, true, _) => linear::paired_wide_1,
        (Packing::Plain, true, _) => linear::plain_wide_1,
    };
    (fits && aligned(lanes) && aligned(weights)).then_some((product, words))
}

/// See [`Kernels::matmul`](super::Kernels::matmul) and the three beside it.
pub fn matmul(
    layout: Packing,
    wide: bool,
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    accumulators: &mut [i32],
) {
    let len = accumulators.len();
    let Some((product, words)) = assembly(layout, wide, lanes, rows, weights, group_bytes, len)
    else {
        return any_shape(layout, wide, lanes, rows, weights, group_bytes, accumulators);
    };
    if wide && rows == 2 {
        return two_wide_rows(product, lanes, words, weights, group_bytes, accumulators);
    }
    let sums = accumulators.as_mut_ptr_range();
    let (w, x) = (weights.as_ptr(), lanes.as_ptr().cast());
    // SAFETY: `assembly` has checked every length and alignment.
    unsafe { product(w, x, words, group_bytes, sums.start, sums.end) };
}

/// Two rows of 12-bit lanes, one after the other.
#[inline(never)]
fn two_wide_rows(
    product: Assembly,
    lanes: &[i16],
    words: usize,
    weights: &[u8],
    group_bytes: usize,
    accumulators: &mut [i32],
) {
    accumulators.fill(0);
    // Written before it is read.
    let mut tile = [const { MaybeUninit::<i32>::uninit() }; 4 * TILE_WORDS];
    let tile = tile.as_mut_ptr().cast::<i32>();
    for (row, first) in
        [0, 1].into_iter().flat_map(|r| (0..words).step_by(TILE_WORDS).map(move |w| (r, w)))
    {
        let count = (words - first).min(TILE_WORDS);
        // SAFETY: the caller has checked every length and alignment; `count` words fit the tile.
        unsafe { lanes::expand(lanes.as_ptr().add(8 * first + 4 * row), tile, count) };
        let groups = accumulators.as_chunks_mut::<8>().0.iter_mut();
        for (weights, sums) in weights.chunks(group_bytes.max(1)).zip(groups) {
            let mut part = [0; 4];
            let ends = part.as_mut_ptr_range();
            // SAFETY: as above.
            unsafe {
                let w = weights.as_ptr().add(16 * first);
                product(w, tile, count, 16 * count, ends.start, ends.end);
            }
            for (sum, part) in sums.iter_mut().skip(row).step_by(2).zip(part) {
                *sum = sum.wrapping_add(part);
            }
        }
    }
}

/// Any shape and alignment, in plain Rust.
#[inline(never)]
pub fn any_shape(
    layout: Packing,
    wide: bool,
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    accumulators: &mut [i32],
) {
    let rows = if rows == 2 { 2 } else { 1 };
    for (group, sums) in accumulators.chunks_exact_mut(4 * rows).enumerate() {
        let weights = weights.get(group * group_bytes..).unwrap_or_default();
        for (output, sums) in sums.chunks_exact_mut(rows).enumerate() {
            sums.fill(0);
            let words = weights.as_chunks::<4>().0.iter().skip(output).step_by(4);
            for (&word, lanes) in words.zip(lanes.as_chunks::<8>().0) {
                let word = layout.unpack(u32::from_le_bytes(word));
                for (sum, inputs) in sums.iter_mut().zip(lanes::inputs(lanes, rows, wide)) {
                    for (w, x) in word.into_iter().zip(inputs) {
                        *sum = sum.wrapping_add(w as i32 * x);
                    }
                }
            }
        }
    }
}
