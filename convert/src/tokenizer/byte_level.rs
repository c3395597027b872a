//! Byte-level BPE as in GPT-2, and plain bytes. What is a letter, a number or a space is asked of the
//! `tokenizers` crate itself.

use super::section::{Section, characters_beside, crates, unsupported};
use crate::error::Result;
use picoformer::tokenizer::vocabulary::FLAG_BYTES;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Tokenizer};

/// The pre-tokenizer, if it is GPT-2's.
pub(super) fn pre_tokenizer(json: &Value) -> Option<&Value> {
    let pre = &json["pre_tokenizer"];
    let only = match pre["pretokenizers"].as_array().map(Vec::as_slice) {
        Some([only]) => only,
        _ => pre,
    };
    (only["type"] == "ByteLevel").then_some(only)
}

/// Turns a section of BPE pieces into one of byte-level BPE.
pub(super) fn adapt(section: &mut Section, json: &Value, path: &Path) -> Result<()> {
    if !json["normalizer"].is_null() {
        return Err(unsupported("normalizer", &json["normalizer"], "none beside ByteLevel"));
    }
    let pre = pre_tokenizer(json).unwrap_or(&Value::Null);
    if pre["add_prefix_space"] == true || pre["use_regex"] == false {
        let supported = "ByteLevel with add_prefix_space false and use_regex true";
        return Err(unsupported("pre_tokenizer", pre, supported));
    }
    if json["model"]["ignore_merges"] == true {
        return Err(unsupported("model.ignore_merges", true, "false"));
    }
    let bytes: HashMap<char, u8> = (0..=255).map(|byte| (visible(byte), byte)).collect();
    for piece in &mut section.pieces {
        let text = String::from_utf8_lossy(piece);
        // Added tokens may have characters beyond the alphabet; they are put back later.
        if let Some(raw) = text.chars().map(|c| bytes.get(&c).copied()).collect() {
            *piece = raw;
        }
    }
    let tokenizer = crates(json, path)?;
    section.kind = 3;
    section.characters = classes(&tokenizer);
    Ok(())
}

/// The visible character that stands for a byte in `tokenizer.json` (GPT-2's `bytes_to_unicode`).
pub(super) fn visible(byte: u8) -> char {
    let shown = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if shown(byte) {
        return byte as char;
    }
    let hidden_before = (0..byte).filter(|&b| !shown(b)).count() as u32;
    char::from_u32(256 + hidden_before).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Ranges of letters (1), numbers (2) and spaces (3): what stays together with what.
fn classes(tokenizer: &Tokenizer) -> Vec<(u32, u32, u32)> {
    let together = |with: char, text: &str| {
        let mut split = PreTokenizedString::from(format!("{with}{text}"));
        let _ = tokenizer.get_pre_tokenizer().map(|p| p.pre_tokenize(&mut split));
        split.get_splits(OffsetReferential::Original, OffsetType::Byte).len() == 1
    };
    let mut ranges: Vec<(u32, u32, u32)> = Vec::new();
    for c in characters_beside(|block| together('!', block)) {
        let text = c.to_string();
        let class = match () {
            () if together('!', &text) => continue,
            () if together('a', &text) => 1,
            () => 3 - together('1', &text) as u32,
        };
        match ranges.last_mut() {
            Some((_, last, same)) if *last + 1 == c as u32 && *same == class => *last += 1,
            _ => ranges.push((c as u32, c as u32, class)),
        }
    }
    ranges
}

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
