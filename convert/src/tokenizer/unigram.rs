//! Unigram of `tokenizer.json`, as T5 has it: pieces with log-probabilities, SentencePiece's spaces, and its
//! map of characters.

use super::added::SPELLED;
use super::charsmap::{self, Table};
use super::section::{Section, around, id, parts, pieces, unsupported};
use crate::error::Result;
use picoformer::tokenizer::vocabulary::{FLAG_ADD_END, FLAG_PREFIX, FLAG_RUNS, FLAG_WORDS, NONE};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// U+2581, SentencePiece's space.
const SPACE: &str = "\u{2581}";
/// Characters of the longest piece that the engine finds.
const LONGEST: usize = 31;
/// Size of the log-probability of what is never found in a word.
const NEVER: f64 = 1e6;
/// What a character without a piece costs beside the least probable piece, as in the crate.
const UNKNOWN: f64 = 10.0;

/// The section of a Unigram model.
pub(super) fn section(json: &Value) -> Result<Section> {
    let model = &json["model"];
    if model["byte_fallback"] == true {
        return Err(unsupported("model.byte_fallback", true, "false in a Unigram"));
    }
    let mut section = Section::new(4, pieces(json)?);
    section.scores = scores(json, section.pieces.len())?;
    section.unknown = model["unk_id"].as_u64().map_or(NONE, |id| id as u32);
    let (begin, end) = around(json)?;
    section.begin = begin.unwrap_or(NONE);
    section.end = end.or_else(|| id(json, "</s>")).unwrap_or(NONE);
    if end.is_some() {
        section.flags |= FLAG_ADD_END;
    }
    let (flags, map) = normalizer(json)?;
    section.flags |= flags | spaces(json, flags, map.is_some())?;
    let separates = |c: &char| c.is_whitespace() && section.flags & FLAG_WORDS != 0;
    let spaces: Vec<char> = ('\0'..=char::MAX).filter(separates).collect();
    let known = section
        .pieces
        .iter()
        .flat_map(|piece| String::from_utf8_lossy(piece).chars().collect::<Vec<_>>());
    section.characters = characters(&map.unwrap_or_default(), &spaces, &known.collect())?;
    Ok(section)
}

/// The sizes of the log-probabilities, and behind them that of a character without a piece.
fn scores(json: &Value, pieces: usize) -> Result<Vec<f64>> {
    let mut scores = Vec::new();
    let mut seen = HashSet::new();
    for entry in json["model"]["vocab"].as_array().into_iter().flatten() {
        let (Some(piece), Some(score)) = (entry[0].as_str(), entry[1].as_f64()) else {
            return Err(unsupported(
                "model.vocab",
                entry,
                "pairs of a piece and its log-probability",
            ));
        };
        let size = -score;
        if !(size == 0.0 || (1e-15..1e6).contains(&size)) {
            return Err(unsupported(
                "model.vocab",
                entry,
                "log-probabilities of 0, or -1e6 … -1e-15",
            ));
        }
        let special = json["added_tokens"].as_array().into_iter().flatten();
        if piece.chars().count() > LONGEST
            && !special.into_iter().any(|token| token["content"] == *piece)
        {
            return Err(unsupported("model.vocab", entry, "pieces of at most 31 characters"));
        }
        if !seen.insert(piece) {
            return Err(unsupported("model.vocab", entry, "every piece once"));
        }
        scores.push(size.abs());
    }
    let least = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Tokens beyond the model's own are never found in a word, nor are those whose names are ordinary text.
    scores.resize(pieces, NEVER);
    for token in json["added_tokens"].as_array().into_iter().flatten() {
        let score = token["id"].as_u64().and_then(|id| scores.get_mut(id as usize));
        if let Some(score) = score.filter(|_| token[SPELLED] == true) {
            *score = NEVER;
        }
    }
    scores.push(least + UNKNOWN);
    Ok(scores)
}

/// What the normalizer does: flags, and the map of characters.
fn normalizer(json: &Value) -> Result<(u8, Option<BTreeMap<String, String>>)> {
    let (mut map, mut strips, mut joins) = (None, false, false);
    for normalizer in parts(&json["normalizer"], "normalizers") {
        let replaced = (&normalizer["pattern"]["Regex"], normalizer["content"].as_str());
        match normalizer["type"].as_str() {
            Some("Precompiled") if map.is_none() && !strips && !joins => {
                let found = &normalizer["precompiled_charsmap"];
                if !(found.is_string() || found.is_null()) {
                    return Err(unsupported("normalizer.precompiled_charsmap", found, "a text"));
                }
                map = match found.as_str() {
                    Some("") | None => None,
                    Some(base64) => Some(charsmap::entries(base64)?),
                };
            }
            Some("Strip") if normalizer["strip_right"] == true => strips = true,
            Some("Replace")
                if *replaced.0 == " {2,}" && matches!(replaced.1, Some(" " | SPACE)) =>
            {
                joins = true;
            }
            _ => {
                let supported =
                    "Precompiled, Strip of the right side, Replace of several spaces by one";
                return Err(unsupported("normalizer", &normalizer, supported));
            }
        }
    }
    if strips != joins {
        let supported = "Strip of the right side together with Replace of several spaces by one";
        return Err(unsupported("normalizer", &json["normalizer"], supported));
    }
    Ok((if strips { FLAG_RUNS } else { 0 }, map))
}

/// How a text is split into words.
fn spaces(json: &Value, flags: u8, mapped: bool) -> Result<u8> {
    let split = parts(&json["pre_tokenizer"], "pretokenizers");
    let (words, metaspace) = match &split[..] {
        [first, second] if first["type"] == "WhitespaceSplit" => (true, second),
        [only] => (false, only),
        _ => (false, &Value::Null),
    };
    let scheme = metaspace["prepend_scheme"].as_str();
    let prefix = match (scheme, metaspace["add_prefix_space"].as_bool()) {
        (Some("always"), _) | (None, None | Some(true)) => true,
        (Some("first"), _) => !words,
        _ => false,
    };
    let never = scheme == Some("never") && !words;
    if metaspace["type"] != "Metaspace" || metaspace["split"] == false || !(prefix || never) {
        let supported = "Metaspace with split, alone or behind WhitespaceSplit";
        return Err(unsupported("pre_tokenizer", &json["pre_tokenizer"], supported));
    }
    if flags & FLAG_RUNS != 0 && !mapped {
        let supported = "Precompiled before Strip";
        return Err(unsupported("normalizer", &json["normalizer"], supported));
    }
    Ok(if prefix { FLAG_PREFIX } else { 0 } | if words { FLAG_WORDS } else { 0 })
}

/// The character table: what every character, and every pair of one and a mark, becomes.
fn characters(
    map: &BTreeMap<String, String>,
    spaces: &[char],
    known: &HashSet<char>,
) -> Result<Vec<(u32, u32, u32)>> {
    let Table { mut singles, marks, pairs } = match map.is_empty() {
        true => Table::default(),
        false => charsmap::table(map, known)?,
    };
    // White space that the map leaves separates words like a space.
    let left = spaces
        .iter()
        .filter(|&&c| c != ' ' && !map.contains_key(c.encode_utf8(&mut [0; 4]) as &str));
    singles.extend(left.map(|&c| (c, " ".to_owned())));
    let mut several: Vec<char> = Vec::new();
    let mut class = |to: &str| match to.chars().collect::<Vec<_>>()[..] {
        [] => 0,
        [' '] => 1,
        [one] => 16 + one as u32,
        ref more => {
            let first = several.len() as u32;
            several.extend(more);
            several.push('\0');
            (1 << 31) + first
        }
    };
    let mut codes: Vec<(u32, u32)> = Vec::new();
    codes.extend(singles.iter().map(|(c, to)| (*c as u32, class(to))));
    let pairs: Vec<_> = pairs.iter().map(|(code, to)| (*code, class(to))).collect();
    codes.extend(several.iter().zip(0x11_0000u32..).map(|(&letter, code)| (code, letter as u32)));
    codes.extend(marks);
    codes.extend(pairs);
    codes.sort_unstable();
    let mut ranges: Vec<(u32, u32, u32)> = Vec::new();
    for (code, class) in codes {
        match ranges.last_mut() {
            // A class from 16 up counts on with the character; marks and the parts of expansions do not.
            Some((first, last, same))
                if *last + 1 == code
                    && !(0x11_0000..0x20_0000).contains(&code)
                    && if (16..1 << 31).contains(same) && code < 0x11_0000 {
                        *same + code - *first == class
                    } else {
                        *same == class && class < 3
                    } =>
            {
                *last = code;
            }
            _ => ranges.push((code, code, class)),
        }
    }
    Ok(ranges)
}
