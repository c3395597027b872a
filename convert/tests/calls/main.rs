//! Calls of the public API in any order, right and wrong ones, against slow and obvious models of it: what a
//! model knows is a text or a source; what an engine must answer is what a new engine answers to that.

#[path = "../common/mod.rs"]
mod common;
mod decoder;
mod encoder;
mod search;
mod seq2seq;
mod streams;
mod tasks;

use common::synthetic::Random;
use std::fmt::Debug;

/// Sequences of calls for each model. Beyond that: `PICOFORMER_SEQUENCES=100000 cargo test --test calls`.
fn sequences(usual: u64) -> std::ops::Range<u64> {
    let more = std::env::var("PICOFORMER_SEQUENCES").ok().and_then(|n| n.parse().ok());
    0..more.unwrap_or(usual)
}

/// The calls of a sequence so far, for the message of a failure.
struct Calls(Vec<String>);

impl Calls {
    fn new(seed: u64) -> Self {
        Self(vec![format!("sequence {seed}")])
    }

    fn push(&mut self, call: &str, argument: impl Debug) {
        self.0.push(format!("{call} {argument:?}"));
    }

    #[track_caller]
    fn equal<T: PartialEq + Debug>(&self, found: T, expected: T) {
        assert_eq!(found, expected, "{}", self.0.join(", "));
    }
}

/// Tokens to be fed: mostly a few of the vocabulary, at times none, too many, or one that is none.
fn tokens(r: &mut Random, most: usize, vocab_size: usize) -> Vec<u32> {
    let n = match r.below(8) {
        0 => 0,
        1 => most + 1,
        _ => 1 + r.below(most),
    };
    let mut tokens = r.tokens(n, vocab_size);
    if r.below(12) == 0
        && let Some(token) = tokens.last_mut()
    {
        *token = vocab_size as u32;
    }
    tokens
}
