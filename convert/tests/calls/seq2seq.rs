//! [`Seq2Seq`]: a source with its limit, and how far its steps are.

use super::common::{root, synthetic::Random};
use super::{Calls, sequences, tokens};
use picoformer::seq2seq::{Found, Part};
use picoformer::{Model, Progress, RunError, Seq2Seq};
use picoformer_convert::checkpoint::Checkpoint;
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::import::import;
use picoformer_convert::writer::{self, Wide};
use std::collections::HashMap;

/// What a new engine does with a source: the logits after every step, and what it finds.
struct Run {
    logits: Vec<Vec<i32>>,
    found: Found,
    tokens: Vec<u32>,
}

fn fresh(model: &Model, source: &[u32], limit: usize) -> Run {
    let mut arena = HeapArena::new(model.arena());
    let mut engine = Seq2Seq::new(model, arena.parts()).unwrap();
    engine.set_limit(limit).unwrap();
    engine.begin(source).unwrap();
    let mut logits = Vec::new();
    while engine.part() != Part::Done {
        engine.step();
        logits.push(engine.logits().to_vec());
    }
    let found = engine.found().unwrap();
    let mut tokens = vec![0; found.len];
    engine.tokens(&mut tokens);
    Run { logits, found, tokens }
}

/// The log-probability of a target, and that of each token with its logits.
type Scores = (i64, Vec<(i32, Vec<i32>)>);

/// The log-probabilities of a target, by a new engine.
fn scores(model: &Model, source: &[u32], target: &[u32]) -> Result<Scores, RunError> {
    let mut arena = HeapArena::new(model.arena());
    let mut engine = Seq2Seq::new(model, arena.parts()).unwrap();
    let mut each = Vec::new();
    let total = engine.score(source, target, |_, p, logits| each.push((p, logits.to_vec())))?;
    Ok((total, each))
}

/// What an engine knows.
enum Simple {
    Nothing,
    /// Source, limit, steps done.
    Source(Vec<u32>, usize, usize),
    /// A target was scored; the logits of its last token.
    Scored(Vec<i32>),
}

fn check(tokens: &[u32], context: usize, vocab_size: usize) -> Option<RunError> {
    match tokens.len() {
        0 => Some(RunError::EmptyInput),
        needed if needed > context => Some(RunError::TooLong { needed, given: context }),
        _ => tokens
            .iter()
            .find(|&&token| token as usize >= vocab_size)
            .map(|&token| RunError::TokenOutOfRange { token, vocab_size }),
    }
}

#[test]
fn encoder_decoders_answer_calls_in_any_order() {
    for name in ["t5-tied", "bart"] {
        let folder = root().join("tests/golden").join(name);
        let float = import(&Checkpoint::open(&folder).unwrap()).unwrap();
        let blob = Blob::new(&writer::write(&float, Wide::Auto).unwrap());
        let model = blob.parse().unwrap().with_beams(3);
        let c = *model.config();
        let mut runs: HashMap<(Vec<u32>, usize), Run> = HashMap::new();
        for seed in sequences(250) {
            let mut arena = HeapArena::new(model.arena());
            let mut engine = Seq2Seq::new(&model, arena.parts()).unwrap();
            let (r, mut calls) = (&mut Random(seed), Calls::new(seed));
            let (mut simple, mut limit) = (Simple::Nothing, c.target_context);
            for _ in 0..14 {
                // Few different sources, so that few runs are needed; at times a wrong one.
                let source = match r.below(4) {
                    0 => tokens(r, c.context, c.vocab_size),
                    _ => vec![3 + r.below(3) as u32; 1 + r.below(4)],
                };
                let refused = check(&source, c.context, c.vocab_size);
                match r.below(9) {
                    0 | 1 => {
                        calls.push("begin", &source);
                        calls.equal(engine.begin(&source), refused.map_or(Ok(()), Err));
                        if refused.is_none() {
                            simple = Simple::Source(source, limit, 0);
                        }
                    }
                    2..=4 => {
                        let most = [3, 100][r.below(2)];
                        let steps = 1 + r.below(most);
                        calls.push("step", steps);
                        for _ in 0..steps {
                            engine.step();
                        }
                        if let Simple::Source(.., done) = &mut simple {
                            *done += steps;
                        }
                    }
                    5 => {
                        calls.push("run", &source);
                        let found = engine.run(&source);
                        calls.equal(found.err(), refused);
                        if refused.is_none() {
                            simple = Simple::Source(source, limit, usize::MAX >> 1);
                        }
                    }
                    6 => {
                        let target = tokens(r, 6, c.vocab_size);
                        calls.push("score", (&source, &target));
                        let mut each = Vec::new();
                        let total = engine.score(&source, &target, |_, p, logits| {
                            each.push((p, logits.to_vec()))
                        });
                        let expected = scores(&model, &source, &target);
                        calls.equal(total.map(|total| (total, each)), expected.clone());
                        let wrong = check(&target, c.target_context, c.vocab_size);
                        calls.equal(expected.as_ref().err(), wrong.or(refused).as_ref());
                        if let Ok((_, each)) = expected {
                            simple = Simple::Scored(each.last().unwrap().1.clone());
                        }
                    }
                    7 => {
                        let given =
                            [0, 1 + r.below(5), c.target_context, c.target_context + 1][r.below(4)];
                        calls.push("set_limit", given);
                        let taken = (1..=c.target_context).contains(&given);
                        let greatest = c.target_context;
                        let refused = RunError::LimitOutOfRange { greatest, given };
                        calls.equal(engine.set_limit(given), taken.then_some(()).ok_or(refused));
                        limit = if taken { given } else { limit };
                    }
                    _ => {
                        calls.push("steps to the end", ());
                        while engine.step() == Progress::Working {}
                        if let Simple::Source(.., done) = &mut simple {
                            *done = usize::MAX >> 1;
                        }
                    }
                }
                let (mut logits, mut found, mut answer) = (Vec::new(), None, Vec::new());
                match &simple {
                    Simple::Nothing => {}
                    Simple::Scored(last) => logits = last.clone(),
                    Simple::Source(source, limit, done) => {
                        let run = runs
                            .entry((source.clone(), *limit))
                            .or_insert_with(|| fresh(&model, source, *limit));
                        let last = (*done).min(run.logits.len());
                        logits = last.checked_sub(1).map_or(logits, |i| run.logits[i].clone());
                        if last == run.logits.len() {
                            (found, answer) = (Some(run.found), run.tokens.clone());
                        }
                    }
                }
                calls.equal(engine.logits().to_vec(), logits);
                calls.equal(engine.found(), found);
                let mut tokens = vec![0; c.target_context];
                let n = engine.tokens(&mut tokens);
                calls.equal(tokens[..n].to_vec(), answer);
            }
        }
    }
}
