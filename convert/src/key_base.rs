//! A base for keys: what the keys of a decoder have in common is taken from them before they are rounded.
//!
//! Keys are stored in 8 bits with a scale per position and head. A pair of coordinates that hardly changes
//! from token to token and is large (that of the lowest rotary frequency, say) makes that scale coarse for
//! all others. `softmax(q (k − b)ᵀ) = softmax(q kᵀ)` for any `b`, because all scores of a query change by
//! the same `q b`; so keys are stored less their mean over a text that the model writes itself.

use crate::error::{Error, Result};
use crate::float_model::FloatModel;
use crate::own_text::{SEEDS, write_texts, writer};
use crate::pad::pad_heads;
use crate::writer::Wide;
use picoformer::Model;
use picoformer::blob::KEY_BASE;
use picoformer::config::{Architecture, Norm, NormOrder, Position};
use picoformer::kernels::Native;

/// Gives a decoder a base for its keys: the optional section [`KEY_BASE`] where they are rotated, and
/// otherwise a change of the bias of `k`. Other models, and a decoder without such a bias, stay as they are.
///
/// The engine itself writes the texts, seeded, with all of its rounding, so that they are the same on every
/// host; the keys of these texts are those of the f32 model.
///
/// # Errors
/// As [`write()`](crate::writer::write).
pub fn fit(model: &mut FloatModel, wide: Wide) -> Result<()> {
    let c = &model.config;
    let folded = c.norm_order == NormOrder::Pre && c.norm == Norm::Layer;
    let bias = c.qkv_bias || folded;
    let rotary = c.position == Position::Rotary;
    if c.architecture != Architecture::Decoder || !(rotary || bias) {
        return Ok(());
    }
    let blob = writer(model, wide)?;
    let parsed = blob.parse().map_err(|source| Error::Blob { path: "the model".into(), source })?;
    let mut means = vec![Mean::default(); model.config.n_layers];
    let padded = pad_heads(model);
    for text in write_texts(&parsed, model.parameters, SEEDS)? {
        padded.each_key(&text, &mut |layer, row| means[layer].add(row));
    }
    let means: Vec<Vec<f64>> = means.into_iter().map(Mean::value).collect();
    if rotary {
        let data = means.iter().enumerate().flat_map(|(layer, mean)| section(&parsed, layer, mean));
        let data = data.collect();
        drop(padded);
        model.set_section(KEY_BASE, data);
        return Ok(());
    }
    let mut wider = padded.into_owned();
    for (layer, mean) in wider.layers.iter_mut().zip(means) {
        let k = &mut layer.k;
        let bias = k.bias.get_or_insert_with(|| vec![0.0; mean.len()]);
        bias.iter_mut().zip(mean).for_each(|(b, m)| *b = (*b as f64 - m) as f32);
    }
    wider.config.qkv_bias = true;
    *model = wider;
    Ok(())
}

/// A layer's part of the section: its mean key in the unit of its keys.
fn section(model: &Model, layer: usize, mean: &[f64]) -> Vec<u8> {
    let weights = model.weights::<Native>().layer(picoformer::config::Side::Decoder, layer);
    let unit = 2f64.powi(weights.section.output_exponent(&model.layout().layer.attention.k));
    let half = |x: &f64| (x / unit).round().clamp(i16::MIN as f64, i16::MAX as f64) as i16;
    mean.iter().flat_map(|x| half(x).to_le_bytes()).collect()
}

/// The mean of rows.
#[derive(Clone, Default)]
struct Mean {
    sums: Vec<f64>,
    rows: usize,
}

impl Mean {
    fn add(&mut self, row: &[f32]) {
        self.sums.resize(row.len(), 0.0);
        self.sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x as f64);
        self.rows += 1;
    }

    fn value(self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.rows.max(1) as f64).collect()
    }
}
