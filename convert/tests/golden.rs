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
    let (model, [narrow, wide]) = compare(name, worst);
    assert!(narrow < bound && wide < 0.03, "{name}: {narrow} {wide}");
    model
}

/// As [`check`], of all cases together: where a case is one row of sixteen channels, or even one logit, its own
/// size says little.
fn check_together(name: &str, bound: f64) -> FloatModel {
    let (model, [narrow, wide]) = compare(name, |cases, run| {
        let found: Vec<_> = cases.iter().flat_map(|case| run(&case.ids)).collect();
        let expected: Vec<_> = cases.iter().flat_map(|case| case.outputs.clone()).collect();
        relative_error(&found, &expected)
    });
    assert!(narrow < bound && wide < bound, "{name}: {narrow} {wide}");
    model
}

type Run<'a> = &'a dyn Fn(&[u32]) -> Vec<Vec<f32>>;

/// The model, its f32 reference checked, and how far the engine is off with 8-bit and with 12-bit rows.
fn compare(name: &str, measure: impl Fn(&[Golden], Run) -> f64) -> (FloatModel, [f64; 2]) {
    let (model, cases) = golden(name);
    let reference = worst(&cases, &|ids| model.forward(ids).outputs);
    let engine = |wide| {
        let blob = Blob::new(&writer::write(&model, wide).unwrap());
        let parsed = blob.parse().unwrap();
        measure(&cases, &|ids| match model.config.architecture {
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
    (model, [narrow, wide])
}

fn worst(cases: &[Golden], run: Run) -> f64 {
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

/// The last row that is no padding, the same row a token, a sliding window without a ring.
#[test]
fn decoders_that_classify() {
    let model = check_together("llama-score", 0.1);
    assert_eq!((model.config.pooling, model.labels.len()), (Pooling::Last, 3));
    assert_eq!(check_together("mistral-score", 0.1).config.window, 4);
    assert_eq!(check_together("gpt2-score", 0.1).labels.len(), 4);
    for (name, bias) in [("llama-tags", true), ("gpt2-tags", true)] {
        let config = check_together(name, 0.1).config;
        assert_eq!((config.head, config.head_bias), (Head::TokenLabels, bias));
    }
}

/// Folders and values of sentence-transformers 6: an encoder with relative positions, all ways to pool, causal
/// bodies, dense layers of every shape.
#[test]
fn sentences_by_other_bodies_and_dense_layers() {
    let shape = |name| {
        let c = check_together(name, 0.1).config;
        (c.pooling, c.pooler, c.n_outputs(), c.head_tanh, c.causal)
    };
    assert_eq!(shape("t5-sentence"), (Pooling::Mean, false, 24, false, false));
    assert_eq!(shape("bert-max"), (Pooling::Max, false, 12, true, false));
    assert_eq!(shape("bert-dense"), (Pooling::Last, true, 10, true, false));
    assert_eq!(shape("llama-sentence"), (Pooling::Last, false, 16, false, true));
    assert_eq!(shape("gpt2-sentence"), (Pooling::Mean, true, 16, false, true));
}

#[test]
fn bert_for_sentences() {
    assert_eq!(check("bert-mean", 0.04).config.pooling, Pooling::Mean);
    assert_eq!(check("bert-cls", 0.04).config.pooling, Pooling::First);
}
