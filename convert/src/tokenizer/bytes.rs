//! Models whose tokens are bytes.

use super::section::Section;
use crate::error::Result;
use picoformer::tokenizer::vocabulary::FLAG_BYTES;
use std::path::Path;

/// The section of a model whose tokens are the bytes of the text; ids from 256 on have no text.
///
/// # Errors
/// [`crate::error::Error::Input`] for a vocabulary of fewer than 256.
pub fn from_bytes(vocab_size: usize) -> Result<Vec<u8>> {
    if vocab_size < 256 {
        return Err(crate::error::input(
            format!("a vocabulary of {vocab_size} does not hold all bytes"),
            "--tokenizer bytes needs 256 tokens or more, token b being byte b",
        ));
    }
    let mut section = Section::new(0, (0..=255).map(|byte| vec![byte]).collect());
    section.flags = FLAG_BYTES;
    section.bytes = 0;
    section.write(Path::new("bytes"))
}
