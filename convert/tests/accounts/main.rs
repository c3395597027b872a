//! Every key of every file beside the weights is used, known to change nothing, or refused by name.

#[path = "../common/mod.rs"]
mod common;
mod generation;
mod heads;
mod sentences;
mod weights;

use common::checkpoints::copy;
use picoformer_convert::float_model::FloatModel;
use serde_json::json;

/// Both answer alike.
fn same(a: &FloatModel, b: &FloatModel) -> bool {
    let ids = [3, 1, 4, 1, 5];
    match (a.read(&ids), b.read(&ids)) {
        (Some(a), Some(b)) => a.forward(&[0, 2]) == b.forward(&[0, 2]),
        _ => a.forward(&ids).outputs == b.forward(&ids).outputs,
    }
}

/// Class A: a value of the wrong type is an error with file, key, value and what is expected.
#[test]
fn a_wrong_type_is_never_the_default() {
    for (model, key, value) in [
        ("mistral", "sliding_window", json!("4")),
        ("mistral", "sliding_window", json!(4.0)),
        ("mistral", "sliding_window", json!(-4)),
        ("llama-bias", "rms_norm_eps", json!("1e-3")),
        ("llama-bias", "rms_norm_eps", json!(0)),
        ("llama-bias", "attention_bias", json!("true")),
        ("llama-bias", "tie_word_embeddings", json!(1)),
        ("llama-bias", "head_dim", json!(8.0)),
        ("llama-bias", "hidden_act", json!(3)),
        ("llama-bias", "num_key_value_heads", json!("2")),
        ("llama-bias", "eos_token_id", json!("2")),
        ("llama-bias", "architectures", json!("LlamaForCausalLM")),
        ("gpt2-tied", "n_inner", json!("40")),
        ("gpt2-tied", "scale_attn_weights", json!("false")),
        ("gpt2-tied", "layer_norm_epsilon", json!([1e-5])),
        ("bert-classifier", "layer_norm_eps", json!("1e-12")),
        ("bert-classifier", "id2label", json!(["a", "b", "c"])),
        ("bert-classifier", "type_vocab_size", json!(true)),
        ("t5-tied", "relative_attention_max_distance", json!("128")),
        ("t5-tied", "n_positions", json!(20.5)),
        ("marian", "scale_embedding", json!("yes")),
        ("bart", "decoder_ffn_dim", json!("24")),
    ] {
        let folder = copy(model).set(key, value.clone());
        folder.refused(&["config.json", &format!("`{key}` is {value}"), "which is not"]);
    }
    for (key, value) in [
        ("rope_theta", json!(0)),
        ("rope_theta", json!(-1)),
        ("rope_theta", json!("1e4")),
        ("factor", json!(2.0)),
        ("rope_type", json!("yarn")),
        ("partial_rotary_factor", json!(0.5)),
        ("attention_factor", json!(1.5)),
    ] {
        copy("llama-bias")
            .edit("config.json", |c| c["rope_parameters"][key] = value)
            .refused(&[key]);
    }
    for (key, value) in [("num_beams", json!("2")), ("max_new_tokens", json!(-1))] {
        copy("t5-tied").generate(key, value).refused(&["generation_config.json", key]);
    }
}

/// Class A: a key that changes the answers is refused, one that nobody knows too; `--ignore` accepts it.
#[test]
fn other_keys_are_refused_or_ignored_deliberately() {
    for (model, key, value) in [
        ("bert-classifier", "is_decoder", json!(true)),
        ("bert-classifier", "add_cross_attention", json!(true)),
        ("bert-classifier", "position_embedding_type", json!("relative_key")),
        ("bert-classifier", "pruned_heads", json!({ "0": [1] })),
        ("bert-classifier", "quantization_config", json!({ "bits": 4 })),
        ("bert-classifier", "problem_type", json!("ranking")),
        ("llama-bias", "partial_rotary_factor", json!(0.5)),
        ("llama-bias", "auto_map", json!({ "AutoModel": "x.py" })),
        ("llama-bias", "logits_soft_cap", json!(30.0)),
        ("gpt2-tied", "add_cross_attention", json!(true)),
        ("bart", "normalize_before", json!(true)),
        ("bart", "tie_word_embeddings", json!(false)),
        ("t5-tied", "is_encoder_decoder", json!(false)),
        ("t5-tied", "dense_act_fn", json!("gelu")),
        ("t5-tied", "is_gated_act", json!(true)),
        ("t5-tied", "no_such_key", json!(1)),
    ] {
        let folder = copy(model).set(key, value.clone());
        let words = ["config.json", key, &value.to_string(), "--ignore"];
        let refusal = folder.refusal();
        for word in words {
            assert!(refusal.contains(word), "`{word}` is not in: {refusal}");
        }
        let accepted = folder.load(&[key]).unwrap_or_else(|e| panic!("--ignore {key}: {e}"));
        assert_eq!(accepted.ignored, [key]);
        if key != "tie_word_embeddings" {
            assert!(same(&accepted.model, &copy(model).model()), "{key}");
        }
    }
    // What was ignored must have been there.
    assert!(copy("t5-tied").load(&["nowhere"]).is_err());
    assert!(copy("t5-tied").set("x", json!(1)).load(&["config.json:x"]).is_ok());
    assert!(copy("t5-tied").set("x", json!(1)).load(&["generation_config.json:x"]).is_err());
    // What changes nothing is accepted without a word.
    let harmless =
        copy("llama-bias").set("sliding_window", json!(2)).set("pretraining_tp", json!(4));
    assert!(same(&harmless.model(), &copy("llama-bias").model()));
    assert_eq!(harmless.model().config.window, 0, "Llama has no window");
}

/// Class A, files: a byte order mark is skipped, Python's infinity is no error where it does not matter.
#[test]
fn json_is_read_as_python_writes_it() {
    let text = std::fs::read_to_string(copy("bert-mean").0.join("config.json")).unwrap();
    let marked = copy("bert-mean").write("config.json", format!("\u{feff}{text}"));
    assert!(same(&marked.model(), &copy("bert-mean").model()));
    let infinite = text.replace("\"initializer_range\": 0.02", "\"initializer_range\": Infinity");
    assert!(infinite.contains("Infinity"));
    assert!(same(&copy("bert-mean").write("config.json", infinite).model(), &marked.model()));
    let epsilon = text.replace("\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": NaN");
    copy("bert-mean").write("config.json", epsilon).refused(&["layer_norm_eps", "NaN"]);
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.bytes().flat_map(|b| [b, 0])).collect();
    copy("bert-mean").write("config.json", utf16).refused(&["config.json", "UTF-16"]);
    copy("bert-mean").write("config.json", "[1]").refused(&["config.json", "[1]"]);
}
