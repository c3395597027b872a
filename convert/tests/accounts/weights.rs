//! Ties, ranges and positions.

use super::common::checkpoints::{Folder, copy};
use super::common::root;
use super::same;
use picoformer::config::Head;
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::writer::{self, Wide};
use serde_json::{Value, json};

/// Class C: what transformers 5 made of T5's ties.
#[test]
fn ties_are_decided_by_weights_and_version() {
    // Version 1.1 re-saved by transformers 5: tied by the flag, apart in the file, not scaled.
    let resaved = copy("t5-gated")
        .set("tie_word_embeddings", json!(true))
        .set("scale_decoder_outputs", json!(false))
        .set("transformers_version", json!("5.24.0"));
    assert!(same(&resaved.model(), &copy("t5-gated").model()));
    // A tied one that is not scaled differs from one that is by √d.
    let unscaled = copy("t5-tied").set("scale_decoder_outputs", json!(false)).model();
    let scaled = copy("t5-tied").model();
    let logits = |m: &FloatModel| m.read(&[3, 1]).unwrap().forward(&[0])[0].clone();
    for (a, b) in logits(&scaled).iter().zip(logits(&unscaled)) {
        assert!((a * 4.0 - b).abs() < 1e-4, "{a} {b}");
    }
    // A copy of the tied matrix must be one.
    for (model, from, to) in [
        ("gpt2-tied", "transformer.wte.weight", "lm_head.weight"),
        ("t5-tied", "shared.weight", "lm_head.weight"),
        ("t5-tied", "shared.weight", "decoder.embed_tokens.weight"),
        ("bart", "model.shared.weight", "lm_head.weight"),
        ("bart", "model.shared.weight", "model.decoder.embed_tokens.weight"),
    ] {
        let with_copy = |version: &str, differs: bool| {
            copy(model).set("transformers_version", json!(version)).weights(|tensors| {
                let index = tensors.iter().position(|(name, _)| name == from).expect(from);
                let mut raw = tensors[index].1.clone();
                if differs {
                    raw.2[..4].copy_from_slice(&7f32.to_le_bytes());
                }
                tensors.retain(|(name, _)| name != to);
                tensors.push((to.into(), raw));
            })
        };
        assert!(same(&with_copy("4.57.1", false).model(), &copy(model).model()), "{to}");
        with_copy("4.57.1", true).refused(&[
            to,
            "holds other values",
            "tie_word_embeddings",
            "--ignore",
        ]);
        let dropped = with_copy("4.57.1", true).load(&[to]).unwrap().model;
        assert!(same(&dropped, &copy(model).model()), "{to}");
        let untied = with_copy("5.1.0", true);
        match (model, to) {
            ("gpt2-tied" | "t5-tied", "lm_head.weight") => {
                assert_eq!(untied.model().config.head, Head::Vocabulary);
                assert!(!same(&untied.model(), &copy(model).model()));
            }
            _ => untied.refused(&[to, "differs"]),
        }
    }
}

/// Class E: options before ranges; every range error with value, limit and the option that helps.
#[test]
fn ranges_are_told_with_value_and_limit() {
    use picoformer_convert::checkpoint::Options;
    use picoformer_convert::load::load_with;
    let long = copy("llama-bias").set("max_position_embeddings", json!(1 << 24));
    long.refused(&["context is 16777216", "1048576", "--context"]);
    let long = copy("llama-bias").set("max_position_embeddings", json!(1 << 24));
    let options = Options { context: Some(64), ..Options::default() };
    let short = load_with(&long.0, None, options).unwrap().model;
    assert!(same(&short, &copy("llama-bias").model()));
    // A window is compared with the context that is asked for.
    for (context, window) in [(5, 0), (6, 5), (128, 5)] {
        let folder = copy("mistral").set("max_position_embeddings", json!(5));
        let options = Options { context: Some(context), ..Options::default() };
        assert_eq!(load_with(&folder.0, None, options).unwrap().model.config.window, window);
    }
    let folder =
        copy("mistral").unset("sliding_window").set("max_position_embeddings", json!(5000));
    assert_eq!(folder.model().config.window, 4096, "Mistral's default");
    let deep = copy("llama-bias").set("num_hidden_layers", json!(0));
    deep.refused(&["num_hidden_layers", "0"]);
    let options = Options { context: Some(17), ..Options::default() };
    let error = load_with(&copy("gpt2-tied").0, None, options).unwrap_err().to_string();
    assert!(error.contains("--context 17"), "{error}");
    let options = Options { beams: Some(9), ..Options::default() };
    assert!(load_with(&copy("t5-tied").0, None, options).unwrap_err().to_string().contains("9"));
    let options = Options { beams: Some(2), ..Options::default() };
    assert!(load_with(&copy("gpt2-tied").0, None, options).is_err());
    let foreign = copy("bert-mean").set("model_type", json!("distilbert"));
    foreign.refused(&["model_type", "distilbert", "supported: bart, bert"]);
}

/// Llama 3's stretched positions and linear ones are read in both schemas, others refused by name.
#[test]
fn scaled_rotary_positions_are_read() {
    let llama3 = json!({ "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192 });
    let plain =
        copy("llama-bias").set("rope_parameters", json!({ "rope_theta": 500000.0 })).model();
    let (first, last) = (0, plain.frequencies.len() - 1);
    let today = copy("llama-bias").set("rope_parameters", llama3.clone()).model();
    assert_eq!(today.frequencies[first], plain.frequencies[first]);
    assert_eq!(today.frequencies[last], plain.frequencies[last] / 8.0);
    let old = copy("llama-bias")
        .unset("rope_parameters")
        .set("rope_theta", json!(500000.0))
        .set("rope_scaling", llama3.clone());
    assert_eq!(old.model().frequencies, today.frequencies);
    let linear = json!({ "type": "linear", "factor": 4.0, "rope_theta": 500000.0 });
    let linear = copy("llama-bias").set("rope_parameters", linear).model();
    assert_eq!(linear.frequencies[first], 0.25);
    for (key, value) in [
        ("factor", Value::Null),
        ("high_freq_factor", json!(0.5)),
        ("original_max_position_embeddings", json!("8192")),
        ("attention_factor", json!(1.5)),
        ("type", json!("linear")),
    ] {
        let mut changed = llama3.clone();
        changed[key] = value;
        copy("llama-bias").set("rope_parameters", changed).refused(&[key]);
    }
    let differ = copy("llama-bias").set("rope_parameters", llama3);
    differ
        .set("rope_scaling", json!({ "type": "linear", "factor": 2.0 }))
        .refused(&["rope_scaling"]);
}

/// `models/g2p/checkpoint` as transformers 5 saves it again (`tests/golden/resaved.py`) is the same model: the
/// blob is equal, byte by byte.
#[test]
fn what_transformers_5_saves_again_answers_the_same() {
    let mut resaved = copy("g2p").remove("special_tokens_map.json");
    for entry in std::fs::read_dir(root().join("tests/golden/g2p-5")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        resaved = resaved.write(name, std::fs::read(&path).unwrap());
    }
    let config = std::fs::read_to_string(resaved.0.join("config.json")).unwrap();
    assert!(config.contains("\"scale_decoder_outputs\": false"), "{config}");
    let blob = |folder: &Folder| writer::write(&folder.model(), Wide::Auto).unwrap();
    let shipped = blob(&copy("g2p"));
    assert_eq!(blob(&resaved), shipped);
    // What was read before: a tied head, and none of it.
    let tied = copy("g2p").set("tie_word_embeddings", json!(true));
    assert!(tied.refusal().contains("lm_head.weight"));
}
