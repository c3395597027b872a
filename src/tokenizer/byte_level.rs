//! Byte-level byte-pair encoding (Radford et al. 2019, "Language Models are Unsupervised Multitask
//! Learners", §2.2): GPT-2's regular expression splits a text into words, each merged from its
//! bytes.
//!
//! ```text
//! 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//! ```
//!
//! Letters, numbers and spaces are ranges of classes 1, 2 and 3 in the section, computed by the
//! converter; a character in no range is punctuation.

use super::merge::Merge;
use super::output::{EncodeError, Output};
use super::vocabulary::Vocabulary;

const SPACE: u32 = 3;
const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/// Appends the tokens of `text`, without special tokens, to `out`.
pub(super) fn encode(
    v: &Vocabulary,
    merge: Merge,
    text: &str,
    out: &mut Output,
) -> Result<(), EncodeError> {
    let mut rest = text;
    while !rest.is_empty() {
        let (word, behind) = rest.split_at_checked(word(v, rest)).unwrap_or((rest, ""));
        let start = out.len;
        for (at, byte) in word.bytes().enumerate() {
            let token = v.find(&[byte]).or(v.unknown());
            let character = || word.get(at..).and_then(|w| w.chars().next()).unwrap_or('\u{FFFD}');
            out.push(
                token.ok_or_else(|| EncodeError::UnknownCharacter { character: character() })?,
            );
        }
        merge(v, out, start);
        rest = behind;
    }
    Ok(())
}

/// Length in bytes of the first word of a non-empty text.
fn word(v: &Vocabulary, text: &str) -> usize {
    if let Some(contraction) = CONTRACTIONS.iter().find(|c| text.starts_with(**c)) {
        return contraction.len();
    }
    let class = |c: char| v.character(c as u32).map_or(0, |(class, _)| class);
    // One space before a word belongs to it.
    let body = text.strip_prefix(' ').unwrap_or(text);
    let own = body.chars().next().map_or(SPACE, class);
    if own != SPACE {
        let end = body.find(|c| class(c) != own).unwrap_or(body.len());
        return text.len() - body.len() + end;
    }
    // Of several spaces before a word, the last one is left to that word.
    let Some(end) = text.find(|c| class(c) != SPACE) else { return text.len() };
    let last = text.get(..end).and_then(|spaces| spaces.chars().next_back());
    match end - last.map_or(0, char::len_utf8) {
        0 => end,
        but_last => but_last,
    }
}
