//! The tokenizer section of a blob before it is written, and what both kinds of `tokenizer.json` share.

use crate::error::{Error, Result};
use picoformer::tokenizer::Tokenizer;
use picoformer::tokenizer::vocabulary::NONE;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

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
    /// `(first, last, class)`, sorted.
    pub characters: Vec<(u32, u32, u32)>,
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
            characters: Vec::new(),
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

/// The characters of Unicode, in order, without the blocks that are `plain` throughout: most of Unicode is,
/// and to ask about every character of it would take long.
pub fn characters_beside(plain: impl Fn(&str) -> bool) -> impl Iterator<Item = char> {
    /// Characters that are asked about at once.
    const BLOCK: u32 = 256;
    let block = |i| (i * BLOCK..(i + 1) * BLOCK).filter_map(char::from_u32).collect::<String>();
    let blocks = (0..=char::MAX as u32 / BLOCK).map(block).filter(move |block| !plain(block));
    blocks.flat_map(|block| block.chars().collect::<Vec<_>>())
}

/// A rule of `tokenizer.json` that the engine does not know.
pub fn unsupported(key: &str, found: impl ToString, supported: &str) -> Error {
    Error::Unsupported {
        key: format!("(tokenizer.json) {key}"),
        found: found.to_string(),
        supported: supported.into(),
    }
}

/// `model.vocab` as pieces by id; gaps are empty.
pub fn pieces(json: &Value) -> Result<Vec<Vec<u8>>> {
    let vocab = json["model"]["vocab"]
        .as_object()
        .ok_or_else(|| unsupported("model.vocab", "no object", "an object of pieces and ids"))?;
    let added = json["added_tokens"].as_array().into_iter().flatten();
    let added = added.filter_map(|token| Some((token["content"].as_str()?, token["id"].as_u64()?)));
    let all = vocab.iter().filter_map(|(piece, id)| Some((piece.as_str(), id.as_u64()?)));
    let mut pieces = Vec::new();
    for (piece, id) in all.chain(added) {
        if id >= 1 << 16 {
            return Err(unsupported("model.vocab", format!("id {id}"), "at most 65536 pieces"));
        }
        if pieces.len() <= id as usize {
            pieces.resize(id as usize + 1, Vec::new());
        }
        pieces[id as usize] = piece.as_bytes().to_vec();
    }
    Ok(pieces)
}

/// Id of a piece.
pub fn id(json: &Value, piece: &str) -> Option<u32> {
    let added = json["added_tokens"].as_array().into_iter().flatten();
    let own = json["model"]["vocab"][piece].as_u64();
    let found =
        own.or_else(|| added.filter(|t| t["content"] == *piece).find_map(|t| t["id"].as_u64()));
    found.and_then(|id| u32::try_from(id).ok())
}

/// The special tokens that the post-processor puts before and after a text.
pub fn around(json: &Value) -> Result<(Option<u32>, Option<u32>)> {
    let processor = &json["post_processor"];
    let pair = |key: &str| processor[key][1].as_u64().map(|id| id as u32);
    match processor["type"].as_str() {
        None | Some("ByteLevel") => Ok((None, None)),
        Some("BertProcessing" | "RobertaProcessing") => Ok((pair("cls"), pair("sep"))),
        Some("TemplateProcessing") => {
            let (mut before, mut after, mut seen) = (Vec::new(), Vec::new(), false);
            for part in processor["single"].as_array().into_iter().flatten() {
                match part["SpecialToken"]["id"].as_str() {
                    None => seen = true,
                    Some(name) => {
                        let ids = &processor["special_tokens"][name]["ids"];
                        let id = ids[0].as_u64().map(|id| id as u32).or_else(|| id(json, name));
                        if seen { after.extend(id) } else { before.extend(id) }
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
        Some(other) => Err(unsupported(
            "post_processor.type",
            other,
            "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or none",
        )),
    }
}
