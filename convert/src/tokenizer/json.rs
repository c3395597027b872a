//! `tokenizer.json`: to each kind of model its reader.

use super::section::unsupported;
use super::{added, merges, strict, unigram, word_piece};
use crate::account::parse_json;
use crate::error::Result;
use serde_json::Value;
use std::path::Path;

/// The section of a `tokenizer.json`.
///
/// # Errors
/// [`crate::error::Error::Unsupported`] with the key of what the engine has no rules for.
pub fn from_json(path: &Path) -> Result<Vec<u8>> {
    from_value(&parse_json(path)?, path)
}

/// The section of a tokenizer's JSON; `path` is what messages name.
pub fn from_value(json: &Value, path: &Path) -> Result<Vec<u8>> {
    strict::form(json)?;
    strict::account(json)?;
    let mut section = match json["model"]["type"].as_str() {
        Some("BPE") => merges::section(json, path)?,
        Some("WordPiece") => word_piece::section(json, path)?,
        Some("Unigram") => unigram::section(json)?,
        other => {
            let supported =
                "BPE, WordPiece, Unigram; `--tokenizer none` converts without a tokenizer";
            return Err(unsupported("model.type", other.unwrap_or("missing"), supported));
        }
    };
    added::add(&mut section, json)?;
    section.write(path)
}
