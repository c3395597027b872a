//! What a user reads when a conversion is refused, word for word: `convert/tests/messages.txt`.
//!
//! A change of a message shows in that file; `PICOFORMER_BLESS=1 cargo test -p picoformer-convert --test messages`
//! writes it anew.

mod common;

use common::checkpoints::{Folder, copy};
use safetensors::Dtype;
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Message and help, with the folder's path as `CHECKPOINT`.
fn refusal(folder: Folder) -> String {
    let path = folder.0.display().to_string();
    folder.refusal().replace(&path, "CHECKPOINT")
}

/// As above, with keys to ignore.
fn ignoring(folder: Folder, keys: &[&str]) -> String {
    folder.load(keys).map_or_else(|error| error.to_string(), |_| "(accepted)".into())
}

/// What the command prints as its error. Paths are relative, so that lines break alike everywhere.
fn command(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_picoformer"));
    let done = command.args(arguments).current_dir(folder).env("NO_COLOR", "1").output().unwrap();
    let error = String::from_utf8(done.stderr).unwrap();
    let trimmed: Vec<&str> = error.lines().map(str::trim_end).collect();
    format!("exit {}\n{}", done.status.code().unwrap_or(-1), trimmed.join("\n").trim_end())
}

fn with_tensor(model: &str, name: &str, dtype: Dtype) -> Folder {
    copy(model).weights(|tensors| {
        tensors.push((name.into(), (dtype, vec![2], vec![0; 2 * dtype.bitsize() / 8])));
    })
}

fn head(model: &str, name: &str) -> Folder {
    let folder = copy(model).set("architectures", json!([name]));
    let _ = std::fs::remove_file(folder.0.join("modules.json"));
    folder
}

fn pooled(mode: serde_json::Value) -> Folder {
    copy("bert-mean").write("1_Pooling/config.json", json!({ "pooling_mode": mode }).to_string())
}

fn modules(kinds: &[&str]) -> Folder {
    let module = |(i, kind): (usize, &&str)| {
        let path = if i == 0 { String::new() } else { format!("{i}_{kind}") };
        json!({ "idx": i, "name": i.to_string(), "path": path,
            "type": format!("sentence_transformers.models.{kind}") })
    };
    let list: Vec<_> = kinds.iter().enumerate().map(module).collect();
    copy("bert-mean").write("modules.json", serde_json::Value::from(list).to_string())
}

#[test]
fn messages_are_as_recorded() {
    let prompts = json!({ "prompts": { "query": "query: " }, "default_prompt_name": "query" });
    let relu = json!({ "in_features": 24, "out_features": 8, "bias": true,
        "activation_function": "torch.nn.modules.activation.ReLU" });
    let untied =
        copy("gpt2-tied").set("transformers_version", json!("4.57.1")).weights(|tensors| {
            let mut raw =
                tensors.iter().find(|t| t.0 == "transformer.wte.weight").unwrap().1.clone();
            raw.2[..4].copy_from_slice(&7f32.to_le_bytes());
            tensors.push(("lm_head.weight".into(), raw));
        });
    let mut cases =
        vec![
        ("A: a wrong type", refusal(copy("mistral").set("sliding_window", json!("4")))),
        (
            "A: a key that changes the answers",
            refusal(copy("bert-mean").set("is_decoder", json!(true))),
        ),
        ("A: an unknown key", refusal(copy("llama-bias").set("new_option", json!({ "a": 1 })))),
        ("A: --ignore of a key that is not there", ignoring(copy("llama-bias"), &["nothing"])),
        ("B: two ways to pool", refusal(pooled(json!(["mean", "max"])))),
        ("B: a way to pool that there is not", refusal(pooled(json!("weightedmean")))),
        (
            "B: two ways to pool, in the older schema",
            refusal(
                copy("bert-mean").write(
                    "1_Pooling/config.json",
                    json!({ "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true })
                        .to_string(),
                ),
            ),
        ),
        ("B: another module", refusal(modules(&["Transformer", "Pooling", "LSTM", "Normalize"]))),
        (
            "B: a Dense with another activation",
            refusal(
                modules(&["Transformer", "Pooling", "Dense", "Normalize"])
                    .write("2_Dense/config.json", relu.to_string()),
            ),
        ),
        (
            "B: a default prompt",
            refusal(
                copy("bert-mean").write("config_sentence_transformers.json", prompts.to_string()),
            ),
        ),
        ("B: too many beams", refusal(copy("t5-tied").generate("num_beams", json!(20)))),
        ("C: a tie that transformers 4 does not decide", refusal(untied)),
        (
            "C: labels that do not begin at 0",
            refusal(
                copy("bert-classifier").set("id2label", json!({ "1": "a", "2": "b", "3": "c" })),
            ),
        ),
        (
            "D: a tensor that is not used",
            refusal(with_tensor("llama-bias", "adapter.weight", Dtype::F32)),
        ),
        (
            "D: a tensor that is missing",
            refusal(copy("llama-bias").weights(|t| t.retain(|t| t.0 != "model.norm.weight"))),
        ),
        (
            "E: a family that is not read",
            refusal(copy("bert-mean").set("model_type", json!("distilbert"))),
        ),
        (
            "E: a width beyond the range",
            refusal(copy("llama-bias").set("intermediate_size", json!(9000))),
        ),
        (
            "E: a context that makes too much",
            refusal(
                copy("llama-bias")
                    .set("max_position_embeddings", json!(1 << 20))
                    .set("num_hidden_layers", json!(40)),
            ),
        ),
        (
            "E: a width that is no multiple",
            refusal(
                copy("llama-bias").set("hidden_size", json!(30)).weights(|tensors| {
                    let table = tensors.iter_mut().find(|t| t.0 == "model.embed_tokens.weight");
                    let raw = &mut table.unwrap().1;
                    raw.1[1] = 30;
                    raw.2.resize(raw.1[0] * 30 * 4, 0);
                    tensors.retain(|t| t.0 != "lm_head.weight");
                })
                .set("tie_word_embeddings", json!(true)),
            ),
        ),
        (
            "F: a classifier without a name",
            refusal(copy("bert-classifier").set("architectures", json!(null))),
        ),
        (
            "E: a context beyond the range",
            refusal(copy("llama-bias").set("max_position_embeddings", json!(1 << 21))),
        ),
        ("F: masked words", refusal(head("bert-mean", "BertForMaskedLM"))),
        ("F: spans", refusal(head("llama-bias", "LlamaForQuestionAnswering"))),
        ("F: pairs", refusal(head("bert-mean", "BertForMultipleChoice"))),
        (
            "F: a classifier of a family that has none",
            refusal(head("t5-tied", "T5ForSequenceClassification")),
        ),
        ("F: a body", refusal(head("gpt2-tied", "GPT2Model"))),
        (
            "F: another problem",
            refusal(copy("bert-classifier").set("problem_type", json!("ranking"))),
        ),
    ];
    // Files and processes.
    let folder = copy("gpt2-tied");
    assert!(command(&folder.0, &["convert", ".", "-o", "x.pico"]).starts_with("exit 0"));
    for (name, arguments) in [
        ("2: onto an input", &["convert", ".", "-o", "model.safetensors"][..]),
        ("2: into a folder that is not there", &["convert", ".", "-o", "none/x.pico"]),
        ("2: a context that was not learned", &["convert", ".", "-o", "y.pico", "--context", "17"]),
        ("2: a text for a model of ids", &["run", "x.pico", "good morning"]),
        (
            "2: more ids than the context",
            &["run", "x.pico", "--ids", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"],
        ),
        ("2: no such checkpoint", &["convert", "nowhere", "-o", "y.pico"]),
        ("2: no blob", &["inspect", "config.json"]),
    ] {
        cases.push((name, command(&folder.0, arguments)));
    }
    let mut found = String::new();
    for (name, message) in cases {
        assert_ne!(message, "(accepted)", "{name}");
        writeln!(found, "## {name}\n{message}\n").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages.txt");
    if std::env::var_os("PICOFORMER_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    for (found, recorded) in found.split("\n## ").zip(recorded.split("\n## ")) {
        assert_eq!(found, recorded, "a message changed: see this file's first lines");
    }
    assert_eq!(found, recorded);
}
