//! Matrix products with PMADDWD: eight 16-bit products per instruction, added in pairs.
//!
//! Sixteen bytes of weights are four inputs of four outputs; the unchanged halfwords are the
//! operand for the odd inputs (see the module on lanes), and two shifts extract the one for the
//! even inputs. The sums of four outputs fill one register.

use super::backend::X86;
use crate::kernels::{Product, RowCount};
use core::arch::x86_64::*;

/// The sums of `GROUPS` groups of four outputs for `ROWS` rows, outputs in order.
///
/// # Safety
/// `lanes` holds `4 · ROWS · words` numbers, `weights` `16 · words` bytes for each group, groups
/// being `stride` apart.
#[allow(clippy::needless_range_loop)] // rows and groups count addresses too
#[inline]
#[target_feature(enable = "sse2")]
pub unsafe fn tile<const GROUPS: usize, const ROWS: usize, const WIDE: bool>(
    lanes: *const i16,
    words: usize,
    weights: *const u8,
    stride: usize,
) -> [[__m128i; GROUPS]; ROWS] {
    let mut sums = [[_mm_setzero_si128(); GROUPS]; ROWS];
    for word in 0..words {
        let (mut odd, mut even) = ([_mm_setzero_si128(); ROWS], [_mm_setzero_si128(); ROWS]);
        for row in 0..ROWS {
            // SAFETY: within `4 · ROWS · words` numbers.
            let four = unsafe { _mm_loadl_epi64(lanes.add(4 * (word * ROWS + row)).cast()) };
            odd[row] = _mm_shuffle_epi32::<0x00>(four);
            even[row] = _mm_shuffle_epi32::<0x55>(four);
        }
        for group in 0..GROUPS {
            // SAFETY: within `16 · words` bytes of this group.
            let halves = unsafe { _mm_loadu_si128(weights.add(group * stride + 16 * word).cast()) };
            let low = _mm_srai_epi16::<8>(_mm_slli_epi16::<8>(halves));
            // The high byte lacks the borrow of a negative low byte.
            let high = if WIDE {
                _mm_add_epi16(_mm_srai_epi16::<8>(halves), _mm_srli_epi16::<15>(low))
            } else {
                halves
            };
            for row in 0..ROWS {
                let sum = _mm_add_epi32(sums[row][group], _mm_madd_epi16(high, odd[row]));
                sums[row][group] = _mm_add_epi32(sum, _mm_madd_epi16(low, even[row]));
            }
        }
    }
    sums
}

/// `GROUPS` groups of one row into memory. Safety: as [`tile`]; room for `4 · GROUPS` sums.
#[inline]
#[target_feature(enable = "sse2")]
unsafe fn one_row<const GROUPS: usize, const WIDE: bool>(
    lanes: *const i16,
    words: usize,
    weights: *const u8,
    stride: usize,
    to: *mut i32,
) {
    // SAFETY: as the caller's.
    unsafe {
        let [sums] = tile::<GROUPS, 1, WIDE>(lanes, words, weights, stride);
        for (group, sum) in sums.into_iter().enumerate() {
            _mm_storeu_si128(to.add(4 * group).cast(), sum);
        }
    }
}

/// `GROUPS` groups of two rows, alternating. Safety: as [`tile`]; room for `8 · GROUPS` sums.
#[inline]
#[target_feature(enable = "sse2")]
unsafe fn two_rows<const GROUPS: usize, const WIDE: bool>(
    lanes: *const i16,
    words: usize,
    weights: *const u8,
    stride: usize,
    to: *mut i32,
) {
    // SAFETY: as the caller's.
    unsafe {
        let [a, b] = tile::<GROUPS, 2, WIDE>(lanes, words, weights, stride);
        for (group, (a, b)) in a.into_iter().zip(b).enumerate() {
            _mm_storeu_si128(to.add(8 * group).cast(), _mm_unpacklo_epi32(a, b));
            _mm_storeu_si128(to.add(8 * group + 4).cast(), _mm_unpackhi_epi32(a, b));
        }
    }
}

/// [`Kernels::matmul`](crate::kernels::Kernels::matmul) of paired weights: eight groups at a time
/// for one row, four for two.
pub fn matmul<const WIDE: bool>(product: &Product<X86>, sums: &mut [i32]) {
    let Product { lanes, matrix } = product;
    let (words, stride) = (matrix.words, matrix.stride);
    let (mut x, mut left) = (sums.as_mut_ptr(), product.groups(sums.len()));
    let (lanes, rows) = (lanes.data.as_ptr(), lanes.rows);
    let mut weights = matrix.bytes.as_ptr();
    while left > 0 {
        let done = match (rows, left) {
            (RowCount::One, 8..) => 8,
            (_, 4..) => 4,
            _ => 1,
        };
        // SAFETY: SSE2 is part of x86-64. `Product`: the lanes hold `words` words for each row, and
        // all groups lie within the weights; `done` of them are left, whose sums have room.
        unsafe {
            match (rows, done) {
                (RowCount::Two, 4) => two_rows::<4, WIDE>(lanes, words, weights, stride, x),
                (RowCount::Two, _) => two_rows::<1, WIDE>(lanes, words, weights, stride, x),
                (RowCount::One, 8) => one_row::<8, WIDE>(lanes, words, weights, stride, x),
                (RowCount::One, 4) => one_row::<4, WIDE>(lanes, words, weights, stride, x),
                (RowCount::One, _) => one_row::<1, WIDE>(lanes, words, weights, stride, x),
            }
        }
        left -= done;
        // The last group may end before the next would begin.
        x = x.wrapping_add(4 * rows.get() * done);
        weights = weights.wrapping_add(done * stride);
    }
}
