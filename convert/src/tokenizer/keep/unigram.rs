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

use super::pieces::Pieces;
use serde_json::Value;
use std::collections::BTreeSet;

/// Adds the characters of the text and of the pieces, and the piece of the lowest score.
pub(super) fn keep(json: &Value, pieces: &Pieces, text: &str, kept: &mut BTreeSet<u32>) {
    kept.extend(pieces.singles(text));
    // The tokenizer may have made other characters of those of the text.
    let made: String =
        kept.iter().filter_map(|&id| pieces.by_id.get(id as usize)).map(String::as_str).collect();
    kept.extend(pieces.singles(&made));
    let scores = json["model"]["vocab"].as_array().into_iter().flatten();
    let scores = scores.zip(0..).filter_map(|(entry, id)| Some((entry[1].as_f64()?, id)));
    kept.extend(scores.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, id)| id));
}
