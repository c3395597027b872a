//! BERT's WordPiece: what every character of Unicode becomes is asked of the `tokenizers` crate itself.

use super::section::{Section, around, characters_beside, crates, id, parts, pieces, unsupported};
use crate::error::Result;
use picoformer::tokenizer::vocabulary::{FLAG_ADD_END, NONE};
use serde_json::Value;
use std::collections::HashSet;
use std::path::Path;
use tokenizers::{
    Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Tokenizer,
};

/// The section of a WordPiece model.
pub(super) fn section(json: &Value, path: &Path) -> Result<Section> {
    let normalizers = parts(&json["normalizer"], "normalizers");
    let types: Vec<_> =
        normalizers.iter().map(|n| n["type"].as_str().unwrap_or_default()).collect();
    if !matches!(types[..], ["BertNormalizer"] | ["Lowercase", "BertNormalizer"]) {
        return Err(unsupported("normalizer.type", &json["normalizer"]["type"], "BertNormalizer"));
    }
    if json["pre_tokenizer"]["type"] != "BertPreTokenizer" {
        let found = &json["pre_tokenizer"]["type"];
        return Err(unsupported("pre_tokenizer.type", found, "BertPreTokenizer"));
    }
    if json["model"]["continuing_subword_prefix"].as_str().is_some_and(|prefix| prefix != "##") {
        return Err(unsupported("model.continuing_subword_prefix", "another", "##"));
    }
    let mut section = Section::new(2, pieces(json)?);
    let tokenizer = crates(json, path)?;
    section.characters = characters(&tokenizer, &section.pieces);
    section.unknown =
        json["model"]["unk_token"].as_str().and_then(|unk| id(json, unk)).unwrap_or(NONE);
    let (begin, end) = around(json)?;
    (section.begin, section.end) = (begin.unwrap_or(NONE), end.unwrap_or(NONE));
    if end.is_some() {
        section.flags |= FLAG_ADD_END;
    }
    Ok(section)
}

/// The words of a text.
pub(super) fn words(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let mut normalized = text.into();
    let _ = tokenizer.get_normalizer().map(|n| n.normalize(&mut normalized));
    let mut split = PreTokenizedString::from(normalized.get());
    let _ = tokenizer.get_pre_tokenizer().map(|p| p.pre_tokenize(&mut split));
    let words = split.get_splits(OffsetReferential::Original, OffsetType::Byte);
    words.into_iter().map(|(word, ..)| word.to_owned()).collect()
}

/// Classes of all characters that are not simply themselves, as ranges (see the engine's `word_piece`).
fn characters(tokenizer: &Tokenizer, pieces: &[Vec<u8>]) -> Vec<(u32, u32, u32)> {
    let pieces: Vec<_> = pieces.iter().map(|piece| String::from_utf8_lossy(piece)).collect();
    let known: HashSet<char> = pieces.iter().flat_map(|piece| piece.chars()).collect();
    // What stands for letters that must not be found as themselves: a character that no piece has.
    let nobody = ('\u{F0000}'..=char::MAX).rev().find(|c| !known.contains(c));
    let nobody = nobody.unwrap_or(char::REPLACEMENT_CHARACTER);
    let (mut ranges, mut several): (Vec<(u32, u32, u32)>, Vec<char>) = Default::default();
    let stays = |text: &str| words(tokenizer, &format!("a{text}b")) == [format!("a{text}b")];
    let mut dropped = false;
    for c in characters_beside(stays) {
        // Planes 4 to 13 have no characters: where one is dropped, so are its neighbours.
        if dropped && matches!(c as u32, 0x4_0000..0xE_0000) && c as u32 & 0xff != 0 {
            if let Some((_, last, _)) = ranges.last_mut() {
                *last += 1;
            }
            continue;
        }
        dropped = false;
        let found = words(tokenizer, &format!("a{c}b"));
        let found: Vec<Vec<char>> = found.iter().map(|word| word.chars().collect()).collect();
        // What the vocabulary does not have makes a word unknown, whatever it is.
        let one = |letter: char| if known.contains(&letter) { letter } else { nobody };
        let class = match found.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] {
            [['a', 'b']] => 0,
            [['a'], ['b']] => 1,
            [['a'], [letter], ['b']] if *letter == c => 2,
            [['a'], [letter], ['b']] => (1 << 24) + one(*letter) as u32,
            [['a', letter, 'b']] if *letter == c => continue,
            [['a', letter, 'b']] if known.contains(letter) => 16 + *letter as u32,
            [['a', letters @ .., 'b']] if letters.iter().all(|letter| known.contains(letter)) => {
                if ('\u{AC00}'..='\u{D7A3}').contains(&c) {
                    4
                } else {
                    let first = several.len() as u32;
                    several.extend(letters);
                    several.push('\0');
                    (1 << 31) + first
                }
            }
            _ if known.contains(&c) => 16 + nobody as u32,
            _ => continue,
        };
        dropped = class == 0;
        let code = c as u32;
        match ranges.last_mut() {
            Some((first, last, previous))
                if *last + 1 == code
                    && class < 1 << 31
                    && class == *previous + if *previous >= 16 { code - *first } else { 0 } =>
            {
                *last = code;
            }
            _ => ranges.push((code, code, class)),
        }
    }
    let several = several.iter().zip(0x11_0000u32..);
    ranges.extend(several.map(|(&letter, code)| (code, code, letter as u32)));
    ranges
}
