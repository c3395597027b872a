//! The f32 reference against values of the Hugging Face implementation (made by `tests/golden/make.py`),
//! and the quantised engine against the f32 reference, family by family.

mod common;

use common::*;
use picoformer::config::{Architecture, Head, Pooling};
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::Blob;
use picoformer_convert::load::load;
use picoformer_convert::writer::{self, Wide};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    ids: Vec<u32>,
    outputs: Vec<Vec<f32>>,
}

/// `tests/golden/<name>`: the checkpoint, and what Hugging Face computes with it.
fn golden(name: &str) -> (FloatModel, Vec<Golden>) {
    let folder = root().join("tests/golden").join(name);
    let text = std::fs::read_to_string(folder.join("golden.json")).unwrap();
    (load(&folder, None).unwrap(), serde_json::from_str(&text).unwrap())
}

/// Checks both and prints the figures. `bound` is for the engine, relative to the outputs' size.
fn check(name: &str, bound: f64) -> FloatModel {
    let (model, cases) = golden(name);
    let reference = worst(&cases, |ids| model.forward(ids).outputs);
    let engine = |wide| {
        let blob = Blob::new(&writer::write(&model, wide).unwrap());
        let parsed = blob.parse().unwrap();
        worst(&cases, |ids| match model.config.architecture {
            Architecture::Decoder => decode(&parsed, ids),
            _ => encode(&parsed, ids),
        })
    };
    let (narrow, wide) = (engine(Wide::Never), engine(Wide::All));
    println!(
        "{name}: f32 reference off by {reference:.1e}, engine by {narrow:.4} with 8-bit rows and by \
         {wide:.4} with 12-bit rows"
    );
    assert!(reference < 1e-4, "{name}: the reference is not Hugging Face's: {reference:.1e}");
    assert!(narrow < bound && wide < 0.03, "{name}: {narrow} {wide}");
    model
}

fn worst(cases: &[Golden], run: impl Fn(&[u32]) -> Vec<Vec<f32>>) -> f64 {
    cases.iter().map(|c| relative_error(&run(&c.ids), &c.outputs)).fold(0.0, f64::max)
}

#[test]
fn llama_with_biases_and_an_untied_head() {
    let model = check("llama-bias", 0.04);
    let c = model.config;
    assert!(c.qkv_bias && c.output_bias && c.up_bias && c.down_bias);
    assert_eq!((c.head, c.n_heads, c.n_kv_heads), (Head::Vocabulary, 4, 2));
}

/// Half precision, three shards, tied, heads of 6 that the writer pads to 8.
#[test]
fn llama_in_shards_with_narrow_heads() {
    let model = check("llama-tied", 0.04);
    assert_eq!((model.config.head, model.config.head_dim), (Head::TiedVocabulary, 6));
    let blob = blob(&model);
    assert_eq!(blob.parse().unwrap().config().head_dim, 8);
}

#[test]
fn mistral_with_a_sliding_window() {
    let model = check("mistral", 0.04);
    assert_eq!(model.config.window, 5);
}

#[test]
fn gpt2_tied() {
    assert_eq!(check("gpt2-tied", 0.04).config.head, Head::TiedVocabulary);
}

#[test]
fn gpt2_with_scores_scaled_by_layer() {
    assert_eq!(check("gpt2-scaled", 0.04).config.head, Head::Vocabulary);
}

#[test]
fn bert_for_sequences() {
    let model = check("bert-classifier", 0.04);
    assert_eq!(model.labels, ["no", "yes", "peut-être"]);
    assert_eq!(blob(&model).parse().unwrap().label(2), Some("peut-être"));
}

#[test]
fn bert_for_tokens() {
    assert_eq!(check("bert-tags", 0.07).config.head, Head::TokenLabels);
}

#[test]
fn bert_for_sentences() {
    assert_eq!(check("bert-mean", 0.04).config.pooling, Pooling::Mean);
    assert_eq!(check("bert-cls", 0.04).config.pooling, Pooling::First);
}
