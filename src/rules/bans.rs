//! What rules alone decide of the tokens that may come: whether any is left.

use super::Kind;
use crate::blob::read_u32;
use crate::config::{Architecture, Config};

/// The tokens that the rules of a model ban, whatever its logits are.
#[derive(Clone, Copy)]
pub(super) struct Bans<'m> {
    /// Never written, ascending.
    suppressed: &'m [u8],
    /// One of these is forced: after a prompt of one token; where a text reaches its limit.
    first: &'m [u8],
    last: &'m [u8],
    /// Numbers of tokens: words of a single one, those that do not begin a text, those that end one.
    words: usize,
    not_first: usize,
    ends: usize,
    /// A text has a least length.
    least: bool,
}

impl<'m> Bans<'m> {
    /// Nothing is banned.
    pub(super) const NONE: Self = Self {
        suppressed: &[],
        first: &[],
        last: &[],
        words: 0,
        not_first: 0,
        ends: 0,
        least: false,
    };

    /// Adds a rule with valid values, 32 bits each.
    pub(super) const fn add(&mut self, kind: Kind, values: &'m [u8]) {
        let count = values.len() / 4;
        match kind {
            Kind::Ends => self.ends = count,
            Kind::Word if count == 1 => self.words += 1,
            Kind::LeastLength => self.least |= read_u32(values, 0) > 1,
            Kind::LeastNew => self.least |= read_u32(values, 0) > 0,
            Kind::First => self.first = values,
            Kind::Last => self.last = values,
            Kind::Suppressed => self.suppressed = values,
            Kind::SuppressedFirst => self.not_first = count,
            _ => {}
        }
    }

    /// Whether a token is left at every place of a text. Tokens that several rules ban are counted for each, so
    /// that the time is linear: rules that ban nearly all tokens, some twice, are refused, too.
    pub(super) const fn leave_a_token(&self, config: &Config) -> bool {
        let searches = matches!(config.architecture, Architecture::EncoderDecoder);
        // An encoder's padding is not written anyway, and an encoder has no rules.
        let own = searches && config.suppressed_token > 0;
        let never = self.suppressed.len() / 4 + self.words + own as usize;
        let ends = if self.least { self.ends } else { 0 };
        // What is forced comes although a word bans it, but not although it is suppressed.
        let header = match config.forced_token {
            0 => true,
            next => !self.has(next as u32 - 1),
        };
        never + self.not_first + ends < config.vocab_size
            && header
            && (self.first.is_empty() || self.allows_one(self.first, config))
            && (self.last.is_empty() || self.allows_one(self.last, config))
    }

    /// Whether one of these tokens is not suppressed.
    const fn allows_one(&self, tokens: &[u8], config: &Config) -> bool {
        let mut at = 0;
        while at < tokens.len() {
            let token = read_u32(tokens, at);
            if !self.has(token) && token as usize + 1 != config.suppressed_token {
                return true;
            }
            at += 4;
        }
        false
    }

    /// Whether a token is suppressed.
    const fn has(&self, token: u32) -> bool {
        let (mut low, mut high) = (0, self.suppressed.len() / 4);
        while low < high {
            let middle = low + (high - low) / 2;
            let found = read_u32(self.suppressed, 4 * middle);
            if found == token {
                return true;
            }
            if found < token {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        false
    }
}
