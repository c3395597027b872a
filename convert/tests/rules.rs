//! Rules of generation: texts that transformers writes under them (`tests/golden/make.py rules`), and the
//! engine's own bookkeeping.

mod common;

use common::checkpoints::copy;
use common::root;
use picoformer::blob::RULES;
use picoformer::rules::{Place, Rules};
use picoformer::sampler::{ONE, Sampler, Sampling, greedy};
use picoformer::task::{Event, Stop};
use picoformer::{Decoder, Generator, Model, Seq2Seq, config::Architecture};
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::writer::{self, Wide};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Golden {
    checkpoint: String,
    rules: Value,
    ids: Vec<u32>,
    written: Vec<u32>,
}

impl Golden {
    fn all() -> Vec<Self> {
        let text = std::fs::read_to_string(root().join("tests/golden/rules.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn model(&self) -> FloatModel {
        copy(&self.checkpoint).write("generation_config.json", self.rules.to_string()).model()
    }

    fn limit(&self) -> usize {
        self.rules["max_new_tokens"].as_u64().unwrap() as usize
    }
}

/// Logits in f32, rules and search of the engine: the same tokens as in transformers, rule by rule.
#[test]
fn texts_are_those_of_transformers() {
    let (golden, mut seen) = (Golden::all(), Vec::new());
    for case in &golden {
        let model = case.model();
        let limit = case.limit();
        let found = match model.read(&case.ids) {
            Some(read) => read.search(model.config.beams, limit).unwrap(),
            None => model.write(&case.ids, limit),
        };
        assert_eq!(found, case.written, "{} {:?} {}", case.checkpoint, case.ids, case.rules);
        seen.extend(case.rules.as_object().unwrap().keys().cloned());
    }
    for key in [
        "repetition_penalty",
        "no_repeat_ngram_size",
        "bad_words_ids",
        "min_length",
        "min_new_tokens",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "suppress_tokens",
        "begin_suppress_tokens",
        "length_penalty",
        "early_stopping",
    ] {
        let cases = seen.iter().filter(|seen| *seen == key).count();
        assert!(cases >= 3, "{key}: {cases} cases");
    }
    let several = golden.iter().filter(|case| case.rules["eos_token_id"].is_array()).count();
    assert!(several >= 5, "{several} cases of several end tokens");
}

/// A generator keeps the past as a caller would who applies the rules himself.
#[test]
fn generators_keep_the_past() {
    for case in Golden::all() {
        let model = case.model();
        if model.config.architecture != Architecture::Decoder {
            continue;
        }
        let blob = Blob::new(&writer::write(&model, Wide::Auto).unwrap());
        let parsed = blob.parse().unwrap();
        let limit = case.limit();
        let mut arena = HeapArena::new(parsed.arena());
        let mut generator = Generator::new(&parsed, arena.parts(), Sampling::greedy()).unwrap();
        generator.set_limit(limit);
        for _ in 0..2 {
            generator.prompt_ids(&case.ids).unwrap();
            let mut found = Vec::new();
            while found.len() < limit {
                match generator.next_token().unwrap() {
                    Event::Token(token) => found.push(token),
                    _ => break,
                }
            }
            assert_eq!(found, by_hand(&parsed, &case.ids, limit), "{}", case.rules);
        }
    }
}

fn by_hand(model: &Model, prompt: &[u32], limit: usize) -> Vec<u32> {
    let rules = model.rules();
    let mut arena = HeapArena::new(model.arena());
    let mut decoder = Decoder::new(model, arena.parts()).unwrap();
    decoder.prefill(prompt).unwrap();
    let mut all = prompt.to_vec();
    while all.len() < prompt.len() + limit {
        let (len, new) = (all.len(), all.len() - prompt.len());
        let first = (prompt.len() == 1 && rules.forces_first()) as usize;
        let ends = new + 1 == limit || decoder.remaining() == 0;
        let mut logits = decoder.logits().to_vec();
        let place = Place { len, new, begins: new == first, ends };
        rules.apply(&mut logits, all.iter().rev().copied(), place);
        let token = greedy(&logits);
        if rules.is_end(token) {
            break;
        }
        all.push(token);
        if decoder.advance(token).is_err() {
            break;
        }
    }
    all.split_off(prompt.len())
}

/// The rules that the converter makes of a generation configuration.
fn rules(pairs: &[(&str, Value)]) -> Vec<u8> {
    let mut folder = copy("llama-bias");
    for (key, value) in pairs {
        folder = folder.generate(key, value.clone());
    }
    folder.model().section(RULES).unwrap().to_vec()
}

#[test]
fn a_penalty_counts_every_token_once_and_is_rounded_half_up() {
    let data = rules(&[("repetition_penalty", json!(1.5))]);
    let mut logits = [3 << 16, -(3 << 16), 1, -1, 1 << 16, i32::MAX, i32::MIN, 0];
    let place = Place { len: 9, new: 1, begins: false, ends: false };
    let past = [0, 1, 0, 2, 3, 3, 5, 6, 40, 7].into_iter();
    Rules::of_valid(&data).apply(&mut logits, past, place);
    let greatest = (1 << 29) - 1;
    // 2, −4.5; two thirds and −1.5 of a unit; one that did not come; the greatest by 1.5, and the limit.
    let large = (f64::from(greatest) / 1.5).round() as i32;
    assert_eq!(logits[..5], [2 << 16, -9 << 15, 1, -1, 1 << 16]);
    assert!((logits[5] - large).abs() < 64 && logits[6] == -greatest && logits[7] == 0);
}

/// At no temperature a banned token is drawn.
#[test]
fn banned_tokens_are_never_drawn() {
    let data = rules(&[("suppress_tokens", json!([0, 2])), ("eos_token_id", json!([3, 4]))]);
    let place = Place { len: 2, new: 1, begins: false, ends: false };
    for temperature in [ONE / 2, ONE, u32::MAX] {
        let mut sampler = Sampler::new(Sampling::seeded(5).with_temperature(temperature));
        let mut counts = [0; 4];
        for _ in 0..2000 {
            let mut logits = [9 << 16, 0, 9 << 16, 0];
            Rules::of_valid(&data).apply(&mut logits, [1, 1].into_iter(), place);
            counts[sampler.sample_allowed(&mut logits) as usize] += 1;
        }
        assert!(counts[0] + counts[2] == 0 && counts[1] > 800 && counts[3] > 800, "{counts:?}");
        assert_eq!(sampler.sample_allowed(&mut [i32::MIN; 4]), 0);
    }
}

/// The engine on its own logits: whatever they are, the rules hold.
#[test]
fn engines_obey() {
    let folder = copy("t5-tied")
        .generate("no_repeat_ngram_size", json!(2))
        .generate("min_new_tokens", json!(6))
        .generate("suppress_tokens", json!([13, 11]))
        .generate("eos_token_id", json!([1, 8, 4]));
    let model = folder.model();
    let blob = Blob::new(&writer::write(&model, Wide::Auto).unwrap());
    let parsed = blob.parse().unwrap();
    for beams in [1, 2, 8] {
        let parsed = parsed.with_beams(beams);
        let mut arena = HeapArena::new(parsed.arena());
        let mut engine = Seq2Seq::new(&parsed, arena.parts()).unwrap();
        for source in 2..30 {
            let found = engine.run(&[source, 5]).unwrap();
            let mut tokens = vec![0; found.len];
            engine.tokens(&mut tokens);
            let mut pairs: Vec<_> = tokens.windows(2).collect();
            let all = pairs.len();
            pairs.sort_unstable();
            pairs.dedup();
            assert_eq!(pairs.len(), all, "{tokens:?}");
            assert!(tokens.len() >= 6, "{tokens:?}");
            assert!(!tokens.iter().any(|token| [13, 11, 1, 8, 4].contains(token)), "{tokens:?}");
        }
    }
}

/// A prompt beyond the buffer is refused, and a text ends when the past has no room, never unchecked.
#[test]
fn the_past_needs_room() {
    let data = copy("llama-bias").generate("no_repeat_ngram_size", json!(2)).model();
    let blob = Blob::new(&writer::write(&data, Wide::Auto).unwrap());
    let parsed = blob.parse().unwrap();
    let mut arena = HeapArena::new(parsed.arena());
    let (mut few, parts) = ([0; 4], arena.parts());
    let decoder = Decoder::new(&parsed, parts).unwrap();
    let mut generator = Generator::from_decoder(decoder, &mut few, Sampling::greedy());
    assert!(generator.prompt_ids(&[1, 2, 3, 4, 5]).is_err());
    generator.prompt_ids(&[1, 2, 3]).unwrap();
    let events: Vec<_> = (0..4).map(|_| generator.next_token().unwrap()).collect();
    assert!(matches!(events[..2], [Event::Token(_), Event::Token(_)]), "{events:?}");
    assert_eq!(events[2..], [Event::Stopped(Stop::ContextFull); 2]);
}
