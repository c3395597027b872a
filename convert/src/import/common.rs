//! What the importers share: options and tensors under the names of Hugging Face.

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::float_weights::{FloatLinear, FloatNorm};
use picoformer::config::{Activation, MAX_BEAMS};

/// The beam width that a checkpoint asks for; otherwise 4, as most do.
pub fn beams(c: &Checkpoint) -> usize {
    c.generation("num_beams").unwrap_or(4).clamp(1, MAX_BEAMS)
}

/// Longest target, the start token counted: what the checkpoint generates at most, within `context`.
/// (`max_length` counts the start token, `max_new_tokens` does not but counts the end token.)
pub fn target_context(c: &Checkpoint, context: usize) -> usize {
    let new = c.generation("max_new_tokens").ok();
    let all = c.generation("max_length").ok().map(|length| length.saturating_sub(1));
    new.or(all).filter(|&length| length > 0).unwrap_or(context).min(context)
}

/// An option of `config.json` that the engine cannot run.
pub fn unsupported(key: &str, found: impl ToString, supported: &str) -> Error {
    Error::Unsupported { key: key.into(), found: found.to_string(), supported: supported.into() }
}

/// `hidden_act` and its relatives.
pub fn activation(key: &str, name: &str) -> Result<Activation> {
    match name {
        "relu" => Ok(Activation::Relu),
        "gelu" => Ok(Activation::GeluErf),
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
        "silu" | "swish" => Ok(Activation::Silu),
        _ => Err(unsupported(key, name, "relu, gelu, gelu_new, gelu_pytorch_tanh, silu")),
    }
}

/// `name.weight` of `(out, in)` and, if asked for, `name.bias`.
pub fn linear(
    c: &Checkpoint,
    name: &str,
    out: usize,
    inp: usize,
    bias: bool,
) -> Result<FloatLinear> {
    Ok(FloatLinear {
        weight: c.tensor(&format!("{name}.weight"), &[out, inp])?,
        bias: if bias { Some(c.tensor(&format!("{name}.bias"), &[out])?) } else { None },
        out_dim: out,
        in_dim: inp,
    })
}

/// `name.weight` and, if asked for, `name.bias` of a norm.
pub fn norm(c: &Checkpoint, name: &str, d: usize, bias: bool) -> Result<FloatNorm> {
    Ok(FloatNorm {
        gain: c.tensor(&format!("{name}.weight"), &[d])?,
        bias: if bias { Some(c.tensor(&format!("{name}.bias"), &[d])?) } else { None },
    })
}

/// Checks that heads divide widths, before anything divides by them.
pub fn head_dim(key: &str, d: usize, heads: usize) -> Result<usize> {
    if heads == 0 || !d.is_multiple_of(heads) {
        return Err(unsupported(key, heads, "a number of heads that divides the width"));
    }
    Ok(d / heads)
}
