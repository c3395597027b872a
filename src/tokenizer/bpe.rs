//! Byte-pair encoding (Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword
//! Units", §3.2) over characters with byte fallback, as SentencePiece (Kudo & Richardson 2018),
//! Llama and llama2.c do it. If the tokenizer lower-cases, a character table maps the letters (see
//! `word_piece`, classes from 16).

use super::merge::Merge;
use super::output::{EncodeError, Output};
use super::vocabulary::{FLAG_BYTES, FLAG_FUSE, FLAG_PREFIX_ONCE, FLAG_RUNS, Vocabulary};

/// U+2581, SentencePiece's visible space. llama2.c's vocabulary has plain spaces instead.
const SPACE: &str = "\u{2581}";
const SPACE_CHARACTER: char = '\u{2581}';

/// Appends the tokens of `text`, without special tokens, to `out`; with `prefix` a space stands before it.
pub(super) fn encode(
    v: &Vocabulary,
    merge: Merge,
    text: &str,
    prefix: bool,
    out: &mut Output,
) -> Result<(), EncodeError> {
    let (begin, runs) = (out.len, v.flag(FLAG_RUNS));
    let text = match runs {
        true => text.trim_start_matches(' ').trim_end_matches([' ', SPACE_CHARACTER]),
        false => text,
    };
    let mut start = begin;
    let space = if v.find(SPACE.as_bytes()).is_some() { SPACE } else { " " };
    let begun = v.flag(FLAG_PREFIX_ONCE) && (text.starts_with(' ') || text.starts_with(SPACE));
    if prefix && !begun && !text.is_empty() {
        character(v, space, begin, out)?;
    }
    let (by_words, mut after_space) = (merges_within_words(v, space), true);
    let mut before = None;
    for c in text.chars() {
        if runs && c == ' ' && before.replace(c) == Some(' ') {
            continue;
        }
        before = Some(c);
        let lower = v
            .character(c as u32)
            .and_then(|(class, place)| char::from_u32(class.checked_sub(16)?.wrapping_add(place)));
        // The only letter whose lower case is two characters (Unicode's SpecialCasing).
        let dot = (c == 'İ' && lower.is_some()).then_some('\u{307}');
        for c in [Some(lower.unwrap_or(c)), dot].into_iter().flatten() {
            let mut buffer = [0; 4];
            let piece = if c == ' ' { space } else { c.encode_utf8(&mut buffer) };
            if by_words && piece == space && !after_space {
                merge(v, out, start);
                start = out.len;
            }
            after_space = piece == space;
            character(v, piece, begin, out)?;
        }
    }
    merge(v, out, start);
    Ok(())
}

/// Whether no merge joins a space to the piece before it. Merging word by word then gives the same
/// tokens as merging the whole text, with room for one unmerged word only and with fewer
/// comparisons.
fn merges_within_words(v: &Vocabulary, space: &str) -> bool {
    let begins = |right| v.piece(right).is_some_and(|piece| piece.starts_with(space.as_bytes()));
    let ends = |left| v.piece(left).is_some_and(|piece| piece.ends_with(space.as_bytes()));
    v.find(space.as_bytes()).is_some()
        && v.merges().all(|(left, right)| !begins(right) || ends(left))
}

/// One character: its own piece, or its bytes, or the unknown token. The text's tokens begin at `begin`.
fn character(
    v: &Vocabulary,
    piece: &str,
    begin: usize,
    out: &mut Output,
) -> Result<(), EncodeError> {
    if let Some(token) = v.find(piece.as_bytes()) {
        out.push(token);
        return Ok(());
    }
    let character = piece.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
    let unknown = EncodeError::UnknownCharacter { character };
    if v.flag(FLAG_BYTES) {
        for &byte in piece.as_bytes() {
            out.push(v.byte(byte).or(v.unknown()).ok_or(unknown)?);
        }
        return Ok(());
    }
    let token = v.unknown().ok_or(unknown)?;
    let before = out.tokens.get(begin..out.len).and_then(<[u32]>::last);
    if !(v.flag(FLAG_FUSE) && before == Some(&token)) {
        out.push(token);
    }
    Ok(())
}
