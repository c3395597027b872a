//! Which of the products a shape takes, tile by tile, and what no assembly takes.

use super::{aligned, lanes, linear};
use crate::config::WeightLayout;
use crate::kernels::{Kernels, Portable};
use crate::matrix::unpack_word;
use core::mem::MaybeUninit;

/// Words of four inputs that are unpacked at a time: 512 bytes of stack.
const TILE_WORDS: usize = 32;

/// Unpacked lanes: written before they are read.
type Tile = [MaybeUninit<i32>; 4 * TILE_WORDS];

/// A product of one row, see [`linear::paired_1`].
type OneRow = unsafe extern "C" fn(
    *const u8,
    *const i32,
    words: usize,
    skip: isize,
    *mut i32,
    *mut i32,
    keep: i32,
);

/// The shape of a product, if the assembly can take it: words of four inputs. No division and no
/// checked product: both are library calls.
fn words(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    accumulators: &[i32],
) -> Option<usize> {
    let four = if rows == 2 { 3 } else { 2 };
    let (words, groups) = (lanes.len() >> four, accumulators.len() >> four);
    let fits = words << four == lanes.len()
        && groups << four == accumulators.len()
        && words > 0
        && (1..1 << 12).contains(&groups)
        && group_bytes < 1 << 18
        && weights.len() >= (groups - 1) * group_bytes + 16 * words
        && group_bytes.is_multiple_of(4);
    (fits && aligned(lanes) && aligned(weights)).then_some(words)
}

/// See [`Kernels::matmul`] and [`Kernels::matmul_plain`].
pub fn matmul(
    layout: WeightLayout,
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    accumulators: &mut [i32],
) {
    let Some(words) = words(lanes, rows, weights, group_bytes, accumulators) else {
        return match (rows, layout) {
            (2, _) => pairs(layout, lanes, weights, group_bytes, accumulators),
            (_, WeightLayout::Paired) => {
                Portable::matmul(lanes, rows, weights, group_bytes, accumulators)
            }
            (_, WeightLayout::Plain) => {
                Portable::matmul_plain(lanes, rows, weights, group_bytes, accumulators)
            }
        };
    };
    if rows == 2 {
        let sums = accumulators.as_mut_ptr_range();
        let (w, x) = (weights.as_ptr(), lanes.as_ptr().cast());
        let product = match layout {
            WeightLayout::Paired => linear::paired_2,
            WeightLayout::Plain => linear::plain_2,
        };
        // SAFETY: `words` has checked every length and alignment.
        unsafe { product(w, x, words, group_bytes, sums.start, sums.end) };
    } else {
        one_row(layout, lanes, words, weights, group_bytes, accumulators);
    }
}

/// One row of a shape that [`words`] has checked. Apart, so that two rows need no stack for a tile.
#[inline(never)]
fn one_row(
    layout: WeightLayout,
    lanes: &[i16],
    words: usize,
    weights: &[u8],
    group_bytes: usize,
    accumulators: &mut [i32],
) {
    let sums = accumulators.as_mut_ptr_range();
    let mut tile: Tile = [MaybeUninit::uninit(); 4 * TILE_WORDS];
    let tile = tile.as_mut_ptr().cast::<i32>();
    for first in (0..words).step_by(TILE_WORDS) {
        let count = (words - first).min(TILE_WORDS);
        // SAFETY: `words` has checked every length and alignment; `count` words of lanes fit the tile
        // and are written before they are read.
        unsafe {
            let from = lanes.as_ptr().add(4 * first);
            let product: OneRow = match layout {
                WeightLayout::Paired => {
                    lanes::expand(from, tile, count, 0);
                    linear::paired_1
                }
                WeightLayout::Plain => {
                    lanes::expand_plain(from, tile, count);
                    linear::plain_1
                }
            };
            let w = weights.as_ptr().add(16 * first);
            let skip = group_bytes as isize - 16 * count as isize;
            product(w, tile, count, skip, sums.start, sums.end, -((first > 0) as i32));
        }
    }
}

/// The product of two rows in plain Rust.
fn pairs(
    layout: WeightLayout,
    lanes: &[i16],
    weights: &[u8],
    group_bytes: usize,
    accumulators: &mut [i32],
) {
    let (inputs, _) = lanes.as_chunks::<2>();
    for (group, sums) in accumulators.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let weights = weights.get(group * group_bytes..).unwrap_or_default();
        for (output, sums) in sums.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            *sums = [0; 2];
            let words = weights.as_chunks::<4>().0.iter().skip(output).step_by(4);
            for (&word, inputs) in words.zip(inputs.as_chunks::<4>().0) {
                let word = unpack_word(layout, u32::from_le_bytes(word));
                for (w, &pair) in word.into_iter().zip(inputs) {
                    let [a, b] = lanes::unpack(pair).map(|x| 256 * x * w as i32);
                    *sums = [sums[0].wrapping_add(a), sums[1].wrapping_add(b)];
                }
            }
        }
    }
}

/// See [`Kernels::matmul_wide`] and [`Kernels::matmul_plain_wide`].
#[inline(never)]
pub fn matmul_wide(
    layout: WeightLayout,
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    accumulators: &mut [i32],
) {
    let (portable, product): (fn(&[i16], usize, &[u8], usize, &mut [i32]), OneRow) = match layout {
        WeightLayout::Paired => (Portable::matmul_wide, linear::wide_1),
        WeightLayout::Plain => (Portable::matmul_plain_wide, linear::plain_1),
    };
    let Some(words) = words(lanes, rows, weights, group_bytes, accumulators) else {
        return portable(lanes, rows, weights, group_bytes, accumulators);
    };
    let rows = if rows == 2 { 2 } else { 1 };
    accumulators.fill(0);
    let mut tile: Tile = [MaybeUninit::uninit(); 4 * TILE_WORDS];
    let tile = tile.as_mut_ptr().cast::<i32>();
    for row in 0..rows {
        for first in (0..words).step_by(TILE_WORDS) {
            let count = (words - first).min(TILE_WORDS);
            // SAFETY: as in `matmul`.
            unsafe {
                let from = lanes.as_ptr().add(4 * (rows * first + row));
                lanes::expand(from, tile, count, 8 * (rows - 1));
            }
            let groups = accumulators.chunks_exact_mut(4 * rows);
            for (weights, sums) in weights.chunks(group_bytes.max(1)).zip(groups) {
                let mut part = [0; 4];
                let end = part.as_mut_ptr_range().end;
                // SAFETY: as in `matmul`.
                unsafe {
                    let w = weights.as_ptr().add(16 * first);
                    product(w, tile, count, 0, part.as_mut_ptr(), end, 0);
                }
                for (sum, part) in sums.iter_mut().skip(row).step_by(rows).zip(part) {
                    *sum = sum.wrapping_add(part);
                }
            }
        }
    }
}
