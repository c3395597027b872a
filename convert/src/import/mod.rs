//! From a family's tensor names to the canonical weights of [`FloatModel`]: one file per family.

mod bart;
mod bert;
mod gpt2;
pub(crate) mod llama;
pub mod llama2c;
mod sentence;
mod t5;

use crate::account::{Document, known};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result, input};
use crate::float_model::{FloatLinear, FloatModel, FloatNorm};
use crate::generation;
use crate::pad::validate;
use picoformer::config::*;

/// Families that [`import`] reads.
pub const FAMILIES: &str =
    "bart, bert, gpt2, llama, marian, mistral, t5 (Hugging Face folders); llama2.c .bin files";

/// The family of a checkpoint.
///
/// # Errors
/// [`Error::Unsupported`] for one that is not read.
pub fn family(config: &Document) -> Result<&str> {
    match config.text("model_type")? {
        Some(known @ ("bert" | "gpt2" | "llama" | "mistral" | "bart" | "marian" | "t5")) => {
            Ok(known)
        }
        found => Err(Error::Unsupported {
            file: config.name().into(),
            key: "model_type".into(),
            found: found.map_or_else(|| "missing".into(), |found| format!("\"{found}\"")),
            supported: FAMILIES.into(),
        }),
    }
}

/// Imports a checkpoint by its `model_type`.
///
/// # Errors
/// An unsupported family or option, missing, ill-shaped or superfluous tensors, a key that is not
/// accounted for.
pub fn import(checkpoint: &Checkpoint) -> Result<FloatModel> {
    let family = family(&checkpoint.config)?;
    let (model, keys): (FloatModel, &[known::Known]) = match family {
        "bert" => (bert::import(checkpoint)?, known::BERT),
        "gpt2" => (gpt2::import(checkpoint)?, known::GPT2),
        "llama" | "mistral" => (llama::import(checkpoint)?, known::LLAMA),
        "bart" => (bart::import(checkpoint)?, known::SEQ2SEQ),
        "marian" => (bart::import_marian(checkpoint)?, known::SEQ2SEQ),
        _ => (t5::import(checkpoint)?, known::SEQ2SEQ),
    };
    let alone = if family == "llama" { known::LLAMA_ALONE } else { &[] };
    let headless = if model.labels.is_empty() { known::HEADLESS } else { &[] };
    checkpoint.finish()?;
    let lists = [keys, alone, headless, known::CONFIG, generation::IN_CONFIG];
    checkpoint.config.finish(&lists)?;
    validate(&model.config)?;
    Ok(model)
}

/// [`Config::base`]; importers set what differs.
pub fn plain_config(architecture: Architecture) -> Config {
    Config::base(architecture)
}

/// The one head that a family is read with. A missing `architectures` is that of the tensors.
fn architecture<'c>(c: &'c Checkpoint, default: &'static str) -> Result<&'c str> {
    let wrong = || c.config.wrong("architectures", "a list of one name");
    match c.config.get("architectures").map(|v| v.as_array().map(Vec::as_slice)) {
        None => Ok(default),
        Some(Some([one])) => one.as_str().ok_or_else(wrong),
        Some(_) => Err(wrong()),
    }
}

/// Refuses a head that a family is not read with, and tells what to do.
fn other_head(c: &Checkpoint, head: &str, supported: &str) -> Error {
    let what = if head.contains("MaskedLM") || head.contains("PreTraining") {
        ": guesses of masked words have no place in the engine; train a classifier on this body, or take \
         its sentence embedding (architectures BertModel)"
    } else if head.contains("QuestionAnswering") {
        ": spans of an answer have no place in the engine; label tokens instead"
    } else if head.contains("ForSequenceClassification") || head.contains("ForTokenClassification")
    {
        ": of this family only models that write; classify with BERT"
    } else if head.ends_with("Model") {
        ": a body without a head writes nothing; convert the checkpoint with its head"
    } else {
        ""
    };
    c.config.refuse_found("architectures", format!("{head:?}"), format!("{supported}{what}"))
}

/// Positions: what the user asks for, or the checkpoint's own; never more than were learned.
fn context(c: &Checkpoint, own: usize, learned: bool) -> Result<usize> {
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
fn activation(c: &Checkpoint, key: &str, default: &str) -> Result<Activation> {
    activation_named(c, key, c.config.text(key)?.unwrap_or(default))
}

/// An activation function by its name in transformers.
fn activation_named(c: &Checkpoint, key: &str, name: &str) -> Result<Activation> {
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
fn epsilon(c: &Checkpoint, key: &str, default: f64) -> Result<f32> {
    Ok(c.config.positive(key)?.unwrap_or(default) as f32)
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
fn head_dim(c: &Checkpoint, key: &str, d: usize, heads: usize) -> Result<usize> {
    if heads == 0 || !d.is_multiple_of(heads) {
        let supported = format!("a number of heads that divides the width {d}");
        return Err(c.config.refuse_found(key, heads, supported));
    }
    Ok(d / heads)
}
