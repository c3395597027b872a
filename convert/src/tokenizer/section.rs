//! The tokenizer section of a blob before it is written, and what both kinds of `tokenizer.json` share.

use crate::account::shown;
use crate::error::{self, Error, Result};
use picoformer::tokenizer::Tokenizer;
use picoformer::tokenizer::vocabulary::NONE;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The mark of a byte-pair encoding whose merges of the same result have the same rank; no key of
/// `tokenizer.json`.
pub(super) const TIED: &str = "tied";

/// Everything that a section holds.
#[derive(Clone, Debug)]
pub struct Section {
    pub kind: u8,
    pub flags: u8,
    pub begin: u32,
    pub end: u32,
    pub unknown: u32,
    pub bytes: u32,
    pub pieces: Vec<Vec<u8>>,
    /// `(left, right)` → `(rank, result)`.
    pub merges: BTreeMap<(u16, u16), (u16, u16)>,
    /// Unigram: the sizes of the log-probabilities, of every piece and of a character without one.
    pub scores: Vec<f64>,
    /// `(first, last, class)`, sorted.
    pub characters: Vec<(u32, u32, u32)>,
    /// Added tokens and their options.
    pub added: Vec<(u32, u32)>,
}

impl Section {
    pub fn new(kind: u8, pieces: Vec<Vec<u8>>) -> Self {
        Self {
            kind,
            flags: 0,
            begin: NONE,
            end: NONE,
            unknown: NONE,
            bytes: NONE,
            pieces,
            merges: BTreeMap::new(),
            scores: Vec::new(),
            characters: Vec::new(),
            added: Vec::new(),
        }
    }

    /// Writes it, and checks what was written with the engine's own eyes.
    pub fn write(&self, path: &Path) -> Result<Vec<u8>> {
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
            (self.merges.len() + self.scores.len()) as u32,
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
        self.scores.iter().for_each(|size| section.extend(size.to_le_bytes()));
        for &(first, last, class) in &self.characters {
            [first, last, class].iter().for_each(|x| section.extend(x.to_le_bytes()));
        }
        section.extend(text);
        if !self.added.is_empty() {
            section.extend((self.added.len() as u32).to_le_bytes());
            let words = self.added.iter().flat_map(|&(token, options)| [token, options]);
            section.extend(words.flat_map(u32::to_le_bytes));
        }
        Tokenizer::parse(&section).map_err(|error| malformed(error.to_string()))?;
        Ok(section)
    }
}

/// The characters of Unicode, in order, without the blocks that are `plain` throughout: most of Unicode is,
/// and to ask about every character of it would take long.
pub fn characters_beside(plain: impl Fn(&str) -> bool) -> impl Iterator<Item = char> {
    /// Characters that are asked about at once.
    const BLOCK: u32 = 256;
    let block = |i| (i * BLOCK..(i + 1) * BLOCK).filter_map(char::from_u32).collect::<String>();
    let blocks = (0..=char::MAX as u32 / BLOCK).map(block).filter(move |block| !plain(block));
    blocks.flat_map(|block| block.chars().collect::<Vec<_>>())
}

/// The tokenizer as the crate runs it.
pub fn crates(json: &Value, path: &Path) -> Result<tokenizers::Tokenizer> {
    // The crate stumbles over keys of ours.
    let text = match json["model"].get(TIED) {
        None => json.to_string(),
        Some(_) => {
            let mut json = json.clone();
            json["model"].as_object_mut().map(|model| model.remove(TIED));
            json.to_string()
        }
    };
    tokenizers::Tokenizer::from_bytes(text).map_err(|error| Error::Malformed {
        path: path.into(),
        what: "tokenizer.json",
        reason: error.to_string(),
    })
}

/// A rule of `tokenizer.json` that the engine does not know.
pub fn unsupported(key: &str, found: impl ToString, supported: &str) -> Error {
    error::unsupported("tokenizer.json", key, found.to_string(), supported)
}

/// `model.vocab` and the added tokens as pieces by id; gaps are empty.
pub fn pieces(json: &Value) -> Result<Vec<Vec<u8>>> {
    let vocab = match &json["model"]["vocab"] {
        Value::Object(vocab) => vocab.clone(),
        // Unigram's pieces have their places for ids.
        Value::Array(list) => {
            let entries = list.iter().zip(0u64..);
            entries
                .filter_map(|(entry, id)| Some((entry[0].as_str()?.to_owned(), id.into())))
                .collect()
        }
        _ => return Err(unsupported("model.vocab", "no object", "an object of pieces and ids")),
    };
    let added = json["added_tokens"].as_array().into_iter().flatten().map(|token| &token["id"]);
    let largest = vocab.values().chain(added).filter_map(Value::as_u64).max();
    if let Some(largest) = largest.filter(|&largest| largest >= 1 << 16) {
        return Err(Error::Unsupported {
            file: "tokenizer.json".into(),
            key: "model.vocab".into(),
            found: format!("a vocabulary of {} tokens", largest.saturating_add(1)),
            supported: "at most 65536 tokens. `--keep-vocabulary TEXT` keeps those that a text of yours needs \
                        and drops the others; `--tokenizer none` converts without a tokenizer"
                .into(),
        });
    }
    let mut pieces = Vec::new();
    let mut set = |piece: &str, id: &Value, key: &str| -> Result<()> {
        let Some(number) = id.as_u64() else {
            return Err(unsupported(key, format!("\"{piece}\": {id}"), "whole numbers as ids"));
        };
        if pieces.len() <= number as usize {
            pieces.resize(number as usize + 1, Vec::new());
        }
        pieces[number as usize] = piece.as_bytes().to_vec();
        Ok(())
    };
    for (piece, id) in &vocab {
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
pub fn id(json: &Value, piece: &str) -> Option<u32> {
    let added = json["added_tokens"].as_array().into_iter().flatten();
    let vocab = &json["model"]["vocab"];
    let listed = vocab.as_array().and_then(|list| list.iter().position(|entry| entry[0] == *piece));
    let own = vocab[piece].as_u64().or(listed.map(|id| id as u64));
    let found =
        own.or_else(|| added.filter(|t| t["content"] == *piece).find_map(|t| t["id"].as_u64()));
    found.and_then(|id| u32::try_from(id).ok())
}

/// The special tokens that the post-processor puts before and after a text.
pub fn around(json: &Value) -> Result<(Option<u32>, Option<u32>)> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for processor in parts(&json["post_processor"], "processors") {
        let pair = |key: &str| processor[key][1].as_u64().map(|id| id as u32);
        let name = processor["type"].as_str().unwrap_or("missing");
        match name {
            "ByteLevel" => {}
            "BertProcessing" | "RobertaProcessing" => {
                before.splice(0..0, pair("cls"));
                after.extend(pair("sep"));
            }
            "TemplateProcessing" => {
                let (first, last) = template(json, &processor)?;
                before.splice(0..0, first);
                after.extend(last);
            }
            other => {
                return Err(unsupported(
                    "post_processor.type",
                    other,
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
pub fn template(json: &Value, processor: &Value) -> Result<(Vec<u32>, Vec<u32>)> {
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
        // Whoever reads the file must not find one token by its name and another by its id.
        let names = processor["special_tokens"][name]["tokens"].as_array();
        let named = names.map(|names| names.iter().map(|n| id(json, n.as_str()?)).collect());
        let named: Option<Vec<Option<u32>>> = named;
        if named.is_some_and(|named| named != ids.iter().copied().map(Some).collect::<Vec<_>>()) {
            let found = shown(&processor["special_tokens"][name]);
            let supported = "`ids` that are those of the `tokens`; re-save the tokenizer";
            return Err(unsupported("post_processor.special_tokens", found, supported));
        }
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
pub fn parts(value: &Value, key: &str) -> Vec<Value> {
    match value["type"].as_str() {
        None if value.is_null() => Vec::new(),
        Some("Sequence") => value[key].as_array().cloned().unwrap_or_default(),
        _ => vec![value.clone()],
    }
}
