//! WordPiece: the pieces that the words of the text are split into, and their characters.
//!
//! A word is split by taking the longest piece that fits, again and again. Where that piece is kept it is
//! the longest of the kept ones too, so a word whose pieces are all kept is split as in the original. A word
//! of the text that the original does not know is not known either: the pieces before the place where
//! nothing fits are kept, and at that place the smaller vocabulary has nothing that the original lacks.
//!
//! Another word becomes smaller pieces, or the unknown token.

use super::super::word_piece::words;
use super::pieces::Pieces;
use std::collections::BTreeSet;
use tokenizers::Tokenizer;

/// Adds the pieces of the text's words, and every character of them alone, at a word's start and within it.
pub(super) fn keep(tokenizer: &Tokenizer, pieces: &Pieces, text: &str, kept: &mut BTreeSet<u32>) {
    let words: BTreeSet<String> = words(tokenizer, text).into_iter().collect();
    for word in &words {
        let mut rest = word.as_str();
        while !rest.is_empty() {
            let prefix = if rest.len() < word.len() { "##" } else { "" };
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
            let longest = ends
                .into_iter()
                .find_map(|end| Some((end, pieces.id(&format!("{prefix}{}", &rest[..end]))?)));
            let Some((end, id)) = longest else { break };
            kept.insert(id);
            rest = &rest[end..];
        }
    }
    let characters: BTreeSet<char> = words.iter().flat_map(|word| word.chars()).collect();
    for c in characters {
        kept.extend([c.to_string(), format!("##{c}")].iter().filter_map(|piece| pieces.id(piece)));
    }
}
