//! From the last hidden rows to the answer: logits, pooled rows, embeddings.

use super::activation::tanh;
use super::linear::Rows;
use super::row::{Input, renormalize};
use crate::arena::{Residual, RunState};
use crate::fixed::{round_shift, rsqrt, saturate, shift_by};
use crate::kernels::Kernels;
use crate::model::{Linear, Weights};
use crate::slices::first_mut;
use crate::target::Build;

/// Unit of every logit that the engine gives out: Q15.16.
pub const LOGIT_EXPONENT: i32 = -16;

/// Logits of one row in Q15.16 into `out` (`out_dim`).
pub fn logits<B: Build>(
    layer: &Linear,
    row: &[i16],
    exponent: i32,
    lanes: &mut [i16],
    out: &mut [i32],
) {
    let input = Input::new::<B::Kernels>(row, exponent, layer.wide);
    let mut rows = Rows::new([Some(input), None], lanes);
    rows.forward_32::<B>(layer, [LOGIT_EXPONENT; 2], out);
}

/// Writes the head's logits of row `row` of the residual stream, after the final norm, into
/// `state.outputs`. Does nothing without a head.
pub fn row_logits<B: Build>(weights: &Weights<B>, state: &mut RunState, row: usize) {
    let Some(head) = weights.head() else { return };
    let (x, exponent) = state.residual.row(row, weights.config().d_model);
    logits::<B>(&head, x, exponent, state.lanes, state.outputs);
}

/// Writes the mean of the first `rows` rows (width `d`) into the first one. `sums` is scratch of
/// `d`.
pub fn mean<K: Kernels>(residual: &mut Residual, d: usize, rows: usize, sums: &mut [i32]) {
    let sums = first_mut(sums, d);
    sums.fill(0);
    let largest = residual.exponents.iter().take(rows).copied().max().unwrap_or(0) as i32;
    // 15 bits per row, at most 2^20 rows: keep as many guard bits as the count leaves.
    let guard = 15 - (usize::BITS - rows.leading_zeros()) as i32;
    for i in 0..rows {
        let (row, exponent) = residual.row(i, d);
        K::add(row, largest - guard - exponent, sums);
    }
    // 2^31 / rows keeps the division out of the loop.
    let reciprocal = (1u64 << 31).checked_div(rows as u64).unwrap_or(0) as i64;
    for sum in sums.iter_mut() {
        *sum = saturate(round_shift(*sum as i64 * reciprocal, 31));
    }
    if let Some((first, exponent)) = residual.row_mut(0, d) {
        *exponent = renormalize::<K>(sums, largest - guard, first);
    }
}

/// BERT's pooler: `tanh(W row + b)` into `row` in Q0.15; returns its exponent.
pub fn pool<B: Build>(
    layer: &Linear,
    row: &mut [i16],
    exponent: i32,
    lanes: &mut [i16],
    sums: &mut [i32],
) -> i16 {
    let sums = first_mut(sums, row.len());
    logits::<B>(layer, row, exponent, lanes, sums);
    for (x, &sum) in row.iter_mut().zip(sums.iter()) {
        *x = tanh(shift_by(sum, 4), LOGIT_EXPONENT + 4);
    }
    -15
}

/// Writes the row, scaled to length one, into `out` in Q1.30.
pub fn unit_length(row: &[i16], out: &mut [i32]) {
    let squares: u64 = row.iter().map(|&x| (x as i64 * x as i64) as u64).sum();
    let (root, exponent) = rsqrt(squares);
    let right = (-30 - exponent).clamp(0, 62) as u32;
    for (out, &x) in out.iter_mut().zip(row) {
        *out = saturate(round_shift(x as i64 * root as i64, right));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_length_rows_have_length_one() {
        for scale in [1i16, 7, 900, 30000] {
            let row = [scale, -scale, scale / 2, 0, scale / 3];
            let mut out = [0; 5];
            unit_length(&row, &mut out);
            let length: f64 = out.iter().map(|&x| (x as f64 / (1u64 << 30) as f64).powi(2)).sum();
            assert!((length - 1.0).abs() < 1e-7, "{scale}: {length}");
        }
    }

    #[test]
    fn means_respect_each_rows_exponent() {
        let (mantissas, exponents) = (&mut [1000i16, -2000, 4000, 8000], &mut [-3, -5]);
        let mut residual = Residual { mantissas, exponents };
        mean::<crate::kernels::Portable>(&mut residual, 2, 2, &mut [0; 2]);
        let (row, exponent) = residual.row(0, 2);
        let real = |x: i16| x as f64 * 2f64.powi(exponent);
        assert!((real(row[0]) - (1000.0 / 8.0 + 4000.0 / 32.0) / 2.0).abs() < 0.01);
        assert!((real(row[1]) - (-2000.0 / 8.0 + 8000.0 / 32.0) / 2.0).abs() < 0.01);
    }
}
