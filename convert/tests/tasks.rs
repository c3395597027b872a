//! Text in, answer out: where a text ends, what does not fit, and what the sampler may draw.

mod common;

use common::synthetic::*;
use common::*;
use picoformer::config::{Config, Head};
use picoformer::sampler::{ONE, Sampler, Sampling, greedy};
use picoformer::task::{Event, Stop, TaskError};
use picoformer::tokenizer::EncodeError;
use picoformer::{Classifier, Generator, RunError};
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::tokenizer::{from_bytes, with_end};
use proptest::prelude::*;

fn shipped(name: &str) -> Blob {
    Blob::open(&root().join("models").join(name).join("model.pico")).unwrap()
}

/// A random decoder of bytes; `end` is its end token.
fn bytes(end: Option<usize>) -> Blob {
    let mut model = random(Config { vocab_size: 256, context: 24, ..gpt2() }, 21);
    model.tokenizer = with_end(from_bytes(256).unwrap(), end).unwrap();
    blob(&model)
}

/// Greedy tokens after a prompt of four, and why they ended.
fn write(blob: &Blob) -> (Vec<u32>, Stop) {
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut generator = Generator::new(&model, arena.parts(), Sampling::greedy()).unwrap();
    generator.prompt("once").unwrap();
    let mut tokens = Vec::new();
    loop {
        match generator.next_token().unwrap() {
            Event::Token(token) => tokens.push(token),
            Event::Stopped(stop) => {
                assert_eq!(generator.step(), Ok(Event::Stopped(stop)), "it stays stopped");
                return (tokens, stop);
            }
            Event::Working => unreachable!(),
        }
    }
}

#[test]
fn texts_end_at_the_end_token_or_with_the_context() {
    let (tokens, stop) = write(&bytes(None));
    // Every position is used, and the last one still gives a token.
    assert_eq!((tokens.len(), stop), (24 - 4 + 1, Stop::ContextFull));
    let end = tokens[9];
    let first = tokens.iter().position(|&token| token == end).unwrap();
    let (shorter, stop) = write(&bytes(Some(end as usize)));
    assert_eq!((&shorter[..], stop), (&tokens[..first], Stop::EndOfSequence));
}

#[test]
fn what_does_not_fit_is_an_error() {
    let blob = shipped("intent");
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut classifier = Classifier::new(&model, arena.parts()).unwrap();
    let empty = TaskError::Run(RunError::EmptyInput);
    assert_eq!(classifier.classify(""), Err(empty));
    assert_eq!(classifier.classify(" \n\t "), Err(empty));
    let context = model.config().context;
    let long = classifier.classify(&"timer ".repeat(context - 1)).unwrap_err();
    assert_eq!(long, TaskError::Run(RunError::TooLong { needed: context + 1, given: context }));
    let longer = classifier.classify(&"timer ".repeat(500)).unwrap_err();
    let given = model.arena().tokens;
    assert_eq!(longer, TaskError::Encode(EncodeError::TooLong { needed: 502, given }));
    assert_eq!(classifier.classify("set a timer").unwrap().name, "timer");

    let blob = shipped("tales");
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut generator = Generator::new(&model, arena.parts(), Sampling::greedy()).unwrap();
    assert_eq!(generator.step(), Err(RunError::EmptyInput));
    assert_eq!(generator.prompt(""), Err(empty));
    let long = generator.prompt(&"a king ".repeat(1000));
    assert!(matches!(long, Err(TaskError::Encode(EncodeError::TooLong { .. }))));
}

/// Tags of known capacity are those that `tag` tells, or an error.
#[test]
fn tags_are_told_or_refused() {
    let config = Config { head: Head::TokenLabels, n_labels: 3, vocab_size: 256, ..bert() };
    let mut model = random(config, 22);
    model.tokenizer = from_bytes(256).unwrap();
    let blob = blob(&model);
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut classifier = Classifier::new(&model, arena.parts()).unwrap();
    let mut expected = Vec::new();
    classifier.tag("once", |token, label, _| expected.push((token, label))).unwrap();
    assert_eq!(expected.len(), 4);
    assert_eq!(classifier.tags::<4>("once").unwrap(), expected[..]);
    let full = EncodeError::TooLong { needed: 4, given: 3 };
    assert_eq!(classifier.tags::<3>("once"), Err(full.into()));
    let wrong = RunError::WrongModel { needed: "a model with labels for a text" };
    assert_eq!(classifier.classify("once"), Err(wrong.into()));
}

/// Softmax in f64 with its cuts: a token's probability, and whether the cuts may keep it when sums are
/// only known to a part in ten thousand.
fn reference(logits: &[i32], temperature: f64, top_k: usize, top_p: f64) -> Vec<(f64, bool)> {
    let real: Vec<f64> = logits.iter().map(|&x| x as f64 / 65536.0 / temperature).collect();
    let maximum = real.iter().copied().fold(f64::MIN, f64::max);
    let mut order: Vec<usize> = (0..real.len()).collect();
    order.sort_by(|&a, &b| real[b].total_cmp(&real[a]).then(a.cmp(&b)));
    let kept = if top_k == 0 { real.len() } else { top_k.min(real.len()) };
    let numerator = |i: &usize| (real[*i] - maximum).exp();
    let total: f64 = order[..kept].iter().map(numerator).sum();
    let mut result = vec![(0.0, false); real.len()];
    let (mut mass, mut sum) = (0.0, 0.0);
    for (rank, i) in order.iter().enumerate() {
        // Just behind a cut, a token of nearly the same weight may be taken for one before it.
        let near = rank >= kept && real[order[kept - 1]] - real[*i] < 1e-3;
        let inside = rank < kept && (rank == 0 || mass < top_p);
        if inside {
            result[*i].0 = numerator(i) / total;
            sum += result[*i].0;
        }
        result[*i].1 = inside || near || (rank < kept && mass < top_p + 1e-3);
        mass += numerator(i) / total;
    }
    result.iter_mut().for_each(|(p, _)| *p /= sum);
    result
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn draws_follow_the_reference(
        logits in proptest::collection::vec(-400_000..400_000i32, 1..40),
        temperature in 0.1..3.0f64,
        top_k in 0..12usize,
        top_p in 0.05..1.05f64,
        seed in any::<u64>(),
    ) {
        let top_p = top_p.min(1.0);
        let sampling = Sampling {
            temperature: (temperature * ONE as f64) as u32,
            top_k,
            top_p: (top_p * ONE as f64) as u32,
            seed,
        };
        let expected = reference(&logits, temperature, top_k, top_p);
        let (mut sampler, mut again) = (Sampler::new(sampling), Sampler::new(sampling));
        let mut counts = vec![0.0; logits.len()];
        const DRAWS: usize = 2000;
        for _ in 0..DRAWS {
            let token = sampler.sample(&mut logits.clone()) as usize;
            prop_assert_eq!(token, again.sample(&mut logits.clone()) as usize);
            prop_assert!(expected[token].1, "token {} is cut: {:?}", token, expected);
            counts[token] += 1.0 / DRAWS as f64;
        }
        // Where a token stands at the very edge of a cut, the distributions differ by its weight.
        let edge: f64 = expected.iter().filter(|(p, may)| *p == 0.0 && *may).count() as f64;
        let distance: f64 =
            counts.iter().zip(&expected).map(|(c, (p, _))| (c - p).abs()).sum::<f64>() / 2.0;
        prop_assert!(edge > 0.0 || distance < 0.08, "distance {}: {:?} {:?}", distance, counts, expected);
        let cold = Sampling { temperature: 0, ..sampling };
        prop_assert_eq!(Sampler::new(cold).sample(&mut logits.clone()), greedy(&logits));
    }
}
