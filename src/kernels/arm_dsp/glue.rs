//! Between slices and the assembly: what it assumes is checked here, and what it leaves is done here.

use super::{linear, pointwise};
use crate::kernels::{Activate, Quantizer};
use crate::matrix::unpair_word;

/// Whether a slice begins at a multiple of four bytes.
pub fn aligned<T>(x: &[T]) -> bool {
    x.as_ptr().addr().is_multiple_of(4)
}

/// The shape of a product, if the assembly can take it: words of four inputs.
pub fn words(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    groups: usize,
) -> Option<usize> {
    let words = lanes.len().checked_div(4 * rows)?;
    let needed = groups.checked_sub(1)?.checked_mul(group_bytes)?.checked_add(16 * words)?;
    let fits = lanes.len() == 4 * words * rows
        && words > 0
        && weights.len() >= needed
        && group_bytes.is_multiple_of(4);
    (fits && aligned(lanes) && aligned(weights)).then_some(words)
}

/// Inputs that the assembly leaves, from four `from` on: the last ones, and rows that are next to nothing.
#[inline(never)]
pub fn quantize_rest(
    x: &[i16],
    by: &Quantizer,
    lanes: &mut [[i16; 4]],
    (rows, row): (usize, usize),
    from: usize,
) {
    let lanes = lanes.iter_mut().skip(row).step_by(rows);
    for (lane, x) in lanes.zip(x.chunks(4)).skip(from) {
        let mut four = [0; 4];
        for (q, &x) in four.iter_mut().zip(x) {
            let product = by.shifted(x).wrapping_mul(by.inverse);
            *q = (product.wrapping_add(1 << (30 - by.bits)) >> (31 - by.bits)) as i16;
        }
        let [x0, x1, x2, x3] = four;
        *lane = match by.bits {
            8 => [x1, x3, (x0 << 8).wrapping_sub(x1), (x2 << 8).wrapping_sub(x3)],
            _ => [x1, x3, x0, x2],
        };
    }
}

/// Sums of products by the assembly, if it can take them.
#[inline(never)]
pub fn sums(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    sums: &mut [i32],
    multiply: linear::Multiply,
) -> bool {
    let rows = if rows == 2 { 2 } else { 1 };
    let groups = sums.len() / (4 * rows);
    let whole = sums.len().is_multiple_of(4 * rows);
    let Some(words) = words(lanes, rows, weights, group_bytes, groups).filter(|_| whole) else {
        return false;
    };
    let step = if rows == 2 { group_bytes } else { group_bytes.wrapping_sub(16 * words) };
    let (weights, lanes) = (weights.as_ptr(), lanes.as_ptr());
    let core::ops::Range { start, end } = sums.as_mut_ptr_range();
    let (start, end) = (start.cast(), end.cast());
    // SAFETY: `words` has checked every length and alignment.
    unsafe { multiply(weights, lanes, words, step, start, end, linear::store, core::ptr::null()) };
    true
}

/// Sums of products for slices that the assembly does not take (misaligned ones).
#[inline(never)]
pub fn slow_sums(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    accumulators: &mut [i32],
    wide: bool,
) {
    let (fours, _) = lanes.as_chunks::<4>();
    let used = accumulators.len() - accumulators.len() % (4 * rows);
    for (i, sum) in accumulators.iter_mut().take(used).enumerate() {
        let (output, row) = (i / rows, i % rows);
        let at = output / 4 * group_bytes + output % 4 * 4;
        let words = weights.get(at..).unwrap_or_default().chunks(16);
        *sum = 0;
        for (word, x) in words.zip(fours.chunks_exact(rows)) {
            let (Some(&word), Some(x)) = (word.first_chunk(), x.get(row)) else { break };
            let word = u32::from_le_bytes(word);
            let [a, b, c, d] = x.map(i32::from);
            let product = if wide {
                let [w0, w1, w2, w3] = unpair_word(word).map(i32::from);
                w1 * a + w3 * b + w0 * c + w2 * d
            } else {
                let (h0, h1) = (word as i16 as i32, (word >> 16) as i16 as i32);
                h0 * a + h1 * b + (h0 as i8 as i32) * c + (h1 as i8 as i32) * d
            };
            *sum = sum.wrapping_add(product);
        }
    }
}

/// An activation as the assembly wants it; it takes none whose values are in a coarser unit than its
/// results.
pub fn curve(by: &Activate) -> Option<pointwise::Curve> {
    let (position, value) = (by.position_shift, by.value_shift);
    let limit = match (by.table, position) {
        (None, _) => 0,
        (_, 16..) => 1,
        (_, 0..) => 1 << (20 - position),
        _ => u32::MAX,
    };
    // A shift that leaves nothing, or less than half, may be larger.
    let down = value.min(17);
    (down >= 0).then(|| pointwise::Curve {
        table: by.table.map_or(core::ptr::null(), |table| table.as_ptr()),
        limit,
        position: if position < -11 { 32 } else { (position + 11) as u32 },
        // Dividing twice, rounding down, is dividing once; to round half up, both halves are added.
        down: 12 + down as u32,
        half: 2048 + ((1 << down >> 1) << 12),
    })
}
