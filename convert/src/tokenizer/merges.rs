//! Byte-pair encodings of `tokenizer.json`: SentencePiece's way (Llama), characters without merges, and
//! byte-level (GPT-2).

use super::byte_level;
use super::section::{Section, around, id, parts, pieces, unsupported};
use crate::error::Result;
use picoformer::tokenizer::vocabulary::{
    FLAG_ADD_END, FLAG_BYTES, FLAG_PREFIX, FLAG_PREFIX_ONCE, NONE,
};
use serde_json::Value;
use std::collections::HashSet;
use std::path::Path;

/// U+2581, SentencePiece's space.
const SPACE: &str = "\u{2581}";

/// The section of a BPE model.
pub(super) fn section(json: &Value, path: &Path) -> Result<Section> {
    let model = &json["model"];
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if model[key].as_str().is_some_and(|text| !text.is_empty()) {
            return Err(unsupported(&format!("model.{key}"), &model[key], "none"));
        }
    }
    let mut section = Section::new(1, pieces(json)?);
    if byte_level::pre_tokenizer(json).is_some() {
        byte_level::adapt(&mut section, json, path)?;
    } else {
        section.flags |= spaces(json)?;
        if parts(&json["normalizer"], "normalizers").iter().any(|n| n["type"] == "Lowercase") {
            section.characters = lowercase(&section.pieces, model["byte_fallback"] == true);
        }
    }
    section.unknown = model["unk_token"].as_str().and_then(|unk| id(json, unk)).unwrap_or(NONE);
    if model["byte_fallback"] == true {
        let first = id(json, "<0x00>");
        let ordered =
            (0..256u32).all(|b| id(json, &format!("<0x{b:02X}>")) == first.map(|f| f + b));
        match first {
            Some(first) if ordered => section.bytes = first,
            _ => {
                return Err(unsupported(
                    "model.byte_fallback",
                    "pieces that are missing or out of order",
                    "<0x00> … <0xFF> with ids in a row",
                ));
            }
        }
        section.flags |= FLAG_BYTES;
    }
    let (begin, end) = around(json)?;
    section.begin = begin.unwrap_or(NONE);
    let names = ["</s>", "<|endoftext|>"];
    section.end = end.or_else(|| names.iter().find_map(|name| id(json, name))).unwrap_or(NONE);
    if end.is_some() {
        section.flags |= FLAG_ADD_END;
    }
    let merges = model["merges"].as_array();
    let merges = merges.ok_or_else(|| unsupported("model.merges", "no list", "a list of pairs"))?;
    for (rank, merge) in merges.iter().enumerate() {
        let pair: Vec<&str> = match merge {
            Value::String(text) => text.split(' ').collect(),
            _ => merge.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
        };
        let known = match pair[..] {
            [left, right] => (id(json, left), id(json, right), id(json, &[left, right].concat())),
            _ => (None, None, None),
        };
        let (Some(left), Some(right), Some(result)) = known else {
            return Err(unsupported("model.merges", merge, "pairs of pieces of the vocabulary"));
        };
        let rank = u16::try_from(rank)
            .map_err(|_| unsupported("model.merges", "more than 65536", "at most 65536"))?;
        let pair = (left as u16, right as u16);
        // Of a pair that is listed twice the last rank counts, as in the crate.
        section.merges.insert(pair, (rank, result as u16));
    }
    Ok(section)
}

/// The letters whose lower case is one letter, as ranges of the character table: all of them where `bytes`
/// stand for what has no piece, or those that some piece has. What else changes with its case has no piece
/// either way.
fn lowercase(pieces: &[Vec<u8>], bytes: bool) -> Vec<(u32, u32, u32)> {
    let pieces: Vec<_> = pieces.iter().map(|piece| String::from_utf8_lossy(piece)).collect();
    let known: HashSet<char> = pieces.iter().flat_map(|piece| piece.chars()).collect();
    let mut ranges: Vec<(u32, u32, u32)> = Vec::new();
    for c in '\0'..=char::MAX {
        let mut lower = c.to_lowercase();
        let (Some(letter), None) = (lower.next(), lower.next()) else { continue };
        if letter == c || !(bytes || known.contains(&letter)) {
            continue;
        }
        let (code, class) = (c as u32, 16 + letter as u32);
        match ranges.last_mut() {
            Some((first, last, start)) if *last + 1 == code && *start + code - *first == class => {
                *last = code;
            }
            _ => ranges.push((code, code, class)),
        }
    }
    ranges
}

/// The flags by which a space is put before a text; refuses everything but SentencePiece's treatment of
/// spaces.
fn spaces(json: &Value) -> Result<u8> {
    let mut flags = 0;
    for normalizer in parts(&json["normalizer"], "normalizers") {
        match normalizer["type"].as_str() {
            Some("Lowercase") => {}
            Some("Prepend") if normalizer["prepend"] == SPACE => flags |= FLAG_PREFIX,
            Some("Replace")
                if normalizer["pattern"]["String"] == " " && normalizer["content"] == SPACE => {}
            _ => {
                return Err(unsupported(
                    "normalizer",
                    &normalizer,
                    "Lowercase, Prepend ▁, Replace of a space by ▁, or none",
                ));
            }
        }
    }
    for pre in parts(&json["pre_tokenizer"], "pretokenizers") {
        match (pre["type"].as_str(), pre["prepend_scheme"].as_str()) {
            (Some("Metaspace"), Some("first" | "always")) if pre["split"] == false => {
                flags |= FLAG_PREFIX | FLAG_PREFIX_ONCE;
            }
            (Some("Metaspace"), Some("never")) if pre["split"] == false => {}
            _ => {
                return Err(unsupported(
                    "pre_tokenizer",
                    &pre,
                    "ByteLevel, Metaspace without split, or none",
                ));
            }
        }
    }
    Ok(flags)
}
