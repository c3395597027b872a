//! LayerNorm (Ba et al. 2016) and RMSNorm (Zhang & Sennrich 2019) of a row, exact in 64 bits.
//!
//! ```text
//! LayerNorm  n_i = (x_i − mean) / sqrt(var + ε)         RMSNorm  n_i = x_i / sqrt(mean(x²) + ε)
//! ```
//!
//! In integers, LayerNorm is `c_i / sqrt(V)` with `c_i = d·x_i − Σx` and
//! `V = d·Σx² − (Σx)² + ε·d²`, and RMSNorm is `d·x_i / sqrt(d·Σx² + ε·d²)`. After centring, a norm
//! only scales the row, and a linear layer scales its input to the largest magnitude anyway: so
//! [`normalized`] costs one pass for the sums and the range of the row, which gives the largest
//! `|c_i|`, and the linear layer's quantisation does the rest.

use super::row::{Input, renormalize};
use crate::config::Norm;
use crate::fixed::{Scale, rsqrt};
use crate::kernels::{Kernels, RowScale, Statistics};
use crate::model::NormWeights;
use crate::slices::first_mut;

/// ε as `mantissa · 2^exponent`.
pub type Epsilon = (u16, i16);

/// The row `n` (without gain and bias) as input of a linear layer. `x` is in units of `2^exponent`.
#[inline(never)]
pub fn normalized<'a, K: Kernels>(
    x: &'a [i16],
    exponent: i32,
    norm: Norm,
    epsilon: Epsilon,
    wide: bool,
) -> Input<'a> {
    let d = x.len() as u64;
    let Statistics { sum, squares, range: (low, high) } = K::statistics(x);
    let (multiply, subtract, variance) = match norm {
        // Cauchy-Schwarz: d·Σx² ≥ (Σx)², and both fit: d ≤ 2^13, |x| ≤ 2^15.
        Norm::Layer => {
            (x.len() as i32, sum, (d * squares).saturating_sub((sum as i64 * sum as i64) as u64))
        }
        Norm::Rms => (1, 0, d * squares),
    };
    let centre = |x: i16| (x as i32 * multiply - subtract).unsigned_abs();
    let largest = centre(low).max(centre(high));
    let (root, root_exponent) =
        rsqrt(variance.saturating_add(scaled_epsilon(d, exponent, epsilon)));
    let mut unit = Scale::new(root, root_exponent);
    if matches!(norm, Norm::Rms) {
        unit = unit.times(Scale::new(d as u32, 0));
    }
    Input::centred(x, multiply, subtract, largest, unit, wide)
}

/// `ε d²` in units of `2^(2 · exponent)`, saturated.
fn scaled_epsilon(d: u64, exponent: i32, epsilon: Epsilon) -> u64 {
    let value = epsilon.0 as u64 * d * d; // 16 + 26 bits
    let shift = epsilon.1 as i32 - 2 * exponent;
    if value != 0 && shift >= value.leading_zeros() as i32 - 1 {
        1 << 62
    } else if shift >= 0 {
        value.checked_shl(shift as u32).unwrap_or(0)
    } else {
        value.checked_shr(shift.unsigned_abs()).unwrap_or(0)
    }
}

/// Replaces a row of the residual stream by `gain · n + bias`; returns its new exponent. `sums` is
/// scratch of `x.len()`.
pub fn apply<K: Kernels>(
    x: &mut [i16],
    exponent: i32,
    norm: Norm,
    epsilon: Epsilon,
    weights: &NormWeights,
    sums: &mut [i32],
) -> i16 {
    let input = normalized::<K>(x, exponent, norm, epsilon, false);
    let unit = unit_of(&input);
    let mut new_exponent = unit.exponent + 15 + weights.gain_exponent;
    let channels = match norm {
        Norm::Layer => weights.channels,
        Norm::Rms => weights.channels.without_biases(),
    };
    // Keep the bias below 2^29, as the normalised part is below 2^30.
    if channels.has_biases() {
        new_exponent = new_exponent.max(weights.bias_exponent - 14);
    }
    let shift = new_exponent - unit.exponent - weights.gain_exponent;
    let scale = RowScale::new(unit.mantissa, shift, new_exponent - weights.bias_exponent);
    let sums = first_mut(sums, x.len());
    K::gain(x, &input.quantizer, &channels, &scale, sums);
    renormalize::<K>(sums, new_exponent, x)
}

/// Unit of the 15-bit numbers to which the quantiser shifts a normalised row: the unit of its 8-bit
/// numbers times `inverse / 2^23`.
fn unit_of(input: &Input) -> Scale {
    Scale::new(input.quantizer.inverse(), -23).times(input.scale)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::super::row::halves;
    use super::*;
    use crate::kernels::{Channels, Portable};
    use std::vec::Vec;

    fn row(len: usize, amplitude: f64, offset: f64, seed: u64) -> Vec<i16> {
        let mut state = seed;
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let u = (state >> 33) as f64 / (1u64 << 31) as f64 * 2.0 - 1.0;
                (u * amplitude + offset) as i16
            })
            .collect()
    }

    fn reference(x: &[i16], exponent: i32, norm: Norm, epsilon: f64) -> Vec<f64> {
        let real: Vec<f64> = x.iter().map(|&x| x as f64 * 2f64.powi(exponent)).collect();
        let d = real.len() as f64;
        let mean = if norm == Norm::Layer { real.iter().sum::<f64>() / d } else { 0.0 };
        let variance = real.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / d;
        real.iter().map(|x| (x - mean) / (variance + epsilon).sqrt()).collect()
    }

    /// Largest error of the quantised row, in units of the last place (0.5 is ideal).
    #[test]
    fn quantized_norms_are_within_half_a_unit_of_f64() {
        let (mantissa, exponent) = (42949u16, -32i16); // 1e-5
        for norm in [Norm::Layer, Norm::Rms] {
            for (len, amplitude, offset) in
                [(64, 30000.0, 0.0), (96, 200.0, 50.0), (384, 9000.0, -700.0), (512, 20.0, 3.0)]
            {
                for unit in [-20, -12, -3] {
                    let x = row(len, amplitude, offset, len as u64);
                    let epsilon = mantissa as f64 * 2f64.powi(exponent as i32);
                    let expected = reference(&x, unit, norm, epsilon);
                    let input = normalized::<Portable>(&x, unit, norm, (mantissa, exponent), false);
                    let scale = input.scale.mantissa as f64 * 2f64.powi(input.scale.exponent);
                    for (&x, expected) in x.iter().zip(expected) {
                        let found = input.quantizer.quantize(x) as f64;
                        assert!((found - expected / scale).abs() < 0.53, "{norm:?} {len} {unit}");
                    }
                }
            }
        }
    }

    #[test]
    fn explicit_norms_match_f64() {
        let mut bytes = [0; 2].map(|_| crate::Aligned([0u8; 192]));
        for (to, x) in bytes.iter_mut().zip([row(96, 9000.0, 12000.0, 5), row(96, 32000.0, 0.0, 6)])
        {
            let numbers = to.0.as_chunks_mut::<2>().0.iter_mut().zip(x);
            numbers.for_each(|(to, x)| *to = x.to_le_bytes());
        }
        let [gains, biases] = &bytes;
        let channels = Channels::new(&gains.0, &biases.0).unwrap();
        let weights = NormWeights { channels, gain_exponent: -14, bias_exponent: -15 };
        let mut x = row(96, 25000.0, 900.0, 7);
        let expected: Vec<f64> = reference(&x, -11, Norm::Layer, 1e-12)
            .iter()
            .zip(halves(&gains.0))
            .zip(halves(&biases.0))
            .map(|((n, g), b)| n * g as f64 / 16384.0 + b as f64 / 32768.0)
            .collect();
        let mut sums = [0; 96];
        let exponent =
            apply::<Portable>(&mut x, -11, Norm::Layer, (0, 0), &weights, &mut sums) as i32;
        let largest = expected.iter().fold(0f64, |m, e| m.max(e.abs()));
        for (x, expected) in x.iter().zip(expected) {
            let found = *x as f64 * 2f64.powi(exponent);
            assert!((found - expected).abs() < largest / 8000.0, "{found} {expected}");
        }
    }
}
