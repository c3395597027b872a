//! WordPiece (Schuster & Nakajima 2012; Devlin et al. 2019): words and punctuation, then the longest
//! piece that fits, again and again.
//!
//! BERT's rules for every character beyond ASCII (what is space, what is punctuation, what an accented
//! letter becomes) are ranges in the section, computed by the converter: class 0 drops the character,
//! 1 separates words, 2 stands alone, 3 continues a word; from 16 on the character is replaced by
//! `class − 16 + its place in the range` and continues a word. A character in no range is unknown to
//! every piece: it continues a word, which becomes the unknown token.

use super::vocabulary::{FLAG_ADD_END, Vocabulary};
use super::{EncodeError, Output};

/// Bytes of the longest word that is looked up; longer ones (BERT: beyond 100 characters) are unknown.
const WORD: usize = 400;
/// Characters of the longest word.
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
        if let Some(to) = self.bytes.get_mut(self.len..self.len + encoded.len()) {
            to.copy_from_slice(encoded);
            self.len += encoded.len();
        }
        self.characters += 1;
    }
}

/// What a character does.
enum Class {
    Drop,
    Space,
    Alone(char),
    Letter(char),
}

fn classify(v: &Vocabulary, c: char) -> Class {
    match v.character(c) {
        Some((0, _)) => Class::Drop,
        Some((1, _)) => Class::Space,
        Some((2, _)) => Class::Alone(c),
        Some((class @ 16.., place)) => {
            Class::Letter(char::from_u32((class - 16).wrapping_add(place)).unwrap_or(c))
        }
        _ => Class::Letter(c),
    }
}

/// The tokens of `text`, without specials, appended to `out`.
pub(super) fn encode(v: &Vocabulary, text: &str, out: &mut Output) -> Result<(), EncodeError> {
    let mut word = Word { bytes: [0; WORD], len: 0, characters: 0 };
    for c in text.chars() {
        match classify(v, c) {
            Class::Drop => {}
            Class::Letter(c) => word.push(c),
            Class::Space => flush(v, &mut word, out)?,
            Class::Alone(c) => {
                flush(v, &mut word, out)?;
                word.push(c);
                flush(v, &mut word, out)?;
            }
        }
    }
    flush(v, &mut word, out)
}

/// Splits the word into pieces and empties it.
fn flush(v: &Vocabulary, word: &mut Word, out: &mut Output) -> Result<(), EncodeError> {
    let (start, bytes) = (out.len, word.bytes.get(..word.len).unwrap_or_default());
    let known = word.characters <= WORD_CHARACTERS;
    if !known || !pieces(v, bytes, out)? {
        out.len = start;
        out.push(v.unknown().ok_or(EncodeError::UnknownCharacter)?)?;
    }
    (word.len, word.characters) = (0, 0);
    Ok(())
}

/// Greedy longest match; false if some part has no piece.
fn pieces(v: &Vocabulary, word: &[u8], out: &mut Output) -> Result<bool, EncodeError> {
    let mut rest = word;
    while !rest.is_empty() {
        let mut buffer = [b'#'; WORD + 2];
        let prefix = if rest.len() < word.len() { 2 } else { 0 };
        let Some(to) = buffer.get_mut(prefix..prefix + rest.len()) else { return Ok(false) };
        to.copy_from_slice(rest);
        let longest = (1..=rest.len())
            .rev()
            .find_map(|len| Some((len, v.find(buffer.get(..prefix + len)?)?)));
        let Some((len, token)) = longest else { return Ok(false) };
        out.push(token)?;
        rest = rest.get(len..).unwrap_or_default();
    }
    Ok(true)
}

/// Whether an end token closes an encoded text.
pub(super) fn adds_end(v: &Vocabulary) -> bool {
    v.flag(FLAG_ADD_END)
}
