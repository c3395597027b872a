//! Weights of four bits: which layers get them, what their inputs are, and how they are rounded.

use crate::error::{Error, Result};
use crate::float_model::{FloatLinear, FloatModel, FloatNorm};
use crate::float_weights::Seen;
use crate::own_text::{SEEDS, write_texts, writer};
use crate::pad::pad_heads;
use crate::quantize::fold;
use crate::rounding::round;
use crate::writer::Wide;
use picoformer::config::{Architecture, NormOrder, Role, Roles};
use std::ops::Range;

/// The roles that get four bits where nobody says otherwise: all that the model has, but for the keys of a
/// decoder. These are few weights and a quarter of a small decoder's loss.
pub fn default_roles(model: &FloatModel) -> Roles {
    let roles = model.config.roles();
    match model.config.architecture {
        Architecture::Decoder => roles.without(Role::Key),
        _ => roles,
    }
}

/// Gives the layers of these roles weights of four bits. `texts` are token ids that the model reads in use;
/// with none, a decoder writes its own, and any other model's weights are rounded to the nearest.
///
/// # Errors
/// As [`write()`](crate::writer::write).
pub fn fit(model: &mut FloatModel, roles: Roles, wide: Wide, texts: &[Vec<u32>]) -> Result<()> {
    *model = rounded(model, roles, wide, texts)?;
    Ok(())
}

/// The model as [`fit`] leaves it: heads padded, norms folded into the layers that read them, and the layers of
/// these roles rounded.
///
/// # Errors
/// As [`fit`].
pub fn rounded(
    model: &mut FloatModel,
    roles: Roles,
    wide: Wide,
    texts: &[Vec<u32>],
) -> Result<FloatModel> {
    let own = match model.config.architecture {
        Architecture::Decoder if texts.is_empty() => own_texts(model, wide, SEEDS)?,
        _ => Vec::new(),
    };
    let texts = if texts.is_empty() { &own } else { texts };
    let mut padded = pad_heads(model).into_owned();
    fold_norms(&mut padded);
    padded.config.four_bits = roles;
    let chosen = |linear: &(Role, &mut FloatLinear)| roles.contains(linear.0);
    for (_, layer) in padded.linears_mut().into_iter().filter(chosen) {
        layer.seen = Some(Seen::default());
    }
    texts.iter().for_each(|text| padded.read_through(text));
    for (_, layer) in padded.linears_mut().into_iter().filter(chosen) {
        let moments = layer.seen.take().map(|seen| seen.moments()).unwrap_or_default();
        layer.rounded = Some(round(layer, &moments));
    }
    Ok(padded)
}

/// A rounded model of which only these roles keep four bits.
pub fn with_roles(rounded: &FloatModel, roles: Roles) -> FloatModel {
    let mut model = rounded.clone();
    model.config.four_bits = roles;
    for (role, layer) in model.linears_mut() {
        if !roles.contains(role) {
            layer.rounded = None;
        }
    }
    model
}

/// Texts that a decoder with weights of eight bits writes.
///
/// # Errors
/// As [`fit`].
pub fn own_texts(model: &mut FloatModel, wide: Wide, seeds: Range<u64>) -> Result<Vec<Vec<u32>>> {
    let blob = writer(model, wide)?;
    let parsed = blob.parse().map_err(|source| Error::Blob { path: "the model".into(), source })?;
    write_texts(&parsed, model.parameters, seeds)
}

/// Puts the gains and biases of a pre-norm model's norms into the layers that read them, as its blob has them:
/// what is rounded is what is stored.
fn fold_norms(model: &mut FloatModel) {
    if model.config.norm_order != NormOrder::Pre {
        return;
    }
    let own = model.layers.iter_mut();
    let other = model.decoder.iter_mut().flat_map(|decoder| decoder.layers.iter_mut());
    for layer in own.chain(other) {
        fold_into(&mut layer.norm_1, [&mut layer.q, &mut layer.k, &mut layer.v]);
        fold_into(&mut layer.norm_2, layer.gate.iter_mut().chain([&mut layer.up]));
    }
    for cross in model.decoder.iter_mut().flat_map(|decoder| decoder.cross.iter_mut()) {
        fold_into(&mut cross.norm, [&mut cross.q]);
    }
}

fn fold_into<'l>(norm: &mut FloatNorm, layers: impl IntoIterator<Item = &'l mut FloatLinear>) {
    for layer in layers {
        *layer = fold(layer, norm);
    }
    norm.gain.fill(1.0);
    norm.bias.iter_mut().for_each(|bias| bias.fill(0.0));
}
