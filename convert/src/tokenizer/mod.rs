//! From tokenizer files to the tokenizer section of a blob (format: `picoformer::tokenizer::vocabulary`).

mod byte_level;
mod llama2c;
mod merges;
mod section;
mod word_piece;

pub use byte_level::from_bytes;
pub use llama2c::from_llama2c;

use crate::checkpoint::parse_json;
use crate::error::Result;
use picoformer::tokenizer::Vocabulary;
use section::unsupported;
use std::path::Path;

/// Where the end token stands in a section.
const END_OFFSET: usize = 12;

/// The section of a `tokenizer.json`.
///
/// # Errors
/// [`Error::Unsupported`] with the key of what the engine has no rules for.
pub fn from_json(path: &Path) -> Result<Vec<u8>> {
    let json = parse_json(path)?;
    let section = match json["model"]["type"].as_str() {
        Some("BPE") => merges::section(&json, path)?,
        Some("WordPiece") => word_piece::section(&json, path)?,
        other => {
            return Err(unsupported("model.type", other.unwrap_or("missing"), "BPE, WordPiece"));
        }
    };
    section.write(path)
}

/// The section with `end` as the token that ends a generated text, unless it knows one.
pub fn with_end(mut section: Vec<u8>, end: Option<u64>) -> Vec<u8> {
    let known = Vocabulary::parse(&section).map(|v| (v.end(), v.len()));
    if let (Ok((None, pieces)), Some(end)) = (known, end)
        && end < pieces as u64
    {
        section[END_OFFSET..END_OFFSET + 4].copy_from_slice(&(end as u32).to_le_bytes());
    }
    section
}
