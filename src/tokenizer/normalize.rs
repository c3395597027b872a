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
            found =
                found.or_else(|| whole.then(|| v.character(PAIRS + (index << 21) + c as u32))?);
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
