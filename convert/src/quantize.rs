//! From f32 layers to the sections of a blob: weights of eight or four bits with a multiplier per output,
//! biases and gains of 16 bits, and the power-of-two units that the engine computes in.

use crate::float_model::{FloatLinear, FloatNorm};
use crate::float_weights::Rounded;
pub use crate::grid::exponent_for;
use crate::grid::grid;
use crate::rounding;
use picoformer::blob::{ALIGN, LinearLayout, META_BYTES};
use picoformer::config::round_up;
use picoformer::matrix::Packing;

/// Numbers as `i16` with one power of two; returns the bytes and the exponent.
pub fn halves(values: &[f32], padded_bytes: usize) -> (Vec<u8>, i16) {
    let largest = values.iter().fold(0f64, |m, &x| m.max(x.abs() as f64));
    let exponent = exponent_for(largest, 32767.0);
    let unit = 2f64.powi(exponent as i32);
    let mut bytes: Vec<u8> = values
        .iter()
        .flat_map(|&x| ((x as f64 / unit).round().clamp(-32767.0, 32767.0) as i16).to_le_bytes())
        .collect();
    bytes.resize(padded_bytes, 0);
    (bytes, exponent)
}

/// How a linear layer is to be quantised.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Greatest magnitude of its 16-bit results, or 0 when it gives 32-bit ones.
    pub bound: f64,
    /// 12-bit input rows instead of 8.
    pub wide: bool,
    /// How the weights are packed.
    pub packing: Packing,
}

/// A layer's weights, rounded to eight bits: each to the nearest.
fn nearest(layer: &FloatLinear) -> Rounded {
    let rows = || layer.weight.chunks_exact(layer.in_dim);
    let largest = |row: &[f32]| row.iter().fold(0f64, |m, &w| m.max(w.abs() as f64));
    let steps: Vec<f64> = rows().map(|row| largest(row) / 127.0).collect();
    let (multipliers, exponent) = grid(&steps);
    let unit = 2f64.powi(exponent as i32);
    let code = |w: &f32, step: f64| (*w as f64 / step).round().clamp(-127.0, 127.0) as i8;
    let steps = multipliers.iter().map(|&multiplier| multiplier.max(1) as f64 * unit);
    let codes = rows().zip(steps).flat_map(|(row, step)| row.iter().map(move |w| code(w, step)));
    Rounded { codes: codes.collect(), multipliers, exponent }
}

/// The section of a linear layer.
pub fn linear(layer: &FloatLinear, options: Options) -> Vec<u8> {
    let layout =
        LinearLayout::new(layer.out_dim, layer.in_dim, layer.bias.is_some(), options.packing);
    let (packing, padded_in) = (layout.packing, layout.padded_in());
    let rounded = match (&layer.rounded, packing) {
        (Some(rounded), _) => rounded.clone(),
        (None, Packing::Nibbles) => rounding::round(layer, &[]),
        (None, _) => nearest(layer),
    };
    let mut section = vec![0u8; layout.bytes()];
    let output_exponent = exponent_for(options.bound, 32767.0);
    put(&mut section, 0, &rounded.exponent.to_le_bytes());
    put(&mut section, 4, &output_exponent.to_le_bytes());
    put(&mut section, 6, &(if options.wide { 12u16 } else { 8 }).to_le_bytes());
    for r in 0..layout.padded_out() {
        // Outputs and inputs that only fill up are 0, which need not be zero bytes.
        let row = rounded.codes.chunks_exact(layer.in_dim).nth(r).unwrap_or_default();
        for word in 0..padded_in / 4 {
            let code = |i: usize| row.get(4 * word + i).copied().unwrap_or(0);
            let packed = packing.pack([0, 1, 2, 3].map(code)).to_le_bytes();
            let at = META_BYTES + packing.word_offset(r, word, padded_in);
            put(&mut section, at, &packed[..packing.word_bytes()]);
        }
    }
    for (r, multiplier) in rounded.multipliers.iter().enumerate() {
        put(&mut section, layout.multipliers() + 2 * r, &multiplier.to_le_bytes());
    }
    if let Some(bias) = &layer.bias {
        let (bytes, exponent) = halves(bias, round_up(2 * layout.padded_out(), ALIGN));
        put(&mut section, 2, &exponent.to_le_bytes());
        put(&mut section, layout.biases(), &bytes);
    }
    section
}

/// The section of an explicit norm.
pub fn norm(norm: &FloatNorm, with_bias: bool) -> Vec<u8> {
    let row = round_up(norm.gain.len() * 2, ALIGN);
    let mut section = vec![0u8; META_BYTES];
    let (gains, exponent) = halves(&norm.gain, row);
    put(&mut section, 0, &exponent.to_le_bytes());
    section.extend(gains);
    if with_bias {
        let zero = vec![0.0; norm.gain.len()];
        let (biases, exponent) = halves(norm.bias.as_ref().unwrap_or(&zero), row);
        put(&mut section, 2, &exponent.to_le_bytes());
        section.extend(biases);
    }
    section
}

/// Writes bytes at an offset.
pub fn put(section: &mut [u8], offset: usize, bytes: &[u8]) {
    section[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// Folds a norm's gain and bias into the linear layer that reads it:
/// `W (g ⊙ n + b) + c = (W diag g) n + (W b + c)`.
pub fn fold(layer: &FloatLinear, norm: &FloatNorm) -> FloatLinear {
    let mut folded = layer.clone();
    for row in folded.weight.chunks_exact_mut(layer.in_dim) {
        row.iter_mut().zip(&norm.gain).for_each(|(w, g)| *w *= g);
    }
    if let Some(bias) = &norm.bias {
        let zero = vec![0.0; layer.out_dim];
        let own = layer.bias.as_ref().unwrap_or(&zero);
        let rows = layer.weight.chunks_exact(layer.in_dim).zip(own);
        let sum = |row: &[f32]| row.iter().zip(bias).map(|(w, b)| (w * b) as f64).sum::<f64>();
        folded.bias = Some(rows.map(|(row, own)| (sum(row) + *own as f64) as f32).collect());
    }
    folded
}

/// Greatest magnitude of a layer's outputs on a row of at most `length`: by Cauchy-Schwarz
/// `|w · n| ≤ length · ‖w‖`. A normalised row has length at most √d.
pub fn bound(layer: &FloatLinear, length: f64) -> f64 {
    let rows = layer.weight.chunks_exact(layer.in_dim);
    let norms = rows.map(|row| row.iter().map(|&w| (w as f64).powi(2)).sum::<f64>().sqrt());
    let bias = |r: usize| layer.bias.as_ref().map_or(0.0, |b| b[r].abs() as f64);
    norms.enumerate().map(|(r, norm)| length * norm + bias(r)).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_a_norm_changes_no_result() {
        let layer = FloatLinear {
            weight: vec![1.0, -2.0, 0.5, 3.0],
            bias: Some(vec![0.1, -0.2]),
            out_dim: 2,
            in_dim: 2,
            ..FloatLinear::default()
        };
        let norm = FloatNorm { gain: vec![2.0, -1.5], bias: Some(vec![0.25, 4.0]) };
        let n = [0.7f32, -1.1];
        let row: Vec<f32> =
            (0..2).map(|i| n[i] * norm.gain[i] + norm.bias.as_ref().unwrap()[i]).collect();
        for (a, b) in layer.forward(&row).iter().zip(fold(&layer, &norm).forward(&n)) {
            assert!((a - b).abs() < 1e-5);
        }
    }
}
