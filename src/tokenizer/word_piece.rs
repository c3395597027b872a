//! WordPiece (Schuster & Nakajima 2012; Devlin et al. 2019): words and punctuation, then the
//! longest piece that fits, again and again.
//!
//! BERT's rules for characters (spaces, punctuation, mapping of accented letters) are ranges in the
//! section, computed by the converter, each with a class:
//!
//! ```text
//! 0                drops the character
//! 1                separates words
//! 2                stands alone
//! 4                is a Hangul syllable: two or three letters (Unicode, section 3.12)
//! 16 +             continues a word as the character `class − 16 + its place in the range`
//! 2^24 +           stands alone as the character `class − 2^24 + its place in the range`
//! 2^31 +           becomes several characters, see below
//! ```
//!
//! A character in no range continues a word unchanged. Expansions to several characters are stored
//! in the same table, beyond Unicode: the classes of entries `0x110000 + class − 2^31`, … are the
//! characters, up to the first 0.

use super::output::{EncodeError, Output};
use super::vocabulary::Vocabulary;

/// Length in bytes of the longest word that is looked up; longer words are unknown.
const WORD: usize = 400;
/// Length in characters of the longest word, as in BERT.
const WORD_CHARACTERS: usize = 100;

/// One word, lower-cased and stripped, and its characters.
struct Word {
    bytes: [u8; WORD],
    len: usize,
    characters: usize,
}

impl Word {
    fn push(&mut self, c: char) {
        let mut buffer = [0; 4];
        let encoded = c.encode_utf8(&mut buffer).as_bytes();
        // What finds no room belongs to a word of too many characters, which is unknown anyway.
        if let Some(to) = self.bytes.get_mut(self.len..self.len + encoded.len()) {
            to.copy_from_slice(encoded);
            self.len += encoded.len();
        }
        self.characters += 1;
    }
}

/// Appends the tokens of `text`, without special tokens, to `out`.
pub(super) fn encode(v: &Vocabulary, text: &str, out: &mut Output) -> Result<(), EncodeError> {
    let mut word = Word { bytes: [0; WORD], len: 0, characters: 0 };
    let valid = |code: u32| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    for c in text.chars() {
        match v.character(c as u32) {
            None => word.push(c),
            Some((0, _)) => {}
            Some((1, _)) => flush(v, &mut word, out)?,
            Some((4, _)) => hangul(c).into_iter().flatten().for_each(|letter| word.push(letter)),
            Some((class @ 0x8000_0000.., _)) => {
                let first = 0x11_0000 + (class & 0x7fff_ffff);
                // More characters make the word unknown anyway.
                let places = 0..=WORD_CHARACTERS as u32;
                let entries = places.map_while(|i| v.character(first.saturating_add(i)));
                let codes = entries.map(|(code, _)| code).take_while(|&code| code != 0);
                codes.for_each(|code| word.push(valid(code)));
            }
            Some((class @ 16..0x100_0000, place)) => {
                word.push(valid((class - 16).wrapping_add(place)))
            }
            Some((class, place)) => {
                flush(v, &mut word, out)?;
                let other = valid((class & 0xff_ffff).wrapping_add(place));
                word.push(if class < 16 { c } else { other });
                flush(v, &mut word, out)?;
            }
        }
    }
    flush(v, &mut word, out)
}

/// The letters of a Hangul syllable: leading consonant, vowel, trailing consonant if any.
fn hangul(c: char) -> [Option<char>; 3] {
    let index = (c as u32).wrapping_sub(0xAC00);
    let trailing = index % 28;
    [
        char::from_u32(0x1100 + index / 588),
        char::from_u32(0x1161 + index % 588 / 28),
        if trailing > 0 { char::from_u32(0x11A7 + trailing) } else { None },
    ]
}

/// Splits the word into pieces and empties it.
fn flush(v: &Vocabulary, word: &mut Word, out: &mut Output) -> Result<(), EncodeError> {
    let (start, missing) = (out.len, out.missing);
    let bytes = word.bytes.get(..word.len).unwrap_or_default();
    let known = word.characters <= WORD_CHARACTERS;
    if !known || !pieces(v, bytes, out) {
        (out.len, out.missing) = (start, missing);
        let first = core::str::from_utf8(bytes).ok().and_then(|word| word.chars().next());
        let character = first.unwrap_or(char::REPLACEMENT_CHARACTER);
        out.push(v.unknown().ok_or(EncodeError::UnknownCharacter { character })?);
    }
    (word.len, word.characters) = (0, 0);
    Ok(())
}

/// Greedy longest match; false if some part has no piece.
fn pieces(v: &Vocabulary, word: &[u8], out: &mut Output) -> bool {
    let mut rest = word;
    while !rest.is_empty() {
        let mut buffer = [b'#'; WORD + 2];
        let prefix = if rest.len() < word.len() { 2 } else { 0 };
        let Some(to) = buffer.get_mut(prefix..prefix + rest.len()) else { return false };
        to.copy_from_slice(rest);
        let longest = (1..=rest.len())
            .rev()
            .find_map(|len| Some((len, v.find(buffer.get(..prefix + len)?)?)));
        let Some((len, token)) = longest else { return false };
        out.push(token);
        rest = rest.get(len..).unwrap_or_default();
    }
    true
}
