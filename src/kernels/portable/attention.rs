//! Writing keys and values to the cache, and attention over one block, using the backend's own
//! product.

use super::super::formats::Formats;
use super::super::lanes::{HeadScale, Sums};
use super::super::streams::{Attend, Biases, KeyBlock, Queries, Softmax};
use super::super::weights::Product;
use crate::config::KEY_BLOCK;
use crate::fixed::{exp2_negative, saturate};

/// `round(x · inverse / 2^shift)` of a head's vector; at most 30 bits and half of the last place.
#[inline(always)]
fn int8(x: i16, scale: HeadScale) -> i8 {
    let half = (1 << scale.shift()) >> 1;
    ((x as i32 * scale.inverse as i32 + half) >> scale.shift()) as i8
}

/// See [`Kernels::write_key`](super::super::Kernels::write_key).
pub fn write_key<K: Formats>(x: &[i16], scale: HeadScale, out: &mut [u8]) {
    for (out, four) in out.chunks_mut(16).zip(x.as_chunks::<4>().0) {
        if let Some(out) = out.first_chunk_mut::<4>() {
            *out = K::KEY_PACKING.pack(four.map(|x| int8(x, scale))).to_le_bytes();
        }
    }
}

/// See [`Kernels::write_value`](super::super::Kernels::write_value).
pub fn write_value(x: &[i16], scale: HeadScale, out: &mut [u8]) {
    for (out, &x) in out.chunks_mut(KEY_BLOCK).zip(x) {
        if let Some(out) = out.first_mut() {
            *out = int8(x, scale) as u8;
        }
    }
}

/// See [`Kernels::attend`](super::super::Kernels::attend).
#[inline(never)]
pub fn attend<K: Formats>(attend: Attend<K>, matmul: impl Fn(&Product<K>, &mut [i32])) {
    let shift = attend.shift;
    attend.by_blocks(|queries, block, seen, biases| {
        attend_block(queries, block, seen, shift, biases, &matmul);
    });
}

/// One block: [`numerators`], then the weighted sum of the values.
#[inline(never)]
pub fn attend_block<K: Formats>(
    queries: &mut Queries<K>,
    block: &KeyBlock,
    seen: [u16; 2],
    shift: u32,
    biases: Option<&Biases>,
    matmul: impl Fn(&Product<K>, &mut [i32]),
) {
    let weights = numerators(queries, block, seen, shift, biases, matmul);
    let sums = queries.sums.chunks_exact_mut(queries.lanes.rows.get());
    for (sums, values) in sums.zip(block.values.as_chunks::<KEY_BLOCK>().0) {
        for (sum, weights) in sums.iter_mut().zip(&weights) {
            for (&weight, &value) in weights.iter().zip(values) {
                *sum = sum.wrapping_add(weight as i32 * (value as i8) as i32);
            }
        }
    }
}

/// One block: products, scores, new maxima, and each query's numerators times the scales of the
/// values (see [`weigh`]).
#[inline(always)]
pub fn numerators<K: Formats>(
    queries: &mut Queries<K>,
    block: &KeyBlock,
    seen: [u16; 2],
    shift: u32,
    biases: Option<&Biases>,
    matmul: impl Fn(&Product<K>, &mut [i32]),
) -> [[i16; KEY_BLOCK]; 2] {
    let mut numerators = [[0; KEY_BLOCK]; 2];
    let rows = queries.lanes.rows;
    let mut products = [0i32; 2 * KEY_BLOCK];
    let products = products.get_mut(..KEY_BLOCK * rows.get()).unwrap_or_default();
    let Some(matrix) = block.matrix::<K>() else { return numerators };
    matmul(&Product { lanes: queries.lanes, matrix }, products);
    for product in products.iter_mut() {
        *product <<= 8 - K::PRODUCT_SHIFT;
    }
    let (key_scales, value_scales) = (block.key_scales(), block.value_scales());
    let states = queries.states.iter_mut().zip(seen).zip(&mut numerators);
    for (row, ((state, seen), numerators)) in states.enumerate() {
        let (Some(sums), true) = (Sums::new(products, rows, row), seen != 0) else { continue };
        let mut found = scores(&sums, &key_scales);
        if let Some(biases) = biases
            && let (Some(&factor), Some(biases)) = (biases.factors.get(row), biases.biases.get(row))
        {
            for (score, &bias) in found.iter_mut().zip(biases) {
                *score = saturate(((*score as i64 * factor as i64) >> 24) + bias as i64);
            }
        }
        let maximum = largest_seen(&found, seen);
        if maximum > state.maximum {
            raise(state, maximum, rows.get(), row, queries.sums);
        }
        let (weights, sum) = weigh(&found, state, &value_scales, seen, shift);
        // Never saturates within `Kernels::MAX_KEYS`.
        state.sum = state.sum.saturating_add(sum);
        *numerators = weights;
    }
    numerators
}

/// Scores of the keys of a block from their products: `floor(products[j] · scales[j] / 2¹⁷)`.
/// Scores are only compared and exponentiated, so they are not rounded.
pub fn scores(products: &Sums, scales: &[u16; KEY_BLOCK]) -> [i32; KEY_BLOCK] {
    let mut scores = [0; KEY_BLOCK];
    for ((score, product), &scale) in scores.iter_mut().zip(products.iter()).zip(scales) {
        *score = ((product as i64 * scale as i64) >> 17) as i32;
    }
    scores
}

/// The largest score of the visible keys; `i32::MIN` if none is visible.
pub fn largest_seen(scores: &[i32; KEY_BLOCK], seen: u16) -> i32 {
    let visible = scores.iter().enumerate().filter(|(key, _)| seen >> key & 1 != 0);
    visible.fold(i32::MIN, |most, (_, &score)| most.max(score))
}

/// Softmax numerators of a block: `p[j] = 2^(−((maximum − scores[j]) · factor / 2³²) / 256)` in
/// Q1.15 by [`exp2_negative`], 0 for invisible keys. Returns `round(p · scales[j] / 2^shift)` and
/// `Σ p`.
pub fn weigh(
    scores: &[i32; KEY_BLOCK],
    state: &Softmax,
    scales: &[u16; KEY_BLOCK],
    seen: u16,
    shift: u32,
) -> ([i16; KEY_BLOCK], u32) {
    let (mut weights, mut sum) = ([0; KEY_BLOCK], 0);
    let half = 1u32 << (shift.wrapping_sub(1) & 31);
    let keys = weights.iter_mut().zip(scores).zip(scales).enumerate();
    for (_, ((weight, &score), &scale)) in keys.filter(|(key, _)| seen >> key & 1 != 0) {
        let distance = state.maximum.wrapping_sub(score) as u32;
        let p = exp2_negative(((distance as u64 * state.factor as u64) >> 32) as u32);
        sum += p;
        *weight = ((p * scale as u32 + half) >> (shift & 31)) as i16;
    }
    (weights, sum)
}

/// Sets a larger maximum: all sums so far shrink by `2^-(new − old)`.
#[inline(never)]
pub fn raise(state: &mut Softmax, maximum: i32, rows: usize, row: usize, sums: &mut [i32]) {
    if state.sum > 0 {
        let distance = maximum.wrapping_sub(state.maximum) as u32;
        let shrink = exp2_negative(((distance as u64 * state.factor as u64) >> 32) as u32);
        // Products of 32 and 15 bits: with the lower 15 bits taken separately, everything fits 32
        // bits.
        let low = |low: u32| (low * shrink + (1 << 14)) >> 15;
        state.sum = (state.sum >> 15) * shrink + low(state.sum & 0x7fff);
        for sum in sums.chunks_exact_mut(rows.max(1)).filter_map(|sums| sums.get_mut(row)) {
            *sum = (*sum >> 15) * shrink as i32 + low(*sum as u32 & 0x7fff) as i32;
        }
    }
    state.maximum = maximum;
}
