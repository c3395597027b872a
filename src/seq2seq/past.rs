//! The history of a search: for every step and slot a token, and the slot that it continues.

use crate::slices::at;
use crate::tokenizer::Token;

/// Bits of a token in an entry of the history; the bits above hold the slot that it continues.
const TOKEN_BITS: u32 = 20;
/// Tokens that an entry can tell apart.
pub(super) const MAX_TOKENS: usize = 1 << TOKEN_BITS;
const TOKEN_MASK: i32 = (1 << TOKEN_BITS) - 1;

/// An entry of the history.
pub(super) const fn entry(slot: usize, token: Token) -> i32 {
    (slot as i32) << TOKEN_BITS | token as i32
}

/// The token of an entry.
pub(super) const fn token_of(entry: i32) -> Token {
    (entry & TOKEN_MASK) as Token
}

/// The tokens of a hypothesis from its last to the start token.
#[derive(Clone)]
pub(super) struct Past<'h> {
    /// `(steps, beams)`.
    pub history: &'h [i32],
    pub beams: usize,
    /// Tokens that are left, the last in this slot.
    pub steps: usize,
    pub slot: usize,
    pub start: Option<Token>,
}

impl Iterator for Past<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let Some(step) = self.steps.checked_sub(1) else { return self.start.take() };
        let entry = at(self.history, step * self.beams + self.slot);
        (self.steps, self.slot) = (step, (entry as u32 >> TOKEN_BITS) as usize);
        Some(token_of(entry))
    }
}
