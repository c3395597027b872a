//! What is looked up in a vocabulary, by binary search in place.

use super::steps::step;
use super::vocabulary::Vocabulary;
use crate::blob::{read_u16, read_u32, read_u64};

impl<'a> Vocabulary<'a> {
    /// The token of some bytes, by binary search.
    pub fn find(&self, bytes: &[u8]) -> Option<u32> {
        let (mut low, mut high) = (0, self.pieces);
        while low < high {
            let middle = low + (high - low) / 2;
            let token = read_u16(self.section, self.order_start() + 2 * middle) as u32;
            match self.piece(token)?.cmp(bytes) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
                core::cmp::Ordering::Equal => return Some(token),
            }
        }
        None
    }

    /// Token and bytes of the piece at `place` in the order of the pieces' bytes.
    pub(super) fn ordered(&self, place: usize) -> Option<(u32, &'a [u8])> {
        let at = self.order_start() + 2 * place;
        let token = (place < self.pieces).then(|| read_u16(self.section, at) as u32)?;
        Some((token, self.piece(token)?))
    }

    /// Where in the order the pieces are that begin with `prefix`, by binary search between the two
    /// places of `range`.
    pub(super) fn narrow(&self, range: (usize, usize), prefix: &[u8]) -> (usize, usize) {
        let begin = |place| {
            let piece = self.ordered(place).map_or(&[][..], |(_, piece)| piece);
            piece.get(..prefix.len()).unwrap_or(piece)
        };
        let bound = |mut low: usize, is_before: &dyn Fn(&[u8]) -> bool| {
            let mut high = range.1;
            while low < high {
                let middle = low + (high - low) / 2;
                if is_before(begin(middle)) { low = middle + 1 } else { high = middle }
            }
            low
        };
        let first = bound(range.0, &|piece| piece < prefix);
        (first, bound(first, &|piece| piece <= prefix))
    }

    /// Size of a piece's log-probability, the bits of an `f64`: Unigram's score with its sign dropped. That
    /// of a character without a piece is behind the last one's.
    pub(super) fn score(&self, token: u32) -> u64 {
        read_u64(self.section, self.merges_start() + 8 * token as usize)
    }

    /// All pairs of tokens that can be merged.
    pub(super) fn merges(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        (0..self.merges).map(|i| {
            let at = self.merges_start() + 8 * i;
            (read_u16(self.section, at) as u32, read_u16(self.section, at + 2) as u32)
        })
    }

    /// `(rank, result)` of merging two tokens, by binary search.
    pub fn merge(&self, left: u32, right: u32) -> Option<(u16, u32)> {
        let (mut low, mut high) = (0, self.merges);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = self.merges_start() + 8 * middle;
            step();
            let pair = (read_u16(self.section, at) as u32, read_u16(self.section, at + 2) as u32);
            match pair.cmp(&(left, right)) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
                core::cmp::Ordering::Equal => {
                    let result = read_u16(self.section, at + 6);
                    return Some((read_u16(self.section, at + 4), result as u32));
                }
            }
        }
        None
    }

    /// Class of a character and its position within the range, from the character table by binary
    /// search; `None` outside all ranges.
    pub fn character(&self, c: u32) -> Option<(u32, u32)> {
        let (mut low, mut high) = (0, self.characters);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = self.characters_start() + 12 * middle;
            step();
            let (first, last) = (read_u32(self.section, at), read_u32(self.section, at + 4));
            if last < c {
                low = middle + 1;
            } else if first > c {
                high = middle;
            } else {
                return Some((read_u32(self.section, at + 8), c - first));
            }
        }
        None
    }
}
