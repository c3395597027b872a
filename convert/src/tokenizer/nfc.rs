//! The table by which the engine sees whether a text is in Unicode's normalization form C (its `nfc`). What
//! becomes of characters is asked of the crate that `tokenizers` normalizes with.

use super::section::unsupported;
use crate::account::shown;
use crate::error::Result;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use unicode_normalization_alignments::UnicodeNormalization;
use unicode_normalization_alignments::char::canonical_combining_class;

/// Where the engine looks for marks and for pairs of a character and a mark.
const MARKS: u32 = 0x20_0000;
const PAIRS: u32 = 0x80_0000;
const REPLACED: u32 = 1 << 8;

fn composed(text: impl Iterator<Item = char>) -> Vec<char> {
    text.nfc().map(|(c, _)| c).collect()
}

fn stays(text: &[char]) -> bool {
    composed(text.iter().copied()) == text
}

fn is_hangul(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11FF}' | '\u{AC00}'..='\u{D7A3}')
}

/// Characters that are composed of two, Hangul aside, and the second ones of all of these.
fn compositions() -> (BTreeSet<char>, BTreeSet<char>) {
    let (mut bases, mut marks) = (BTreeSet::new(), BTreeSet::new());
    for c in ('\0'..=char::MAX).filter(|&c| !is_hangul(c) && stays(&[c])) {
        let parts: Vec<char> = std::iter::once(c).nfd().map(|(c, _)| c).collect();
        if let [first, .., last] = parts[..] {
            bases.extend([first, c]);
            marks.insert(last);
        }
    }
    (bases, marks)
}

/// The entries of the character table, sorted.
pub(super) fn table() -> Vec<(u32, u32, u32)> {
    let (bases, marks) = compositions();
    let bases: Vec<char> =
        bases.into_iter().filter(|&c| canonical_combining_class(c) == 0).collect();
    let changes = |mark: char| -> Vec<char> {
        bases.iter().copied().filter(|&base| !stays(&[base, mark])).collect()
    };
    // Marks that go with the same characters share a number.
    let (mut numbers, mut of) = (Vec::<Vec<char>>::new(), BTreeMap::new());
    for mark in marks {
        let with = changes(mark);
        let k = numbers.iter().position(|other| *other == with).unwrap_or_else(|| {
            numbers.push(with);
            numbers.len() - 1
        });
        of.insert(mark, k as u32 + 1);
    }
    let mut ranges: Vec<(u32, u32, u32)> = Vec::new();
    let mut push = |code: u32, class: u32| match ranges.last_mut() {
        Some((_, last, same)) if *last + 1 == code && *same == class => *last = code,
        _ => ranges.push((code, code, class)),
    };
    for c in '\0'..=char::MAX {
        let replaced = if stays(&[c]) { 0 } else { REPLACED };
        let number = of.get(&c).map_or(0, |k| k << 9);
        match canonical_combining_class(c) as u32 | replaced | number {
            0 => {}
            class => push(MARKS + c as u32, class),
        }
    }
    for (k, with) in numbers.iter().enumerate() {
        with.iter().for_each(|&c| push(PAIRS + ((k as u32) << 21) + c as u32, 0));
    }
    ranges
}

/// Refuses added tokens that are looked for in the normalized text and that composing could change.
pub(super) fn added(json: &Value) -> Result<()> {
    let (_, marks) = compositions();
    for token in json["added_tokens"].as_array().into_iter().flatten() {
        let text: Vec<char> = token["content"].as_str().unwrap_or_default().chars().collect();
        let joins = |&mark: &char| !stays(&[&text[..], &[mark]].concat());
        if token["normalized"] == true
            && (!stays(&text)
                || text.first().is_some_and(|c| marks.contains(c))
                || marks.iter().any(joins))
        {
            let supported =
                "tokens that NFC leaves alone where text follows; or `normalized` false";
            return Err(unsupported("added_tokens", shown(token), supported));
        }
    }
    Ok(())
}
