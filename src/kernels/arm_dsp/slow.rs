//! What the assembly does not take, one output after another: slices that are not aligned, an odd number
//! of outputs, shifts beyond its range. Small, since it hardly ever runs.

use super::glue::rescale_one;
use crate::config::KEY_BLOCK;
use crate::fixed::{decode_scale, exp2_negative};
use crate::kernels::{KeyRun, Product, RowScale, Softmax};

/// `write(row, output, value)` for every output of a layer, in 32 bits; there are `len`.
#[inline(never)]
pub fn linear(
    product: &Product,
    by: [RowScale; 2],
    len: usize,
    write: &mut dyn FnMut(usize, usize, i32),
) {
    let Product { lanes, rows, weights, group_bytes, multipliers, biases, wide, .. } = *product;
    for (row, by) in by.into_iter().enumerate().take(rows) {
        for (output, multiplier) in multipliers.chunks_exact(2).enumerate().take(len) {
            let sum = sum(lanes, (rows, row), weights, group_bytes, output, wide);
            let bias = biases.get(2 * output..).unwrap_or_default();
            let by = (by.scale, by.shift, by.bias_shift);
            write(row, output, rescale_one(sum, multiplier, bias, by));
        }
    }
}

/// One output's sum of products for row `row` of `rows`.
#[inline(never)]
pub fn sum(
    lanes: &[i16],
    (rows, row): (usize, usize),
    weights: &[u8],
    group_bytes: usize,
    output: usize,
    wide: bool,
) -> i32 {
    let (mut at, mut sum) = (output / 4 * group_bytes + output % 4 * 4, 0i32);
    for x in lanes.as_chunks::<4>().0.iter().skip(row).step_by(rows.max(1)) {
        let Some(&word) = weights.get(at..).and_then(|rest| rest.first_chunk()) else { break };
        let word = u32::from_le_bytes(word);
        let (h0, h1) = (word as i16 as i32, (word >> 16) as i16 as i32);
        let (w0, w2) = (h0 as i8 as i32, h1 as i8 as i32);
        // Of 12-bit lanes the odd weights alone, as `matrix` says.
        let (w1, w3) = if wide { ((h0 - w0) >> 8, (h1 - w2) >> 8) } else { (h0, h1) };
        let [a, b, c, d] = x.map(i32::from);
        sum = sum.wrapping_add(w1 * a + w3 * b + w0 * c + w2 * d);
        at += 16;
    }
    sum
}

/// See [`Kernels::stream`](crate::kernels::Kernels::stream): key by key, one query after the other.
#[inline(never)]
pub fn stream(
    lanes: &[i16],
    run: &KeyRun,
    visible: [usize; 2],
    shift: u32,
    queries: &mut [Softmax],
    sums: &mut [i32],
) {
    let rows = queries.len();
    let half = 1u32 << (shift.wrapping_sub(1) & 31);
    let scale = |codes: &[u8], at: usize| decode_scale(codes.get(at).copied().unwrap_or(0)) as u16;
    for (row, (query, visible)) in queries.iter_mut().zip(visible).enumerate() {
        for first in 0..visible.div_ceil(KEY_BLOCK) {
            let (data, codes) = (first * run.stride, first * run.code_stride);
            let keys = run.keys.get(data..).unwrap_or_default();
            let here = (visible - first * KEY_BLOCK).min(KEY_BLOCK);
            let mut scores = [0; KEY_BLOCK];
            let mut maximum = query.maximum;
            for (key, score) in scores.iter_mut().enumerate().take(here) {
                let product = sum(lanes, (rows, row), keys, lanes.len() / rows * 4, key, false);
                *score = (product as i64 * scale(run.key_codes, codes + key) as i64 >> 17) as i32;
                maximum = maximum.max(*score);
            }
            if maximum > query.maximum {
                query.raise(maximum, rows, row, sums);
            }
            let mut total = 0u32;
            for (key, score) in scores.iter().enumerate().take(here) {
                let distance = maximum.wrapping_sub(*score) as u32;
                let p = exp2_negative(((distance as u64 * query.factor as u64) >> 32) as u32);
                total += p;
                let weight = p * scale(run.value_codes, codes + key) as u32;
                let weight = (weight.wrapping_add(half) >> (shift & 31)) as i16 as i32;
                let mut at = data + key;
                for sum in sums.iter_mut().skip(row).step_by(rows) {
                    let value = run.values.get(at).map_or(0, |&value| value as i8 as i32);
                    *sum = sum.wrapping_add(weight * value);
                    at += KEY_BLOCK;
                }
            }
            query.sum = query.sum.saturating_add(total);
        }
    }
}
