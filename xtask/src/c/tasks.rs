//! Tags and embeddings from C, against what `picoformer run` says on the host.

use super::program::{Core, Program, build, folder, library, run};
use crate::models::{export_c, picoformer};
use crate::steps::root;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const TEXTS: [&str; 3] = [
    "play something by miles davis at seven",
    "book a table for two in paris tomorrow",
    "what is the weather like in new york",
];

/// Exports an embedder: the body of `models/intent`, its rows averaged. No shipped model is one.
pub fn export() -> Result<()> {
    let (from, to) = (root().join("models/intent/checkpoint"), folder().join("embedder"));
    let pooling = to.join("1_Pooling");
    std::fs::create_dir_all(&pooling)?;
    for name in ["model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(from.join(name), to.join(name)).with_context(|| name.to_owned())?;
    }
    let mut config: Value = serde_json::from_slice(&std::fs::read(from.join("config.json"))?)?;
    config["architectures"] = serde_json::json!(["BertModel"]);
    let keys = config.as_object_mut().context("config.json is no object")?;
    for key in ["id2label", "label2id", "out_of_scope"] {
        keys.remove(key);
    }
    std::fs::write(to.join("config.json"), config.to_string())?;
    let golden = root().join("tests/golden/bert-mean/modules.json");
    std::fs::copy(golden, to.join("modules.json"))?;
    let pool = r#"{"word_embedding_dimension": 96, "pooling_mode_mean_tokens": true}"#;
    std::fs::write(pooling.join("config.json"), pool)?;
    let (to, blob) = (to.to_string_lossy(), blob());
    let out = blob.to_string_lossy();
    picoformer(&[
        "convert",
        &to,
        "-o",
        &out,
        "--json",
        "--ignore",
        "classifier.bias",
        "--ignore",
        "classifier.weight",
    ])?;
    export_c(&blob, &folder(), false)
}

fn blob() -> PathBuf {
    folder().join("embedder/embed.pico")
}

/// What the host says of a text, in the form that tests/tasks.c prints.
fn host(model: &Path, text: &str) -> Result<String> {
    let output = Command::new("cargo")
        .args([
            "run",
            "--quiet",
            "--package",
            "picoformer-convert",
            "--bin",
            "picoformer",
            "--",
            "run",
        ])
        .arg(model)
        .args([text, "--json"])
        .current_dir(root())
        .output()
        .context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("{}: {}", model.display(), String::from_utf8_lossy(&output.stderr));
    }
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let list = |key: &str| answer[key].as_array().cloned().unwrap_or_default();
    let (ids, labels) = (list("ids"), list("labels"));
    if !labels.is_empty() {
        let lines = ids.iter().zip(&labels);
        return Ok(lines
            .map(|(id, label)| format!("{id} {}\n", label.as_str().unwrap_or("?")))
            .collect());
    }
    let numbers = list("embedding");
    if numbers.is_empty() {
        bail!("{}: neither labels nor an embedding", model.display());
    }
    // A number of the embedding is a whole number of 2^-30; reading it may miss its last bit.
    let whole = |x: &Value| {
        format!("{}\n", (x.as_f64().unwrap_or(f64::NAN) * 2f64.powi(30)).round() as i64)
    };
    Ok(numbers.iter().map(whole).collect())
}

/// Runs it on a core.
pub fn check(core: &Core) -> Result<()> {
    let slots = root().join("models/slots/model.pico");
    let mut expected = String::new();
    for model in [&slots, &blob()] {
        for text in TEXTS {
            expected += &host(model, text)?;
        }
    }
    let texts = TEXTS.map(|text| format!("\"{text}\"")).join(",");
    let program = Program {
        name: "tasks",
        source: "tests/tasks.c",
        models: &["slots", "embed"],
        float: core.float,
        more: vec![format!("-DTEXTS={texts}")],
    };
    let (text, _) = run(core, &build(core, &program, &library(core))?.0)?;
    match text == expected {
        true => Ok(()),
        false => bail!("tasks.c on {} prints\n{text}and the host\n{expected}", core.name),
    }
}
