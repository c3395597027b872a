//! What the assembly does not take, one output after another: slices that are not aligned, an odd number
//! of outputs, shifts beyond its range. Small, since it hardly ever runs.

use super::glue::rescale_one;
use crate::kernels::{Product, RowScale};
use crate::matrix::unpair_word;

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
    let at = output / 4 * group_bytes + output % 4 * 4;
    let words = weights.get(at..).unwrap_or_default().chunks(16);
    let fours = lanes.as_chunks::<4>().0.chunks_exact(rows.max(1));
    let mut sum = 0i32;
    for (word, x) in words.zip(fours) {
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
        sum = sum.wrapping_add(product);
    }
    sum
}
