//! What the outputs of a head mean.

mod common;

use common::checkpoints::copy;
use picoformer::blob::PROBLEM;
use picoformer::config::Problem;
use picoformer::task::TaskError;
use picoformer::{Classifier, RunError};
use picoformer_convert::bill::bill;
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::sections::with_section;
use picoformer_convert::writer::{self, Wide};
use serde_json::json;

fn problem(kind: &str) -> (Problem, Vec<u8>) {
    let model = copy("bert-classifier").set("problem_type", json!(kind)).model();
    let bytes = writer::write(&model, Wide::Auto).unwrap();
    let found = Blob::new(&bytes).parse().unwrap().problem();
    (found, bytes)
}

/// A blob says what its logits are; where they are alternatives, it is the one that it always was.
#[test]
fn problem_types_are_told() {
    let plain = writer::write(&copy("bert-classifier").model(), Wide::Auto).unwrap();
    assert_eq!(problem("single_label_classification"), (Problem::SingleLabel, plain.clone()));
    for (kind, expected) in
        [("multi_label_classification", Problem::MultiLabel), ("regression", Problem::Regression)]
    {
        let (found, bytes) = problem(kind);
        assert_eq!(found, expected);
        assert_eq!(bytes[..8], plain[..8]);
        let blob = Blob::new(&bytes);
        assert_eq!(bill(&blob.parse().unwrap()).problem_type, Some(kind));
    }
    copy("bert-classifier").set("problem_type", json!("ranking")).refused(&["problem_type"]);
    // Labels of tokens are alternatives in the original, whatever it says.
    let tags = copy("bert-tags").set("problem_type", json!("regression")).model();
    assert_eq!(tags.section(PROBLEM), None);
}

/// The answers of the engine: softmax, sigmoids, or values.
#[test]
fn classifiers_answer_by_their_problem() {
    let bare = copy("intent").unset("out_of_scope").model();
    let intent = writer::write(&bare, Wide::Auto).unwrap();
    let text = "how do you say thank you in italian";
    let run = |bytes: &[u8]| {
        let blob = Blob::new(bytes);
        let model = blob.parse().unwrap();
        let mut arena = HeapArena::new(model.arena());
        let mut classifier = Classifier::new(&model, arena.parts()).unwrap();
        let logits = classifier.outputs(text).unwrap().to_vec();
        let mut scores = Vec::new();
        let all = classifier.scores(text, |answer| {
            assert_eq!(answer.label, scores.len());
            scores.push((answer.log_probability as f64 / 65536.0).exp());
        });
        let best = classifier.classify(text).map(|answer| answer.log_probability);
        assert_eq!(best.is_ok(), all.is_ok());
        (classifier.problem(), logits, scores, best)
    };
    let real =
        |logits: &[i32]| -> Vec<f64> { logits.iter().map(|&x| x as f64 / 65536.0).collect() };
    let (kind, logits, scores, best) = run(&intent);
    let sum: f64 = real(&logits).iter().map(|x| x.exp()).sum();
    assert_eq!(kind, Problem::SingleLabel);
    for (score, x) in scores.iter().zip(real(&logits)) {
        assert!((score - x.exp() / sum).abs() < 1e-4);
    }
    assert!(best.is_ok());
    let with = |code: u32| with_section(&intent, PROBLEM, &code.to_le_bytes());
    let (kind, same, scores, best) = run(&with(1).unwrap());
    assert_eq!((kind, &same), (Problem::MultiLabel, &logits));
    for (score, x) in scores.iter().zip(real(&logits)) {
        assert!((score - 1.0 / (1.0 + (-x).exp())).abs() < 1e-4, "{score} {x}");
    }
    assert!(best.unwrap() > -45426, "more likely than not");
    let (kind, same, scores, best) = run(&with(2).unwrap());
    assert_eq!((kind, &same, scores.len()), (Problem::Regression, &logits, 0));
    assert!(matches!(best, Err(TaskError::Run(RunError::WrongModel { .. }))));
    assert!(with(3).is_err() && with_section(&intent, PROBLEM, &[1, 0, 0, 0, 0]).is_err());
    let tales = std::fs::read(common::root().join("models/tales/model.pico")).unwrap();
    assert!(with_section(&tales, PROBLEM, &[1, 0, 0, 0]).is_err(), "it has no labels");
}

/// `--ignore` is remembered by the blob.
#[test]
fn ignored_keys_are_kept() {
    let folder = copy("t5-tied").set("strange", json!(1)).generate("odd", json!({ "x": 2 }));
    let model = folder.load(&["strange", "generation_config.json:odd"]).unwrap().model;
    let bytes = writer::write(&model, Wide::Auto).unwrap();
    let blob = Blob::new(&bytes);
    let found: Vec<&str> = blob.parse().unwrap().ignored_keys().collect();
    assert_eq!(found, ["strange", "generation_config.json:odd"]);
    assert_eq!(bill(&blob.parse().unwrap()).ignored_keys, found);
    let plain = writer::write(&copy("t5-tied").model(), Wide::Auto).unwrap();
    assert!(Blob::new(&plain).parse().unwrap().ignored_keys().next().is_none());
}
