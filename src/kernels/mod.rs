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
#[cfg(all(target_arch = "arm", feature = "arm-mve"))]
mod arm_mve;
#[cfg(all(target_arch = "arm", feature = "arm-v6m"))]
mod arm_v6m;
pub mod check;
mod defaults;
mod linear;
mod operands;
mod portable;
#[cfg(all(target_arch = "riscv32", target_feature = "m"))]
mod riscv;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use defaults::interpolate;
pub(crate) use linear::quantize;
pub use linear::{CHUNK, Product, RowScale};
pub use operands::{Activate, BIASED_FACTOR, Biased, KeyBlock, KeyRun, Quantizer, Softmax};
pub use portable::Portable;

// Where several are asked for, the core that can do the most wins.
core::cfg_select! {
    all(target_arch = "arm", feature = "arm-mve") => {
        pub use arm_mve::ArmMve;
        /// The backend this crate was built with.
        pub type Native = ArmMve;
    }
    all(target_arch = "arm", feature = "arm-dsp") => {
        pub use arm_dsp::ArmDsp;
        /// The backend this crate was built with.
        pub type Native = ArmDsp;
    }
    all(target_arch = "arm", feature = "arm-v6m") => {
        pub use arm_v6m::ArmV6m;
        /// The backend this crate was built with.
        pub type Native = ArmV6m;
    }
    all(target_arch = "riscv32", target_feature = "m") => {
        pub use riscv::RiscV;
        /// The backend this crate was built with.
        pub type Native = RiscV;
    }
    target_arch = "x86_64" => {
        pub use x86::X86;
        /// The backend this crate was built with.
        pub type Native = X86;
    }
    _ => {
        /// The backend this crate was built with.
        pub type Native = Portable;
    }
}

use crate::config::KEY_BLOCK;
use crate::matrix::Packing;

/// 16-bit numbers for every input in the lanes of `rows` (1 or 2) rows.
#[inline(always)]
pub fn lanes_per_input<K: Kernels>(rows: usize) -> usize {
    if rows == 1 { K::SINGLE_LANES } else { rows }
}

/// The inner loops of the engine. All functions are total: any lengths, no panics; they stop at the
/// shortest slice.
///
/// The methods with a default body are right on every core; a backend overrides those that it can do
/// faster.
pub trait Kernels: Sized {
    /// Name of the backend, as told in reports.
    const NAME: &'static str;

    /// Layouts of weights that this backend multiplies, the fastest (for one row) first. A model in another one is
    /// refused.
    const PACKINGS: &'static [Packing] = &[Packing::Paired];

    /// The one of them that multiplies tiles of rows (an encoder, a long prompt) fastest.
    const TILE_PACKING: Packing = Packing::Paired;

    /// Whether [`Packing::Plain`] is among them.
    const PLAIN: bool = {
        let (mut plain, mut i) = (false, 0);
        while i < Self::PACKINGS.len() {
            plain |= matches!(Self::PACKINGS[i], Packing::Plain);
            i += 1;
        }
        plain
    };

    /// Lanes of a single row have this many 16-bit numbers for every input: 1, or 2 (there is room for
    /// two rows).
    const SINGLE_LANES: usize = 1;

    /// Products of 8-bit lanes are `2^PRODUCT_SHIFT · Σ w x`.
    const PRODUCT_SHIFT: i32 = 8;

    /// Keys that a query can see at most; a model with a longer context is refused.
    const MAX_KEYS: usize = usize::MAX;

    /// How [`Kernels::write_key`] packs the keys of a block.
    const KEY_PACKING: Packing = Packing::Paired;

    /// Largest magnitude of a row; at most 2¹⁵.
    fn largest(x: &[i16]) -> u32;

    /// Sum and sum of squares of a row of at most 2¹³ numbers.
    fn moments(x: &[i16]) -> (i32, u64);

    /// Quantises a row into lane `row` of `rows` (1 or 2); inputs missing to a multiple of 4 are 0.
    /// `lanes` holds [`lanes_per_input`] numbers for every input.
    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]);

    /// As [`Kernels::quantize`], for products with plain weights.
    fn quantize_plain(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        Self::quantize(x, by, rows, row, lanes);
    }

    /// `accumulators[o · rows + r] = 256 Σ_k w[o][k] · x_r[k]` for 8-bit lanes of `rows` (1 or 2) rows.
    ///
    /// `weights` begins at the first of the groups of four outputs; the next group begins
    /// `group_bytes` further. Outputs: `accumulators.len() / rows`, a multiple of 4. Inputs:
    /// `lanes.len() / lanes_per_input(rows)`, at most [`SEGMENT`](crate::config::SEGMENT), so nothing overflows.
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

    /// As [`Kernels::matmul`] for plain weights and lanes by [`Kernels::quantize_plain`].
    fn matmul_plain(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        portable::matmul_plain(lanes, rows, weights, group_bytes, accumulators);
    }

    /// As [`Kernels::matmul_wide`] for plain weights and lanes by [`Kernels::quantize_plain`].
    fn matmul_plain_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        portable::matmul_plain_wide(lanes, rows, weights, group_bytes, accumulators);
    }

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

    /// Smallest and largest number of a row; `(i16::MAX, i16::MIN)` of none.
    fn range(x: &[i16]) -> (i16, i16) {
        defaults::range(x)
    }

    /// [`Kernels::moments`] and [`Kernels::range`] of a row.
    fn statistics(x: &[i16]) -> (i32, u64, (i16, i16)) {
        let (sum, squares) = Self::moments(x);
        (sum, squares, Self::range(x))
    }

    /// As [`Kernels::rescale`] in 32 bits:
    /// `out[o] = saturate(round(acc[o · rows + row] · (multipliers[o] · scale) / 2^shift))`, plus
    /// `round(biases[o] / 2^bias_shift)` where there is one, saturated.
    #[allow(clippy::too_many_arguments)] // one call per row of a chunk
    fn rescale_32(
        accumulators: &[i32],
        rows: usize,
        row: usize,
        multipliers: &[u8],
        biases: &[u8],
        scale: u16,
        shift: u32,
        bias_shift: i32,
        out: &mut [i32],
    ) {
        defaults::rescale_32(
            accumulators,
            rows,
            row,
            multipliers,
            biases,
            scale,
            shift,
            bias_shift,
            out,
        );
    }

    /// A whole layer: [`Kernels::matmul`] (or its like for wide lanes, plain weights), then
    /// [`Kernels::rescale`] of each row. `out[r]` holds row `r`; there are as many outputs as it has
    /// room for. Of one row, the second `out` is not used.
    fn linear(product: &Product, by: [RowScale; 2], out: [&mut [i16]; 2]) {
        linear::linear::<Self>(product, by, out);
    }

    /// As [`Kernels::linear`] in 32 bits ([`Kernels::rescale_32`]).
    fn linear_32(product: &Product, by: [RowScale; 2], out: [&mut [i32]; 2]) {
        linear::linear_32::<Self>(product, by, out);
    }

    /// An explicit norm's gain and bias: `sums[i] = saturate(round(by.shifted(x[i]) ·
    /// (gains[i] · mantissa) / 2^shift))`, plus `round(biases[i] / 2^bias_shift)` where there is one,
    /// saturated. Gains and biases are little-endian `i16`; `shift` is in 1 … 62.
    #[allow(clippy::too_many_arguments)] // one call per row
    fn gain(
        x: &[i16],
        by: &Quantizer,
        gains: &[u8],
        biases: &[u8],
        mantissa: u16,
        shift: u32,
        bias_shift: i32,
        sums: &mut [i32],
    ) {
        defaults::gain(x, by, gains, biases, mantissa, shift, bias_shift, sums);
    }

    /// `sums[i] += x[i] / 2^shift`, rounded ([`shift_by`](crate::fixed::shift_by)), saturated.
    fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
        defaults::add(x, shift, sums);
    }

    /// Any number with as many bits as the largest magnitude, such as `|sums[0]| | |sums[1]| | …`.
    fn magnitude(sums: &[i32]) -> u32 {
        defaults::magnitude(sums)
    }

    /// `out[i] = saturate(sums[i] / 2^shift)`, rounded ([`shift_by`](crate::fixed::shift_by)).
    fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
        defaults::narrow(sums, shift, out);
    }

    /// An activation in place.
    fn activate(by: &Activate, x: &mut [i16]) {
        defaults::activate(by, x);
    }

    /// `x[i] = saturate(round(activation(x[i]) · factors[i] / 2^15))`.
    fn activate_gated(by: &Activate, factors: &[i16], x: &mut [i16]) {
        defaults::activate_gated(by, factors, x);
    }

    /// Rotates the neighbours of every head of a row in place; `table` holds cosine and sine (Q1.14)
    /// of every pair of one head.
    fn rotate(row: &mut [i16], table: &[i16]) {
        defaults::rotate(row, table);
    }

    /// A head's vector as a key of a block: `round(x[i] · inverse / 2^shift)`, paired; a word of four
    /// every 16 bytes of `out`, which begins at the key's first word. `shift` is in 12 … 23.
    fn write_key(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
        defaults::write_key(x, inverse, shift, out);
    }

    /// A head's vector as a value of a block: `round(x[i] · inverse / 2^shift)`, a byte every
    /// [`KEY_BLOCK`] bytes of `out`, which begins at the value's first byte. `shift` is in 12 … 23.
    fn write_value(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
        defaults::write_value(x, inverse, shift, out);
    }

    /// `out[d] = saturate(round(sums[d · rows + row] · factor / 2^shift))`; `factor` is below 2¹⁷,
    /// `shift` in 1 … 62.
    fn divide(sums: &[i32], rows: usize, row: usize, factor: u32, shift: u32, out: &mut [i16]) {
        defaults::divide(sums, rows, row, factor, shift, out);
    }

    /// One block of keys for one or two queries (`queries.len()`) that read the same head: products,
    /// scores, new maxima, numerators, weighted values. `lanes` holds the quantised queries, `sums`
    /// `queries.len()` numbers for every dimension; bit `j` of `visible[r]` says whether query `r` sees
    /// key `j`; the numerators times the values' scales are shifted by `shift` (15 … 31).
    fn attend(
        lanes: &[i16],
        block: &KeyBlock,
        visible: [u32; 2],
        shift: u32,
        queries: &mut [Softmax],
        sums: &mut [i32],
    ) {
        defaults::attend::<Self>(lanes, block, visible, shift, queries, sums);
    }

    /// As [`Kernels::attend`] with biases: a score becomes `floor(score · factor / 2²⁴) + bias` in units
    /// of 2⁻¹⁶ log2, saturated; the queries' own factor is [`BIASED_FACTOR`].
    fn attend_biased(
        lanes: &[i16],
        block: &KeyBlock,
        visible: [u32; 2],
        shift: u32,
        biased: &Biased,
        queries: &mut [Softmax],
        sums: &mut [i32],
    ) {
        defaults::attend_biased::<Self>(lanes, block, visible, shift, biased, queries, sums);
    }

    /// The first `visible[r]` keys of a run of blocks for query `r` of `queries`, of which the first sees
    /// no more than the second: a loop over [`Kernels::attend`]. Lanes, keys and values begin at multiples
    /// of four bytes, as an arena has them, and no query sees more than [`Kernels::MAX_KEYS`]; a backend
    /// may leave everything as it is where that does not hold.
    fn stream(
        lanes: &[i16],
        run: &KeyRun,
        visible: [usize; 2],
        shift: u32,
        queries: &mut [Softmax],
        sums: &mut [i32],
    ) {
        defaults::stream::<Self>(lanes, run, visible, shift, queries, sums);
    }
}
