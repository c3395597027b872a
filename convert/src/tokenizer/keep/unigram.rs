//! Unigram: the pieces of the text's best segmentation, its characters, and the piece of the lowest score.
//!
//! The score of a segmentation is the sum of its pieces' scores, and that of the unknown token, for a
//! character without a piece, is the lowest of the vocabulary less a penalty: it stays the same because the
//! piece of the lowest score is kept. Say that the pieces of a text's best segmentation are all kept. Any
//! segmentation into kept pieces and unknown characters becomes one of the original when each unknown
//! character that has a piece there is replaced by it, which only raises the score. So none is better than
//! the best one of the original, which is still there.
//!
//! Of equals the search takes the first that it meets at the end of a piece. The best one was the first
//! there; dropping pieces removes rivals and lowers the scores of others, so it still is.
//!
//! Other texts get other pieces, in the end single characters, and bytes or the unknown token for a
//! character that is not kept.

use super::super::section::crates;
use super::super::word_piece::words;
use super::pieces::Pieces;
use super::renumber::renumber;
use crate::error::Result;
use crate::kept::Kept;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::path::Path;

/// Characters of the longest piece that the engine finds.
const LONGEST: usize = 31;

/// Adds the characters of the text and of the pieces, and the piece of the lowest score.
pub(super) fn keep(json: &Value, pieces: &Pieces, text: &str, kept: &mut BTreeSet<u32>) {
    kept.extend(pieces.singles(text));
    // The tokenizer may have made other characters of those of the text.
    let made: String =
        kept.iter().filter_map(|&id| pieces.by_id.get(id as usize)).map(String::as_str).collect();
    kept.extend(pieces.singles(&made));
    kept.extend(lowest(json));
}

/// The piece of the lowest score.
fn lowest(json: &Value) -> Option<u32> {
    let scores = json["model"]["vocab"].as_array().into_iter().flatten();
    let scores = scores.zip(0..).filter_map(|(entry, id)| Some((entry[1].as_f64()?, id)));
    scores.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, id)| id)
}

/// The tokenizer with the pieces alone that are somewhere in the text, and which these are: it finds in the text
/// what the whole one finds, and the crate's tree of 250,000 pieces takes 400 MB. `fixed` stay too.
pub(super) fn within(
    json: &Value,
    path: &Path,
    pieces: &Pieces,
    text: &str,
    fixed: &BTreeSet<u32>,
) -> Result<Option<(Value, Kept)>> {
    let words_alone = json!({ "version": "1.0", "added_tokens": [], "normalizer": json["normalizer"],
        "pre_tokenizer": json["pre_tokenizer"],
        "model": { "type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]] } });
    let tokenizer = crates(&words_alone, path)?;
    let mut parts: Vec<&str> = [text].into_iter().chain(text.lines()).collect();
    let mut ids = fixed.clone();
    let mut between = parts.clone();
    for token in json["added_tokens"].as_array().into_iter().flatten() {
        ids.extend(token["id"].as_u64().and_then(|id| u32::try_from(id).ok()));
        if let Some(content) = token["content"].as_str().filter(|content| !content.is_empty()) {
            between = between.into_iter().flat_map(|part| part.split(content)).collect();
        }
    }
    parts.extend(between);
    let words: HashSet<String> = parts.iter().flat_map(|part| words(&tokenizer, part)).collect();
    let mut found: HashSet<&str> = HashSet::new();
    for word in &words {
        for (start, _) in word.char_indices() {
            let rest = &word[start..];
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).take(LONGEST);
            found.extend(ends.map(|end| &rest[..end]));
        }
    }
    let present = pieces.by_piece.iter().filter(|(piece, _)| found.contains(piece.as_str()));
    ids.extend(present.map(|(_, &id)| id));
    ids.extend(lowest(json));
    let kept = Kept::new(pieces.by_id.len(), ids);
    Ok(kept.map(|kept| (renumber(json.clone(), &kept), kept)))
}
