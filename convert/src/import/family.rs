//! Which families are read.

use crate::account::Document;
use crate::error::{Error, Result};

/// Families that [`super::import`] reads.
pub const FAMILIES: &str = "bart, bert, gpt2, llama, marian, mistral, t5 (Hugging Face folders); picoformer (a plain checkpoint, \
     models/common/checkpoint.md); llama2.c .bin files";

/// The family of a checkpoint.
///
/// # Errors
/// [`Error::Unsupported`] for one that is not read.
pub fn family(config: &Document) -> Result<&str> {
    match config.text("model_type")? {
        Some(
            known @ ("bert" | "gpt2" | "llama" | "mistral" | "bart" | "marian" | "t5"
            | "picoformer"),
        ) => Ok(known),
        found => Err(Error::Unsupported {
            file: config.name().into(),
            key: "model_type".into(),
            found: found.map_or_else(|| "missing".into(), |found| format!("\"{found}\"")),
            supported: FAMILIES.into(),
        }),
    }
}
