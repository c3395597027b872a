//! Byte-level byte-pair encoding (Radford et al. 2019, "Language Models are Unsupervised Multitask
//! Learners", §2.2): a regular expression splits a text into words, each merged from its bytes. GPT-2's
//! expression is here, that of Llama 3 and Qwen in `cl100k`.
//!
//! ```text
//! 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//! ```
//!
//! Letters, numbers and spaces are ranges of classes 1, 2 and 3 in the section, computed by the
//! converter; a character in no range is punctuation. One of class 4 is a text by itself (`Digits` of
//! `tokenizer.json`, SmolLM).

use super::merge::Merge;
use super::nfc;
use super::output::{EncodeError, Output};
use super::vocabulary::{FLAG_NFC, FLAG_WHOLE, Vocabulary};

/// Class of a letter.
pub(super) const LETTER: u32 = 1;
/// Class of a number.
pub(super) const NUMBER: u32 = 2;
/// Class of white space.
pub(super) const SPACE: u32 = 3;
/// Class of a character that is a text by itself.
const ALONE: u32 = 4;
const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/// The length in bytes of the first word of a non-empty text.
pub(super) type FirstWord = fn(&Vocabulary, &str) -> usize;

/// The class of a character; 0 for punctuation.
pub(super) fn class(v: &Vocabulary, c: char) -> u32 {
    v.character(c as u32).map_or(0, |(class, _)| class)
}

/// Appends the tokens of `text`, without special tokens, to `out`.
#[inline(always)] // so that the first word's rule is linked only if it is used
pub(super) fn encode(
    v: &Vocabulary,
    merge: Merge,
    first_word: FirstWord,
    text: &str,
    out: &mut Output,
) -> Result<(), EncodeError> {
    if v.flag(FLAG_NFC) {
        nfc::check(v, text)?;
    }
    let alone = |c| class(v, c) == ALONE;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let part = if alone(c) { c.len_utf8() } else { rest.find(alone).unwrap_or(rest.len()) };
        let (mut part, behind) = rest.split_at_checked(part).unwrap_or((rest, ""));
        while !part.is_empty() {
            let end = if alone(c) { part.len() } else { first_word(v, part) };
            let (first, others) = part.split_at_checked(end).unwrap_or((part, ""));
            word(v, merge, first, out)?;
            part = others;
        }
        rest = behind;
    }
    Ok(())
}

/// The tokens of a word.
fn word(v: &Vocabulary, merge: Merge, word: &str, out: &mut Output) -> Result<(), EncodeError> {
    if v.flag(FLAG_WHOLE)
        && let Some(token) = v.find(word.as_bytes())
    {
        out.push(token);
        return Ok(());
    }
    let start = out.len;
    for (at, byte) in word.bytes().enumerate() {
        let token = v.find(&[byte]).or(v.unknown());
        let character = || word.get(at..).and_then(|w| w.chars().next()).unwrap_or('\u{FFFD}');
        out.push(token.ok_or_else(|| EncodeError::UnknownCharacter { character: character() })?);
    }
    merge(v, out, start);
    Ok(())
}

/// GPT-2's first word.
pub(super) fn gpt2(v: &Vocabulary, text: &str) -> usize {
    if let Some(contraction) = CONTRACTIONS.iter().find(|c| text.starts_with(**c)) {
        return contraction.len();
    }
    // One space before a word belongs to it.
    let body = text.strip_prefix(' ').unwrap_or(text);
    let own = body.chars().next().map_or(SPACE, |c| class(v, c));
    if own != SPACE {
        let end = body.find(|c| class(v, c) != own).unwrap_or(body.len());
        return text.len() - body.len() + end;
    }
    but_last(text, text.find(|c| class(v, c) != SPACE))
}

/// Of several spaces before a word, which begins at `end`, the last one is left to that word.
pub(super) fn but_last(text: &str, end: Option<usize>) -> usize {
    let Some(end) = end else { return text.len() };
    let last = text.get(..end).and_then(|spaces| spaces.chars().next_back());
    match end - last.map_or(0, char::len_utf8) {
        0 => end,
        but_last => but_last,
    }
}
