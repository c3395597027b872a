//! [`Decoder`]: a text, the rows in flight, and the rows of which logits can be had.

use super::common::blob;
use super::common::synthetic::*;
use super::{Calls, sequences, tokens};
use picoformer::config::Config;
use picoformer::probability::log_probability;
use picoformer::{Decoder, Model, Progress, RunError};
use picoformer_convert::host::HeapArena;

/// Logits of a new decoder for a text.
pub fn logits(model: &Model, prefix: usize, text: &[u32]) -> Vec<i32> {
    let mut arena = HeapArena::new(model.arena());
    let mut decoder = Decoder::new(model, arena.parts()).unwrap();
    if prefix > 0 {
        decoder.set_prefix(prefix).unwrap();
    }
    decoder.prefill(text).unwrap();
    decoder.logits().to_vec()
}

/// What a decoder knows.
struct Simple<'m> {
    model: &'m Model<'m>,
    text: Vec<u32>,
    prefix: usize,
    /// Tokens in flight, and whether they are the last ones given.
    flight: Option<(Vec<u32>, bool)>,
    /// Tokens at the end of the text that were fed in one tile.
    known: usize,
    /// The logits are there: asked for, and not given away for changes.
    shown: bool,
}

impl Simple<'_> {
    fn config(&self) -> &Config {
        self.model.config()
    }

    fn refusal(&self, tokens: &[u32]) -> Option<RunError> {
        let c = self.config();
        let context = if c.window > 0 { (1 << 31) - 1 } else { c.context };
        let given = context - self.text.len();
        let outside = tokens.iter().find(|&&token| token as usize >= c.vocab_size);
        Some(match tokens.len() {
            _ if self.flight.is_some() => RunError::InFlight,
            0 => RunError::EmptyInput,
            needed if needed > given => RunError::TooLong { needed, given },
            given if self.text.is_empty() && given < self.prefix => {
                RunError::SplitPrefix { needed: self.prefix, given }
            }
            _ => RunError::TokenOutOfRange { token: *outside?, vocab_size: c.vocab_size },
        })
    }

    /// Feeds tokens, if they are not refused.
    fn feed(&mut self, tokens: &[u32]) -> Result<(), RunError> {
        self.refusal(tokens).map_or(Ok(()), Err)?;
        for tile in tokens.chunks(self.config().tile_rows) {
            self.text.extend(tile);
            (self.known, self.shown) = (tile.len(), true);
        }
        Ok(())
    }

    /// The log-probabilities of tokens after the text.
    fn score(&mut self, tokens: &[u32]) -> Result<Vec<(usize, i32)>, RunError> {
        self.refusal(tokens).map_or(Ok(()), Err)?;
        if !self.text.is_empty() && self.known == 0 {
            return Err(RunError::NoLogits);
        }
        let mut scores = Vec::new();
        for (i, &token) in tokens.iter().enumerate() {
            let before = [&self.text[..], &tokens[..i]].concat();
            if !before.is_empty() && before.len() >= self.prefix {
                let logits = logits(self.model, self.prefix, &before);
                scores.push((i, log_probability(&logits, token as usize)));
            }
        }
        self.feed(tokens)?;
        Ok(scores)
    }

    fn truncate(&mut self, len: usize) -> bool {
        let c = self.config();
        // The ring has been written up to here.
        let written = self.text.len() + self.flight.as_ref().map_or(0, |(tokens, _)| tokens.len());
        let lost = c.window > 0 && written > c.cache_rows();
        let cut = len > 0 && len < self.prefix;
        if len > self.text.len() || lost || cut {
            return false;
        }
        let back = self.text.len() - len;
        self.known = if self.flight.is_some() { 0 } else { self.known.saturating_sub(back) };
        self.shown &= back == 0;
        self.text.truncate(len);
        self.flight = None;
        true
    }

    fn set_prefix(&mut self, n: usize) -> Result<(), RunError> {
        let tile_rows = self.config().tile_rows;
        if self.config().window > 0 {
            return Err(RunError::WrongModel { needed: "a decoder without a sliding window" });
        }
        if (!self.text.is_empty() || self.flight.is_some()) && n != self.prefix {
            return Err(RunError::SplitPrefix { needed: n, given: 0 });
        }
        if n > tile_rows {
            return Err(RunError::SplitPrefix { needed: n, given: tile_rows });
        }
        self.prefix = n;
        Ok(())
    }

    fn logits(&self) -> Vec<i32> {
        match self.flight.is_none() && self.known > 0 && self.shown {
            true => logits(self.model, self.prefix, &self.text),
            false => Vec::new(),
        }
    }
}

/// One call, chosen at random, of both.
fn call(r: &mut Random, decoder: &mut Decoder, simple: &mut Simple, calls: &mut Calls) {
    let c = *simple.config();
    let given = tokens(r, if c.window > 0 { 12 } else { 5 }, c.vocab_size);
    match r.below(12) {
        0 | 1 => {
            calls.push("begin", &given);
            let rows = given.len().min(c.tile_rows);
            let expected = simple.refusal(&given).map_or(Ok(rows), Err);
            calls.equal(decoder.begin(&given), expected);
            if expected.is_ok() {
                simple.flight = Some((given[..rows].to_vec(), given.len() == rows));
            }
        }
        2..=4 => {
            calls.push("step", ());
            if decoder.step() == Progress::Done
                && let Some((tokens, last)) = simple.flight.take()
            {
                simple.feed(&tokens).unwrap();
                simple.shown = last;
            }
        }
        5 => {
            calls.push("prefill", &given);
            calls.equal(decoder.prefill(&given), simple.feed(&given));
        }
        6 => {
            let token = r.below(c.vocab_size + 1) as u32;
            calls.push("advance", token);
            calls.equal(decoder.advance(token), simple.feed(&[token]));
        }
        7 | 8 => {
            calls.push("score", &given);
            let mut found = Vec::new();
            let total = decoder.score(&given, |i, value| found.push((i, value)));
            let expected = simple.score(&given);
            let sum = |scores: Vec<(usize, i32)>| scores.iter().map(|&(_, s)| s as i64).sum();
            calls.equal(found, expected.clone().unwrap_or_default());
            calls.equal(total, expected.map(sum));
        }
        9 => {
            let len = r.below(simple.text.len() + 2);
            calls.push("truncate", len);
            calls.equal(decoder.truncate(len), simple.truncate(len));
        }
        10 => {
            let known = simple.flight.is_none() && simple.known > 0;
            calls.push("logits_mut", ());
            let logits = decoder.logits_mut();
            simple.shown = true;
            calls.equal(logits.to_vec(), if known { simple.logits() } else { Vec::new() });
            logits.fill(7);
            simple.shown = false;
        }
        _ if r.below(3) == 0 => {
            calls.push("reset", ());
            decoder.reset();
            (simple.text, simple.prefix, simple.flight) = (Vec::new(), 0, None);
            simple.known = 0;
        }
        _ => {
            let n = r.below(c.tile_rows + 2);
            calls.push("set_prefix", n);
            calls.equal(decoder.set_prefix(n), simple.set_prefix(n));
        }
    }
    calls.equal((decoder.len(), decoder.is_empty()), (simple.text.len(), simple.text.is_empty()));
    calls.equal(decoder.in_flight(), simple.flight.is_some());
    calls.equal(decoder.logits().to_vec(), simple.logits());
}

#[test]
fn decoders_answer_calls_in_any_order() {
    let window = Config { window: 5, context: 64, tile_rows: 3, n_layers: 1, ..llama() };
    for (config, usual, length) in [
        (Config { context: 10, tile_rows: 3, ..gpt2() }, 3000, 14),
        (Config { context: 9, tile_rows: 1, ..llama() }, 1000, 14),
        (window, 300, 30),
    ] {
        let blob = blob(&random(config, 31));
        let model = blob.parse().unwrap();
        for seed in sequences(usual) {
            let mut arena = HeapArena::new(model.arena());
            let mut decoder = Decoder::new(&model, arena.parts()).unwrap();
            let (text, flight) = (Vec::new(), None);
            let mut simple =
                Simple { model: &model, text, prefix: 0, flight, known: 0, shown: false };
            let (mut r, mut calls) = (Random(seed), Calls::new(seed));
            for _ in 0..length {
                call(&mut r, &mut decoder, &mut simple, &mut calls);
            }
        }
    }
}

/// The faults that were found, by name: each of these was a number, and a wrong one.
#[test]
fn logits_of_other_rows_score_nothing() {
    let blob = blob(&random(Config { tile_rows: 2, ..gpt2() }, 32));
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut decoder = Decoder::new(&model, arena.parts()).unwrap();
    let (prompt, a, b) = ([1, 2, 3, 4, 5], [6, 7, 8], [9, 10, 11]);
    let fresh = |text: &[u32], tokens: &[u32]| {
        let mut arena = HeapArena::new(model.arena());
        let mut decoder = Decoder::new(&model, arena.parts()).unwrap();
        decoder.prefill(text).unwrap();
        decoder.score(tokens, |_, _| {})
    };
    // Behind another continuation.
    decoder.prefill(&prompt).unwrap();
    decoder.score(&a, |_, _| {}).unwrap();
    assert!(decoder.truncate(prompt.len()));
    assert_eq!(decoder.score(&b, |_, _| {}), Err(RunError::NoLogits));
    assert!(decoder.logits().is_empty());
    // The documented way.
    assert!(decoder.truncate(prompt.len() - 1));
    decoder.advance(prompt[4]).unwrap();
    assert_eq!(decoder.score(&b, |_, _| {}), fresh(&prompt, &b));
    // Within the last tile, the logits are computed again.
    decoder.reset();
    decoder.prefill(&prompt[..4]).unwrap();
    assert!(decoder.truncate(3));
    assert_eq!(decoder.score(&b, |_, _| {}), fresh(&prompt[..3], &b));
    // After a sampler.
    decoder.reset();
    decoder.prefill(&prompt).unwrap();
    decoder.logits_mut().fill(0);
    assert_eq!(decoder.score(&b, |_, _| {}), fresh(&prompt, &b));
    // In the middle of a prompt.
    decoder.reset();
    assert_eq!(decoder.begin(&prompt), Ok(2));
    while decoder.step() == Progress::Working {}
    assert!(decoder.logits().is_empty());
    assert_eq!(decoder.score(&b, |_, _| {}), fresh(&prompt[..2], &b));
}
