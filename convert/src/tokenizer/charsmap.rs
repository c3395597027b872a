//! SentencePiece's precompiled map of characters (`precompiled_charsmap` of `tokenizer.json`), as the
//! engine's character table.
//!
//! The map is a double-array trie (Aoe 1989, "An Efficient Digital Search Algorithm by Using a Double-Array
//! Structure") from byte strings to byte strings. A unit has the label of the byte that leads to it in bits
//! 0 … 7 and 31, whether a value hangs below it in bit 8, and the offset of what is below it in bits 10 … 30,
//! shifted by 8 more if bit 9 is set.

use super::section::unsupported;
use crate::error::Result;
use std::collections::{BTreeMap, HashSet};
use unicode_segmentation::UnicodeSegmentation;

/// Where the engine looks for marks and for pairs of a character and a mark (its `normalize`).
const MARKS: u32 = 0x20_0000;
const PAIRS: u32 = 0x80_0000;
/// Graphemes of as many bytes are not looked up whole.
const LONG: usize = 6;

/// Every entry of a map: a string, and what it becomes.
pub(super) fn entries(base64: &str) -> Result<BTreeMap<String, String>> {
    let bad =
        || unsupported("normalizer.precompiled_charsmap", "no such map", "SentencePiece's own");
    let bytes = base64::decode(base64).map_err(|_| bad())?;
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..at + 4)?.first_chunk()?));
    let trie = word(0).ok_or_else(bad)? as usize;
    let texts = bytes.get(trie + 4..).ok_or_else(bad)?;
    let unit = |at: usize| word(4 + 4 * at).filter(|_| 4 * at < trie);
    let below = |at: usize, unit: u32| at ^ ((unit >> 10) << ((unit & 1 << 9) >> 6)) as usize;
    let mut entries = BTreeMap::new();
    let root = below(0, unit(0).ok_or_else(bad)?);
    let mut open = vec![(root, Vec::new())];
    while let Some((at, key)) = open.pop() {
        for byte in 1..=255u8 {
            let child = at ^ byte as usize;
            let Some(found) = unit(child).filter(|unit| unit & (1 << 31 | 0xff) == byte as u32)
            else {
                continue;
            };
            let (mut key, under) = (key.clone(), below(child, found));
            key.push(byte);
            if key.len() > 64 {
                return Err(bad());
            }
            if found & 1 << 8 != 0 {
                let value = unit(under).ok_or_else(bad)? & !(1 << 31);
                let text = texts.get(value as usize..).ok_or_else(bad)?;
                let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
                let (Ok(from), Ok(to)) =
                    (String::from_utf8(key.clone()), std::str::from_utf8(text))
                else {
                    return Err(bad());
                };
                entries.insert(from, to.to_owned());
            }
            open.push((under, key));
        }
    }
    Ok(entries)
}

/// What the engine's table says.
#[derive(Default)]
pub(super) struct Table {
    /// What single characters become.
    pub singles: Vec<(char, String)>,
    /// Codes of marks, and their classes.
    pub marks: Vec<(u32, u32)>,
    /// Codes of pairs of a character and a mark, and what they become.
    pub pairs: Vec<(u32, String)>,
}

/// What the table says of single characters, of marks and of pairs. The
/// original looks a grapheme of less than six bytes up whole, and takes the shortest entry that it begins
/// with.
pub(super) fn table(entries: &BTreeMap<String, String>, known: &HashSet<char>) -> Result<Table> {
    let all = || ('\0'..=char::MAX).filter(|c| c.len_utf8() < LONG - 1);
    let clings = |c: char| format!("a{c}").graphemes(true).count() == 1;
    let marks: Vec<char> = all().filter(|&c| clings(c)).collect();
    let leads = |c: char| c != '\r' && format!("{c}a").graphemes(true).count() == 1;
    let single = |c: char| entries.get(c.encode_utf8(&mut [0; 4]) as &str);
    // What has no piece becomes the unknown token either way, unless a mark behind it counts.
    let shown =
        |text: &str| text.is_empty() || text.chars().any(|c| c == ' ' || known.contains(&c));
    let counts = |&c: &char| known.contains(&c) || single(c).is_some_and(|text| shown(text));
    let all_count = marks.iter().any(counts);
    let relevant = |c: char, to: &str| all_count || known.contains(&c) || shown(to);
    let singles = all()
        .filter_map(|c| single(c).filter(|to| relevant(c, to)).map(|to| (c, to.clone())))
        .collect();
    let (mut pairs, mut index) = (Vec::new(), BTreeMap::<char, u32>::new());
    for (key, to) in entries {
        let mut characters = key.chars();
        let (Some(first), Some(mark)) = (characters.next(), characters.next()) else { continue };
        if single(first).is_some() || key.len() >= LONG || !clings(mark) || !relevant(first, to) {
            continue; // a shorter entry is found, or none
        }
        if characters.next().is_some() {
            if entries.contains_key(&String::from_iter([first, mark])) {
                continue;
            }
            let supported = "entries of one character, or of one and a mark";
            return Err(unsupported(
                "normalizer.precompiled_charsmap",
                format!("{key:?}"),
                supported,
            ));
        }
        let next = index.len() as u32;
        let k = *index.entry(mark).or_insert(next);
        let place =
            k.checked_mul(1 << 21).and_then(|place| place.checked_add(PAIRS + first as u32));
        let Some(place) = place else {
            let supported = "entries of 2044 marks at most";
            return Err(unsupported(
                "normalizer.precompiled_charsmap",
                format!("{key:?}"),
                supported,
            ));
        };
        pairs.push((place, to.clone()));
    }
    let alone = |c: char| format!("{c}\u{301}").graphemes(true).count() == 2;
    let class = |c: char| match index.get(&c) {
        Some(k) => 3 + k,
        None if leads(c) => 0,
        None => 1 + alone(c) as u32,
    };
    let marked = all().filter(|&c| clings(c) || leads(c) || alone(c));
    let marks = marked.map(|c| (MARKS + c as u32, class(c))).collect();
    Ok(Table { singles, marks, pairs })
}
