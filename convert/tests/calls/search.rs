//! [`Search`] against a beam search that keeps every hypothesis whole.

use super::common::synthetic::*;
use super::sequences;
use picoformer::config::*;
use picoformer::probability::log_sum_exp;
use picoformer::seq2seq::Search;

/// Logits after some tokens: any function will do.
fn logits(seed: u64, text: &[u32], vocab_size: usize) -> Vec<i32> {
    let mixed = text.iter().fold(seed, |mixed, &token| {
        Random(mixed.wrapping_add(token as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)).next()
    });
    let mut r = Random(mixed);
    (0..vocab_size).map(|_| (r.normal() * 80000.0) as i32).collect()
}

fn quality(score: i64, len: usize) -> i64 {
    (score << 16) / len as i64
}

/// An answer: its log-probability, its tokens, and whether the end token ended it.
type Answer = (i64, Vec<u32>, bool);

/// All continuations, sorted; the best are kept.
fn obvious(c: &Config, limit: usize, seed: u64) -> Answer {
    let mut live: Vec<(i64, Vec<u32>)> = vec![(0, Vec::new())];
    let mut finished: Vec<(i64, Answer)> = Vec::new();
    for len in 1.. {
        let mut all: Vec<(i64, Vec<u32>)> = Vec::new();
        for (score, text) in &live {
            let logits = logits(seed, text, c.vocab_size);
            for (token, &logit) in logits.iter().enumerate() {
                let score = score - log_sum_exp(&logits) + logit as i64;
                let next = [&text[..], &[token as u32]].concat();
                match (len, c.forced_token) {
                    (1, 1..) if token + 1 == c.forced_token => all.push((0, next)),
                    (1, 1..) => {}
                    _ if token + 1 != c.suppressed_token => all.push((score, next)),
                    _ => {}
                }
            }
        }
        all.sort_by_key(|(score, _)| -score);
        live.clear();
        for (rank, (score, mut text)) in all.into_iter().take(2 * c.beams).enumerate() {
            let ends = *text.last().unwrap() as usize == c.end_token;
            if (ends || len == limit) && rank < c.beams {
                if ends {
                    text.pop();
                }
                finished.push((quality(score, len), (score, text, ends)));
            } else if !ends && len < limit && live.len() < c.beams {
                live.push((score, text));
            }
        }
        finished.sort_by_key(|(quality, _)| -quality);
        finished.truncate(c.beams);
        let best = live.first().map(|(score, _)| quality(*score, len));
        let full = finished.len() == c.beams
            && (c.beams == 1 || best.is_none_or(|best| best <= finished[c.beams - 1].0));
        if live.is_empty() || full {
            break;
        }
    }
    finished.swap_remove(0).1
}

/// The engine's search, with texts in place of keys and values.
fn search(c: &Config, limit: usize, seed: u64) -> Answer {
    let mut search = Search::new(c, limit);
    let mut history = vec![-1; c.target_context * c.beams];
    let mut slots: Vec<Vec<u32>> = vec![Vec::new(); c.beams];
    while !search.is_done() {
        for (slot, text) in slots.iter().enumerate().take(search.live()) {
            search.add(c, slot, &logits(seed, text, c.vocab_size));
        }
        let copies = &mut slots;
        search.advance(c, &mut history, |from, to| copies[to] = copies[from].clone());
        for (slot, text) in slots.iter_mut().enumerate().take(search.live()) {
            text.push(search.token(c, &history, slot));
        }
    }
    let (score, len, complete) = search.best().unwrap();
    let mut tokens = vec![0; len];
    assert_eq!(search.tokens(&history, &mut tokens), len);
    (score, tokens, complete)
}

#[test]
fn searches_find_what_the_obvious_one_finds() {
    for seed in sequences(4000) {
        let r = &mut Random(seed);
        let vocab_size = 2 + r.below(9);
        let config = Config {
            vocab_size,
            beams: 1 + r.below(MAX_BEAMS),
            target_context: 9,
            end_token: r.below(vocab_size),
            ..Config::base(Architecture::EncoderDecoder)
        };
        let other = |r: &mut Random| 1 + r.below(vocab_size);
        let rare = |r: &mut Random| r.below(3) == 0;
        let suppressed_token = if rare(r) { other(r) } else { 0 };
        let forced_token = if rare(r) { other(r) } else { 0 };
        let config = Config { suppressed_token, forced_token, ..config };
        let limit = 1 + r.below(9);
        assert_eq!(
            search(&config, limit, seed),
            obvious(&config, limit, seed),
            "{seed} {config:?}"
        );
    }
}
