//! The inner loops, one implementation per instruction set.
//!
//! [`Portable`] defines every result; a backend overrides inner loops and must return the same
//! integers. [`check`] compares a backend with `Portable`; it runs on every core.
//!
//! ## Lanes
//! A linear layer's input is not read as plain int8: [`Kernels::quantize`] writes it once as *lanes*,
//! four 16-bit numbers for every four inputs `x0 x1 x2 x3`:
//!
//! ```text
//! 8-bit rows    x1  x3  256·x0 − x1  256·x2 − x3
//! 12-bit rows   x1  x3  x0           x2
//! ```
//!
//! With the paired weights of [`matrix`](crate::matrix), halfword `H = 256·w1 + w0`, the sum
//! `H·x1 + w0·(256·x0 − x1) = 256·(w0·x0 + w1·x1)` is exact, and only `w0` must be extracted. When
//! two rows are multiplied at once their lanes alternate: four of row 0, four of row 1, and so on.

#[cfg(all(target_arch = "arm", feature = "arm-dsp"))]
mod arm_dsp;
pub mod check;
mod portable;

#[cfg(all(target_arch = "arm", feature = "arm-dsp"))]
pub use arm_dsp::ArmDsp;
pub use portable::Portable;

/// The backend this crate was built with.
#[cfg(all(target_arch = "arm", feature = "arm-dsp"))]
pub type Native = ArmDsp;
/// The backend this crate was built with.
#[cfg(not(all(target_arch = "arm", feature = "arm-dsp")))]
pub type Native = Portable;

use crate::config::KEY_BLOCK;

/// How a row of 16-bit numbers becomes a row of small integers:
/// `q = round(shifted(x · multiply − subtract) · inverse / 2^(31 − bits))`, where `shifted` is an
/// arithmetic shift right (or left, if negative) by `shift`.
///
/// The fields are chosen (see `nn::row`) so that the shifted value is below 2¹⁵ in
/// magnitude and the result within ±(2^(bits−1) − 1), so nothing saturates.
#[derive(Clone, Copy, Debug)]
pub struct Quantizer {
    /// 1, or the row's length when its mean is taken off.
    pub multiply: i32,
    /// 0, or the row's sum.
    pub subtract: i32,
    /// Shift to 15 bits.
    pub shift: i32,
    /// Below 2¹⁶.
    pub inverse: i32,
    /// 8 or 12.
    pub bits: u32,
}

/// The inner loops of the engine. All functions are total: any lengths, no panics; they stop at the
/// shortest slice.
pub trait Kernels {
    /// Name of the backend, as told in reports.
    const NAME: &'static str;

    /// Largest magnitude of a row; at most 2¹⁵.
    fn largest(x: &[i16]) -> u32;

    /// Sum and sum of squares of a row of at most 2¹³ numbers.
    fn moments(x: &[i16]) -> (i32, u64);

    /// Quantises a row into lane `row` of `rows` (1 or 2); inputs missing to a multiple of 4 are 0.
    /// `lanes` holds `4 · rows` numbers for every four inputs.
    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]);

    /// `accumulators[o · rows + r] = 256 Σ_k w[o][k] · x_r[k]` for 8-bit lanes of `rows` (1 or 2) rows.
    ///
    /// `weights` begins at the first of the groups of four outputs; the next group begins
    /// `group_bytes` further. Outputs: `accumulators.len() / rows`, a multiple of 4. Inputs:
    /// `lanes.len() / rows`, at most [`SEGMENT`](crate::config::SEGMENT), so nothing overflows.
    fn matmul(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    );

    /// As [`Kernels::matmul`] for 12-bit lanes, without the factor 256.
    fn matmul_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    );

    /// Scores of one block of keys for row `row` of `rows`:
    /// `scores[j] = accumulators[j · rows + row] · scales[j] / 2¹⁷` (floor: scores are only compared
    /// and exponentiated; those of invisible keys may be left as they were). Returns the largest score of the visible keys (bit `j` of `visible`), or
    /// `i32::MIN` when none is.
    fn scores(
        accumulators: &[i32],
        rows: usize,
        row: usize,
        scales: &[u16; KEY_BLOCK],
        visible: u32,
        scores: &mut [i32; KEY_BLOCK],
    ) -> i32;

    /// Softmax numerators of one block: `p[j] = 2^(−((maximum − scores[j]) · factor / 2³²) / 256)` in
    /// Q1.15 by [`exp2_negative`](crate::fixed::exp2_negative), 0 for invisible keys. Returns `Σ p`;
    /// writes `round(p · scales[j] / 2^shift)` as lane `row` of `rows`, in the order 0 2 1 3 within
    /// every four keys.
    #[allow(clippy::too_many_arguments)] // one call per block; a struct would be built each time
    fn weigh(
        scores: &[i32; KEY_BLOCK],
        maximum: i32,
        factor: u32,
        scales: &[u16; KEY_BLOCK],
        visible: u32,
        shift: u32,
        rows: usize,
        row: usize,
        lanes: &mut [i16],
    ) -> u32;

    /// `accumulators[d · rows + r] += Σ_j lane_r[j] · values[d · KEY_BLOCK + j]`, `values` being int8.
    fn weighted_sum(lanes: &[i16], rows: usize, values: &[u8], accumulators: &mut [i32]);

    /// One row's linear results in 16 bits: for every output `o`
    /// `out[o] = saturate(round(acc[o · rows + row] · (multipliers[o] · scale) / 2^shift) + bias[o])`,
    /// `multipliers` being little-endian `u16`, `biases` little-endian `i16` (or empty: no bias),
    /// brought to the output's unit by `bias[o] = round(biases[o] / 2^bias_shift)`.
    /// `scale` is at most 2¹⁵, `shift` in 1 … 62.
    #[allow(clippy::too_many_arguments)] // one call per row of a chunk
    fn rescale(
        accumulators: &[i32],
        rows: usize,
        row: usize,
        multipliers: &[u8],
        biases: &[u8],
        scale: u16,
        shift: u32,
        bias_shift: u32,
        out: &mut [i16],
    );
}
