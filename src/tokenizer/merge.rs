//! The merges of byte-pair encoding (Sennrich et al. 2016, §3.2), in two ways with the same result: a
//! scan in place, and with more room a tree of ranks in n · log n.

use super::output::Output;
use super::vocabulary::Vocabulary;

/// Merges the pair of lowest rank (the leftmost among equals) in the tokens from `start` on, until no
/// pair can be merged. If the buffer has overflowed, the result is an error anyway, so nothing is
/// merged.
pub type Merge = fn(&Vocabulary, &mut Output, usize);

/// Looks at every pair before every merge: little code and no room, n² for a word of n tokens. The
/// words of a model's arena are as short as its context.
pub fn scan(v: &Vocabulary, out: &mut Output, start: usize) {
    while out.missing == 0 {
        let tokens = out.tokens.get(start..out.len).unwrap_or_default();
        let mut best: Option<(u16, usize, u32)> = None;
        for (i, pair) in tokens.array_windows::<2>().enumerate() {
            if let Some((rank, result)) = v.merge(pair[0], pair[1])
                && best.is_none_or(|(lowest, ..)| rank < lowest)
            {
                best = Some((rank, i, result));
            }
        }
        let Some((_, i, result)) = best else { return };
        let rest = out.tokens.get_mut(start + i..out.len).unwrap_or_default();
        if let Some(token) = rest.first_mut() {
            *token = result;
        }
        // Close the gap by moving all following tokens one to the left.
        for j in 1..rest.len() {
            let next = rest.get(j + 1).copied().unwrap_or(0);
            if let Some(token) = rest.get_mut(j) {
                *token = next;
            }
        }
        out.len -= 1;
    }
}

/// Up to here a scan is as quick.
const SHORT: usize = 16;

/// Keeps the rank of every pair in a binary tree behind the tokens, in the part of the buffer that is
/// still free; where that is too short, as [`scan`].
pub fn tree(v: &Vocabulary, out: &mut Output, start: usize) {
    let n = out.len.saturating_sub(start);
    if n <= SHORT || out.missing > 0 {
        return scan(v, out, start);
    }
    let leaves = n.next_power_of_two();
    let (tokens, free) = out.tokens.split_at_mut_checked(out.len).unwrap_or_default();
    let (Some(slots), Some(nodes)) = (tokens.get_mut(start..), free.get_mut(..2 * leaves)) else {
        return scan(v, out, start);
    };
    let mut pairs = Pairs { v, slots, nodes, leaves };
    pairs.fill();
    while let Some(left) = pairs.lowest() {
        pairs.merge(left);
    }
    out.len = start + pairs.compact();
}

/// A token that has taken in the slots behind it; how many is in the first and the last of these.
const LONG: u32 = 1 << 31;
/// A slot that was taken in.
const TAKEN: u32 = 1 << 30;
/// A pair that cannot be merged.
const NEVER: u32 = u32::MAX;

/// The tokens of a word, linked by their lengths, and the tree of their ranks.
struct Pairs<'a, 'v> {
    v: &'a Vocabulary<'v>,
    /// A slot for every token before merging: a token, which may be [`LONG`], or [`TAKEN`] and the
    /// number of slots from the first to the last one of the token that took it.
    slots: &'a mut [u32],
    /// Node 1 is the root, nodes 2i and 2i + 1 are below node i, and the leaves are the pairs that begin
    /// in slots 0, 1, …: each is the lowest rank at or below it.
    nodes: &'a mut [u32],
    leaves: usize,
}

impl Pairs<'_, '_> {
    fn slot(&self, at: usize) -> u32 {
        self.slots.get(at).copied().unwrap_or(0)
    }

    fn node(&self, at: usize) -> u32 {
        self.nodes.get(at).copied().unwrap_or(NEVER)
    }

    fn set(&mut self, at: usize, value: u32) {
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = value;
        }
    }

    fn set_node(&mut self, at: usize, value: u32) {
        if let Some(node) = self.nodes.get_mut(at) {
            *node = value;
        }
    }

    /// The slot behind the token at `at`.
    fn next(&self, at: usize) -> usize {
        match self.slot(at) & LONG {
            0 => at + 1,
            _ => at + (self.slot(at + 1) & !TAKEN) as usize,
        }
    }

    /// The slot of the token before the one at `at`.
    fn previous(&self, at: usize) -> Option<usize> {
        let last = self.slot(at.checked_sub(1)?);
        at.checked_sub(if last & TAKEN == 0 { 1 } else { (last & !TAKEN) as usize })
    }

    /// Rank and result of the pair that begins at `at`.
    fn pair(&self, at: usize) -> Option<(u16, u32)> {
        let right = self.next(at);
        let right = self.slots.get(right)?;
        self.v.merge(self.slot(at) & !LONG, right & !LONG)
    }

    /// Fills the tree.
    fn fill(&mut self) {
        for at in 0..self.leaves {
            let rank = self.pair(at).map_or(NEVER, |(rank, _)| rank as u32);
            self.set_node(self.leaves + at, rank);
        }
        for at in (1..self.leaves).rev() {
            let lowest = self.node(2 * at).min(self.node(2 * at + 1));
            self.set_node(at, lowest);
        }
    }

    /// Changes a leaf and all nodes above it.
    fn update(&mut self, leaf: usize, rank: u32) {
        let mut at = self.leaves + leaf;
        self.set_node(at, rank);
        while at > 1 {
            at /= 2;
            let lowest = self.node(2 * at).min(self.node(2 * at + 1));
            self.set_node(at, lowest);
        }
    }

    /// Where the leftmost pair of lowest rank begins.
    fn lowest(&self) -> Option<usize> {
        let rank = self.node(1);
        let mut at = 1;
        while at < self.leaves {
            at = 2 * at + (self.node(2 * at) != rank) as usize;
        }
        (rank != NEVER).then_some(at - self.leaves)
    }

    /// Merges the pair that begins at `left`.
    fn merge(&mut self, left: usize) {
        let right = self.next(left);
        let end = self.next(right);
        let result = self.pair(left).map_or(0, |(_, result)| result);
        let taken = TAKEN | (end - left) as u32;
        self.set(left, LONG | result);
        self.set(left + 1, taken);
        self.set(end - 1, taken);
        self.update(right, NEVER);
        for at in [Some(left), self.previous(left)].into_iter().flatten() {
            let rank = self.pair(at).map_or(NEVER, |(rank, _)| rank as u32);
            self.update(at, rank);
        }
    }

    /// Moves the tokens together; returns how many there are.
    fn compact(&mut self) -> usize {
        let (mut from, mut to) = (0, 0);
        while from < self.slots.len() {
            let (token, next) = (self.slot(from) & !LONG, self.next(from));
            self.set(to, token);
            (from, to) = (next, to + 1);
        }
        to
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::tokenizer::Tokenizer;
    use std::vec::Vec;

    /// A vocabulary of `a` … `h` and of what random merges make of them; ranks come more than once.
    fn section(state: &mut u64) -> Vec<u8> {
        let mut pieces: Vec<Vec<u8>> = (b'a'..=b'h').map(|byte| Vec::from([byte])).collect();
        let mut merges = std::collections::BTreeMap::new();
        for rank in 0..60u16 {
            let [left, right] = [(); 2].map(|()| random(state) as usize % pieces.len());
            let piece = [&pieces[left][..], &pieces[right][..]].concat();
            let result = pieces.iter().position(|known| *known == piece).unwrap_or_else(|| {
                pieces.push(piece);
                pieces.len() - 1
            });
            merges.insert((left as u16, right as u16), (rank / 3, result as u16));
        }
        let mut order: Vec<u16> = (0..pieces.len() as u16).collect();
        order.sort_by_key(|&id| &pieces[id as usize]);
        let text = pieces.concat();
        let mut section = Vec::from([1, 0, 0, 0]);
        let words = [pieces.len() as u32, !0, !0, !0, !0, text.len() as u32, merges.len() as u32];
        let ends = pieces.iter().scan(0, |end, piece| {
            *end += piece.len() as u32;
            Some(*end)
        });
        let words = words.into_iter().chain([0]).chain(ends);
        section.extend(words.flat_map(u32::to_le_bytes));
        section.extend(order.into_iter().flat_map(u16::to_le_bytes));
        for ((left, right), (rank, result)) in merges {
            section.extend([left, right, rank, result].into_iter().flat_map(u16::to_le_bytes));
        }
        section.extend(text);
        section
    }

    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        *state >> 33
    }

    /// Both ways give the same tokens, whatever the ranks and however long the word.
    #[test]
    fn the_tree_merges_as_the_scan() {
        let (state, mut merges) = (&mut 5, 0);
        let rounds = if cfg!(miri) { 12 } else { 300 };
        for round in 0..rounds {
            let section = section(state);
            let tokenizer = Tokenizer::parse(&section).unwrap();
            let n = 1 + round * 300 / rounds % 150;
            let word: Vec<u32> = (0..n).map(|_| random(state) as u32 % 8).collect();
            let merged = |merge: Merge, room: usize| {
                let mut tokens = word.clone();
                tokens.resize(n + room, 0);
                let mut out = Output::new(&mut tokens);
                out.len = n;
                merge(tokenizer.vocabulary(), &mut out, 0);
                let len = out.len;
                tokens.truncate(len);
                tokens
            };
            let expected = merged(scan, 0);
            merges += n - expected.len();
            assert_eq!(merged(tree, 4 * n), expected);
            assert_eq!(merged(tree, n / 2), expected, "without room for the tree");
        }
        // Miri's few words have 6.7 each.
        assert!(merges > 6 * rounds, "{merges}");
    }
}
