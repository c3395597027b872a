//! llama2.c's `tokenizer.bin`: the longest piece, then a score, a length and bytes for every piece.

use super::section::Section;
use crate::error::{Error, Result, read};
use picoformer::tokenizer::vocabulary::{FLAG_BYTES, FLAG_PREFIX};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

// Begin, and the token of byte 0, as llama2.c has them. Its `run.c` stops at the token that begins the next
// text, and at no other.
const BEGIN: u32 = 1;
const BYTES: u32 = 3;

/// The section of a llama2.c vocabulary of `vocab_size` pieces. llama2.c merges the pair whose result
/// scores highest: every way in which a piece is two pieces becomes a merge, ranked by score.
///
/// # Errors
/// [`Error::Malformed`].
pub fn from_llama2c(path: &Path, vocab_size: usize) -> Result<Vec<u8>> {
    let bytes = read(path)?;
    let bad =
        |reason: String| Error::Malformed { path: path.into(), what: "llama2.c tokenizer", reason };
    let word = |at: usize| bytes.get(at..at + 4)?.first_chunk::<4>().copied();
    let (mut pieces, mut scores, mut at) = (Vec::new(), Vec::new(), 4);
    while pieces.len() < vocab_size {
        let entry = || {
            let score = f32::from_le_bytes(word(at)?);
            let length = usize::try_from(i32::from_le_bytes(word(at + 4)?)).ok()?;
            Some((score, bytes.get(at + 8..at.checked_add(8)?.checked_add(length)?)?.to_vec()))
        };
        let (score, piece) = entry()
            .ok_or_else(|| bad(format!("piece {} of {vocab_size} is cut off", pieces.len())))?;
        at += 8 + piece.len();
        pieces.push(piece);
        scores.push(score);
    }
    match bytes.len().checked_sub(at) {
        Some(0) => {}
        Some(more) => return Err(bad(format!("{more} bytes follow piece {vocab_size}"))),
        None => return Err(bad("the length of the longest piece is cut off".into())),
    }
    let mut ids: HashMap<&[u8], u16> = HashMap::new();
    for (id, piece) in pieces.iter().enumerate() {
        ids.entry(piece).or_insert(id as u16);
    }
    let mut ranks: Vec<f32> = scores.clone();
    ranks.sort_by(|a, b| b.total_cmp(a));
    ranks.dedup();
    let mut merges = BTreeMap::new();
    for (piece, &id) in &ids {
        let score = scores[id as usize];
        let rank = ranks.partition_point(|&other| other > score) as u16;
        for cut in 1..piece.len() {
            if let (Some(&left), Some(&right)) = (ids.get(&piece[..cut]), ids.get(&piece[cut..])) {
                merges.insert((left, right), (rank, id));
            }
        }
    }
    let mut section = Section::new(1, pieces.clone());
    section.flags = FLAG_PREFIX | FLAG_BYTES;
    (section.begin, section.end, section.bytes, section.unknown) = (BEGIN, BEGIN, BYTES, 0);
    section.merges = merges;
    section.write(path)
}
