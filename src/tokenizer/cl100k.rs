//! The words of byte-level byte-pair encoding as Llama 3 and Qwen have them, after the expression of the
//! vocabulary `cl100k` (OpenAI's `tiktoken`, 2022).
//!
//! ```text
//! (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*
//! |\s*[\r\n]+|\s+(?!\S)|\s+
//! ```
//!
//! With `FLAG_DIGITS` a number has one digit instead of up to three (Qwen).

use super::byte_level::{LETTER, NUMBER, SPACE, but_last, class};
use super::vocabulary::{FLAG_DIGITS, Vocabulary};

/// Digits of the longest number.
const DIGITS: usize = 3;

/// The length in bytes of the first word of a non-empty text.
pub(super) fn word(v: &Vocabulary, text: &str) -> usize {
    if let Some(length) = contraction(text) {
        return length;
    }
    let newline = |c: char| matches!(c, '\r' | '\n');
    let mut characters = text.chars();
    let first = characters.next().unwrap_or(' ');
    let behind = characters.as_str();
    let (own, next) = (class(v, first), characters.next().map(|c| class(v, c)));
    // The rest of a run of characters of one class.
    let run = |of| first.len_utf8() + behind.find(|c| class(v, c) != of).unwrap_or(behind.len());
    let leads = own != NUMBER && !newline(first) && next == Some(LETTER);
    if own == LETTER || leads {
        return run(LETTER);
    }
    if own == NUMBER {
        let most = if v.flag(FLAG_DIGITS) { 1 } else { DIGITS };
        let digits = text.chars().take(most).take_while(|&c| class(v, c) == NUMBER);
        return digits.map(char::len_utf8).sum();
    }
    if own != SPACE || first == ' ' && next == Some(0) {
        let end = run(0);
        let breaks = text.get(end..).unwrap_or_default();
        return end + breaks.find(|c| !newline(c)).unwrap_or(breaks.len());
    }
    let end = text.find(|c| class(v, c) != SPACE);
    let spaces = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    match spaces.rfind(newline) {
        Some(last) => last + 1,
        None => but_last(text, end),
    }
}

/// The length of the contraction that a text begins with. Without regard to case U+017F is an `s`.
fn contraction(text: &str) -> Option<usize> {
    let fold = |c: char| if c == 'ſ' { 's' } else { c.to_ascii_lowercase() };
    let mut characters = text.strip_prefix('\'')?.chars();
    let first = characters.next()?;
    match (fold(first), characters.next().map(fold)) {
        ('s' | 't' | 'm' | 'd', _) => Some(1 + first.len_utf8()),
        ('r' | 'v', Some('e')) | ('l', Some('l')) => Some(3),
        _ => None,
    }
}
