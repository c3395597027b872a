//! Beam search: the likeliest targets, several at a time (Sutskever et al. 2014, "Sequence to
//! Sequence Learning with Neural Networks", §3.2), as Hugging Face's `generate` does it.
//!
//! Every step keeps the `beams` likeliest unfinished continuations of all hypotheses. A
//! continuation with an end token finishes if it is among the `beams` best; finished hypotheses
//! are compared by their log-probability per token, counting the end token. The search ends when
//! `beams` hypotheses are finished and the best unfinished one, as it stands, is not better than
//! the worst of them, or at the limit, where the best ones are cut. With one beam this is greedy
//! decoding, which the first end token ends.
//!
//! Log-probabilities are sums in Q15.16. Ties go to the lower slot, then to the lower token.
//!
//! [`Rules`] change what may come next, how finished hypotheses are compared and when the search
//! ends. A search with several beams applies them to log-probabilities, which need not be those of
//! a distribution afterwards; one with a single beam applies them to logits.
//!
//! A hypothesis occupies a *slot*, which holds its keys and values. If a hypothesis is continued
//! twice, the better continuation stays and the other is copied into a slot that is not continued;
//! so a step copies as little as possible, and nothing is overwritten before it has been copied.

use super::past::{MAX_TOKENS, Past, entry, token_of};
use crate::config::{Config, MAX_BEAMS};
use crate::error::RunError;
use crate::fixed::saturate;
use crate::probability::log_sum_exp;
use crate::rules::{BANNED, EarlyStop, Place, Rules, per_token};
use crate::slices::{at, first_mut, part, rest_mut};
use crate::target::{self, Build};
use crate::tokenizer::Token;
use core::cell::Cell;

/// A possible next step.
#[derive(Clone, Copy, Debug, Default)]
struct Candidate {
    score: i64,
    slot: usize,
    token: Token,
}

/// A hypothesis that ended.
#[derive(Clone, Copy, Debug, Default)]
struct Finished {
    /// See [`quality`].
    quality: i64,
    score: i64,
    /// Number of its steps in the history, and the slot of the last one.
    steps: usize,
    slot: usize,
    /// The token after those steps, if it is part of the answer.
    last: Option<Token>,
}

/// The state of a search. The caller holds the history `(limit, beams)` with the tokens of all
/// hypotheses: an entry is a token and the slot that it continues.
#[derive(Clone, Debug)]
pub struct Search {
    beams: usize,
    limit: usize,
    /// Tokens of each live hypothesis, and the number of live hypotheses, in slots 0 ….
    len: usize,
    live: usize,
    /// Slots whose logits have been added by [`Search::add`].
    added: usize,
    scores: [i64; MAX_BEAMS],
    /// The best continuations from best to worst: enough that, though as many as beams may end, as
    /// many go on.
    candidates: [Candidate; 2 * MAX_BEAMS],
    found: usize,
    finished: [Finished; MAX_BEAMS],
    ended: usize,
    done: bool,
}

impl Search {
    /// A search for targets of at most `limit` tokens, including the end token.
    ///
    /// # Errors
    /// [`RunError::BeamTooWide`] for beams other than 1 … [`MAX_BEAMS`];
    /// [`RunError::LimitOutOfRange`] for a limit other than 1 … [`Config::target_context`].
    pub fn new(config: &Config, limit: usize) -> Result<Self, RunError> {
        let (needed, given) = (config.beams, MAX_BEAMS);
        if needed == 0 || needed > given {
            return Err(RunError::BeamTooWide { needed, given });
        }
        check_limit(config, limit)?;
        Ok(Self::start(config, limit))
    }

    /// [`Search::new`] for what was checked: the beams of a parsed model, a limit that [`check_limit`] took.
    pub(super) fn start(config: &Config, limit: usize) -> Self {
        Self {
            beams: config.beams,
            limit,
            len: 0,
            live: 1,
            added: 0,
            scores: [0; MAX_BEAMS],
            candidates: [Candidate::default(); 2 * MAX_BEAMS],
            found: 0,
            finished: [Finished::default(); MAX_BEAMS],
            ended: 0,
            done: false,
        }
    }

    /// [`Search::start`] in place; not inlined, so that the temporary is not in the caller's stack frame.
    #[inline(never)]
    pub(super) fn restart(&mut self, config: &Config, limit: usize) {
        *self = Self::start(config, limit);
    }

    /// Tokens of each live hypothesis.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token was found yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of live hypotheses; they are in slots 0 ….
    pub fn live(&self) -> usize {
        self.live
    }

    /// Whether the search is over.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The last token of slot `slot`, which the decoder is fed next.
    pub fn token(&self, config: &Config, history: &[i32], slot: usize) -> Token {
        let row = self.len.checked_sub(1).and_then(|step| history.get(step * self.beams..));
        match row.and_then(|row| row.get(slot)) {
            Some(&entry) => token_of(entry),
            None => config.start_token as Token,
        }
    }

    /// The slot whose logits [`Search::add`] takes next; `None` once it has those of all live ones, which
    /// is when [`Search::advance`] is due, and when the search is over.
    pub fn wants(&self) -> Option<usize> {
        (!self.done && self.added < self.live).then_some(self.added)
    }

    /// Adds the continuations of the slot that the search [wants](Search::wants), given its logits
    /// (Q15.16), which rules may change.
    ///
    /// # Errors
    /// [`RunError::InFlight`] if it wants none; [`RunError::NoLogits`] without any, or with more than a
    /// vocabulary has; [`RunError::ArenaTooSmall`] for a history that is. The search is then unchanged.
    pub fn add<B: Build>(
        &mut self,
        config: &Config,
        rules: Rules,
        history: &[i32],
        logits: &mut [i32],
    ) -> Result<(), RunError> {
        let slot = self.wants().ok_or(RunError::InFlight)?;
        self.check(history)?;
        if logits.is_empty() || logits.len() > MAX_TOKENS {
            return Err(RunError::NoLogits);
        }
        self.extend::<B>(config, rules, history, slot, logits);
        self.added += 1;
        Ok(())
    }

    /// Refuses a history without room for the longest target.
    fn check(&self, history: &[i32]) -> Result<(), RunError> {
        let (needed, given) = (self.limit.saturating_mul(self.beams), history.len());
        match given < needed {
            true => Err(RunError::ArenaTooSmall { part: "history", needed, given }),
            false => Ok(()),
        }
    }

    /// [`Search::add`] for a caller that adds each slot once, in order.
    pub(super) fn extend<B: Build>(
        &mut self,
        config: &Config,
        rules: Rules,
        history: &[i32],
        slot: usize,
        logits: &mut [i32],
    ) {
        let score = at(&self.scores, slot);
        if self.len == 0 && config.forced_token > 0 {
            let token = config.forced_token as Token - 1;
            return self.insert(Candidate { score, slot, token });
        }
        let ruled = target::has_rules::<B>() && !rules.is_empty();
        let base = match ruled {
            true => score + self.constrain(config, rules, history, slot, logits),
            false => score - log_sum_exp(logits),
        };
        for (token, &logit) in logits.iter().enumerate() {
            if token + 1 == config.suppressed_token || (ruled && logit == BANNED) {
                continue;
            }
            let new = Candidate { score: base + logit as i64, slot, token: token as Token };
            if !ruled || self.has_room(rules, &new) {
                self.insert(new);
            }
        }
        if ruled && self.found == 0 {
            // Everything is banned: the original then takes the lowest of equals.
            self.insert(Candidate { score: base + BANNED as i64, slot, token: 0 });
        }
    }

    /// Applies the rules to the logits of a slot; returns what makes them log-probabilities.
    #[inline(never)]
    fn constrain(
        &self,
        config: &Config,
        rules: Rules,
        history: &[i32],
        slot: usize,
        logits: &mut [i32],
    ) -> i64 {
        if self.beams > 1 {
            let sum = log_sum_exp(logits);
            for logit in logits.iter_mut() {
                *logit = saturate(*logit as i64 - sum);
            }
        }
        let start = config.start_token as Token;
        let past = Past { history, beams: self.beams, steps: self.len, slot, start: Some(start) };
        let place = Place {
            len: self.len + 1,
            new: self.len,
            begins: self.len == (config.forced_token > 0) as usize,
            ends: self.len + 1 == self.limit,
        };
        rules.apply(logits, past, place);
        if self.beams > 1 { 0 } else { -log_sum_exp(logits) }
    }

    /// With several end tokens more candidates than beams may end. Only as many are kept: the worst
    /// makes room for a better one.
    fn has_room(&mut self, rules: Rules, new: &Candidate) -> bool {
        if !rules.is_end(new.token) {
            return true;
        }
        let list = first_mut(&mut self.candidates, self.found);
        let ends = |c: &&Candidate| rules.is_end(c.token);
        let worst = list.iter().rposition(|c| ends(&c));
        let full = list.iter().filter(ends).count() == self.beams;
        let Some(worst) = worst.filter(|_| full) else { return true };
        if at(list, worst).score >= new.score {
            return false;
        }
        // The better ones move up. `rotate_left` and `copy_within` would link a panic.
        let rest = Cell::from_mut(rest_mut(list, worst)).as_slice_of_cells();
        for pair in rest.windows(2) {
            if let [to, from] = pair {
                to.set(from.get());
            }
        }
        self.found -= 1;
        true
    }

    /// Keeps the `2 · beams` best candidates in order; among equals, the earlier one comes first.
    fn insert(&mut self, new: Candidate) {
        let limit = 2 * self.beams;
        let worst = self.found.checked_sub(1).and_then(|last| self.candidates.get(last));
        if self.found == limit && worst.is_some_and(|worst| worst.score >= new.score) {
            return;
        }
        let list = part(&self.candidates, 0, self.found);
        let rank = list.partition_point(|c| c.score >= new.score);
        self.found = (self.found + 1).min(limit);
        insert(first_mut(&mut self.candidates, self.found), rank, new);
    }

    /// Advances by one token, after the logits of every live slot have been added. `copy(from, to)`
    /// is called for every slot whose keys and values must be copied.
    ///
    /// # Errors
    /// [`RunError::NoLogits`] if it still [wants](Search::wants) some, or is over;
    /// [`RunError::ArenaTooSmall`] for a history that is. The search is then unchanged.
    pub fn advance<B: Build>(
        &mut self,
        config: &Config,
        rules: Rules,
        history: &mut [i32],
        copy: impl FnMut(usize, usize),
    ) -> Result<(), RunError> {
        if self.done || self.wants().is_some() {
            return Err(RunError::NoLogits);
        }
        self.check(history)?;
        self.select::<B>(config, rules, history, copy);
        self.added = 0;
        Ok(())
    }

    /// [`Search::advance`] for a caller that has added every live slot.
    pub(super) fn select<B: Build>(
        &mut self,
        config: &Config,
        rules: Rules,
        history: &mut [i32],
        mut copy: impl FnMut(usize, usize),
    ) {
        let several = target::has_rules::<B>() && rules.has_ends();
        let len = self.len + 1;
        let (mut next, mut n) = ([Candidate::default(); MAX_BEAMS], 0);
        let candidates = self.candidates;
        for (rank, candidate) in candidates.iter().enumerate().take(self.found) {
            let ends = match several {
                true => rules.is_end(candidate.token),
                false => candidate.token as usize == config.end_token,
            };
            if ends || len == self.limit {
                if rank < self.beams {
                    self.finish::<B>(rules, candidate, len, !ends);
                }
            } else if let Some(place) = next.get_mut(n).filter(|_| n < self.beams) {
                *place = *candidate;
                n += 1;
            }
        }
        self.found = 0;
        let next = part(&next, 0, n);
        self.settle(next, history, &mut copy);
        let best = next.first().map_or(i64::MIN >> 20, |best| best.score);
        let worst = self.ended.checked_sub(1).and_then(|last| self.finished.get(last));
        let (mut ends, mut length) = (self.beams == 1, len);
        if target::has_rules::<B>() {
            let stop = rules.early_stop();
            ends |= stop == EarlyStop::Always;
            if stop == EarlyStop::Never && rules.favours_length() {
                length = self.limit;
            }
        }
        let full = self.ended == self.beams
            && worst.is_some_and(|w| ends || quality::<B>(rules, best, length) <= w.quality);
        self.done = n == 0 || full;
        (self.len, self.live) = (len, n);
    }

    /// Inserts a finished hypothesis into the list, which is sorted from best to worst.
    fn finish<B: Build>(&mut self, rules: Rules, candidate: &Candidate, len: usize, cut: bool) {
        let new = Finished {
            quality: quality::<B>(rules, candidate.score, len),
            score: candidate.score,
            steps: len - 1,
            slot: candidate.slot,
            last: cut.then_some(candidate.token),
        };
        let list = part(&self.finished, 0, self.ended);
        let rank = list.partition_point(|f| f.quality >= new.quality);
        self.ended = (self.ended + 1).min(self.beams);
        insert(first_mut(&mut self.finished, self.ended), rank, new);
    }

    /// Gives every continuation a slot: the first one of each slot stays there, the others are
    /// copied.
    fn settle(
        &mut self,
        next: &[Candidate],
        history: &mut [i32],
        copy: &mut dyn FnMut(usize, usize),
    ) {
        let (mut taken, mut slots) = (0u32, [usize::MAX; MAX_BEAMS]);
        for (candidate, slot) in next.iter().zip(&mut slots) {
            if candidate.slot < next.len() && taken >> candidate.slot & 1 == 0 {
                taken |= 1 << candidate.slot;
                *slot = candidate.slot;
            }
        }
        for (candidate, slot) in next.iter().zip(&mut slots) {
            if *slot == usize::MAX {
                *slot = taken.trailing_ones() as usize;
                taken |= 1 << *slot;
                copy(candidate.slot, *slot);
            }
        }
        let row = rest_mut(history, self.len * self.beams);
        for (candidate, slot) in next.iter().zip(slots) {
            if let (Some(place), Some(score)) = (row.get_mut(slot), self.scores.get_mut(slot)) {
                *place = entry(candidate.slot, candidate.token);
                *score = candidate.score;
            }
        }
    }

    /// The best finished hypothesis: its log-probability in Q15.16, its length without the end
    /// token, and whether it ended with the end token.
    pub fn best(&self) -> Option<(i64, usize, bool)> {
        let best = self.finished.first().filter(|_| self.ended > 0)?;
        Some((best.score, best.steps + best.last.is_some() as usize, best.last.is_none()))
    }

    /// Writes the tokens of the best hypothesis into `out`, as many as fit; returns how many there
    /// are.
    pub fn tokens(&self, history: &[i32], out: &mut [Token]) -> usize {
        let Some(best) = self.finished.first().filter(|_| self.ended > 0) else { return 0 };
        if let (Some(last), Some(to)) = (best.last, out.get_mut(best.steps)) {
            *to = last;
        }
        let past =
            Past { history, beams: self.beams, steps: best.steps, slot: best.slot, start: None };
        for (step, token) in (0..best.steps).rev().zip(past) {
            if let Some(to) = out.get_mut(step) {
                *to = token;
            }
        }
        best.steps + best.last.is_some() as usize
    }
}

/// Refuses a limit that no target keeps: a target has one token at least, and no more than the context holds.
pub(super) fn check_limit(config: &Config, limit: usize) -> Result<(), RunError> {
    let (greatest, given) = (config.target_context, limit);
    match given == 0 || given > greatest {
        true => Err(RunError::LimitOutOfRange { greatest, given }),
        false => Ok(()),
    }
}

/// Inserts `new` at `rank`; the following entries move by one, and the last one is dropped.
fn insert<T>(list: &mut [T], rank: usize, mut new: T) {
    for place in list.iter_mut().skip(rank) {
        core::mem::swap(place, &mut new);
    }
}

/// How good a hypothesis of `len` tokens is, see [`Rules::quality`].
fn quality<B: Build>(rules: Rules, score: i64, len: usize) -> i64 {
    if target::has_rules::<B>() { rules.quality(score, len) } else { per_token(score, len) }
}
