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
            supported: match found.and_then(kin) {
                Some(kin) => format!(
                    "{FAMILIES}. What it does a {kin} does too: take a checkpoint of that family, or train one"
                ),
                None => FAMILIES.into(),
            },
        }),
    }
}

/// The family that is read and made for the same tasks.
fn kin(other: &str) -> Option<&'static str> {
    let begins = |names: &[&str]| names.iter().any(|name| other.starts_with(name));
    if begins(&["xlm-roberta", "roberta", "camembert", "distilbert", "albert", "electra", "mpnet"])
        || begins(&["deberta", "xlm", "modernbert", "nomic_bert", "mobilebert", "convbert"])
    {
        Some("bert")
    } else if begins(&["mt5", "umt5", "longt5", "switch_transformers"]) {
        Some("t5")
    } else if begins(&["mbart", "m2m_100", "pegasus", "blenderbot"]) {
        Some("bart or marian")
    } else if begins(&[
        "qwen", "gemma", "phi", "gpt_neo", "gptj", "opt", "bloom", "falcon", "mixtral",
    ]) || begins(&["stablelm", "olmo", "smollm", "cohere", "granite", "llama4", "mpt"])
    {
        Some("llama or mistral")
    } else {
        None
    }
}
