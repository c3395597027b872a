//! What is none of a classifier's labels, from the checkpoint's keys to the answer; labels of words and of the
//! text, likewise.

mod common;

use common::checkpoints::copy;
use common::root;
use common::synthetic::{bert, random};
use picoformer::blob::{SCOPE, TEXT_LABELS};
use picoformer::config::{Config, Head};
use picoformer::scope::{Scope, Score};
use picoformer::task::TaskError;
use picoformer::{Classifier, RunError};
use picoformer_convert::bill::bill;
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::sections::with_section;
use picoformer_convert::tokenizer::from_json;
use picoformer_convert::writer::{self, Wide};
use serde_json::{Value, json};

/// The shipped classifier without what says which texts are none of its labels.
fn shipped() -> Vec<u8> {
    let model = copy("intent").unset("out_of_scope").load(&[]).unwrap().model;
    writer::write(&model, Wide::Auto).unwrap()
}

const TEXTS: [&str; 4] =
    ["how do you say thank you in italian", "what time is it", "xylophones dream", "stop"];

/// The keys become the section, which the bill tells; a blob without them is what it always was.
#[test]
fn a_checkpoint_says_what_is_none() {
    let plain = copy("bert-classifier").model();
    assert_eq!(plain.section(SCOPE), None);
    let own = json!({ "score": "energy", "threshold": -1.25, "label": "yes" });
    for (key, expected) in [
        (own, (Score::Energy, Some(1), -81920)),
        (
            json!({ "score": "log_probability", "threshold": -0.5 }),
            (Score::LogProbability, None, -32768),
        ),
        (
            json!({ "score": "energy", "threshold": 3, "label": 0 }),
            (Score::Energy, Some(0), 3 << 16),
        ),
        (
            json!({ "score": "energy", "threshold": 3, "label": null }),
            (Score::Energy, None, 3 << 16),
        ),
    ] {
        let model = copy("bert-classifier").set("out_of_scope", key.clone()).model();
        let blob = Blob::new(&writer::write(&model, Wide::Auto).unwrap());
        let parsed = blob.parse().unwrap();
        let scope = parsed.scope().unwrap();
        assert_eq!((scope.score, scope.none(), scope.threshold), expected, "{key}");
        let told = bill(&parsed).out_of_scope.unwrap();
        assert_eq!(told.threshold * 65536.0, expected.2 as f64);
        assert_eq!(told.score, key["score"]);
        assert!(bill(&parsed).to_string().contains(told.score));
    }
}

/// A key of the wrong type, range or kind of model is refused by file and name.
#[test]
fn wrong_keys_are_refused() {
    let refused = |own: Value, words: &[&str]| {
        copy("bert-classifier").set("out_of_scope", own).refused(words);
    };
    let good = json!({ "score": "energy", "threshold": 1.0 });
    let with = |key: &str, value: Value| {
        let mut own = good.clone();
        own[key] = value;
        own
    };
    refused(json!("energy"), &["config.json", "out_of_scope"]);
    refused(json!({ "threshold": 1.0 }), &["out_of_scope", "score"]);
    refused(json!({ "score": "energy" }), &["out_of_scope", "threshold"]);
    for value in [json!("entropy"), json!(1), json!("largest log-probability of another label")] {
        refused(with("score", value), &["out_of_scope", "score"]);
    }
    for value in [json!("1"), json!(1e9), json!(-40000), json!([1])] {
        refused(with("threshold", value), &["out_of_scope", "threshold"]);
    }
    for value in [json!("nobody"), json!(99), json!(-1), json!(0.5), json!([0])] {
        refused(with("label", value), &["out_of_scope", "label"]);
    }
    refused(with("treshold", json!(1)), &["treshold"]);
    for kind in ["multi_label_classification", "regression"] {
        let folder = copy("bert-classifier").set("problem_type", json!(kind));
        folder.set("out_of_scope", good.clone()).refused(&["out_of_scope"]);
    }
    for name in ["bert-tags", "bert-cls", "llama-tied"] {
        copy(name).set("out_of_scope", good.clone()).refused(&["out_of_scope"]);
    }
    copy("bert-classifier").set("text_labels", json!(1)).refused(&["text_labels"]);
    for value in [json!(0), json!(3), json!("1"), json!(1.5), json!(-1)] {
        copy("bert-tags").set("text_labels", value).refused(&["text_labels"]);
    }
    assert!(copy("bert-tags").set("text_labels", json!(2)).model().section(TEXT_LABELS).is_some());
    let plain = copy("plain-tokens").set("text_labels", json!("x"));
    plain.refused(&["text_labels"]);
}

/// The engine answers with the nearest label and whether it is one, as the formula in f64 says.
#[test]
fn a_classifier_says_none_of_these() {
    let intent = shipped();
    let plain = Blob::new(&intent);
    let model = plain.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut classifier = Classifier::new(&model, arena.parts()).unwrap();
    let logits = TEXTS.map(|text| classifier.outputs(text).unwrap().to_vec());
    let mut seen = [0; 2];
    for score in [Score::LogProbability, Score::Energy] {
        for none in [None, Some(7)] {
            // The threshold between the second and the third best of the four.
            let value = |logits: &Vec<i32>| -> f64 {
                let real: Vec<f64> = logits.iter().map(|&x| x as f64 / 65536.0).collect();
                let others = |i: &usize| Some(*i) != none;
                let lse = |range: &mut dyn Iterator<Item = usize>| {
                    range.map(|i| real[i].exp()).sum::<f64>().ln()
                };
                let best = (0..real.len()).filter(others).map(|i| real[i]).fold(f64::MIN, f64::max);
                match score {
                    Score::LogProbability => best - lse(&mut (0..real.len())),
                    Score::Energy => lse(&mut (0..real.len()).filter(others)),
                }
            };
            let values = [0, 1, 2, 3].map(|i| value(&logits[i]));
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            let threshold = ((sorted[1] + sorted[2]) / 2.0 * 65536.0) as i32;
            let scope = Scope::new(score, none.map(|n: usize| n as u32), threshold);
            let blob = Blob::new(&with_section(&intent, SCOPE, &scope.to_bytes()).unwrap());
            let model = blob.parse().unwrap();
            let mut arena = HeapArena::new(model.arena());
            let mut classifier = Classifier::new(&model, arena.parts()).unwrap();
            for (i, text) in TEXTS.iter().enumerate() {
                let answer = classifier.classify(text).unwrap();
                assert_eq!(
                    answer.in_scope,
                    values[i] * 65536.0 >= threshold as f64,
                    "{text} {scope:?}"
                );
                let best = logits[i].iter().enumerate().filter(|(label, _)| Some(*label) != none);
                let best = best.max_by_key(|(label, x)| (**x, usize::MAX - label)).unwrap().0;
                assert_eq!(answer.label, best, "{text} {scope:?}");
                classifier.scores(text, |one| assert_eq!(one.in_scope, answer.in_scope)).unwrap();
                seen[answer.in_scope as usize] += 1;
            }
        }
    }
    assert_eq!(seen, [8, 8]);
}

/// The section of wrong length, codes and ranges, and of models without such labels, is refused.
#[test]
fn forged_sections_are_refused() {
    let intent = shipped();
    let labels = Blob::new(&intent).parse().unwrap().config().n_labels as u32;
    let data = |score: u32, none: u32| [score.to_le_bytes(), none.to_le_bytes(), [9; 4]].concat();
    let put = |data: &[u8]| with_section(&intent, SCOPE, data).is_ok();
    assert!(put(&data(0, 0)) && put(&data(1, labels)));
    for wrong in [
        data(2, 0),
        data(1 << 31, 0),
        data(0, labels + 1),
        data(0, u32::MAX),
        data(0, 0)[..11].to_vec(),
        Vec::new(),
    ] {
        assert!(!put(&wrong), "{wrong:?}");
    }
    assert!(!put(&[data(0, 0), vec![0]].concat()));
    let multi = with_section(&intent, picoformer::blob::PROBLEM, &[1, 0, 0, 0]).unwrap();
    assert!(with_section(&multi, SCOPE, &data(0, 0)).is_err());
    assert!(with_section(&intent, TEXT_LABELS, &[1, 0, 0, 0]).is_err(), "no labels of tokens");
    let tales = std::fs::read(root().join("models/tales/model.pico")).unwrap();
    assert!(with_section(&tales, SCOPE, &data(0, 0)).is_err());
    let tags = writer::write(&tagger(), Wide::Auto).unwrap();
    assert!(with_section(&tags, SCOPE, &data(0, 0)).is_err());
    let count = |n: u32| with_section(&tags, TEXT_LABELS, &n.to_le_bytes()).is_ok();
    assert!(count(1) && count(6) && !count(0) && !count(7) && !count(u32::MAX));
    assert!(with_section(&tags, TEXT_LABELS, &[1, 0, 0]).is_err());
}

/// A random model of token labels with the words of `intent`.
fn tagger() -> picoformer_convert::float_model::FloatModel {
    let tokenizer = from_json(&root().join("models/intent/checkpoint/tokenizer.json")).unwrap();
    let vocabulary = picoformer::Tokenizer::parse(&tokenizer).unwrap().vocabulary().len();
    let config = Config {
        head: Head::TokenLabels,
        n_labels: 7,
        pooler: false,
        vocab_size: vocabulary,
        context: 32,
        ..bert()
    };
    let mut model = random(config, 11);
    model.tokenizer = tokenizer;
    model.labels = ["play", "stop", "O", "B-a", "I-a", "B-b", "I-b"].map(String::from).to_vec();
    model
}

/// Labels of words are those of their first tokens; those of the text stay apart; entities join words.
#[test]
fn words_have_the_labels_of_their_first_tokens() {
    let tags = writer::write(&tagger(), Wide::Auto).unwrap();
    let with = with_section(&tags, TEXT_LABELS, &2u32.to_le_bytes()).unwrap();
    for (bytes, of_text) in [(tags, 0), (with, 2)] {
        let blob = Blob::new(&bytes);
        let model = blob.parse().unwrap();
        assert_eq!(bill(&model).text_labels, of_text);
        let tokenizer = model.tokenizer().unwrap();
        let mut arena = HeapArena::new(model.arena());
        let mut classifier = Classifier::new(&model, arena.parts()).unwrap();
        for text in ["  Play  o'clock, xylophonic\tmusic.", "a", "don't \u{0} stop\u{a0}now é"] {
            let mut rows = Vec::new();
            classifier.tag(text, |_, label, _| rows.push(label)).unwrap();
            let (mut next, mut joined) = (1, Vec::new());
            let answer = classifier.words(text, |word| {
                let mut tokens = [0; 32];
                let count = tokenizer.encode(word.text, &mut tokens).unwrap() - 2;
                assert_eq!(word.token, (count > 0).then_some(next), "{word:?}");
                assert_eq!(word.label, word.token.map(|row| rows[row]), "{word:?}");
                assert_eq!(word.name, word.label.map_or("", |label| model.label(label).unwrap()));
                assert!(word.label.is_none_or(|label| label >= of_text));
                next += count;
                joined.push(word.text);
            });
            assert_eq!(next + 1, rows.len(), "{text}");
            assert_eq!(joined, text.split_whitespace().collect::<Vec<_>>());
            match answer.unwrap() {
                None => assert_eq!(of_text, 0),
                Some(answer) => {
                    assert!(answer.label < of_text && answer.label == rows[0] && answer.in_scope);
                    assert!(answer.log_probability <= 0);
                }
            }
            let mut last = 0;
            let entities = classifier.entities(text, |entity| {
                assert!(last <= entity.first && entity.first < entity.end, "{entity:?}");
                let words =
                    joined[entity.first..entity.end].iter().map(|w| w.trim_end_matches([',', '.']));
                assert!(
                    entity
                        .text
                        .split_whitespace()
                        .map(|w| w.trim_end_matches([',', '.']))
                        .eq(words)
                );
                last = entity.end;
            });
            assert_eq!(entities.unwrap(), classifier.words(text, |_| ()).unwrap());
        }
        assert!(matches!(classifier.words(" ", |_| ()), Err(TaskError::Run(RunError::EmptyInput))));
        assert!(classifier.words(&"play ".repeat(40), |_| ()).is_err());
    }
    let intent = Blob::new(&shipped());
    let model = intent.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut classifier = Classifier::new(&model, arena.parts()).unwrap();
    let wrong = classifier.entities("play", |_| ());
    assert!(matches!(wrong, Err(TaskError::Run(RunError::WrongModel { .. }))));
}
