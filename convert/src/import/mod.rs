//! From a family's tensor names to the canonical weights of [`FloatModel`]: one file per family.

mod bart;
mod bert;
mod gpt2;
pub(crate) mod llama;
pub mod llama2c;
mod t5;

use crate::checkpoint::{Checkpoint, is_buffer};
use crate::error::{Error, Result};
use crate::float_model::{FloatLinear, FloatModel, FloatNorm};
use crate::pad::validate;
use picoformer::config::*;

/// Families that [`import`] reads.
pub const FAMILIES: &str =
    "bart, bert, gpt2, llama, marian, mistral, t5 (Hugging Face folders); llama2.c .bin files";

/// Imports a checkpoint by its `model_type`.
///
/// # Errors
/// An unsupported family or option, missing, ill-shaped or superfluous tensors.
pub fn import(checkpoint: &Checkpoint) -> Result<FloatModel> {
    let family = checkpoint.text("model_type").unwrap_or("missing").to_owned();
    let model = match family.as_str() {
        "bert" => bert::import(checkpoint),
        "gpt2" => gpt2::import(checkpoint),
        "llama" | "mistral" => llama::import(checkpoint),
        "bart" => bart::import(checkpoint),
        "marian" => bart::import_marian(checkpoint),
        "t5" => t5::import(checkpoint),
        _ => Err(Error::Unsupported {
            key: "model_type".into(),
            found: family,
            supported: FAMILIES.into(),
        }),
    }?;
    checkpoint.finish(is_buffer)?;
    validate(&model.config)?;
    Ok(model)
}

/// [`Config::base`]; importers set what differs.
pub fn plain_config(architecture: Architecture) -> Config {
    Config::base(architecture)
}

/// The beam width that a checkpoint asks for; otherwise 4, as most do.
fn beams(c: &Checkpoint) -> usize {
    c.generation("num_beams").unwrap_or(4).clamp(1, MAX_BEAMS)
}

/// Longest target, the start token counted: what the checkpoint generates at most, within `context`.
/// (`max_length` counts the start token, `max_new_tokens` does not but counts the end token.)
fn target_context(c: &Checkpoint, context: usize) -> usize {
    let new = c.generation("max_new_tokens").ok();
    let all = c.generation("max_length").ok().map(|length| length.saturating_sub(1));
    new.or(all).filter(|&length| length > 0).unwrap_or(context).min(context)
}

/// An option of `config.json` that the engine cannot run.
fn unsupported(key: &str, found: impl ToString, supported: &str) -> Error {
    Error::Unsupported { key: key.into(), found: found.to_string(), supported: supported.into() }
}

/// `hidden_act` and its relatives.
fn activation(key: &str, name: &str) -> Result<Activation> {
    match name {
        "relu" => Ok(Activation::Relu),
        "gelu" => Ok(Activation::GeluErf),
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
        "silu" | "swish" => Ok(Activation::Silu),
        _ => Err(unsupported(key, name, "relu, gelu, gelu_new, gelu_pytorch_tanh, silu")),
    }
}

/// `name.weight` of `(out, in)` and, if asked for, `name.bias`.
fn linear(c: &Checkpoint, name: &str, out: usize, inp: usize, bias: bool) -> Result<FloatLinear> {
    Ok(FloatLinear {
        weight: c.tensor(&format!("{name}.weight"), &[out, inp])?,
        bias: if bias { Some(c.tensor(&format!("{name}.bias"), &[out])?) } else { None },
        out_dim: out,
        in_dim: inp,
    })
}

/// `name.weight` and, if asked for, `name.bias` of a norm.
fn norm(c: &Checkpoint, name: &str, d: usize, bias: bool) -> Result<FloatNorm> {
    Ok(FloatNorm {
        gain: c.tensor(&format!("{name}.weight"), &[d])?,
        bias: if bias { Some(c.tensor(&format!("{name}.bias"), &[d])?) } else { None },
    })
}

/// Checks that heads divide widths, before anything divides by them.
fn head_dim(key: &str, d: usize, heads: usize) -> Result<usize> {
    if heads == 0 || !d.is_multiple_of(heads) {
        return Err(unsupported(key, heads, "a number of heads that divides the width"));
    }
    Ok(d / heads)
}
