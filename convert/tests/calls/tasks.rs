//! The tasks: a text that is refused ends the one before.

use super::common::synthetic::*;
use super::common::{blob, root};
use super::decoder::logits;
use super::{Calls, sequences};
use picoformer::blob::RULES;
use picoformer::config::Config;
use picoformer::sampler::{ONE, Sampler, Sampling};
use picoformer::task::{Event, Stop, TaskError};
use picoformer::tokenizer::EncodeError;
use picoformer::{Classifier, Decoder, Generator, Model, Progress, RunError, Translator};
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::tokenizer::{from_bytes, with_end};
use std::collections::HashMap;

/// The end token of the random decoder.
const END: u32 = 200;

/// What a generator knows.
struct Simple<'m> {
    model: &'m Model<'m>,
    prefix: usize,
    text: Vec<u32>,
    pending: Option<u32>,
    stopped: Option<Stop>,
    sampler: Sampler,
    /// The decoder shows the logits of the text.
    shown: bool,
}

impl Simple<'_> {
    fn start(&mut self, tokens: &[u32]) -> Result<(), RunError> {
        (self.pending, self.stopped, self.shown) = (None, None, false);
        self.text.clear();
        let context = self.model.config().context;
        match tokens.len() {
            0 => return Err(RunError::EmptyInput),
            needed if needed > context => {
                return Err(RunError::TooLong { needed, given: context });
            }
            given if given < self.prefix => {
                return Err(RunError::SplitPrefix { needed: self.prefix, given });
            }
            _ => {}
        }
        self.text.extend(tokens);
        self.shown = true;
        Ok(())
    }

    /// Feeds the token that was drawn last.
    fn feed(&mut self) {
        match self.pending.take() {
            Some(_) if self.text.len() == self.model.config().context => {
                self.stopped = Some(Stop::ContextFull)
            }
            Some(token) => {
                self.text.push(token);
                self.shown = true;
            }
            None => {}
        }
    }

    fn next(&mut self) -> Result<Event, RunError> {
        if self.stopped.is_none() {
            self.feed();
        }
        if let Some(stop) = self.stopped {
            return Ok(Event::Stopped(stop));
        }
        if self.text.is_empty() {
            return Err(RunError::EmptyInput);
        }
        let token = self.sampler.sample(&mut logits(self.model, self.prefix, &self.text));
        self.shown = false;
        if token == END {
            self.stopped = Some(Stop::EndOfSequence);
            return Ok(Event::Stopped(Stop::EndOfSequence));
        }
        self.pending = Some(token);
        Ok(Event::Token(token))
    }
}

/// A text of bytes, at times empty or too long.
fn text(r: &mut Random, context: usize) -> String {
    let n = [0, context + 1, 100][r.below(12).min(2)];
    let n = if n == 100 { 1 + r.below(context) } else { n };
    (0..n).map(|_| (b'a' + r.below(3) as u8) as char).collect()
}

#[test]
fn generators_answer_calls_in_any_order() {
    let mut float = random(Config { vocab_size: 256, context: 12, tile_rows: 3, ..gpt2() }, 51);
    float.tokenizer = with_end(from_bytes(256).unwrap(), Some(END as usize)).unwrap();
    let blob = blob(&float);
    let model = blob.parse().unwrap();
    for seed in sequences(1200) {
        let (r, mut calls) = (&mut Random(seed), Calls::new(seed));
        let mut arena = HeapArena::new(model.arena());
        let mut decoder = Decoder::new(&model, arena.parts()).unwrap();
        let prefix = r.below(4);
        decoder.set_prefix(prefix).unwrap();
        let sampling = match r.below(2) {
            0 => Sampling::greedy(),
            _ => Sampling::seeded(seed).with_temperature(2 * ONE).with_top_k(40),
        };
        let mut buffer = [0; 16];
        let mut simple = Simple {
            model: &model,
            prefix,
            text: Vec::new(),
            pending: None,
            stopped: None,
            sampler: Sampler::new(sampling),
            shown: false,
        };
        // The decoder may have a text already, and rows in flight.
        if r.below(2) == 0 {
            let n = prefix.max(1) + r.below(6);
            let tokens = r.tokens(n, 256);
            calls.push("from a decoder", &tokens);
            let rows = decoder.begin(&tokens).unwrap();
            for _ in 0..r.below(5) {
                decoder.step();
            }
            simple.start(&tokens[..rows]).unwrap();
            simple.shown = !decoder.in_flight() && rows == tokens.len();
        }
        let mut generator = Generator::from_decoder(decoder, &mut buffer, sampling);
        for _ in 0..12 {
            match r.below(7) {
                0 => {
                    let text = text(r, 12);
                    calls.push("prompt", &text);
                    let tokens: Vec<u32> = text.bytes().map(u32::from).collect();
                    let expected = simple.start(&tokens).map(|()| tokens).map_err(TaskError::Run);
                    calls.equal(generator.prompt(&text).map(<[u32]>::to_vec), expected);
                }
                1 if r.below(3) == 0 => {
                    calls.push("prompt of 17 characters", ());
                    let refused = EncodeError::TooLong { needed: 17, given: 16 };
                    calls.equal(generator.prompt(&"a".repeat(17)), Err(refused.into()));
                    let _ = simple.start(&[]);
                }
                1 | 2 => {
                    let n = r.below(14);
                    let tokens = r.tokens(n, 256);
                    calls.push("prompt_ids", &tokens);
                    calls.equal(generator.prompt_ids(&tokens), simple.start(&tokens));
                }
                3 => {
                    calls.push("settle", ());
                    while generator.settle().unwrap() {}
                    simple.feed();
                    simple.shown |= generator.decoder().in_flight();
                }
                _ => {
                    calls.push("next_token", ());
                    calls.equal(generator.next_token(), simple.next());
                }
            }
            let shown = generator.decoder().logits();
            if !shown.is_empty() {
                calls.equal(shown.to_vec(), logits(&model, prefix, &simple.text));
            }
            calls
                .equal(!simple.shown || !shown.is_empty() || generator.decoder().in_flight(), true);
        }
    }
}

/// A decoder that nothing is known of: an error, and never a token.
#[test]
fn a_generator_does_not_guess() {
    let blob = blob(&random(gpt2(), 52));
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut decoder = Decoder::new(&model, arena.parts()).unwrap();
    decoder.prefill(&[1, 2, 3, 4, 5]).unwrap();
    assert!(decoder.truncate(2));
    let mut generator = Generator::from_decoder(decoder, &mut [], Sampling::greedy());
    assert_eq!(generator.step(), Err(RunError::NoLogits));
    generator.prompt_ids(&[1, 2]).unwrap();
    assert!(matches!(generator.step(), Ok(Event::Token(_))));
}

fn shipped(name: &str) -> Blob {
    Blob::open(&root().join("models").join(name).join("model.pico")).unwrap()
}

#[test]
fn translators_answer_calls_in_any_order() {
    let blob = shipped("g2p");
    let model = blob.parse().unwrap().with_beams(1);
    let mut known: HashMap<&str, String> = HashMap::new();
    for word in ["a", "it", "cat"] {
        let mut arena = HeapArena::new(model.arena());
        let mut translator = Translator::new(&model, arena.parts()).unwrap();
        let mut text = String::new();
        translator.translate(word, &mut text).unwrap();
        known.insert(word, text);
    }
    for seed in sequences(150) {
        let (r, mut calls) = (&mut Random(seed), Calls::new(seed));
        let mut arena = HeapArena::new(model.arena());
        let mut translator = Translator::new(&model, arena.parts()).unwrap();
        // The word that was taken, and whether its steps are done.
        let (mut taken, mut done) = (None, false);
        for _ in 0..10 {
            let word =
                ["a", "it", "cat", "", "mp3", "abcdefghijklmnopqrstuvwxyzabcdefgh"][r.below(6)];
            match r.below(6) {
                0 | 1 => {
                    calls.push("begin", word);
                    calls.equal(translator.begin(word).is_ok(), known.contains_key(word));
                    (taken, done) = (known.get(word), false);
                }
                2 => {
                    let steps = r.below(90);
                    calls.push("step", steps);
                    for _ in 0..steps {
                        done |= translator.engine().step() == Progress::Done;
                    }
                }
                3 => {
                    let mut text = String::new();
                    calls.push("translate", word);
                    let found = translator.translate(word, &mut text).is_ok();
                    calls.equal(found.then_some(&text), known.get(word));
                    (taken, done) = (known.get(word), true);
                }
                _ => {
                    let mut text = String::new();
                    calls.push("write", ());
                    let found = translator.write(&mut text);
                    calls.equal(found.is_ok().then_some(&text), taken.filter(|_| done));
                    if let Err(error) = found {
                        calls.equal(error, RunError::EmptyInput.into());
                    }
                }
            }
        }
    }
}

/// The rules of a decoder of bytes, one record.
fn ruled(kind: u8, values: &[u32]) -> Blob {
    let mut float = random(Config { vocab_size: 256, context: 24, tile_rows: 4, ..gpt2() }, 52);
    float.tokenizer = from_bytes(256).unwrap();
    let mut record = vec![kind, 0, values.len() as u8, 0];
    values.iter().for_each(|value| record.extend(value.to_le_bytes()));
    if !values.is_empty() {
        float.set_section(RULES, record);
    }
    blob(&float)
}

/// The next tokens.
fn next(generator: &mut Generator, n: usize) -> Vec<u32> {
    let token = |event| match event {
        Event::Token(token) => token,
        other => panic!("{other:?}"),
    };
    (0..n).map(|_| token(generator.next_token().unwrap())).collect()
}

/// A text that is limited does not limit the next one.
#[test]
fn a_limit_is_for_one_text() {
    let blob = ruled(8, &[7]);
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut generator = Generator::new(&model, arena.parts(), Sampling::greedy()).unwrap();
    generator.prompt("ab").unwrap();
    let expected = next(&mut generator, 6);
    assert!(!expected.contains(&7));
    let mut text = String::new();
    assert_eq!(generator.generate("ab", 3, &mut text), Ok(None));
    assert!(text.ends_with('\u{7}'), "{text:?}");
    generator.prompt("ab").unwrap();
    assert_eq!(next(&mut generator, 6), expected);
    generator.set_limit(2);
    assert!(generator.generate("", 3, &mut text).is_err());
    generator.prompt("ab").unwrap();
    assert_eq!(next(&mut generator, 2), [expected[0], 7]);
    for least in [1, 0] {
        generator.set_limit(least);
        generator.prompt("ab").unwrap();
        assert_eq!(next(&mut generator, 1), [7], "{least}");
    }
}

/// What a decoder was fed before it was handed over is the prompt, whether its rows are done or not.
#[test]
fn rows_in_flight_belong_to_the_prompt() {
    let plain = ruled(0, &[]);
    let first = |blob: &Blob, flight: bool| {
        let model = blob.parse().unwrap();
        let mut arena = HeapArena::new(model.arena());
        let mut decoder = Decoder::new(&model, arena.parts()).unwrap();
        match flight {
            true => assert_eq!(decoder.begin(&[5, 6, 7]), Ok(3)),
            false => decoder.prefill(&[5, 6, 7]).unwrap(),
        }
        let mut generator = Generator::from_decoder(decoder, &mut [], Sampling::greedy());
        next(&mut generator, 1)[0]
    };
    let likeliest = first(&plain, false);
    let other = ruled(10, &[likeliest]);
    assert_ne!(first(&other, false), likeliest);
    assert_eq!(first(&other, true), first(&other, false));
}

#[test]
fn classifiers_answer_calls_in_any_order() {
    let blob = shipped("intent");
    let model = blob.parse().unwrap();
    let mut known: HashMap<&str, Vec<i32>> = HashMap::new();
    let mut tokens: HashMap<&str, Vec<u32>> = HashMap::new();
    for text in ["set a timer", "stop", "what time is it"] {
        let mut arena = HeapArena::new(model.arena());
        let mut classifier = Classifier::new(&model, arena.parts()).unwrap();
        known.insert(text, classifier.outputs(text).unwrap().to_vec());
        tokens.insert(text, classifier.begin(text).unwrap().to_vec());
    }
    let long = "timer ".repeat(300);
    for seed in sequences(150) {
        let (r, mut calls) = (&mut Random(seed), Calls::new(seed));
        let mut arena = HeapArena::new(model.arena());
        let mut classifier = Classifier::new(&model, arena.parts()).unwrap();
        for _ in 0..6 {
            let text = ["set a timer", "stop", "what time is it", "", &long][r.below(5)];
            let expected = known.get(text);
            match r.below(3) {
                0 => {
                    calls.push("outputs", text);
                    let found = classifier.outputs(text).ok().map(<[i32]>::to_vec);
                    calls.equal(found.as_ref(), expected);
                }
                1 => {
                    calls.push("classify", text);
                    calls.equal(classifier.classify(text).is_ok(), expected.is_some());
                }
                _ => {
                    calls.push("begin", text);
                    let begun = classifier.encoder().begin(&[2, 5, 3]);
                    calls.equal(begun, Ok(()));
                    calls.equal(classifier.encoder().outputs(), &[]);
                    // These rows are not the text's, even if they are as many.
                    calls.equal(classifier.tokens(), &[]);
                    continue;
                }
            }
            let shown = classifier.encoder().outputs();
            calls.equal(shown, expected.map_or(&[], |logits| logits));
            calls.equal(classifier.tokens(), tokens.get(text).map_or(&[], |tokens| tokens));
        }
    }
}
