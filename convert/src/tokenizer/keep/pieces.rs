//! A vocabulary of `tokenizer.json`, of any size.

use super::super::section::unsupported;
use crate::error::Result;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// A vocabulary.
pub(super) struct Pieces {
    /// Every token's text, added ones included; empty where an id has none.
    pub(super) by_id: Vec<String>,
    /// The ids of those that the model splits texts into.
    pub(super) by_piece: HashMap<String, u32>,
}

impl Pieces {
    /// Reads it.
    pub(super) fn of(json: &Value) -> Result<Self> {
        let mut by_piece = HashMap::new();
        for (piece, id) in json["model"]["vocab"].as_object().into_iter().flatten() {
            by_piece.insert(piece.clone(), number(id, piece)?);
        }
        let scored = json["model"]["vocab"].as_array().into_iter().flatten();
        let scored =
            scored.zip(0..).filter_map(|(entry, id)| Some((entry[0].as_str()?.into(), id)));
        by_piece.extend(scored);
        let mut by_id = Vec::new();
        let mut set = |piece: &str, id: u32| {
            by_id.resize(by_id.len().max(id as usize + 1), String::new());
            by_id[id as usize] = piece.into();
        };
        by_piece.iter().for_each(|(piece, &id)| set(piece, id));
        for token in json["added_tokens"].as_array().into_iter().flatten() {
            let content = token["content"].as_str().unwrap_or_default();
            set(content, number(&token["id"], content)?);
        }
        Ok(Self { by_id, by_piece })
    }

    /// The id of a piece that a text may be split into.
    pub(super) fn id(&self, piece: &str) -> Option<u32> {
        self.by_piece.get(piece).copied()
    }

    /// The pieces that are one of these characters each.
    pub(super) fn singles<'p>(&'p self, text: &'p str) -> impl Iterator<Item = u32> + 'p {
        let characters: BTreeSet<char> = text.chars().collect();
        characters.into_iter().filter_map(|c| self.id(c.encode_utf8(&mut [0; 4])))
    }
}

/// The id of a piece. An id beyond every vocabulary would ask for as much memory.
fn number(id: &Value, piece: &str) -> Result<u32> {
    let number = id.as_u64().filter(|&id| id < 1 << 20).map(|id| id as u32);
    number.ok_or_else(|| {
        unsupported("model.vocab", format!("\"{piece}\": {id}"), "ids from 0 to 1048575")
    })
}
