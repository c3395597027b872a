//! What the trait's methods with a default body do: passes over one row, and one block of attention
//! made of a backend's own parts. Like [`Portable`](super::Portable), these define the results.

use super::{Activate, Biased, Kernels, KeyBlock, KeyRun, Quantizer, Softmax, lanes_per_input};
use crate::config::KEY_BLOCK;
use crate::fixed::{exp2_negative, requantize, round_shift, saturate, saturate_16, shift_by};
use crate::matrix::Packing;

/// Little-endian 16-bit numbers of a section in flash.
fn halves(bytes: &[u8]) -> impl Iterator<Item = i16> + '_ {
    bytes.as_chunks::<2>().0.iter().map(|&pair| i16::from_le_bytes(pair))
}

/// See [`Kernels::range`].
pub fn range(x: &[i16]) -> (i16, i16) {
    x.iter().fold((i16::MAX, i16::MIN), |(low, high), &x| (low.min(x), high.max(x)))
}

/// See [`Kernels::rescale_32`].
#[allow(clippy::too_many_arguments)] // as the method
#[inline(never)]
pub fn rescale_32(
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
    let accumulators = accumulators.chunks_exact(rows.max(1)).filter_map(|rows| rows.get(row));
    let mut biases = halves(biases);
    for ((out, &sum), multiplier) in out.iter_mut().zip(accumulators).zip(halves(multipliers)) {
        *out = requantize(sum, multiplier as i32 * scale as i32, shift);
        if let Some(bias) = biases.next() {
            *out = out.saturating_add(shift_by(bias as i32, bias_shift));
        }
    }
}

/// See [`Kernels::gain`].
#[allow(clippy::too_many_arguments)] // as the method
#[inline(never)]
pub fn gain(
    x: &[i16],
    by: &Quantizer,
    gains: &[u8],
    biases: &[u8],
    mantissa: u16,
    shift: u32,
    bias_shift: i32,
    sums: &mut [i32],
) {
    let mut biases = halves(biases);
    for ((sum, &x), gain) in sums.iter_mut().zip(x).zip(halves(gains)) {
        // 15 + 15 + 15 bits, one rounding.
        let factor = gain as i64 * mantissa as i64;
        *sum = saturate(round_shift(by.shifted(x) as i64 * factor, shift));
        if let Some(bias) = biases.next() {
            *sum = sum.saturating_add(shift_by(bias as i32, bias_shift));
        }
    }
}

/// See [`Kernels::add`].
pub fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
    for (sum, &x) in sums.iter_mut().zip(x) {
        *sum = sum.saturating_add(shift_by(x as i32, shift));
    }
}

/// See [`Kernels::magnitude`].
pub fn magnitude(sums: &[i32]) -> u32 {
    sums.iter().fold(0, |bits, sum| bits | sum.unsigned_abs())
}

/// See [`Kernels::narrow`].
pub fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
    for (out, &sum) in out.iter_mut().zip(sums) {
        *out = saturate_16(shift_by(sum, shift));
    }
}

/// See [`Kernels::activate`].
#[inline(never)]
pub fn activate(by: &Activate, x: &mut [i16]) {
    for x in x {
        *x = by.apply(*x);
    }
}

/// See [`Kernels::activate_gated`].
#[inline(never)]
pub fn activate_gated(by: &Activate, factors: &[i16], x: &mut [i16]) {
    for (x, &factor) in x.iter_mut().zip(factors) {
        let product = by.apply(*x) as i32 * factor as i32;
        *x = saturate_16((product + (1 << 14)) >> 15);
    }
}

/// See [`Kernels::rotate`].
pub fn rotate(row: &mut [i16], table: &[i16]) {
    let (table, _) = table.as_chunks::<2>();
    for head in row.chunks_exact_mut((2 * table.len()).max(1)) {
        for (pair, &[cos, sin]) in head.as_chunks_mut::<2>().0.iter_mut().zip(table) {
            let [a, b] = pair.map(i32::from);
            let (cos, sin) = (cos as i32, sin as i32);
            // |a cos ± b sin| ≤ √2 · 2^15 · 2^14 < 2^30, half of 2^14 beside it.
            *pair =
                [a * cos - b * sin, a * sin + b * cos].map(|x| saturate_16((x + (1 << 13)) >> 14));
        }
    }
}

/// `round(x · inverse / 2^shift)` of a head's vector.
#[inline(always)]
fn int8(x: i16, inverse: u16, shift: u32) -> i8 {
    round_shift((x as i32 * inverse as i32) as i64, shift) as i8
}

/// See [`Kernels::write_key`].
pub fn write_key(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
    for (out, four) in out.chunks_mut(16).zip(x.as_chunks::<4>().0) {
        let packed = Packing::Paired.pack(four.map(|x| int8(x, inverse, shift)));
        if let Some(out) = out.first_chunk_mut::<4>() {
            *out = packed.to_le_bytes();
        }
    }
}

/// See [`Kernels::write_value`].
pub fn write_value(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
    for (out, &x) in out.chunks_mut(KEY_BLOCK).zip(x) {
        if let Some(out) = out.first_mut() {
            *out = int8(x, inverse, shift) as u8;
        }
    }
}

/// See [`Kernels::divide`].
pub fn divide(sums: &[i32], rows: usize, row: usize, factor: u32, shift: u32, out: &mut [i16]) {
    let sums = sums.chunks_exact(rows.max(1)).filter_map(|rows| rows.get(row));
    for (out, &sum) in out.iter_mut().zip(sums) {
        *out = saturate_16(saturate(round_shift(sum as i64 * factor as i64, shift)));
    }
}

/// See [`Kernels::attend`].
#[inline(never)]
pub fn attend<K: Kernels>(
    lanes: &[i16],
    block: &KeyBlock,
    visible: [u32; 2],
    shift: u32,
    queries: &mut [Softmax],
    sums: &mut [i32],
) {
    let rows = queries.len();
    let Some(head_dim) = lanes.len().checked_div(lanes_per_input::<K>(rows)) else { return };
    let mut products = [0i32; 2 * KEY_BLOCK];
    let products = products.get_mut(..KEY_BLOCK * rows).unwrap_or_default();
    K::matmul(lanes, rows, block.keys, head_dim * 4, products);
    let (key_scales, value_scales) = (block.key_scales(), block.value_scales());
    let mut weights = [0i16; 2 * KEY_BLOCK];
    let weights = weights.get_mut(..KEY_BLOCK * rows).unwrap_or_default();
    let mut scores = [0; KEY_BLOCK];
    for (row, (query, visible)) in queries.iter_mut().zip(visible).enumerate() {
        if visible == 0 {
            continue; // the lane stays 0
        }
        let maximum = K::scores(products, rows, row, &key_scales, visible, &mut scores);
        if maximum > query.maximum {
            query.raise(maximum, rows, row, sums);
        }
        let sum = K::weigh(
            &scores,
            query.maximum,
            query.factor,
            &value_scales,
            visible,
            shift,
            rows,
            row,
            weights,
        );
        query.sum = query.sum.saturating_add(sum);
    }
    K::weighted_sum(weights, rows, block.values, sums);
}

/// See [`Kernels::attend_biased`].
#[inline(never)]
pub fn attend_biased<K: Kernels>(
    lanes: &[i16],
    block: &KeyBlock,
    visible: [u32; 2],
    shift: u32,
    biased: &Biased,
    queries: &mut [Softmax],
    sums: &mut [i32],
) {
    let rows = queries.len();
    let Some(head_dim) = lanes.len().checked_div(lanes_per_input::<K>(rows)) else { return };
    let mut products = [0i32; 2 * KEY_BLOCK];
    let products = products.get_mut(..KEY_BLOCK * rows).unwrap_or_default();
    match K::KEY_PACKING {
        Packing::Paired => K::matmul(lanes, rows, block.keys, head_dim * 4, products),
        Packing::Plain => K::matmul_plain(lanes, rows, block.keys, head_dim * 4, products),
    }
    for product in products.iter_mut() {
        *product <<= 8 - K::PRODUCT_SHIFT;
    }
    let (key_scales, value_scales) = (block.key_scales(), block.value_scales());
    let mut weights = [0i16; 2 * KEY_BLOCK];
    let weights = weights.get_mut(..KEY_BLOCK * rows).unwrap_or_default();
    let mut scores = [0; KEY_BLOCK];
    let rows_of = queries.iter_mut().zip(visible).zip(biased.factors).zip(&biased.biases);
    for (row, (((query, visible), factor), biases)) in rows_of.enumerate() {
        if visible == 0 {
            continue; // the lane stays 0
        }
        K::scores(products, rows, row, &key_scales, visible, &mut scores);
        let maximum = add_biases(&mut scores, factor, biases, visible);
        if maximum > query.maximum {
            query.raise(maximum, rows, row, sums);
        }
        let sum = K::weigh(
            &scores,
            query.maximum,
            query.factor,
            &value_scales,
            visible,
            shift,
            rows,
            row,
            weights,
        );
        query.sum = query.sum.saturating_add(sum);
    }
    K::weighted_sum(weights, rows, block.values, sums);
}

/// The scores of visible keys in units of 2⁻¹⁶ log2 with their biases; returns the largest.
fn add_biases(
    scores: &mut [i32; KEY_BLOCK],
    factor: u32,
    biases: &[i32; KEY_BLOCK],
    visible: u32,
) -> i32 {
    let (mut maximum, mut visible) = (i32::MIN, visible);
    for (score, &bias) in scores.iter_mut().zip(biases) {
        if visible & 1 != 0 {
            *score = saturate(((*score as i64 * factor as i64) >> 24) + bias as i64);
            maximum = maximum.max(*score);
        }
        visible >>= 1;
    }
    maximum
}

/// See [`Kernels::stream`].
pub fn stream<K: Kernels>(
    lanes: &[i16],
    run: &KeyRun,
    visible: [usize; 2],
    shift: u32,
    queries: &mut [Softmax],
    sums: &mut [i32],
) {
    let most = visible.into_iter().take(queries.len()).max().unwrap_or(0);
    for index in 0..most.div_ceil(KEY_BLOCK) {
        let bits = visible.map(|keys| {
            let keys = keys.saturating_sub(index * KEY_BLOCK).min(KEY_BLOCK);
            (1u32 << keys) - 1
        });
        let (data, codes) = (index * run.stride, index * run.code_stride);
        let block = KeyBlock {
            keys: run.keys.get(data..).unwrap_or_default(),
            key_codes: run.key_codes.get(codes..).unwrap_or_default(),
            values: run.values.get(data..).unwrap_or_default(),
            value_codes: run.value_codes.get(codes..).unwrap_or_default(),
        };
        K::attend(lanes, &block, bits, shift, queries, sums);
    }
}

impl Softmax {
    /// Takes a larger maximum: everything summed so far shrinks by `2^-(new − old)`.
    #[inline(never)]
    pub fn raise(&mut self, maximum: i32, rows: usize, row: usize, sums: &mut [i32]) {
        if self.sum > 0 {
            let distance = maximum.wrapping_sub(self.maximum) as u32;
            let shrink = exp2_negative(((distance as u64 * self.factor as u64) >> 32) as u32);
            // Products of 32 and 15 bits: the lower 15 bits apart, everything fits 32 bits.
            let low = |low: u32| (low * shrink + (1 << 14)) >> 15;
            self.sum = (self.sum >> 15) * shrink + low(self.sum & 0x7fff);
            for sum in sums.chunks_exact_mut(rows.max(1)).filter_map(|rows| rows.get_mut(row)) {
                *sum = (*sum >> 15) * shrink as i32 + low(*sum as u32 & 0x7fff) as i32;
            }
        }
        self.maximum = maximum;
    }
}

impl Activate {
    /// The activation of one number.
    #[inline(always)]
    pub fn apply(&self, x: i16) -> i16 {
        let positive = (x as i32).max(0);
        match self.table {
            None => positive as i16,
            Some(table) => {
                let h = interpolate(table, x.unsigned_abs() as u32, self.position_shift);
                saturate_16(positive - shift_by(h as i32, self.value_shift))
            }
        }
    }
}

/// `table` at position `magnitude · 2^(shift − 12)`, linear between entries; 0 beyond the last.
#[inline(always)]
pub fn interpolate(table: &[u16; 258], magnitude: u32, shift: i32) -> u32 {
    let position = match shift {
        // Anything shifted beyond 2^20 lies outside the table.
        16.. => {
            if magnitude == 0 {
                0
            } else {
                1 << 20
            }
        }
        0..=15 => magnitude << shift,
        -11..=-1 => magnitude >> -shift,
        // Below 2^-8 of a step.
        _ => 0,
    };
    if position >= 1 << 20 {
        return 0;
    }
    let index = (position >> 12) as usize;
    let low = table.get(index).copied().unwrap_or(0) as u32;
    let high = table.get(index + 1).copied().unwrap_or(0) as u32;
    // Every table but tanh's rises and falls; the difference is signed.
    let slope = (high as i32 - low as i32) * (position & 4095) as i32;
    low.wrapping_add(((slope + 2048) >> 12) as u32)
}
