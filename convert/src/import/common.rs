//! What the importers share: options and tensors under the names of Hugging Face.

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result, input};
use crate::float_weights::{FloatLinear, FloatNorm};
use picoformer::config::Activation;

/// The one head that a family is read with. A missing `architectures` is that of the tensors.
pub fn architecture<'c>(c: &'c Checkpoint, default: &'static str) -> Result<&'c str> {
    let wrong = || c.config.wrong("architectures", "a list of one name");
    match c.config.get("architectures").map(|v| v.as_array().map(Vec::as_slice)) {
        None => Ok(default),
        Some(Some([one])) => one.as_str().ok_or_else(wrong),
        Some(_) => Err(wrong()),
    }
}

/// Refuses a head that a family is not read with, and tells what to do.
pub fn other_head(c: &Checkpoint, head: &str, supported: &str) -> Error {
    let what = if head.contains("MaskedLM") || head.contains("PreTraining") {
        ": guesses of masked words have no place in the engine; train a classifier on this body, or take \
         its sentence embedding (architectures BertModel)"
    } else if head.contains("QuestionAnswering") {
        ": spans of an answer have no place in the engine; label tokens instead"
    } else if head.contains("Classification") {
        ": of this family no classifiers; train one on a BERT, a GPT-2, a Llama or a Mistral"
    } else if head.contains("MultipleChoice") || head.contains("NextSentence") {
        ": pairs of texts have no place in the engine; train a classifier of single texts"
    } else if head.ends_with("Model") {
        ": a body without a head writes nothing; convert the checkpoint with its head, or, for embeddings, \
         the folder of sentence-transformers with its modules.json"
    } else {
        ""
    };
    c.config.refuse_found("architectures", format!("{head:?}"), format!("{supported}{what}"))
}

/// Positions: what the user asks for, or the checkpoint's own; never more than were learned.
pub fn context(c: &Checkpoint, own: usize, learned: bool) -> Result<usize> {
    match c.options.context {
        None => Ok(own),
        Some(context) if context == 0 || (learned && context > own) => {
            let limit = if learned { format!("1 to {own}") } else { "1 or more".into() };
            Err(input(
                format!("--context {context} is not possible"),
                format!("the checkpoint's positions allow {limit}"),
            ))
        }
        Some(context) => Ok(context),
    }
}

/// The activation function under a key.
pub fn activation(c: &Checkpoint, key: &str, default: &str) -> Result<Activation> {
    activation_named(c, key, c.config.text(key)?.unwrap_or(default))
}

/// An activation function by its name in transformers.
pub fn activation_named(c: &Checkpoint, key: &str, name: &str) -> Result<Activation> {
    match name {
        "relu" => Ok(Activation::Relu),
        "gelu" | "gelu_python" => Ok(Activation::GeluErf),
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_python_tanh" | "gelu_accurate" => {
            Ok(Activation::GeluTanh)
        }
        "silu" | "swish" => Ok(Activation::Silu),
        _ => {
            let supported = "relu, gelu, gelu_new, gelu_pytorch_tanh, silu";
            Err(c.config.refuse_found(key, format!("\"{name}\""), supported))
        }
    }
}

/// The ε of a norm.
pub fn epsilon(c: &Checkpoint, key: &str, default: f64) -> Result<f32> {
    Ok(c.config.positive(key)?.unwrap_or(default) as f32)
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
        ..FloatLinear::default()
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
pub fn head_dim(c: &Checkpoint, key: &str, d: usize, heads: usize) -> Result<usize> {
    if heads == 0 || !d.is_multiple_of(heads) {
        let supported = format!("a number of heads that divides the width {d}");
        return Err(c.config.refuse_found(key, heads, supported));
    }
    Ok(d / heads)
}
