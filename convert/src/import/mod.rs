//! From a family's tensor names to the canonical weights of [`FloatModel`]: one file per family.

mod bart;
mod bert;
mod common;
mod gpt2;
pub(crate) mod llama;
pub mod llama2c;
mod t5;

use crate::checkpoint::{Checkpoint, is_buffer};
use crate::error::{Error, Result};
use crate::float_model::FloatModel;
use crate::pad::validate;

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
