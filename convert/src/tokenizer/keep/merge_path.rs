//! Byte-pair encoding: a piece is kept with all pieces that it is merged from.
//!
//! A text is encoded by steps: of all neighbours that have a rule, the two of the lowest rank are merged,
//! the leftmost first. Say that the original's tokens of a text are all kept.
//!
//! 1. No step joined pieces of two tokens, or they would be one. So within a token's part of the text the
//!    steps were those that the original takes when it encodes that part alone: the next pair of a part is
//!    its lowest, whatever the other parts do. These steps' pieces are kept ([`close`]), and with them each
//!    rule, for a rule is kept if its two pieces and its result are.
//! 2. The smaller vocabulary has a part of the rules. At every step it has the one that the original takes,
//!    which is the lowest of all, so the lowest of those that are left: it takes the same one. After the
//!    last step the original has no rule for two neighbours, and the smaller vocabulary has none either.
//!
//! With `ignore_merges` a word that is a piece is that piece without any step. It is one in the smaller
//! vocabulary if it was kept, and no other word is.
//!
//! Other texts get smaller pieces, in the end single characters or bytes.

use super::super::section::TIED;
use super::pieces::Pieces;
use super::renumber::pair;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Adds the pieces on the way to each piece.
pub(super) fn close(json: &Value, pieces: &Pieces, kept: &mut BTreeSet<u32>) {
    let merges = json["model"]["merges"].as_array().into_iter().flatten();
    let (mut rules, mut rank, mut last) = (HashMap::new(), 0, None);
    let tied = json["model"][TIED] == true;
    for merge in merges {
        let ids = pair(merge).and_then(|[left, right]| {
            Some((pieces.id(left)?, pieces.id(right)?, pieces.id(&[left, right].concat())?))
        });
        // Of a pair that is listed twice the last rank counts, as in the crate.
        if let Some((left, right, result)) = ids {
            rank += (!tied || last != Some(result)) as usize;
            last = Some(result);
            rules.insert((left, right), (rank, result));
        }
    }
    let bytes = json["model"]["byte_fallback"] == true;
    let ends: Vec<u32> = kept.iter().copied().collect();
    for end in ends {
        let piece = pieces.by_id.get(end as usize).map_or("", String::as_str);
        let path = path(piece, pieces, &rules, bytes);
        // A piece that merging does not make (an added token, or one of `ignore_merges`) needs no others.
        if path.last() == Some(&end) {
            kept.extend(path);
        }
    }
}

/// The pieces met while a piece's text is merged: those at the start, then each result. It ends with the
/// whole text if that is one piece in the end.
fn path(
    text: &str,
    pieces: &Pieces,
    rules: &HashMap<(u32, u32), (usize, u32)>,
    bytes: bool,
) -> Vec<u32> {
    let mut symbols = Vec::new();
    for c in text.chars() {
        let mut buffer = [0; 4];
        let c = c.encode_utf8(&mut buffer);
        match pieces.id(c) {
            Some(id) => symbols.push(id),
            None if bytes => {
                symbols.extend(c.bytes().filter_map(|byte| pieces.id(&format!("<0x{byte:02X}>"))));
            }
            None => return Vec::new(),
        }
    }
    let mut path = symbols.clone();
    loop {
        let pairs = symbols.array_windows::<2>().enumerate();
        let found = pairs.filter_map(|(i, &[left, right])| {
            rules.get(&(left, right)).map(|&(rank, result)| (rank, i, result))
        });
        let Some((_, i, result)) = found.min() else { break };
        symbols.splice(i..i + 2, [result]);
        path.push(result);
    }
    if symbols.len() == 1 { path } else { Vec::new() }
}
