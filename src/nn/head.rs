//! From the last hidden rows to the answer: logits, embeddings.

use super::activation::tanh;
use super::linear::Rows;
use super::pooling::pool_rows;
use super::row::Input;
use crate::arena::RunState;
use crate::config::Head;
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

/// The answer for a whole input of `rows` rows after the final norm, in `state.outputs`: the logits of a
/// classifier in Q15.16, or an embedding in units of [`Config::output_exponent`](crate::Config::output_exponent).
/// Row 0 becomes the pooled row.
pub fn whole<B: Build>(weights: &Weights<B>, state: &mut RunState, rows: usize) {
    let (config, d) = (weights.config(), weights.config().d_model);
    pool_rows::<B::Kernels>(config.pooling, &mut state.residual, d, rows, state.sums);
    if let (Some(pooler), Some((row, exponent))) = (weights.pooler(), state.residual.row_mut(0, d))
    {
        *exponent = pool::<B>(&pooler, row, *exponent as i32, state.lanes, state.sums);
    }
    match config.head {
        Head::Embedding if config.n_labels == 0 => {
            let (row, exponent) = state.residual.row(0, d);
            match config.own_length {
                true => widen(row, exponent, state.outputs),
                false => unit_length(row, state.outputs),
            }
        }
        Head::Embedding => {
            row_logits::<B>(weights, state, 0);
            // The buffer is rounded up.
            let outputs = first_mut(state.outputs, config.n_outputs());
            if config.head_tanh {
                // From Q0.15 to the unit of logits, exactly.
                let tanh = |x: &i32| (tanh(shift_by(*x, 4), LOGIT_EXPONENT + 4) as i32) << 1;
                outputs.iter_mut().for_each(|x| *x = tanh(x));
            }
            if !config.own_length {
                scale_to_one::<B::Kernels>(outputs);
            }
        }
        _ => row_logits::<B>(weights, state, 0),
    }
}

/// Scales outputs in any unit to length one, in Q1.30.
fn scale_to_one<K: Kernels>(outputs: &mut [i32]) {
    // 15 bits of each: 2^16 squares then fit 64 bits.
    let down = 17u32.saturating_sub(K::magnitude(outputs).leading_zeros());
    let narrow = |x: i32| round_shift(x as i64, down);
    let squares: u64 = outputs.iter().map(|&x| narrow(x).pow(2) as u64).sum();
    let (root, exponent) = rsqrt(squares);
    let right = (-30 - exponent).clamp(0, 62) as u32;
    for x in outputs.iter_mut() {
        *x = saturate(round_shift(narrow(*x) * root as i64, right));
    }
}

/// Writes the row into `out` in Q15.16; what is beyond becomes the largest number.
fn widen(row: &[i16], exponent: i32, out: &mut [i32]) {
    for (out, &x) in out.iter_mut().zip(row) {
        *out = shift_by(x as i32, LOGIT_EXPONENT - exponent);
    }
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
    fn rows_of_any_length_keep_it() {
        let mut out = [0; 3];
        widen(&[3, -2, i16::MAX], -17, &mut out);
        assert_eq!(out, [2, -1, 16384]);
        widen(&[3, -2, i16::MAX], -16, &mut out);
        assert_eq!(out, [3, -2, 32767]);
        widen(&[1, -1, 0], 20, &mut out);
        assert_eq!(out, [i32::MAX, i32::MIN, 0]);
    }

    #[test]
    fn unit_length_rows_have_length_one() {
        for scale in [1i16, 7, 900, 30000] {
            let row = [scale, -scale, scale / 2, 0, scale / 3];
            let mut out = [0; 5];
            unit_length(&row, &mut out);
            let length: f64 = out.iter().map(|&x| (x as f64 / (1u64 << 30) as f64).powi(2)).sum();
            assert!((length - 1.0).abs() < 1e-7, "{scale}: {length}");
            for wide in [1, 1 << 12, 1 << 16] {
                let mut out = row.map(|x| x as i32 * wide);
                scale_to_one::<crate::kernels::Portable>(&mut out);
                let real = out.map(|x| x as f64 / (1u64 << 30) as f64);
                let length: f64 = real.iter().map(|x| x.powi(2)).sum();
                assert!((length - 1.0).abs() < 1e-7, "{scale} {wide}: {length}");
                assert!(real[0] > 0.0 && (real[1] + real[0]).abs() < 1e-4 && real[3] == 0.0);
            }
        }
    }
}
