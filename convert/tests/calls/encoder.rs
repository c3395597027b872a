//! [`Encoder`]: an input, its mask, and whether the steps are done.

use super::common::blob;
use super::common::synthetic::*;
use super::{Calls, sequences, tokens};
use picoformer::config::*;
use picoformer::nn::attention::Mask;
use picoformer::{Encoder, Model, Progress, RunError};
use picoformer_convert::host::HeapArena;

/// Everything that an encoder answers.
#[derive(Clone, Debug, Default, PartialEq)]
struct Answers {
    outputs: Vec<i32>,
    rows: Vec<(Vec<i16>, i32)>,
}

fn answers(encoder: &Encoder) -> Answers {
    let row = |row| (encoder.hidden(row).0.to_vec(), encoder.hidden(row).1);
    let rows = (0..encoder.model().config().context + 1).map(row);
    let rows = rows.take_while(|(row, _)| !row.is_empty()).collect();
    Answers { outputs: encoder.outputs().to_vec(), rows }
}

/// An input: tokens or frames, and a mask for tokens.
#[derive(Clone, Debug)]
enum Input {
    Tokens(Vec<u32>, Option<usize>),
    Frames(Vec<i16>),
}

const MASKS: [Mask; 3] = [Mask::Causal, Mask::SlidingWindow(2), Mask::Prefix(3)];

/// What a new encoder answers to an input.
fn fresh(model: &Model, input: &Input) -> Answers {
    let mut arena = HeapArena::new(model.arena());
    let mut encoder = Encoder::new(model, arena.parts()).unwrap();
    match input {
        Input::Tokens(tokens, None) => drop(encoder.run(tokens).unwrap().to_vec()),
        Input::Tokens(tokens, Some(mask)) => {
            encoder.begin_masked(tokens, MASKS[*mask]).unwrap().finish()
        }
        Input::Frames(frames) => drop(encoder.run_frames(frames).unwrap().to_vec()),
    }
    answers(&encoder)
}

fn refusal(c: &Config, input: &Input) -> Option<RunError> {
    let rows = |needed| match needed {
        0 => Some(RunError::EmptyInput),
        _ if needed > c.context => Some(RunError::TooLong { needed, given: c.context }),
        _ => None,
    };
    match (input, c.input) {
        (Input::Tokens(..), picoformer::config::Input::Frames) => {
            Some(RunError::WrongModel { needed: "a model with token input" })
        }
        (Input::Frames(_), picoformer::config::Input::Tokens) => {
            Some(RunError::WrongModel { needed: "a model with frame input" })
        }
        (Input::Tokens(tokens, _), _) => rows(tokens.len()).or_else(|| {
            let token = *tokens.iter().find(|&&token| token as usize >= c.vocab_size)?;
            Some(RunError::TokenOutOfRange { token, vocab_size: c.vocab_size })
        }),
        (Input::Frames(x), _) => match x.len() % c.frame_len {
            0 => rows(x.len() / c.frame_len),
            _ => Some(RunError::WrongFrameLength { needed: c.frame_len, given: x.len() }),
        },
    }
}

/// What an encoder knows.
struct Simple {
    input: Option<Input>,
    done: bool,
}

fn input(r: &mut Random, c: &Config) -> Input {
    let of_frames = matches!(c.input, picoformer::config::Input::Frames);
    if of_frames != (r.below(10) == 0) {
        let n = r.below(6) * 3 + (r.below(8) == 0) as usize;
        return Input::Frames((0..n).map(|_| r.next() as i16).collect());
    }
    let mask = (r.below(3) == 0).then(|| r.below(MASKS.len()));
    Input::Tokens(tokens(r, c.context, c.vocab_size.max(1)), mask)
}

fn call(r: &mut Random, encoder: &mut Encoder, simple: &mut Simple, calls: &mut Calls) {
    let c = *encoder.model().config();
    match r.below(8) {
        0..=2 => {
            let input = input(r, &c);
            let refused = refusal(&c, &input);
            let expected = refused.map_or(Ok(()), Err);
            match &input {
                Input::Tokens(tokens, Some(mask)) => {
                    // Some steps, or all.
                    let steps = r.below(30);
                    calls.push("begin_masked", (&input, steps));
                    let masked = encoder.begin_masked(tokens, MASKS[*mask]);
                    calls.equal(masked.as_ref().err().copied(), refused);
                    let Ok(mut masked) = masked else { return };
                    simple.done = (0..steps).any(|_| masked.step() == Progress::Done);
                    // Otherwise it is given up.
                    if r.below(4) == 0 {
                        masked.finish();
                        simple.done = true;
                    }
                    simple.input = simple.done.then_some(input);
                    return;
                }
                Input::Tokens(tokens, None) => {
                    calls.push("begin", &input);
                    calls.equal(encoder.begin(tokens), expected);
                }
                Input::Frames(frames) => {
                    calls.push("begin_frames", &input);
                    calls.equal(encoder.begin_frames(frames), expected);
                }
            }
            if refused.is_none() {
                (simple.input, simple.done) = (Some(input), false);
            }
        }
        3 | 4 => {
            calls.push("step", ());
            simple.done |= encoder.step() == Progress::Done;
        }
        5 => {
            calls.push("all steps", ());
            while encoder.step() == Progress::Working {}
            simple.done = true;
        }
        _ => {
            let row = r.below(c.context + 1);
            calls.push("label_logits", row);
            let found = encoder.label_logits(row).map(<[i32]>::to_vec);
            let rows = match &simple.input {
                Some(Input::Tokens(tokens, _)) => tokens.len(),
                Some(Input::Frames(x)) => x.len() / c.frame_len,
                None => 0,
            };
            let error = match c.head {
                Head::TokenLabels if rows == 0 => RunError::EmptyInput,
                Head::TokenLabels if !simple.done => RunError::InFlight,
                Head::TokenLabels if row >= rows => {
                    RunError::TooLong { needed: row + 1, given: rows }
                }
                Head::TokenLabels => {
                    let mut arena = HeapArena::new(encoder.model().arena());
                    let mut fresh = Encoder::new(encoder.model(), arena.parts()).unwrap();
                    match simple.input.as_ref().unwrap() {
                        Input::Tokens(tokens, None) => drop(fresh.run(tokens).unwrap().to_vec()),
                        Input::Tokens(tokens, Some(mask)) => {
                            fresh.begin_masked(tokens, MASKS[*mask]).unwrap().finish()
                        }
                        Input::Frames(_) => unreachable!(),
                    }
                    calls.equal(found, fresh.label_logits(row).map(<[i32]>::to_vec));
                    return;
                }
                _ => RunError::WrongModel { needed: "a model with per-token labels" },
            };
            calls.equal(found, Err(error));
        }
    }
}

#[test]
fn encoders_answer_calls_in_any_order() {
    let small = Config { context: 7, tile_rows: 3, ..bert() };
    let labels = Config { n_labels: 3, ..small };
    let frames =
        Config { input: picoformer::config::Input::Frames, vocab_size: 0, frame_len: 3, ..small };
    for (i, config) in [
        small,
        Config { head: Head::Classifier, pooler: true, ..labels },
        Config { head: Head::TokenLabels, ..labels },
        Config { head: Head::Embedding, pooling: Pooling::Mean, ..frames },
        Config { head: Head::Embedding, n_labels: 5, pooling: Pooling::Max, ..small },
    ]
    .into_iter()
    .enumerate()
    {
        let blob = blob(&random(config, 40 + i as u64));
        let model = blob.parse().unwrap();
        for seed in sequences(700) {
            let mut arena = HeapArena::new(model.arena());
            let mut encoder = Encoder::new(&model, arena.parts()).unwrap();
            let mut simple = Simple { input: None, done: false };
            let (mut r, mut calls) = (Random(seed), Calls::new(seed));
            for _ in 0..12 {
                call(&mut r, &mut encoder, &mut simple, &mut calls);
                let input = simple.input.as_ref().filter(|_| simple.done);
                let expected = input.map(|input| fresh(&model, input)).unwrap_or_default();
                calls.equal(answers(&encoder), expected);
            }
        }
    }
}
