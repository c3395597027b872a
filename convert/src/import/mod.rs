//! From a family's tensor names to the canonical weights of [`FloatModel`]: one file per family.

mod bart;
mod bert;
mod common;
mod dense;
mod family;
pub mod features;
mod gpt2;
mod heads;
mod labels;
pub(crate) mod llama;
pub mod llama2c;
mod plain;
mod rotary;
mod scope;
mod sentence;
mod t5;
mod t5_layers;

pub use family::{FAMILIES, family};
pub use sentence::lower_case;

use crate::account::known;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::float_model::FloatModel;
use crate::generation;

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
        // Nothing is known of its keys but what is read.
        "picoformer" => {
            let model = plain::import(checkpoint)?;
            checkpoint.finish()?;
            checkpoint.config.finish(&[])?;
            return Ok(model);
        }
        "marian" => (bart::import_marian(checkpoint)?, known::SEQ2SEQ),
        _ => (t5::import(checkpoint)?, known::SEQ2SEQ),
    };
    let alone = if family == "llama" { known::LLAMA_ALONE } else { &[] };
    let headless = if model.labels.is_empty() { known::HEADLESS } else { &[] };
    checkpoint.finish()?;
    let lists = [keys, alone, headless, known::CONFIG, generation::IN_CONFIG];
    checkpoint.config.finish(&lists)?;
    Ok(model)
}
