//! Byte-pair encodings of `tokenizer.json`: SentencePiece's way (Llama), characters without merges, and
//! byte-level (GPT-2).

use super::byte_level;
use super::section::{Section, TIED, around, id, parts, pieces, unsupported};
use crate::error::Result;
use picoformer::tokenizer::vocabulary::{
    FLAG_ADD_END, FLAG_BYTES, FLAG_FUSE, FLAG_PREFIX, FLAG_PREFIX_ONCE, FLAG_RUNS, NONE,
};
use serde_json::Value;
use std::collections::HashSet;
use std::path::Path;

/// U+2581, SentencePiece's space.
const SPACE: &str = "\u{2581}";
/// What is taken away where spaces do not count at the ends of a text, as SentencePiece does it.
pub(super) const ENDS: &str = r"\A +|[ \x{2581}]+\z";

/// The section of a BPE model.
pub(super) fn section(json: &Value, path: &Path) -> Result<Section> {
    let model = &json["model"];
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if model[key].as_str().is_some_and(|text| !text.is_empty()) {
            return Err(unsupported(&format!("model.{key}"), &model[key], "none"));
        }
    }
    let mut section = Section::new(1, pieces(json)?);
    if byte_level::is_byte_level(json) {
        byte_level::adapt(&mut section, json, path)?;
    } else {
        if model["ignore_merges"] == true {
            return Err(unsupported(
                "model.ignore_merges",
                true,
                "false, but for byte-level models",
            ));
        }
        section.flags |= spaces(json)?;
        if model["fuse_unk"] == true && model["byte_fallback"] != true {
            section.flags |= FLAG_FUSE;
        }
        if parts(&json["normalizer"], "normalizers").iter().any(|n| n["type"] == "Lowercase") {
            let ends = model["byte_fallback"] == true || model["unk_token"].is_string();
            section.characters = lowercase(&section.pieces, ends);
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
    let (tied, mut rank, mut last) = (model[TIED] == true, 0, None);
    for merge in merges {
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
        if last.is_some_and(|last| !tied || last != result) {
            rank += 1;
        }
        last = Some(result);
        let rank = u16::try_from(rank)
            .map_err(|_| unsupported("model.merges", "more than 65536", "at most 65536"))?;
        let pair = (left as u16, right as u16);
        // Of a pair that is listed twice the last rank counts, as in the crate.
        section.merges.insert(pair, (rank, result as u16));
    }
    // Nothing but bytes: without the code that merges.
    let bytes = section.flags & FLAG_BYTES != 0 && section.flags & FLAG_PREFIX == 0;
    if bytes && section.merges.is_empty() && section.characters.is_empty() && only_bytes(json) {
        section.kind = 0;
    }
    Ok(section)
}

/// Whether no piece but the bytes can be found in a text.
fn only_bytes(json: &Value) -> bool {
    let pieces = json["model"]["vocab"].as_object();
    let byte =
        |piece: &String| piece.len() == 6 && piece.starts_with("<0x") && piece.ends_with('>');
    pieces.is_some_and(|pieces| pieces.keys().all(byte))
        && json["normalizer"].is_null()
        && json["pre_tokenizer"].is_null()
}

/// The letters that have another lower case, as ranges of the character table: all of them where something
/// stands for what has no piece, or else those where either of the two is in a piece: a letter that is in
/// none, as its lower case, has no token in any case. The only one whose lower case is two characters is
/// U+0130, of which the engine knows the second one.
fn lowercase(pieces: &[Vec<u8>], ends: bool) -> Vec<(u32, u32, u32)> {
    let pieces: Vec<_> = pieces.iter().map(|piece| String::from_utf8_lossy(piece)).collect();
    let known: HashSet<char> = pieces.iter().flat_map(|piece| piece.chars()).collect();
    let mut ranges: Vec<(u32, u32, u32)> = Vec::new();
    for c in '\0'..=char::MAX {
        let mut lower = c.to_lowercase();
        let letter = lower.next().unwrap_or(c);
        // Without its second character it is better named as a whole.
        let counts = lower.next().unwrap_or(letter);
        if letter == c || !(ends || known.contains(&counts) || known.contains(&c)) {
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
    let (mut ends, mut runs) = (false, false);
    for normalizer in parts(&json["normalizer"], "normalizers") {
        let (pattern, content) = (&normalizer["pattern"], &normalizer["content"]);
        match normalizer["type"].as_str() {
            Some("Lowercase") => {}
            Some("Replace") if pattern["Regex"] == ENDS && content == "" => ends = true,
            Some("Replace") if ends && pattern["Regex"] == " {2,}" && content == " " => runs = true,
            Some("Prepend") if normalizer["prepend"] == SPACE => flags |= FLAG_PREFIX,
            Some("Replace") if pattern["String"] == " " && content == SPACE => {}
            _ => {
                return Err(unsupported(
                    "normalizer",
                    &normalizer,
                    "Lowercase, Prepend ▁, Replace of a space by ▁, or none",
                ));
            }
        }
    }
    if ends != runs {
        let supported = "spaces taken away at the ends and runs of them joined, both or none";
        return Err(unsupported("normalizer", &json["normalizer"], supported));
    }
    if runs {
        flags |= FLAG_RUNS;
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
