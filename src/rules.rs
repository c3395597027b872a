//! Rules of generation: which tokens may come next, given what came before.
//!
//! They stand in the optional section [`RULES`](crate::blob::RULES), a record each (`docs/FORMAT.md`), in
//! the order of [`Kind`], and are applied in that order: it is the one of Hugging Face's `generate`
//! (`_get_logits_processor`), whose results they give. A token that is not allowed gets the logit
//! [`BANNED`].

mod bans;
mod kind;

use bans::Bans;
pub use kind::{EarlyStop, Kind};

use crate::blob::{part, read_u16, read_u32};
use crate::config::Config;
use crate::fixed::{exp2_fine, log2, round_shift};
use crate::tokenizer::Token;

/// The logit of a token that cannot be chosen: no probability at all.
pub const BANNED: i32 = i32::MIN;

/// Binary places of the factors of [`Kind::Repetition`].
pub const FACTOR_BITS: u32 = 24;
/// Greatest magnitude of a logit that a repetition penalty leaves: 8192 nats in Q15.16.
const GREATEST: i32 = 1 << 29;
/// 1.0 in Q15.16.
const ONE: i32 = 1 << 16;

/// A rule.
#[derive(Clone, Copy, Debug)]
struct Rule<'m> {
    kind: Kind,
    /// 32 bits each.
    values: &'m [u8],
}

impl<'m> Rule<'m> {
    fn values(&self) -> impl DoubleEndedIterator<Item = u32> + Clone + use<'m> {
        self.values.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes))
    }

    fn value(&self) -> u32 {
        read_u32(self.values, 0)
    }
}

/// Where a text stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its tokens, the prompt or start token included.
    pub len: usize,
    /// Those of them that were generated.
    pub new: usize,
    /// The next token is the first that is not forced.
    pub begins: bool,
    /// The next token is the last that the text has room for.
    pub ends: bool,
}

/// The rules of a model; a view of its section.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'m>(&'m [u8]);

impl<'m> Rules<'m> {
    /// No rules.
    pub const NONE: Self = Self(&[]);

    /// The rules in the data of a section that [`Rules::are_valid`].
    pub const fn of_valid(data: &'m [u8]) -> Self {
        Self(data)
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether data are rules for a model that writes: known kinds in ascending order, each with as many values as
    /// it needs, all in range; and at every place of a text they leave a token that may be written, as far as
    /// they alone decide.
    pub const fn are_valid(data: &[u8], config: &Config) -> bool {
        let (mut rest, mut last, mut bans) = (data, 0, Bans::NONE);
        while !rest.is_empty() {
            let (code, count) = (read_u16(rest, 0), read_u16(rest, 2) as usize);
            let end = 4 + 4 * count;
            let Some(kind) = Kind::of_code(code) else { return false };
            let ascending = code > last || (code == last && matches!(kind, Kind::Word));
            if !ascending || !kind.has(count) || rest.len() < end {
                return false;
            }
            let values = part(rest, 4, end - 4);
            let mut at = 0;
            while at < values.len() {
                let value = read_u32(values, at);
                let follows = at == 0 || value > read_u32(values, at - 4);
                if !kind.allows(value, config.vocab_size) || (kind.is_set() && !follows) {
                    return false;
                }
                at += 4;
            }
            bans.add(kind, values);
            (last, rest) = (code, part(rest, end, rest.len()));
        }
        bans.leave_a_token(config)
    }

    fn records(self) -> Records<'m> {
        Records(self.0)
    }

    fn find(self, kind: Kind) -> Option<Rule<'m>> {
        self.records().find(|rule| rule.kind == kind)
    }

    /// Whether the model names its end tokens here.
    pub fn has_ends(self) -> bool {
        self.find(Kind::Ends).is_some()
    }

    /// Whether a token is one of the end tokens named here.
    pub fn is_end(self, token: Token) -> bool {
        self.find(Kind::Ends).is_some_and(|rule| rule.values().any(|end| end == token))
    }

    /// Whether the second token of a text is forced after a prompt of one.
    pub fn forces_first(self) -> bool {
        self.find(Kind::First).is_some()
    }

    /// Whether a rule looks at more tokens than the last: the past must then be kept.
    pub fn look_back(self) -> bool {
        self.records().any(|rule| match rule.kind {
            Kind::Repetition | Kind::NoRepeat => true,
            Kind::Word => rule.values.len() > 4,
            _ => false,
        })
    }

    /// When a search ends.
    pub fn early_stop(self) -> EarlyStop {
        match self.find(Kind::EarlyStop).map_or(0, |rule| rule.value()) {
            1 => EarlyStop::Always,
            2 => EarlyStop::Never,
            _ => EarlyStop::Heuristic,
        }
    }

    /// The exponent of the length penalty, Q15.16.
    fn length_penalty(self) -> i32 {
        self.find(Kind::LengthPenalty).map_or(ONE, |rule| rule.value() as i32)
    }

    /// Whether a longer text of the same log-probability is better.
    pub fn favours_length(self) -> bool {
        self.length_penalty() > 0
    }

    /// How good a hypothesis of `len` tokens and log-probability `score` (Q15.16) is: a number that is
    /// greater for a better one. Without a length penalty it is the log-probability per token, Q15.32;
    /// with one it orders the quotients as a float does, by exponent and 32 bits of mantissa.
    pub fn quality(self, score: i64, len: usize) -> i64 {
        let penalty = self.length_penalty();
        if penalty == ONE {
            return per_token(score, len);
        }
        let size = score.min(0).unsigned_abs();
        if size == 0 {
            return 0;
        }
        // size · 2^-exponent, the product of two numbers with the highest bit (or the next) set.
        let exponent = (penalty as i64 * log2(len as u64) as i64) >> 16;
        let (zeros, factor) = (size.leading_zeros(), exp2_fine((exponent & 0xffff) as u32));
        let product = ((size << zeros) >> 32) * factor as u64;
        let (whole, shift) = ((exponent >> 16) as i32, product.leading_zeros());
        let power = (1 << 16) - whole - zeros as i32 - shift as i32;
        -((power as i64) << 32 | ((product << shift) >> 32) as i64)
    }

    /// Applies the rules to the logits (or log-probabilities) of the next token, Q15.16. `past` are the
    /// tokens so far from the last to the first, prompt or start token included.
    ///
    /// A penalised logit is rounded half up to Q15.16 after a multiplication by a factor of 24 binary
    /// places, and limited to ±8192.
    #[inline(never)]
    pub fn apply(
        self,
        logits: &mut [i32],
        past: impl Iterator<Item = Token> + Clone,
        place: Place,
    ) {
        for rule in self.records() {
            let value = rule.value();
            match rule.kind {
                Kind::Repetition => {
                    let factors = [value, read_u32(rule.values, 4)];
                    penalise(logits, past.clone(), factors);
                }
                Kind::NoRepeat => {
                    // Where the last tokens came before, what followed them does not come again.
                    let before = value as usize - 1;
                    let last = past.clone().take(before);
                    let mut earlier = past.clone();
                    while let Some(token) = earlier.next() {
                        if earlier.clone().take(before).eq(last.clone()) {
                            ban(logits, token);
                        }
                    }
                }
                Kind::Word => {
                    let mut word = rule.values().rev();
                    let token = word.next().unwrap_or(0);
                    if past.clone().take(rule.values.len() / 4 - 1).eq(word) {
                        ban(logits, token);
                    }
                }
                Kind::LeastLength if place.len < value as usize => self.ban_ends(logits),
                Kind::LeastNew if place.new < value as usize => self.ban_ends(logits),
                Kind::First if place.len == 1 => force(logits, rule),
                Kind::Last if place.ends => force(logits, rule),
                Kind::Suppressed => rule.values().for_each(|token| ban(logits, token)),
                Kind::SuppressedFirst if place.begins => {
                    rule.values().for_each(|token| ban(logits, token));
                }
                _ => {}
            }
        }
    }

    fn ban_ends(self, logits: &mut [i32]) {
        if let Some(ends) = self.find(Kind::Ends) {
            ends.values().for_each(|token| ban(logits, token));
        }
    }
}

/// The rules one after the other.
struct Records<'m>(&'m [u8]);

impl<'m> Iterator for Records<'m> {
    type Item = Rule<'m>;

    fn next(&mut self) -> Option<Rule<'m>> {
        let kind = Kind::of_code(read_u16(self.0, 0))?;
        let (record, rest) = self.0.split_at_checked(4 + 4 * read_u16(self.0, 2) as usize)?;
        self.0 = rest;
        Some(Rule { kind, values: part(record, 4, record.len()) })
    }
}

/// A log-probability (Q15.16) per token, Q15.32, rounded towards zero. The whole part is divided first:
/// the sum of a long target's has no 16 bits to spare.
pub(crate) fn per_token(score: i64, len: usize) -> i64 {
    let len = (len as i64).max(1);
    let (whole, rest) = (score / len, score % len);
    (whole << 16) + (rest << 16) / len
}

fn ban(logits: &mut [i32], token: Token) {
    if let Some(logit) = logits.get_mut(token as usize) {
        *logit = BANNED;
    }
}

/// Leaves only the tokens of a rule, as likely as each other.
fn force(logits: &mut [i32], rule: Rule) {
    logits.fill(BANNED);
    for token in rule.values() {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit = 0;
        }
    }
}

/// Penalises every token of the past once. Those that came several times are told by a mark, a number
/// beyond the greatest logit that is added to what was penalised already and taken away in the end.
fn penalise(logits: &mut [i32], past: impl Iterator<Item = Token> + Clone, factors: [u32; 2]) {
    const MARK: i32 = 2 * GREATEST;
    let limited = |logit: i64| logit.clamp(1 - GREATEST as i64, GREATEST as i64 - 1) as i32;
    for logit in logits.iter_mut() {
        *logit = limited(*logit as i64);
    }
    for token in past.clone() {
        if let Some(logit) = logits.get_mut(token as usize).filter(|logit| **logit < GREATEST) {
            let factor = if *logit < 0 { factors[0] } else { factors[1] };
            let penalised = round_shift(*logit as i64 * factor as i64, FACTOR_BITS);
            *logit = limited(penalised) + MARK;
        }
    }
    for token in past {
        if let Some(logit) = logits.get_mut(token as usize).filter(|logit| **logit >= GREATEST) {
            *logit -= MARK;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exact quotient in 128 bits, rounded towards zero.
    #[test]
    fn a_log_probability_per_token_is_exact() {
        let lens = [1usize, 2, 3, 7, 255, 65_536, (1 << 20) + 1];
        for power in 0..53 {
            for score in [-2i64, -1, 0, 1, 2].map(|x| x + (1 << power)) {
                for score in [score, -score] {
                    for len in lens {
                        // At most 2^33 a token.
                        if score.unsigned_abs() >> 33 < len as u64 {
                            let exact = ((score as i128) << 16) / len as i128;
                            assert_eq!(per_token(score, len) as i128, exact, "{score} / {len}");
                        }
                    }
                }
            }
        }
        assert_eq!(per_token(-5, 0), -5 << 16);
    }
}
