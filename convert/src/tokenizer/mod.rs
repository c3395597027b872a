//! From tokenizer files to the tokenizer section of a blob (format: `picoformer::tokenizer::vocabulary`).

mod added;
mod byte_level;
mod bytes;
mod charsmap;
mod decoder;
mod files;
mod json;
pub mod keep;
mod llama2c;
mod merges;
mod nfc;
mod section;
mod settings;
mod source;
mod spm;
mod strict;
mod unigram;
mod word_piece;

pub use bytes::from_bytes;
pub use json::{from_json, from_value};
pub use llama2c::from_llama2c;
pub use settings::Settings;
pub use source::Choice;
pub use spm::from_sentencepiece;

use crate::error::{Result, input};
use picoformer::tokenizer::Vocabulary;
use picoformer::tokenizer::vocabulary::{FLAG_ADD_END, NONE};

/// Where the end token stands in a section.
const END_OFFSET: usize = 12;

/// The section with `end` as the token that ends a generated text; without one where the model has none.
/// A token that the tokenizer puts behind every text stays.
///
/// # Errors
/// [`crate::error::Error::Input`] where the tokenizer does not have this token.
pub fn with_end(mut section: Vec<u8>, end: Option<usize>) -> Result<Vec<u8>> {
    let Ok(vocabulary) = Vocabulary::parse(&section) else { return Ok(section) };
    let pieces = vocabulary.len();
    if vocabulary.flag(FLAG_ADD_END) {
        return Ok(section);
    }
    if let Some(end) = end.filter(|&end| end >= pieces) {
        return Err(input(
            format!("`eos_token_id` is {end}, the tokenizer has {pieces} tokens"),
            "a token of the tokenizer; `--ignore eos_token_id` takes the tokenizer's own end token",
        ));
    }
    let word = end.map_or(NONE, |end| end as u32);
    section[END_OFFSET..END_OFFSET + 4].copy_from_slice(&word.to_le_bytes());
    Ok(section)
}
