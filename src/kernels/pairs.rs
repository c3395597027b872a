//! Lanes for cores that multiply words and have weights of four bits: two products a multiplication.
//!
//! A word holds eight weights of an output, two in the same place of both halves: with bit 15 of each half
//! flipped all are stored with an offset of 8, as `u = w + 8` in 0…15 (see
//! [`Packing::Nibbles`](crate::matrix::Packing::Nibbles)). For weights j and j + 4, masked out together as
//! `u_j + 2¹⁶ u_{j+4}`, and lanes `2¹⁶ x_j + x_{j+4}`,
//!
//! ```text
//! (u_j + 2¹⁶ u_{j+4}) · (2¹⁶ x_j + x_{j+4}) = 2¹⁶ (u_j x_j + u_{j+4} x_{j+4}) + u_j x_{j+4}   modulo 2³²
//! ```
//!
//! Of sixteen inputs, the upper sum is at most 16 · 15 · 127 < 2¹⁵ in magnitude, and the lower one at most half of
//! that: the upper half, rounded, is taken out every sixteen inputs, exactly. The offsets are a number for each
//! row, `−8 Σ x`, with which its sums begin.

use super::formats::Nibbles;
use super::lanes::{LanesMut, Quantizer};

/// See [`Kernels::quantize_nibbles`](crate::kernels::Kernels::quantize_nibbles): lanes of row 0, lanes of row 1,
/// then `−8 Σ x` of each.
///
/// `eights(x, lanes)` may quantise eights of inputs from the first on, to eight lanes each, and returns how many and
/// the sum of what it has written, taken as words: the lower half of that is `Σ x_{j+4}`, the upper one the rest.
#[inline(always)]
pub fn quantize<K>(
    x: &[i16],
    quantizer: &Quantizer,
    row: usize,
    lanes: &mut LanesMut<Nibbles<K>>,
    eights: impl Fn(&[[i16; 8]], &mut [[i16; 8]]) -> (usize, i32),
) {
    let rows = lanes.rows.get();
    let (row, inputs) = (if rows == 1 { 0 } else { row.min(1) }, 4 * lanes.words);
    let own = lanes.data.get_mut(row * inputs..).unwrap_or_default();
    let own = own.get_mut(..inputs).unwrap_or_default().as_chunks_mut::<8>().0;
    let (done, words) = eights(x.as_chunks().0, own);
    // Sums of halves: at most 256 numbers below 128 each.
    let mut sum = words as i16 as i32;
    sum += (words - sum) >> 16;
    let mut rest = x.get(8 * done..).unwrap_or_default();
    for eight in own.iter_mut().skip(done) {
        let mut q = [0; 8];
        let (now, later) = rest.split_at(rest.len().min(8));
        for (q, &x) in q.iter_mut().zip(now) {
            *q = quantizer.quantize(x);
            sum += *q as i32;
        }
        rest = later;
        let [x0, x1, x2, x3, x4, x5, x6, x7] = q;
        // The lower half is signed: it takes one from the upper half.
        let upper = |high: i16, low: i16| high.wrapping_add(low >> 15);
        *eight = [x4, upper(x0, x4), x5, upper(x1, x5), x6, upper(x2, x6), x7, upper(x3, x7)];
    }
    let offsets = lanes.data.get_mut(rows * inputs..).unwrap_or_default();
    if let Some([low, high]) = offsets.as_chunks_mut::<2>().0.get_mut(row) {
        let first = sum.wrapping_mul(-8);
        (*low, *high) = (first as i16, (first >> 16) as i16);
    }
}
