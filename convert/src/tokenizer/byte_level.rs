//! Byte-level BPE as in GPT-2, Llama 3 and their like. What is a letter, a number or a space is asked of
//! the `tokenizers` crate itself.

use super::added::SPELLED;
use super::nfc;
use super::section::{Section, characters_beside, crates, parts, unsupported};
use crate::error::Result;
use picoformer::tokenizer::vocabulary::{FLAG_DIGITS, FLAG_NFC, FLAG_WHOLE};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

/// Expressions that split a text into words, and what the engine does for each: kind and flags.
const WORDS: [(&str, u8, u8); 3] = [
    (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", GPT2, 0),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        CL100K,
        0,
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        CL100K,
        FLAG_DIGITS,
    ),
];
/// Kinds of a section.
const GPT2: u8 = 3;
const CL100K: u8 = 5;
const SUPPORTED: &str = "ByteLevel with add_prefix_space false and use_regex true, alone or behind Digits of \
    single digits (GPT-2, GPT-NeoX, SmolLM), or with use_regex false behind a Split, isolated, by the expression of \
    GPT-2, Llama 3 or Qwen 2";

/// Whether a part of the pre-tokenizer makes characters of bytes.
pub(super) fn is_byte_level(json: &Value) -> bool {
    let levels = parts(&json["pre_tokenizer"], "pretokenizers");
    levels.iter().any(|part| part["type"] == "ByteLevel")
}

/// How texts are split into words.
struct Style {
    kind: u8,
    flags: u8,
    /// Every numeric character is a text by itself.
    digits: bool,
}

/// Reads the pre-tokenizer; any other than the known ones is refused.
fn style(json: &Value) -> Result<Style> {
    let refused = |found: &Value| Err(unsupported("pre_tokenizer", found, SUPPORTED));
    let split = parts(&json["pre_tokenizer"], "pretokenizers");
    let Some((level, before)) = split.split_last() else { return refused(&Value::Null) };
    // The crate's default is true as well.
    let regex = level["use_regex"] != false;
    if level["type"] != "ByteLevel" || level["add_prefix_space"] != false {
        return refused(level);
    }
    match before {
        [] if regex => Ok(Style { kind: GPT2, flags: 0, digits: false }),
        [one] if regex && one["type"] == "Digits" && one["individual_digits"] == true => {
            Ok(Style { kind: GPT2, flags: 0, digits: true })
        }
        [one]
            if !regex
                && one["type"] == "Split"
                && one["behavior"] == "Isolated"
                && one["invert"] == false =>
        {
            let pattern = one["pattern"]["Regex"].as_str();
            match WORDS.iter().find(|(words, ..)| Some(*words) == pattern) {
                Some(&(_, kind, flags)) => Ok(Style { kind, flags, digits: false }),
                None => refused(&one["pattern"]),
            }
        }
        _ => refused(&json["pre_tokenizer"]),
    }
}

/// Turns a section of BPE pieces into one of byte-level BPE.
pub(super) fn adapt(section: &mut Section, json: &Value, path: &Path) -> Result<()> {
    let Style { kind, flags, digits } = style(json)?;
    (section.kind, section.flags) = (kind, section.flags | flags);
    section.characters = classes(digits);
    let normalizers = parts(&json["normalizer"], "normalizers");
    match normalizers.iter().map(|n| n["type"].as_str().unwrap_or_default()).collect::<Vec<_>>()[..]
    {
        [] => {}
        ["NFC"] => {
            section.flags |= FLAG_NFC;
            section.characters.extend(nfc::table());
            nfc::added(json)?;
        }
        _ => {
            let supported = "none or NFC beside ByteLevel";
            return Err(unsupported("normalizer", &json["normalizer"], supported));
        }
    }
    if json["model"]["ignore_merges"] == true {
        section.flags |= FLAG_WHOLE;
        spelled_words(json, path)?;
    }
    let bytes: HashMap<char, u8> = (0..=255).map(|byte| (visible(byte), byte)).collect();
    for piece in &mut section.pieces {
        let text = String::from_utf8_lossy(piece);
        // Added tokens may have characters beyond the alphabet; they are put back later.
        if let Some(raw) = text.chars().map(|c| bytes.get(&c).copied()).collect() {
            *piece = raw;
        }
    }
    Ok(())
}

/// With `ignore_merges` a word that is a piece is found whole: one that is an added token, and not a piece of
/// the model, would be found too where the text has no such tokens.
fn spelled_words(json: &Value, path: &Path) -> Result<()> {
    let tokenizer = crates(json, path)?;
    for token in json["added_tokens"].as_array().into_iter().flatten() {
        let content = token["content"].as_str().unwrap_or_default();
        let own = json["model"]["vocab"][content].is_u64();
        let mut split = PreTokenizedString::from(content);
        let _ = tokenizer.get_pre_tokenizer().map(|p| p.pre_tokenize(&mut split));
        let words = split.get_splits(OffsetReferential::Original, OffsetType::Byte).len();
        if token[SPELLED] == true && !own && words < 2 {
            let supported =
                "no such token that is one word; `--special-tokens` finds it as a token";
            return Err(unsupported("added_tokens beside model.ignore_merges", content, supported));
        }
    }
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

/// Ranges of letters (1), numbers (2), spaces (3), and of what is a text by itself (4): asked of the crate's
/// own expression, whose library all the others share.
fn classes(digits: bool) -> Vec<(u32, u32, u32)> {
    let words = ByteLevel::new(false, true, true);
    let together = |with: char, text: &str| {
        let mut split = PreTokenizedString::from(format!("{with}{text}"));
        let _ = words.pre_tokenize(&mut split);
        split.get_splits(OffsetReferential::Original, OffsetType::Byte).len() == 1
    };
    let alone = |c: char| digits && c.is_numeric();
    let mut ranges: Vec<(u32, u32, u32)> = Vec::new();
    for c in characters_beside(|block| together('!', block) && !block.chars().any(alone)) {
        let text = c.to_string();
        let class = match () {
            () if alone(c) => 4,
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
