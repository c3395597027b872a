//! Unigram (Kudo 2018, "Subword Regularization", §3.2): of all ways to write a word with pieces, the one
//! whose log-probabilities add up to the most, found by Viterbi's algorithm word by word.
//!
//! Words begin with SentencePiece's space, U+2581. The characters of a word lie in the output buffer, one
//! a slot, and become tokens in place; beside them a word needs the sums of its last 32 positions only.
//! Sums are those of the `tokenizers` crate to the last bit (`score`), and so is every choice.

use super::normalize::normalize;
use super::output::{EncodeError, Output};
use super::score;
use super::vocabulary::{FLAG_RUNS, FLAG_WORDS, Vocabulary};

/// U+2581, SentencePiece's visible space.
const SPACE: char = '\u{2581}';
/// Characters of the longest piece.
pub(super) const LONGEST: usize = 31;
/// A slot of the buffer: the character, above it the length of the best piece that ends with it, above
/// that the length of the piece of the best way that begins with it.
const CHARACTER: u32 = (1 << 21) - 1;
const ENDING: u32 = 21;
const BEGINNING: u32 = 26;
/// A position that no way has reached.
const UNREACHED: u64 = u64::MAX;

/// Appends the tokens of `text`, without special tokens, to `out`; with `prefix` its first word begins with
/// a space, whatever it is.
pub(super) fn encode(
    v: &Vocabulary,
    text: &str,
    prefix: bool,
    out: &mut Output,
) -> Result<(), EncodeError> {
    let runs = v.flag(FLAG_RUNS);
    // White space at the end does not count with `FLAG_RUNS`, whatever it was before it was normalized.
    let (mut len, mut seen) = (0usize, 0);
    normalize(v, text, &mut |c, _| {
        seen += 1;
        len = if runs && c.is_whitespace() { len } else { seen };
        Ok(())
    })?;
    let mut words = Words { v, start: out.len, out, gap: prefix, held: false };
    normalize(v, text, &mut |c, space| {
        len = match len.checked_sub(1) {
            Some(rest) => rest,
            None => return Ok(()),
        };
        match c {
            // A run of spaces is one.
            _ if space && runs => {
                words.held = true;
                Ok(())
            }
            _ if space && v.flag(FLAG_WORDS) => {
                words.gap = true;
                words.flush()
            }
            _ if space => words.begin(),
            SPACE => words.release().and_then(|()| words.begin()),
            c => {
                words.release()?;
                if words.gap {
                    words.begin()?;
                }
                words.out.push(c as u32);
                Ok(())
            }
        }
    })?;
    words.flush()
}

/// The word that is being read: the slots of the output from `start` on.
struct Words<'v, 'o, 't> {
    v: &'v Vocabulary<'v>,
    out: &'o mut Output<'t>,
    start: usize,
    /// The next character begins a word.
    gap: bool,
    /// A space that counts if something follows.
    held: bool,
}

impl Words<'_, '_, '_> {
    /// Ends the word and begins another one with a space.
    fn begin(&mut self) -> Result<(), EncodeError> {
        self.flush()?;
        self.gap = false;
        self.out.push(SPACE as u32);
        Ok(())
    }

    /// Begins the word that a held space announces.
    fn release(&mut self) -> Result<(), EncodeError> {
        match core::mem::take(&mut self.held) {
            true => self.begin(),
            false => Ok(()),
        }
    }

    /// Turns the characters of the word into tokens. If the buffer has overflowed, the result is an error
    /// anyway, so nothing is done.
    fn flush(&mut self) -> Result<(), EncodeError> {
        let slots = self.out.tokens.get_mut(self.start..self.out.len).unwrap_or_default();
        if self.out.missing == 0 && !slots.is_empty() {
            best_ends(self.v, slots);
            turn(slots);
            self.out.len = self.start + tokens(self.v, slots)?;
        }
        self.start = self.out.len;
        Ok(())
    }
}

/// The first characters of a word, as bytes.
struct Prefix {
    bytes: [u8; 4 * LONGEST],
    len: usize,
}

impl Prefix {
    const EMPTY: Self = Self { bytes: [0; 4 * LONGEST], len: 0 };

    fn push(&mut self, slot: u32) {
        let c = char::from_u32(slot & CHARACTER).unwrap_or(char::REPLACEMENT_CHARACTER);
        let mut buffer = [0; 4];
        let encoded = c.encode_utf8(&mut buffer).as_bytes();
        if let Some(to) = self.bytes.get_mut(self.len..self.len + encoded.len()) {
            to.copy_from_slice(encoded);
            self.len += encoded.len();
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Writes into every slot how long the last piece of the best way to its end is. Of equal ways the one
/// that was found first stays, as in the crate.
fn best_ends(v: &Vocabulary, slots: &mut [u32]) {
    // The best sums of the positions from `from` to `from + 31`, each at its number modulo 32.
    let mut sums = [UNREACHED; LONGEST + 1];
    sums[0] = 0;
    for from in 0..slots.len() {
        let here = core::mem::replace(&mut sums[from % (LONGEST + 1)], UNREACHED);
        let (mut prefix, mut range, mut alone) = (Prefix::EMPTY, (0, v.len()), false);
        let mut reach = |slots: &mut [u32], len: usize, size: u64| {
            let sum = score::add(here, size);
            let Some(slot) = slots.get_mut(from + len - 1) else { return };
            let best = &mut sums[(from + len) % (LONGEST + 1)];
            if sum < *best {
                *best = sum;
                *slot = *slot & CHARACTER | (len as u32) << ENDING;
            }
        };
        for len in 1..=LONGEST.min(slots.len() - from) {
            prefix.push(slots.get(from + len - 1).copied().unwrap_or(0));
            range = v.narrow(range, prefix.bytes());
            if range.0 >= range.1 {
                break;
            }
            if let Some((token, piece)) = v.ordered(range.0)
                && piece == prefix.bytes()
            {
                alone |= len == 1;
                reach(slots, len, v.score(token));
            }
        }
        if !alone {
            reach(slots, 1, v.score(v.len() as u32));
        }
    }
}

/// Writes the lengths of the best way where its pieces begin.
fn turn(slots: &mut [u32]) {
    let mut end = slots.len();
    while let Some(last) = end.checked_sub(1).and_then(|last| slots.get(last)) {
        let len = (last >> ENDING & LONGEST as u32).max(1);
        end = end.saturating_sub(len as usize);
        if let Some(first) = slots.get_mut(end) {
            *first = *first & ((1 << BEGINNING) - 1) | len << BEGINNING;
        }
    }
}

/// Writes the tokens of the best way over the characters, which are as many or more; returns how many.
/// Neighbours without a piece are one unknown token.
fn tokens(v: &Vocabulary, slots: &mut [u32]) -> Result<usize, EncodeError> {
    let (mut from, mut to, mut after_unknown) = (0, 0, false);
    while let Some(&first) = slots.get(from) {
        let len = ((first >> BEGINNING) as usize).max(1);
        let mut prefix = Prefix::EMPTY;
        slots.iter().skip(from).take(len).for_each(|&slot| prefix.push(slot));
        from += len;
        let found = v.find(prefix.bytes());
        let unknown = found.is_none();
        if unknown && after_unknown {
            continue;
        }
        after_unknown = unknown;
        let character = char::from_u32(first & CHARACTER).unwrap_or(char::REPLACEMENT_CHARACTER);
        let token = found.or(v.unknown()).ok_or(EncodeError::UnknownCharacter { character })?;
        if let Some(slot) = slots.get_mut(to) {
            *slot = token;
        }
        to += 1;
    }
    Ok(to)
}
