//! Weights that lie on a grid of four bits already, because they were trained on it.

use crate::float_model::FloatLinear;
use crate::float_weights::Rounded;
use crate::grid::exponent_for;

/// How far a weight may be off the grid, in steps: a file in bfloat16 rounds it by up to 2^-9, and the largest, by
/// which steps are found, as much: together 8 · 2^-8 steps. That all weights of a layer are as near by chance
/// does not happen.
const NEAR: f64 = 0.032;

/// The codes and steps of a layer of which every row is on a grid; `None` if some row is not.
pub fn settled(layer: &FloatLinear) -> Option<Rounded> {
    let mut codes = Vec::with_capacity(layer.weight.len());
    let mut steps = Vec::with_capacity(layer.out_dim);
    for row in layer.weight.chunks_exact(layer.in_dim) {
        let (own, step) = on_grid(row)?;
        codes.extend(own);
        steps.push(step);
    }
    let exponent = exponent_for(steps.iter().copied().fold(0.0, f64::max), 32767.0);
    let unit = 2f64.powi(exponent as i32);
    // To the nearest, other than for codes that are yet to be found: these stay as they are.
    let multiplier = |step: &f64| (step / unit).round().clamp(0.0, 32767.0) as u16;
    Some(Rounded { codes, multipliers: steps.iter().map(multiplier).collect(), exponent })
}

/// The codes of a row and their step, the widest possible.
fn on_grid(row: &[f32]) -> Option<(Vec<i8>, f64)> {
    let largest = row.iter().fold(0f64, |m, &w| m.max((w as f64).abs()));
    if largest == 0.0 {
        return Some((vec![0; row.len()], 0.0));
    }
    (1..=8).find_map(|code| {
        let step = largest / code as f64;
        let codes: Option<Vec<i8>> = row.iter().map(|&w| code_of(w as f64 / step)).collect();
        let codes = codes?;
        // All weights together know the step better than the largest one.
        let pairs = || row.iter().zip(&codes).map(|(&w, &q)| (w as f64, q as f64));
        let step =
            pairs().map(|(w, q)| w * q).sum::<f64>() / pairs().map(|(_, q)| q * q).sum::<f64>();
        Some((codes, step))
    })
}

/// The code that a number of steps is, if it is one.
fn code_of(steps: f64) -> Option<i8> {
    let code = steps.round();
    ((steps - code).abs() <= NEAR && (-8.0..=7.0).contains(&code)).then_some(code as i8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(codes: &[[i8; 6]], steps: &[f32], file: fn(f32) -> f32) -> FloatLinear {
        let row = |(codes, step): (&[i8; 6], &f32)| codes.map(|q| file(q as f32 * step));
        let weight = codes.iter().zip(steps).flat_map(row).collect();
        FloatLinear { weight, out_dim: codes.len(), in_dim: 6, ..FloatLinear::default() }
    }

    const CODES: [[i8; 6]; 4] =
        [[-8, 7, 3, 0, -1, 2], [5, -3, 4, 0, 0, 1], [0; 6], [-8, -5, 1, 2, 6, -7]];
    const STEPS: [f32; 4] = [0.031, 0.0107, 0.0, 0.000_043];

    /// In the file's precision, of 32 bits and of 16.
    #[test]
    fn codes_and_steps_are_found_again() {
        let bfloat16 = |w: f32| f32::from_bits((w.to_bits() + 0x8000) & 0xffff_0000);
        for (file, error) in [((|w| w) as fn(f32) -> f32, 1e-4), (bfloat16, 4e-3)] {
            let found = settled(&layer(&CODES, &STEPS, file)).unwrap();
            assert_eq!(found.codes, CODES.concat());
            for (multiplier, step) in found.multipliers.iter().zip(STEPS) {
                let own = *multiplier as f32 * 2f32.powi(found.exponent as i32);
                // The smallest step is 720 times below the largest: 45 of its 15 bits' units.
                let error = error * step + 0.5 * 2f32.powi(found.exponent as i32);
                assert!((own - step).abs() <= error, "{own} {step}");
            }
        }
    }

    #[test]
    fn weights_of_a_blobs_grid_come_back_exactly() {
        let unit = 2f32.powi(-20);
        let steps = [32_767.0 * unit, 20_001.0 * unit, 0.0, 3.0 * unit];
        let found = settled(&layer(&CODES, &steps, |w| w)).unwrap();
        assert_eq!((found.multipliers, found.exponent), (vec![32_767, 20_001, 0, 3], -20));
        assert_eq!(found.codes, CODES.concat());
    }

    #[test]
    fn one_weight_beside_the_grid_is_enough() {
        let mut off = layer(&CODES, &STEPS, |w| w);
        off.weight[23] *= 1.03;
        assert!(settled(&off).is_none());
        let nine = layer(&[[9, 1, 0, 0, 0, 0]], &[0.5], |w| w);
        assert!(settled(&nine).is_none());
    }
}
