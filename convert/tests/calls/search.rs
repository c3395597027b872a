//! [`Search`] against a beam search that keeps every hypothesis whole.

use super::common::synthetic::*;
use super::sequences;
use picoformer::config::*;
use picoformer::kernels::Portable;
use picoformer::probability::log_sum_exp;
use picoformer::rules::Rules;
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
    let mut search = Search::new(c, limit).unwrap();
    let mut history = vec![-1; c.target_context * c.beams];
    let mut slots: Vec<Vec<u32>> = vec![Vec::new(); c.beams];
    while !search.is_done() {
        for (slot, text) in slots.iter().enumerate().take(search.live()) {
            let mut logits = logits(seed, text, c.vocab_size);
            assert_eq!(search.wants(), Some(slot));
            search.add::<Portable>(c, Rules::NONE, &history, &mut logits).unwrap();
        }
        let copies = &mut slots;
        let advanced = search.advance::<Portable>(c, Rules::NONE, &mut history, |from, to| {
            copies[to] = copies[from].clone();
        });
        advanced.unwrap();
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

/// What a search refuses, it has not taken: calls in a wrong order between the right ones change nothing.
#[test]
fn calls_in_a_wrong_order_change_nothing() {
    use picoformer::RunError::{ArenaTooSmall, InFlight, NoLogits};
    for seed in sequences(1000) {
        let r = &mut Random(seed);
        let c = Config {
            vocab_size: 7,
            beams: 1 + r.below(MAX_BEAMS),
            target_context: 6,
            end_token: r.below(7),
            ..Config::base(Architecture::EncoderDecoder)
        };
        let (mut search, mut history) = (Search::new(&c, 6).unwrap(), vec![-1; 6 * c.beams]);
        let mut slots: Vec<Vec<u32>> = vec![Vec::new(); c.beams];
        let advance = |search: &mut Search, history: &mut [i32], slots: &mut Vec<Vec<u32>>| {
            search.advance::<Portable>(&c, Rules::NONE, history, |from, to| {
                slots[to] = slots[from].clone();
            })
        };
        while !search.is_done() {
            while let Some(slot) = search.wants() {
                if r.below(3) == 0 {
                    assert_eq!(advance(&mut search, &mut history, &mut slots), Err(NoLogits));
                    let add = search.add::<Portable>(&c, Rules::NONE, &history, &mut []);
                    assert_eq!(add, Err(NoLogits));
                    let add = search.add::<Portable>(&c, Rules::NONE, &history[1..], &mut [0; 7]);
                    let (needed, given) = (history.len(), history.len() - 1);
                    assert_eq!(add, Err(ArenaTooSmall { part: "history", needed, given }));
                }
                let mut logits = logits(seed, &slots[slot], c.vocab_size);
                search.add::<Portable>(&c, Rules::NONE, &history, &mut logits).unwrap();
            }
            let add = search.add::<Portable>(&c, Rules::NONE, &history, &mut [9 << 16; 7]);
            assert_eq!(add, Err(InFlight));
            assert_eq!(search.token(&c, &history, usize::MAX), 0, "no such slot");
            advance(&mut search, &mut history, &mut slots).unwrap();
            for (slot, text) in slots.iter_mut().enumerate().take(search.live()) {
                text.push(search.token(&c, &history, slot));
            }
        }
        assert_eq!(search.wants(), None);
        assert_eq!(advance(&mut search, &mut history, &mut slots), Err(NoLogits));
        let (score, len, complete) = search.best().unwrap();
        let mut tokens = vec![0; len];
        search.tokens(&history, &mut tokens);
        assert_eq!((score, tokens, complete), obvious(&c, 6, seed), "{seed}");
    }
}

/// Log-probabilities of -65,000 nats a token over a long target: their sum has no room for 16 more bits.
#[test]
fn the_worst_targets_are_still_compared() {
    let context = 1 << 16;
    let c = Config {
        vocab_size: 3,
        beams: 2,
        target_context: context,
        end_token: 0,
        suppressed_token: 3,
        ..Config::base(Architecture::EncoderDecoder)
    };
    let (mut search, mut history) = (Search::new(&c, context).unwrap(), vec![-1; 2 * context]);
    while !search.is_done() {
        while search.wants().is_some() {
            // Token 2 has all the probability and is suppressed; 1 is likelier than 0, which ends.
            let mut logits = [i32::MIN, i32::MIN + 5, i32::MAX - 1];
            search.add::<Portable>(&c, Rules::NONE, &history, &mut logits).unwrap();
        }
        search.advance::<Portable>(&c, Rules::NONE, &mut history, |_, _| {}).unwrap();
    }
    let (score, len, complete) = search.best().unwrap();
    assert!(score < -(1 << 47), "the sum is not large: {score}");
    assert_eq!((len, complete), (context, false), "the longest target is the best a token");
}

/// Beams and limits that no search has are refused: none is taken for another.
#[test]
fn beams_and_limits_out_of_range_are_refused() {
    use picoformer::RunError::{BeamTooWide, LimitOutOfRange};
    let config =
        |beams| Config { beams, target_context: 9, ..Config::base(Architecture::EncoderDecoder) };
    for limit in [0, 10, usize::MAX] {
        let refused = LimitOutOfRange { greatest: 9, given: limit };
        assert_eq!(Search::new(&config(1), limit).err(), Some(refused));
    }
    for needed in [0, MAX_BEAMS + 1, usize::MAX] {
        let refused = BeamTooWide { needed, given: MAX_BEAMS };
        assert_eq!(Search::new(&config(needed), 9).err(), Some(refused));
    }
    assert!(Search::new(&config(MAX_BEAMS), 9).is_ok() && Search::new(&config(1), 1).is_ok());
}
