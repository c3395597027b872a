//! Widths that the engine wants as multiples of 4: heads are padded with zeros, which changes no result.

use crate::error::{Error, Result};
use crate::float_model::{FloatLinear, FloatModel};
use picoformer::config::{Config, round_up};
use std::borrow::Cow;

/// The configuration with heads as wide as the engine wants them.
pub fn padded(config: &Config) -> Config {
    Config { head_dim: round_up(config.head_dim, 4), ..*config }
}

/// Whether the engine can run a configuration once its heads are padded.
///
/// # Errors
/// [`Error::Config`] with the field at fault.
pub fn validate(config: &Config) -> Result<()> {
    padded(config).validate().map_err(|e| Error::Config(e.0.into()))
}

/// The model with padded heads: `q`, `k` and `v` give zeros there, `o` reads them with weight zero.
pub fn pad_heads(model: &FloatModel) -> Cow<'_, FloatModel> {
    let (old, new) = (model.config.head_dim, round_up(model.config.head_dim, 4));
    if old == new {
        return Cow::Borrowed(model);
    }
    let mut wider = model.clone();
    wider.config.head_dim = new;
    if !wider.frequencies.is_empty() && wider.frequencies.len() == old / 2 {
        wider.frequencies.resize(new / 2, 0.0);
    }
    let FloatModel { layers, decoder, .. } = &mut wider;
    let (mut own, mut cross) = (Vec::new(), Vec::new());
    if let Some(decoder) = decoder {
        own.extend(&mut decoder.layers);
        cross.extend(&mut decoder.cross);
    }
    let attentions = layers.iter_mut().chain(own).map(|l| (&mut l.q, &mut l.k, &mut l.v, &mut l.o));
    let cross = cross.into_iter().map(|l| (&mut l.q, &mut l.k, &mut l.v, &mut l.o));
    for (q, k, v, o) in attentions.chain(cross) {
        for l in [q, k, v] {
            pad_outputs(l, old, new);
        }
        pad_inputs(o, old, new);
    }
    Cow::Owned(wider)
}

/// `values` in runs of `old`, each filled up with zeros to `new`.
fn stretch(values: &[f32], old: usize, new: usize) -> Vec<f32> {
    let zeros = std::iter::repeat_n(0.0, new - old);
    values.chunks(old).flat_map(|run| run.iter().copied().chain(zeros.clone())).collect()
}

fn pad_outputs(layer: &mut FloatLinear, old: usize, new: usize) {
    layer.weight = stretch(&layer.weight, old * layer.in_dim, new * layer.in_dim);
    layer.bias = layer.bias.as_deref().map(|bias| stretch(bias, old, new));
    layer.out_dim = layer.out_dim / old * new;
}

fn pad_inputs(layer: &mut FloatLinear, old: usize, new: usize) {
    layer.weight = stretch(&layer.weight, old, new);
    layer.in_dim = layer.in_dim / old * new;
}
