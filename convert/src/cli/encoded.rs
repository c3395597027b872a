//! What an encoder answers, as JSON.

use miette::Result;
use picoformer::config::{Head, Problem};
use picoformer::probability::log_probability;
use picoformer::sampler::greedy;
use picoformer::tokenizer::Kind;
use picoformer::{Classifier, Encoder, Model};
use picoformer_convert::error::{Error, input};
use picoformer_convert::host::HeapArena;
use serde_json::{Value, json};

/// The names of the labels; those of one name are told apart by their index.
fn names(model: &Model) -> Vec<String> {
    let own = |i: usize| model.label(i).filter(|name| !name.is_empty());
    let labels = 0..model.config().n_labels;
    let name = |i: usize| match own(i) {
        Some(name) if labels.clone().any(|j| j != i && own(j) == Some(name)) => {
            format!("{name} [{i}]")
        }
        Some(name) => name.to_owned(),
        None => format!("LABEL_{i}"),
    };
    labels.clone().map(name).collect()
}

/// The probabilities of labels that exclude each other.
fn softmax(names: &[String], logits: &[i32]) -> serde_json::Map<String, Value> {
    let score = |i: usize| (log_probability(logits, i) as f64 / 65536.0).exp();
    names.iter().enumerate().map(|(i, name)| (name.clone(), json!(score(i)))).collect()
}

/// The answer for ids.
///
/// # Errors
/// The engine's.
pub fn answer(model: &Model, ids: &[u32]) -> Result<Value> {
    let mut arena = HeapArena::try_new(model.arena())?;
    let mut encoder = Encoder::new(model, arena.parts()).map_err(Error::from)?;
    encoder.run(ids).map_err(Error::from)?;
    told(model, &mut encoder, ids)
}

/// What an encoder that has run says of its input: `ids`, or none of frames.
///
/// # Errors
/// The engine's.
pub fn told(model: &Model, encoder: &mut Encoder, ids: &[u32]) -> Result<Value> {
    let outputs = encoder.outputs().to_vec();
    Ok(match model.config().head {
        Head::Classifier => classified(model, &outputs, ids),
        Head::TokenLabels => {
            let (names, of_text) = (names(model), model.text_labels());
            let (mut labels, mut first) = (Vec::new(), Vec::new());
            for row in 0..encoder.rows() {
                let logits = encoder.label_logits(row).map_err(Error::from)?;
                if row == 0 {
                    first = logits[..of_text].to_vec();
                }
                labels.push(
                    names[match row {
                        0 if of_text > 0 => greedy(&first) as usize,
                        _ => of_text + greedy(&logits[of_text..]) as usize,
                    }]
                    .clone(),
                );
            }
            let pieces: Option<Vec<String>> = model.tokenizer().map(|tokenizer| {
                let piece = |&id: &u32| tokenizer.vocabulary().piece(id).unwrap_or_default();
                ids.iter().map(|id| String::from_utf8_lossy(piece(id)).into_owned()).collect()
            });
            let mut value = json!({ "labels": labels, "ids": ids, "tokens": pieces });
            if of_text > 0 {
                value["label"] = json!(labels.first());
                value["scores"] = softmax(&names[..of_text], &first).into();
            }
            value
        }
        Head::Embedding => {
            let unit = 2f64.powi(model.config().output_exponent());
            let embedding: Vec<f64> = outputs.iter().map(|&x| x as f64 * unit).collect();
            json!({ "embedding": embedding, "ids": ids })
        }
        _ => {
            let row = |row| {
                let (x, exponent) = encoder.hidden(row);
                x.iter().map(|&x| x as f64 * 2f64.powi(exponent)).collect::<Vec<f64>>()
            };
            json!({ "hidden": (0..encoder.rows()).map(row).collect::<Vec<_>>(), "ids": ids })
        }
    })
}

/// The answer of a classifier with these outputs.
fn classified(model: &Model, outputs: &[i32], ids: &[u32]) -> Value {
    let names = names(model);
    let logits: Vec<f64> = outputs.iter().map(|&x| x as f64 / 65536.0).collect();
    let each = |score: fn(f64) -> f64| -> serde_json::Map<String, Value> {
        let scores = logits.iter().map(|&logit| json!(score(logit)));
        names.iter().cloned().zip(scores).collect()
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let label = &names[greedy(outputs) as usize];
    match (model.problem(), model.scope()) {
        (Problem::Regression, _) => {
            json!({ "values": each(|x| x), "logits": logits, "ids": ids })
        }
        (Problem::MultiLabel, _) if names.len() > 1 => {
            let right = names.iter().zip(&logits).filter(|&(_, &x)| sigmoid(x) > 0.5);
            let right: Vec<&String> = right.map(|(name, _)| name).collect();
            json!({ "label": label, "labels": right, "scores": each(sigmoid), "logits": logits,
                "ids": ids })
        }
        (Problem::MultiLabel, _) => {
            json!({ "label": label, "scores": each(sigmoid), "logits": logits, "ids": ids })
        }
        (Problem::SingleLabel, None) => {
            json!({ "label": label, "scores": softmax(&names, outputs), "logits": logits, "ids": ids })
        }
        (Problem::SingleLabel, Some(scope)) => {
            let nearest = &names[scope.nearest(outputs)];
            let in_scope = scope.contains(outputs);
            json!({
                "label": in_scope.then_some(nearest),
                "nearest": nearest,
                "in_scope": in_scope,
                "score": scope.score(outputs) as f64 / 65536.0,
                "scores": softmax(&names, outputs),
                "logits": logits,
                "ids": ids,
            })
        }
    }
}

/// Adds the entities of a text to what its tokens are, if the tokenizer tells words apart and some label is one
/// of entities.
///
/// # Errors
/// The engine's; a text that is too long.
pub fn add_entities(model: &Model, text: &str, value: &mut Value) -> Result<()> {
    let words = model.tokenizer().is_some_and(|tokenizer| tokenizer.kind() == Kind::WordPiece);
    let labels = 0..model.config().n_labels;
    let entities = labels.filter_map(|i| model.label(i)).any(|name| name.starts_with("B-"));
    if !words || !entities {
        return Ok(());
    }
    let mut arena = HeapArena::try_new(model.arena())?;
    let mut classifier = Classifier::new(model, arena.parts()).map_err(Error::from)?;
    let mut found = Vec::new();
    let answer = classifier.entities(text, |entity| {
        found.push(json!({ "kind": entity.kind, "text": entity.text, "first": entity.first,
            "end": entity.end }));
    });
    answer.map_err(|error| input(error.to_string(), "give a shorter text"))?;
    value["entities"] = found.into();
    Ok(())
}
