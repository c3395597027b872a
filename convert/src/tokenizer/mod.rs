//! From tokenizer files to the tokenizer section of a blob (format: `picoformer::tokenizer::vocabulary`).

mod byte_level;
mod files;
mod llama2c;
mod merges;
mod settings;
mod source;
mod strict;
mod word_piece;

pub use byte_level::from_bytes;
pub use llama2c::from_llama2c;
pub use settings::Settings;
pub use source::Choice;

use crate::account::{parse_json, shown};
use crate::error::{self, Error, Result, input};
use picoformer::tokenizer::vocabulary::{FLAG_ADD_END, NONE};
use picoformer::tokenizer::{Tokenizer, Vocabulary};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Where the end token stands in a section.
const END_OFFSET: usize = 12;

/// Everything that a section holds.
#[derive(Clone, Debug)]
struct Section {
    kind: u8,
    flags: u8,
    begin: u32,
    end: u32,
    unknown: u32,
    bytes: u32,
    pieces: Vec<Vec<u8>>,
    /// `(left, right)` → `(rank, result)`.
    merges: BTreeMap<(u16, u16), (u16, u16)>,
    /// `(first, last, class)`, sorted.
    characters: Vec<(u32, u32, u32)>,
}

impl Section {
    fn new(kind: u8, pieces: Vec<Vec<u8>>) -> Self {
        Self {
            kind,
            flags: 0,
            begin: NONE,
            end: NONE,
            unknown: NONE,
            bytes: NONE,
            pieces,
            merges: BTreeMap::new(),
            characters: Vec::new(),
        }
    }

    /// Writes it, and checks what was written with the engine's own eyes.
    fn write(&self, path: &Path) -> Result<Vec<u8>> {
        let malformed = |reason: String| Error::Malformed {
            path: path.into(),
            what: "tokenizer that the engine can read",
            reason,
        };
        if self.pieces.len() > 1 << 16 || self.characters.len() > u16::MAX as usize {
            return Err(malformed(format!("{} pieces, at most 65536 fit", self.pieces.len())));
        }
        let text: Vec<u8> = self.pieces.concat();
        let mut section = vec![self.kind, self.flags];
        section.extend((self.characters.len() as u16).to_le_bytes());
        let words = [
            self.pieces.len() as u32,
            self.begin,
            self.end,
            self.unknown,
            self.bytes,
            text.len() as u32,
            self.merges.len() as u32,
        ];
        words.iter().for_each(|word| section.extend(word.to_le_bytes()));
        let mut offset = 0u32;
        section.extend(offset.to_le_bytes());
        for piece in &self.pieces {
            offset += piece.len() as u32;
            section.extend(offset.to_le_bytes());
        }
        let mut order: Vec<u16> = (0..self.pieces.len()).map(|i| i as u16).collect();
        // Of equal pieces the first is found.
        order.sort_by(|&a, &b| self.pieces[a as usize].cmp(&self.pieces[b as usize]));
        order.iter().for_each(|id| section.extend(id.to_le_bytes()));
        for (&(left, right), &(rank, result)) in &self.merges {
            [left, right, rank, result].iter().for_each(|x| section.extend(x.to_le_bytes()));
        }
        for &(first, last, class) in &self.characters {
            [first, last, class].iter().for_each(|x| section.extend(x.to_le_bytes()));
        }
        section.extend(text);
        Tokenizer::parse(&section).map_err(|error| malformed(error.to_string()))?;
        Ok(section)
    }
}

/// The section of a `tokenizer.json`.
///
/// # Errors
/// [`Error::Unsupported`] with the key of what the engine has no rules for.
pub fn from_json(path: &Path) -> Result<Vec<u8>> {
    from_value(&parse_json(path)?, path)
}

/// The section of a tokenizer's JSON; `path` is what messages name.
fn from_value(json: &Value, path: &Path) -> Result<Vec<u8>> {
    strict::account(json)?;
    let section = match json["model"]["type"].as_str() {
        Some("BPE") => merges::section(json, path)?,
        Some("WordPiece") => word_piece::section(json, path)?,
        other => {
            let supported = "BPE, WordPiece; `--tokenizer none` converts without a tokenizer";
            return Err(unsupported("model.type", other.unwrap_or("missing"), supported));
        }
    };
    section.write(path)
}

/// The tokenizer as the crate runs it.
fn crates(json: &Value, path: &Path) -> Result<tokenizers::Tokenizer> {
    tokenizers::Tokenizer::from_bytes(json.to_string()).map_err(|error| Error::Malformed {
        path: path.into(),
        what: "tokenizer.json",
        reason: error.to_string(),
    })
}

/// The section with `end` as the token that ends a generated text; without one where the model has none.
///
/// # Errors
/// [`Error::Input`] where the tokenizer adds another token to every text, or does not have this one.
pub fn with_end(mut section: Vec<u8>, end: Option<usize>) -> Result<Vec<u8>> {
    let Ok(vocabulary) = Vocabulary::parse(&section) else { return Ok(section) };
    let (own, pieces) = (vocabulary.end(), vocabulary.len());
    if vocabulary.flag(FLAG_ADD_END) {
        return match (own, end) {
            (Some(own), Some(end)) if own as usize != end => Err(input(
                format!(
                    "the tokenizer puts token {own} behind a text, the model ends one with {end}"
                ),
                "one token for both; `--ignore eos_token_id` takes the tokenizer's",
            )),
            _ => Ok(section),
        };
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

fn unsupported(key: &str, found: impl ToString, supported: &str) -> Error {
    error::unsupported("tokenizer.json", key, found.to_string(), supported)
}

/// `model.vocab` and the added tokens as pieces by id; gaps are empty.
fn pieces(json: &Value) -> Result<Vec<Vec<u8>>> {
    let vocab = json["model"]["vocab"]
        .as_object()
        .ok_or_else(|| unsupported("model.vocab", "no object", "an object of pieces and ids"))?;
    let mut pieces = Vec::new();
    let mut set = |piece: &str, id: &Value, key: &str| -> Result<()> {
        let Some(number) = id.as_u64() else {
            return Err(unsupported(key, format!("\"{piece}\": {id}"), "whole numbers as ids"));
        };
        if number >= 1 << 16 {
            return Err(unsupported(
                key,
                format!("id {number}"),
                "at most 65536 pieces; `--tokenizer none` converts without a tokenizer",
            ));
        }
        if pieces.len() <= number as usize {
            pieces.resize(number as usize + 1, Vec::new());
        }
        pieces[number as usize] = piece.as_bytes().to_vec();
        Ok(())
    };
    for (piece, id) in vocab {
        set(piece, id, "model.vocab")?;
    }
    for token in json["added_tokens"].as_array().into_iter().flatten() {
        let Some(piece) = token["content"].as_str() else {
            return Err(unsupported("added_tokens", shown(token), "tokens with a `content`"));
        };
        if vocab.get(piece).is_some_and(|own| *own != token["id"]) {
            let supported = "the id that the vocabulary gives it";
            return Err(unsupported("added_tokens", shown(token), supported));
        }
        set(piece, &token["id"], "added_tokens")?;
    }
    Ok(pieces)
}

/// Id of a piece.
fn id(json: &Value, piece: &str) -> Option<u32> {
    let added = json["added_tokens"].as_array().into_iter().flatten();
    let own = json["model"]["vocab"][piece].as_u64();
    let found =
        own.or_else(|| added.filter(|t| t["content"] == *piece).find_map(|t| t["id"].as_u64()));
    found.and_then(|id| u32::try_from(id).ok())
}

/// The special tokens that the post-processor puts before and after a text.
fn around(json: &Value) -> Result<(Option<u32>, Option<u32>)> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for processor in parts(&json["post_processor"], "processors") {
        let pair = |key: &str| processor[key][1].as_u64().map(|id| id as u32);
        match processor["type"].as_str() {
            Some("ByteLevel") => {}
            Some("BertProcessing" | "RobertaProcessing") => {
                before.splice(0..0, pair("cls"));
                after.extend(pair("sep"));
            }
            Some("TemplateProcessing") => {
                let (first, last) = template(json, &processor)?;
                before.splice(0..0, first);
                after.extend(last);
            }
            other => {
                return Err(unsupported(
                    "post_processor.type",
                    other.unwrap_or("missing"),
                    "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or none",
                ));
            }
        }
    }
    if before.len() > 1 || after.len() > 1 {
        return Err(unsupported(
            "post_processor",
            format!("{} tokens before, {} after", before.len(), after.len()),
            "at most one special token before a text and one after it",
        ));
    }
    Ok((before.pop(), after.pop()))
}

/// The tokens before and after the text in a template.
fn template(json: &Value, processor: &Value) -> Result<(Vec<u32>, Vec<u32>)> {
    let (mut before, mut after, mut texts) = (Vec::new(), Vec::new(), 0);
    for part in processor["single"].as_array().into_iter().flatten() {
        let Some(name) = part["SpecialToken"]["id"].as_str() else {
            texts += 1;
            continue;
        };
        let ids = processor["special_tokens"][name]["ids"].as_array();
        let ids: Option<Vec<u32>> = match ids {
            Some(ids) => ids.iter().map(|id| id.as_u64()?.try_into().ok()).collect(),
            None => id(json, name).map(|id| vec![id]),
        };
        let Some(ids) = ids else {
            return Err(unsupported("post_processor.special_tokens", name, "tokens with ids"));
        };
        if texts == 0 { before.extend(ids) } else { after.extend(ids) }
    }
    match texts {
        1 => Ok((before, after)),
        _ => Err(unsupported(
            "post_processor.single",
            format!("a template with the text {texts} times"),
            "the text once",
        )),
    }
}

/// The parts of a sequence, or the one part that there is.
fn parts(value: &Value, key: &str) -> Vec<Value> {
    match value["type"].as_str() {
        None if value.is_null() => Vec::new(),
        Some("Sequence") => value[key].as_array().cloned().unwrap_or_default(),
        _ => vec![value.clone()],
    }
}
