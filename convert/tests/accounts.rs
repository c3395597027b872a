//! Every key of every file beside the weights is used, known to change nothing, or refused by name.

mod common;

use common::checkpoints::{Folder, copy};
use picoformer::config::{Head, Pooling};
use picoformer::tokenizer::Vocabulary;
use picoformer_convert::float_model::FloatModel;
use serde_json::{Value, json};

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
        ("bert-classifier", "problem_type", json!("multi_label_classification")),
        ("bert-classifier", "problem_type", json!("regression")),
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

/// Class C: binary labels without `id2label`; names by `label2id`; nothing that contradicts the rows.
#[test]
fn labels_are_those_of_the_classifier() {
    let labels = |folder: &Folder| folder.model().labels;
    let bare = || copy("bert-classifier").unset("id2label").unset("label2id");
    let default = ["LABEL_0", "LABEL_1", "LABEL_2"];
    assert_eq!(labels(&bare()), default);
    assert_eq!(labels(&bare().set("num_labels", json!(3))), default);
    assert_eq!(labels(&bare().set("label2id", json!({ "y": 1, "x": 0, "z": 2 }))), ["x", "y", "z"]);
    let numbers = bare().set("id2label", json!({ "0": 1, "1": 2, "2": 5 }));
    assert_eq!(labels(&numbers), ["1", "2", "5"]);
    let binary = bare().weights(|tensors| {
        for (name, (_, shape, data)) in tensors {
            if name.starts_with("classifier.") {
                shape[0] = 2;
                let size = shape.iter().product::<usize>() * 4;
                data.truncate(size);
            }
        }
    });
    assert_eq!(labels(&binary), ["LABEL_0", "LABEL_1"]);
    for wrong in [
        json!({ "1": "a", "2": "b", "3": "c" }),
        json!({ "0": "a", "1": "b" }),
        json!({ "0": "a", "1": "b", "2": "c", "3": "d" }),
        json!({ "0": "a", "1": "b", "2": ["c"] }),
    ] {
        bare().set("id2label", wrong).refused(&["config.json", "id2label"]);
    }
    bare().set("num_labels", json!(5)).refused(&["5 labels", "3 rows"]);
    bare().set("label2id", json!({ "x": 0, "y": 7 })).refused(&["label2id"]);
}

/// Class F: heads that the engine does not have, by name and with what to do.
#[test]
fn heads_are_refused_by_name() {
    for (model, head, word) in [
        ("bert-mean", "BertForQuestionAnswering", "label tokens instead"),
        ("bert-classifier", "BertForMaskedLM", "sentence embedding"),
        ("llama-bias", "LlamaForSequenceClassification", "classify with BERT"),
        ("llama-bias", "LlamaModel", "body without a head"),
        ("gpt2-tied", "GPT2Model", "body without a head"),
        ("gpt2-tied", "GPT2ForTokenClassification", "classify with BERT"),
        ("t5-tied", "T5Model", "body without a head"),
        ("t5-tied", "T5EncoderModel", "body without a head"),
        ("t5-tied", "T5ForSequenceClassification", "classify with BERT"),
        ("bart", "BartForSequenceClassification", "classify with BERT"),
        ("marian", "MarianModel", "body without a head"),
    ] {
        let folder = copy(model).set("architectures", json!([head]));
        let folder = if model == "bert-classifier" { folder } else { without_modules(folder) };
        folder.refused(&["architectures", head, word]);
    }
    let missing = copy("bert-classifier").unset("architectures");
    missing.refused(&["architectures", "missing", "BertForTokenClassification"]);
}

fn without_modules(folder: Folder) -> Folder {
    let _ = std::fs::remove_file(folder.0.join("modules.json"));
    folder
}

/// Class B: `generation_config.json` is done or refused, key by key.
#[test]
fn generation_is_done_or_refused() {
    for (key, value) in [
        ("do_sample", json!(true)),
        ("no_repeat_ngram_size", json!(2)),
        ("encoder_no_repeat_ngram_size", json!(2)),
        ("repetition_penalty", json!(1.5)),
        ("suppress_tokens", json!([4, 5])),
        ("begin_suppress_tokens", json!([4])),
        ("bad_words_ids", json!([[4, 5]])),
        ("bad_words_ids", json!([[4], [5]])),
        ("min_length", json!(5)),
        ("min_new_tokens", json!(5)),
        ("length_penalty", json!(0.5)),
        ("early_stopping", json!(true)),
        ("forced_eos_token_id", json!(3)),
        ("eos_token_id", json!([3, 5])),
        ("num_beams", json!(20)),
        ("num_beam_groups", json!(2)),
        ("diversity_penalty", json!(0.5)),
        ("sequence_bias", json!({ "4": 1.0 })),
        ("stop_strings", json!(["x"])),
        ("guidance_scale", json!(2.0)),
        ("exponential_decay_length_penalty", json!([3, 1.2])),
        ("no_such_key", json!(true)),
    ] {
        let folder = copy("t5-tied").generate(key, value.clone());
        folder.refused(&["generation_config.json", key, &value.to_string(), "--ignore"]);
    }
    let config = |key: &str, value: Value| copy("t5-tied").generate(key, value).model().config;
    assert_eq!(config("suppress_tokens", json!([4])).suppressed_token, 5);
    assert_eq!(config("bad_words_ids", json!([[4]])).suppressed_token, 5);
    assert_eq!(config("forced_bos_token_id", json!(4)).forced_token, 5);
    assert_eq!(config("eos_token_id", json!([7])).end_token, 7);
    assert_eq!(config("eos_token_id", json!(9)).end_token, 9);
    assert_eq!(config("max_new_tokens", json!(7)).target_context, 7);
    assert_eq!(config("max_length", json!(7)).target_context, 6);
    assert_eq!(config("temperature", json!(0.5)).beams, 4, "without do_sample it is not read");
    let greedy =
        copy("t5-tied").generate("num_beams", json!(1)).generate("length_penalty", json!(2.0));
    assert_eq!(greedy.model().config.beams, 1, "one hypothesis needs no penalty");
    // Without the file, config.json says it.
    let old = copy("t5-tied").remove("generation_config.json").set("num_beams", json!(2));
    assert_eq!(old.model().config.beams, 2);
    let old =
        copy("t5-tied").remove("generation_config.json").set("repetition_penalty", json!(2.0));
    old.refused(&["config.json", "repetition_penalty"]);
    let missing = copy("bart").remove("generation_config.json").unset("forced_eos_token_id");
    missing.refused(&["forced_eos_token_id", "missing"]);
    // Decoders: what the sampler of the engine does not have.
    for (key, value) in [
        ("eos_token_id", json!([2, 3])),
        ("num_beams", json!(4)),
        ("repetition_penalty", json!(1.1)),
    ] {
        copy("llama-bias").generate(key, value).refused(&["generation_config.json", key]);
    }
    let sampled =
        copy("llama-bias").generate("do_sample", json!(true)).generate("top_p", json!(0.9));
    let notes = sampled.load(&[]).unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("`top_p` is 0.9")), "{notes:?}");
}

/// Class B: the end token is the model's, wherever it stands; the tokenizer's own name for it is a guess.
#[test]
fn the_end_token_is_the_models() {
    let end = |folder: &Folder| {
        let section = folder.model().tokenizer;
        Vocabulary::parse(&section).unwrap().end()
    };
    assert_eq!(end(&copy("tales")), Some(2));
    assert_eq!(
        end(&copy("tales").remove("generation_config.json").set("eos_token_id", json!(9))),
        Some(9)
    );
    let list = copy("tales").remove("generation_config.json").set("eos_token_id", json!([9]));
    assert_eq!(end(&list), Some(9));
    assert_eq!(end(&copy("tales").generate("eos_token_id", json!(7))), Some(7), "it rules");
    assert_eq!(end(&copy("tales").generate("eos_token_id", json!([7]))), Some(7));
    let none = copy("tales").remove("generation_config.json").set("eos_token_id", Value::Null);
    assert_eq!(end(&none), None);
    let absent = copy("tales").remove("generation_config.json").unset("eos_token_id");
    assert_eq!(end(&absent), Some(2), "the default of the original's class");
    copy("tales").generate("eos_token_id", json!(1024)).refused(&["eos_token_id", "1024"]);
    let ids = copy("gpt2-tied").load(&[]).unwrap();
    assert!(ids.notes.iter().any(|note| note.contains("token 0")), "{:?}", ids.notes);
}

/// Class B: what sentence-transformers does around a body, in the schemas of versions 2 to 6.
#[test]
fn sentence_transformers_modules_are_read() {
    let pooled =
        |config: Value| copy("bert-mean").write("1_Pooling/config.json", config.to_string());
    for (config, pooling) in [
        (json!({ "word_embedding_dimension": 24, "pooling_mode_cls_token": true }), Pooling::First),
        (
            json!({ "embedding_dimension": 24, "pooling_mode": "cls", "include_prompt": true }),
            Pooling::First,
        ),
        (json!({ "embedding_dimension": 24, "pooling_mode": ["mean"] }), Pooling::Mean),
        (json!({ "pooling_mode_mean_sqrt_len_tokens": true }), Pooling::Mean),
    ] {
        assert_eq!(pooled(config).model().config.pooling, pooling);
    }
    for config in [
        json!({ "pooling_mode": ["mean", "max"] }),
        json!({ "pooling_mode": "lasttoken" }),
        json!({ "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true }),
        json!({ "pooling_mode_weightedmean_tokens": true }),
        json!({ "pooling_mode": 3 }),
        json!({ "pooling_mode": "mean", "new_option": 1 }),
        json!({ "pooling_mode": "mean", "embedding_dimension": 32 }),
    ] {
        pooled(config).refused(&["1_Pooling/config.json"]);
    }
    let modules = |list: &[(&str, &str)]| -> String {
        let module = |(kind, path): &(&str, &str)| {
            json!({ "idx": 0, "name": "0", "path": path,
            "type": format!("sentence_transformers.base.modules.x.{kind}") })
        };
        Value::from(list.iter().map(module).collect::<Vec<_>>()).to_string()
    };
    let with = |list: &[(&str, &str)]| copy("bert-mean").write("modules.json", modules(list));
    let (body, pool, unit) =
        (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"));
    assert!(same(&with(&[body, pool, unit]).model(), &copy("bert-mean").model()));
    let bare = with(&[body, pool]);
    assert!(bare.refusal().contains("Normalize"));
    assert!(same(&bare.load(&["Normalize"]).unwrap().model, &copy("bert-mean").model()));
    with(&[body, unit]).refused(&["modules.json", "Normalize"]);
    with(&[body, pool, ("LSTM", "2_LSTM"), unit]).refused(&["modules.json", "LSTM"]);
    let elsewhere = with(&[body, ("Pooling", "pool"), unit]);
    let elsewhere =
        elsewhere.write("pool/config.json", json!({ "pooling_mode": "cls" }).to_string());
    assert_eq!(elsewhere.model().config.pooling, Pooling::First);
    // A dense layer that keeps the width is the engine's pooler; another is refused.
    let dense = |size: usize, act: &str| {
        let weight = (safetensors::Dtype::F32, vec![size, 24], vec![0; size * 24 * 4]);
        let bias = (safetensors::Dtype::F32, vec![size], vec![0; size * 4]);
        let config = json!({ "in_features": 24, "out_features": size, "bias": true,
            "activation_function": format!("torch.nn.modules.activation.{act}") });
        with(&[body, pool, ("Dense", "2_Dense"), unit])
            .write("2_Dense/config.json", config.to_string())
            .store(
                "2_Dense/model.safetensors",
                &[("linear.weight".into(), weight), ("linear.bias".into(), bias)],
            )
    };
    assert!(dense(24, "Tanh").model().config.pooler);
    dense(16, "Tanh").refused(&["2_Dense/config.json", "out_features", "16"]);
    dense(24, "ReLU").refused(&["2_Dense/config.json", "activation_function"]);
    // Lengths and prompts.
    let cut = copy("bert-mean").write("sentence_bert_config.json", r#"{ "max_seq_length": 8 }"#);
    assert_eq!(cut.model().config.context, 8);
    let cut = copy("bert-mean").write("tokenizer_config.json", r#"{ "model_max_length": 9 }"#);
    assert_eq!(cut.model().config.context, 9);
    let prompts = json!({ "prompts": { "query": "query: " }, "default_prompt_name": "query" });
    let prompted =
        copy("bert-mean").write("config_sentence_transformers.json", prompts.to_string());
    prompted.refused(&["config_sentence_transformers.json", "default_prompt_name", "query: "]);
    // Weights in the body's file that only guessed words.
    let masked =
        copy("bert-mean").set("architectures", json!(["BertForMaskedLM"])).weights(|tensors| {
            tensors.push((
                "cls.predictions.bias".into(),
                (safetensors::Dtype::F32, vec![1], vec![0; 4]),
            ));
        });
    assert!(same(&masked.model(), &copy("bert-mean").model()));
    assert_eq!(masked.model().config.head, Head::Embedding);
}

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

/// Families without an importer are refused by name, with the family that does the same.
#[test]
fn families_without_an_importer_are_told_their_kin() {
    for (family, kin) in [
        ("xlm-roberta", "a bert does"),
        ("mt5", "a t5 does"),
        ("qwen2", "a llama or mistral does"),
        ("gemma3_text", "a llama or mistral does"),
        ("whisper", "t5 (Hugging Face folders)"),
    ] {
        let name = format!("\"{family}\"");
        copy("bert-classifier").set("model_type", json!(family)).refused(&[
            "model_type",
            &name,
            kin,
        ]);
    }
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
