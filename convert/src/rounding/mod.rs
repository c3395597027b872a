//! Rounding of weights to four bits, so that a layer's results change least.
//!
//! A weight's error can be made good by those that are rounded after it, as far as their inputs go together.
//! With the second moments `H = Σ x xᵀ` of a layer's inputs, a row of weights `w` that is stored as `ŵ` changes
//! the layer's results by `(w − ŵ)ᵀ H (w − ŵ)`, summed over the inputs; that is what is made small: first by
//! the solution of Frantar et al. 2022 ("GPTQ", §3: one weight after the other, each error spread over the
//! rest by the inverse of `H`), then one weight at a time, as long as that helps (coordinate descent).
//! Without moments, every weight is rounded to the nearest. Weights that were trained on a grid of four bits
//! stay on it.

mod moments;
mod row;
mod settled;

use crate::float_model::FloatLinear;
use crate::float_weights::Rounded;
use crate::grid::grid;
pub use moments::Moments;

/// The layer's weights in four bits. `moments`: `H`, or nothing.
pub fn round(layer: &FloatLinear, moments: &[f64]) -> Rounded {
    if let Some(rounded) = settled::settled(layer) {
        return rounded;
    }
    let moments = Moments::new(moments, layer.in_dim);
    let rows = || layer.weight.chunks_exact(layer.in_dim);
    let steps: Vec<f64> = rows().map(|row| row::step(row, &moments)).collect();
    let (multipliers, exponent) = grid(&steps);
    let unit = 2f64.powi(exponent as i32);
    let steps = multipliers.iter().map(|&multiplier| multiplier.max(1) as f64 * unit);
    let codes = rows().zip(steps).flat_map(|(row, step)| row::codes(row, step, &moments));
    Rounded { codes: codes.collect(), multipliers, exponent }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where two inputs always are the same, only the sum of their weights counts: errors make up for each
    /// other.
    #[test]
    fn errors_make_up_for_each_other() {
        let weight = vec![0.7, 0.34, 0.34, -0.8];
        let layer = FloatLinear { weight, out_dim: 1, in_dim: 4, ..FloatLinear::default() };
        let mut moments = vec![0.0; 16];
        for (a, b) in [(0, 0), (1, 1), (2, 2), (3, 3), (1, 2), (2, 1)] {
            moments[4 * a + b] = 1.0;
        }
        let error = |rounded: &Rounded| {
            let step = rounded.multipliers[0] as f64 * 2f64.powi(rounded.exponent as i32);
            let e = |i: usize| layer.weight[i] as f64 - step * rounded.codes[i] as f64;
            e(0).powi(2) + (e(1) + e(2)).powi(2) + e(3).powi(2)
        };
        let (plain, compensated) = (round(&layer, &[]), round(&layer, &moments));
        assert!(error(&compensated) < 0.5 * error(&plain), "{plain:?} {compensated:?}");
    }

    #[test]
    fn zeros_stay_zeros() {
        let weight = vec![0.0, 0.0, 1.0, -1.0];
        let layer = FloatLinear { weight, out_dim: 2, in_dim: 2, ..FloatLinear::default() };
        assert_eq!(round(&layer, &[]).codes[..2], [0, 0]);
        assert_eq!(round(&layer, &[1.0, 1.0, 1.0, 1.0]).codes[..2], [0, 0]);
    }
}
