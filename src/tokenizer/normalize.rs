//! Unigram's normalizer: what becomes of every character before a text is split into pieces, from the
//! section's character table (classes as in `word_piece`), grapheme by grapheme as SentencePiece's
//! precompiled map is applied by the `tokenizers` crate.
//!
//! A grapheme is a character and the marks behind it (Unicode Standard Annex 29, GB9 to GB9b). The
//! crate looks for the whole grapheme in the map if it has less than six bytes, and takes the shortest
//! entry that the grapheme begins with, for all of it; else character by character. Marks, and pairs of a
//! character and a mark, have entries beyond Unicode:
//!
//! ```text
//! MARKS + c                class 0: the next character continues this one; 1: is a mark; 2: takes no mark;
//!                          3 + k: is mark k of the pairs
//! PAIRS + k · 2^21 + c     what becomes of c with mark k
//! ```

use super::output::EncodeError;
use super::vocabulary::Vocabulary;

/// Where the entries of marks begin.
pub const MARKS: u32 = 0x20_0000;
/// Where the entries of pairs begin.
pub const PAIRS: u32 = 0x80_0000;
/// The entry of a character with mark `k`; nothing for more marks than there is room for, which would wrap.
pub(super) fn pair(k: u32, c: char) -> Option<u32> {
    (k <= (u32::MAX - PAIRS) >> 21).then(|| PAIRS + (k << 21) + c as u32)
}

/// Graphemes of as many bytes are not looked up whole.
const LONG: usize = 6;
/// Longest expansion of one character.
const EXPANSION: u32 = 20;

/// Gives every character of the normalized text to `take`, with whether it is a space.
pub(super) fn normalize(
    v: &Vocabulary,
    text: &str,
    take: &mut impl FnMut(char, bool) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let kind = |c: char| v.character(MARKS + c as u32).map(|(class, _)| class);
    let is_mark = |c: char| kind(c).is_some_and(|class| class == 1 || class > 2);
    let (mut rest, mut joined) = (text, false);
    while let Some(c) = rest.chars().next() {
        let behind = rest.get(c.len_utf8()..).unwrap_or_default();
        let alone = kind(c) == Some(2);
        let marks = match behind.find(|c| !is_mark(c)).unwrap_or(behind.len()) {
            _ if c == '\r' && behind.starts_with('\n') => 1,
            _ if alone => 0,
            marks => marks,
        };
        let (marks, next) = behind.split_at_checked(marks).unwrap_or_default();
        let mut found = v.character(c as u32);
        let whole = (alone || !joined) && c.len_utf8() + marks.len() < LONG;
        if let Some(index) =
            marks.chars().next().and_then(kind).and_then(|class| class.checked_sub(3))
        {
            found = found.or_else(|| v.character(pair(index, c).filter(|_| whole)?));
        }
        entry(v, found, c, take)?;
        if !(whole && found.is_some()) {
            marks.chars().try_for_each(|mark| entry(v, v.character(mark as u32), mark, take))?;
        }
        joined = marks.is_empty() && kind(c) == Some(0);
        rest = next;
    }
    Ok(())
}

/// Gives what `found` in the table says that `c` becomes.
fn entry(
    v: &Vocabulary,
    found: Option<(u32, u32)>,
    c: char,
    take: &mut impl FnMut(char, bool) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let valid = |code: u32| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    match found {
        None => take(c, c == ' '),
        Some((0, _)) => Ok(()),
        Some((1, _)) => take(' ', true),
        Some((class @ 0x8000_0000.., _)) => {
            let first = 0x11_0000 + (class & 0x7fff_ffff);
            let entries = (0..EXPANSION).map_while(|i| v.character(first.saturating_add(i)));
            let codes = entries.map(|(code, _)| code).take_while(|&code| code != 0);
            codes.map(valid).try_for_each(|c| take(c, c == ' '))
        }
        Some((class, place)) => {
            let other = valid(class.saturating_sub(16).wrapping_add(place));
            take(other, other == ' ')
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::tokenizer::Tokenizer;
    use crate::tokenizer::vocabulary::{FLAG_NFC, NONE};
    use std::vec::Vec;

    /// A section with the piece `a` and one entry of characters: a mark of this class.
    fn section(kind: u8, flags: u8, class: u32) -> Vec<u8> {
        let scores = if kind == 4 { 2 } else { 0 };
        let mut section = std::vec![kind, flags, 1, 0];
        for word in [1, NONE, NONE, 0, NONE, 1, scores, 0, 1] {
            section.extend(word.to_le_bytes());
        }
        section.extend([0, 0]); // the order
        section.resize(section.len() + 8 * scores as usize, 0);
        let mark = MARKS + 0x301;
        [mark, mark, class].iter().for_each(|word| section.extend(word.to_le_bytes()));
        section.push(b'a');
        section
    }

    /// Entries of more marks than there is room for are none: their places wrapped to other characters'.
    #[test]
    fn marks_beyond_the_last_have_no_pairs() {
        assert_eq!(pair(2043, '\0'), Some(0xffe0_0000));
        assert_eq!(pair(2043, char::MAX), Some(0xfff0_ffff));
        for k in [2044, 2047, 2048, 1 << 30, u32::MAX] {
            assert_eq!(pair(k, 'a'), None);
            for (kind, flags, class) in
                [(4, 0, k.saturating_add(3)), (3, FLAG_NFC, k.wrapping_add(1) << 9 | 230)]
            {
                let section = section(kind, flags, class);
                let tokenizer = Tokenizer::parse(&section).unwrap();
                let mut tokens = [0; 8];
                let _ = tokenizer.encode("a\u{301}a", &mut tokens);
                assert_eq!(tokens[0], 0);
            }
        }
    }
}
