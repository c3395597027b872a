//! The command line as others rely on it: the keys of `--json`, and what every kind of bad input gets.

mod common;

use common::root;
use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the command; `(success, standard output, standard error in one line)`.
fn picoformer<S: AsRef<OsStr>>(arguments: &[S]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_picoformer"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    // The reporter wraps lines and draws frames around them.
    let text = String::from_utf8_lossy(&output.stderr).replace(['│', '╰', '─', '▶', '×'], " ");
    let error = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (output.status.success(), String::from_utf8(output.stdout).unwrap(), error)
}

fn json(arguments: &[&str]) -> Value {
    let (success, out, error) = picoformer(arguments);
    assert!(success, "{arguments:?}: {error}");
    assert_eq!(out.trim().lines().count(), 1, "JSON in one line: {out}");
    serde_json::from_str(&out).unwrap()
}

/// Fails, and says all of `words`; no panic, no answer.
fn fails(arguments: &[&str], words: &[&str]) {
    let (success, out, error) = picoformer(arguments);
    assert!(!success && out.is_empty(), "{arguments:?} answered {out}");
    assert!(!error.contains("panicked"), "{error}");
    for word in words {
        assert!(error.contains(word), "{arguments:?}: `{word}` is not in: {error}");
    }
}

fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Converts a checkpoint of `tests/golden`.
fn golden(name: &str, blob: &str) -> (PathBuf, Value) {
    let blob = scratch(blob);
    let checkpoint = root().join("tests/golden").join(name);
    let bill = json(&["convert", text(&checkpoint), "-o", text(&blob), "--json"]);
    (blob, bill)
}

fn shipped(name: &str) -> String {
    root().join("models").join(name).join("model.pico").to_str().unwrap().to_owned()
}

fn has(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(!value[key].is_null(), "`{key}` is missing in {value}");
    }
}

#[test]
fn convert_and_inspect_tell_the_same_bill() {
    let (blob, converted) = golden("llama-bias", "bill.pico");
    let inspected = json(&["inspect", text(&blob), "--json"]);
    for bill in [&converted, &inspected] {
        has(bill, &["architecture", "parameters", "flash_bytes", "arena_bytes", "context"]);
        assert_eq!(bill["architecture"], "decoder");
        assert_eq!(bill["context"], 64);
        let length = std::fs::metadata(&blob).unwrap().len();
        assert_eq!(bill["flash_bytes"], length);
        let sum = |key: &str| -> u64 {
            bill[key].as_array().unwrap().iter().map(|i| i["bytes"].as_u64().unwrap()).sum()
        };
        assert_eq!(sum("sections"), length, "every byte of flash is in the bill");
        assert_eq!(bill["arena_bytes"], sum("buffers"), "every byte of RAM is in the bill");
    }
    let intent = json(&["inspect", &shipped("intent"), "--json"]);
    assert_eq!((&intent["architecture"], &intent["note"]), (&"encoder".into(), &Value::Null));
    let checkpoint = root().join("tests/golden/llama-bias");
    let shorter = scratch("shorter.pico");
    let bill =
        json(&["convert", text(&checkpoint), "-o", text(&shorter), "--context", "20", "--json"]);
    assert_eq!(bill["context"], 20);
    assert!(bill["arena_bytes"].as_u64() < converted["arena_bytes"].as_u64());
}

/// A note is in the blob, in the bill, and changes nothing else.
#[test]
fn a_note_is_kept() {
    let (plain, without) = golden("llama-bias", "plain.pico");
    let checkpoint = root().join("tests/golden/llama-bias");
    let noted = scratch("noted.pico");
    let note = "a naïve\u{1b} tale writer";
    let arguments = ["convert", text(&checkpoint), "-o", text(&noted), "--note", note, "--json"];
    let bill = json(&arguments);
    assert_eq!(bill, {
        let mut bill = json(&["inspect", text(&noted), "--json"]);
        bill["output"] = text(&noted).into();
        // How the checkpoint was read is told once, by the conversion.
        for key in ["ignored_keys", "notes"] {
            bill[key] = without[key].clone();
        }
        bill
    });
    assert_eq!(bill["note"], note);
    let sections = bill["sections"].as_array().unwrap();
    let added = serde_json::json!({ "name": "note", "bytes": 16 + 32 });
    assert_eq!(sections.split_last(), Some((&added, &without["sections"].as_array().unwrap()[..])));
    let [plain, bytes] = [&plain, &noted].map(|path| std::fs::read(path).unwrap());
    assert_eq!(bytes.len(), plain.len() + 48);
    assert_eq!(bytes[16..plain.len()], plain[16..]);
    let (_, shown, _) = picoformer(&["inspect", text(&noted)]);
    assert!(shown.contains("note: a naïve  tale writer\n"), "{shown}");
}

/// Ids in, ids out: exactly these, none added.
#[test]
fn a_checkpoint_without_tokenizer_takes_ids() {
    let (blob, bill) = golden("gpt2-tied", "ids.pico");
    assert_eq!(bill["tokenizer"], false);
    let run = |ids: &str| json(&["run", text(&blob), "--ids", ids, "--max-tokens", "4", "--json"]);
    let answer = run("1,5,9");
    has(&answer, &["text", "ids"]);
    assert_eq!(answer["prompt_ids"], serde_json::json!([1, 5, 9]));
    assert_eq!(answer["ids"].as_array().unwrap().len(), 4);
    assert_eq!(answer, run(" 1, 5 ,9"));
    assert_ne!(answer["ids"], run("9")["ids"]);
    fails(&["run", text(&blob), "hello"], &["no tokenizer", "--ids"]);
    fails(&["run", text(&blob), "--ids", "1,x"], &["`x`", "not a token id"]);
    fails(&["run", text(&blob), "--ids", "1,32"], &["token 32", "vocabulary of 32"]);
    let long = vec!["1"; 17].join(",");
    fails(&["run", text(&blob), "--ids", &long], &["17 positions", "has 16"]);
    fails(&["run", text(&blob)], &["TEXT"]);
    fails(&["run", text(&blob), "text", "--ids", "1"], &["--ids"]);
    // Without a limit it writes to the end of the context, and says so.
    let whole = json(&["run", text(&blob), "--ids", "1,5,9", "--json"]);
    assert_eq!(
        (whole["stop"].as_str(), whole["ids"].as_array().unwrap().len()),
        (Some("context_full"), 14)
    );
}

#[test]
fn decoders_write_text() {
    let blob = shipped("tales");
    let run = |more: &[&str]| {
        let fixed = ["run", &blob, "Once upon a time", "--max-tokens", "12", "--json"];
        json(&[&fixed, more].concat())
    };
    let greedy = run(&[]);
    assert!(greedy["text"].as_str().is_some_and(|text| text.len() > 12));
    assert_eq!(greedy["ids"].as_array().unwrap().len(), 12);
    assert_eq!(greedy, run(&["--top-k", "1", "--temperature", "2"]));
    let warm = ["--temperature", "1.5", "--top-k", "50", "--top-p", "0.95", "--seed"];
    let seed = |seed| run(&[&warm[..], &[seed]].concat());
    assert_eq!(seed("7"), seed("7"));
    assert_ne!(seed("7"), seed("8"));
    let (_, out, _) = picoformer(&["run", &blob, "Once upon a time", "--max-tokens", "12"]);
    assert_eq!(out.trim_end(), format!("Once upon a time{}", greedy["text"].as_str().unwrap()));
    for bad in [["--temperature", "-1"], ["--top-p", "1.5"], ["--temperature", "nan"]] {
        let (success, ..) = picoformer(&[&["run", &blob, "x"], &bad[..]].concat());
        assert!(!success, "{bad:?}");
    }
}

#[test]
fn encoders_answer_in_their_way() {
    let label = json(&["run", &shipped("intent"), "set a timer for ten minutes", "--json"]);
    assert_eq!(label["label"], "timer");
    let scores: Vec<f64> =
        label["scores"].as_object().unwrap().values().map(|x| x.as_f64().unwrap()).collect();
    assert_eq!(scores.len(), 150);
    assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-3);
    let (blob, _) = golden("bert-tags", "tags.pico");
    let labels = json(&["run", text(&blob), "--ids", "3,1,4", "--json"]);
    assert_eq!(labels["labels"].as_array().unwrap().len(), 3);
    let (blob, _) = golden("bert-mean", "embedding.pico");
    let embedding = json(&["run", text(&blob), "--ids", "3,1,4", "--json"]);
    let embedding = embedding["embedding"].as_array().unwrap().clone();
    assert_eq!(embedding.len(), 24);
    let squares: f64 = embedding.iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
    assert!((squares - 1.0).abs() < 1e-4);
}

#[test]
fn eval_tells_the_loss() {
    let folder = scratch("documents");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.txt"), "Once upon a time there was a king.").unwrap();
    std::fs::write(folder.join("b.txt"), "A fox met a bear in the wood.\n").unwrap();
    let reference = root().join("models/tales/checkpoint");
    let arguments = ["eval", &shipped("tales"), "--data", text(&folder), "--json"];
    let alone = json(&arguments);
    has(&alone, &["nll", "tokens"]);
    assert!(alone["nll_reference"].is_null());
    let both = json(&[&arguments[..], &["--reference", text(&reference)]].concat());
    has(&both, &["nll", "nll_reference", "top1_agreement"]);
    let [q, f] = ["nll", "nll_reference"].map(|key| both[key].as_f64().unwrap());
    assert!((q - f).abs() < 0.05 && q > 0.5 && q < 6.0, "{q} {f}");

    let lines = std::fs::read_to_string(root().join("models/intent/test.jsonl")).unwrap();
    let few: Vec<&str> = lines.lines().step_by(300).collect();
    let data = scratch("few.jsonl");
    std::fs::write(&data, few.join("\n")).unwrap();
    let reference = root().join("models/intent/checkpoint");
    let arguments = ["eval", &shipped("intent"), "--data", text(&data), "--json"];
    let both = json(&[&arguments[..], &["--reference", text(&reference)]].concat());
    has(&both, &["accuracy", "accuracy_reference", "top1_agreement", "logit_error_max"]);
    std::fs::write(&data, "{\"text\": \"hello\", \"label\": \"no such\"}\n").unwrap();
    fails(&arguments, &["line 1", "no such"]);
    std::fs::write(&data, "{\"text\": \"\", \"label\": \"timer\"}\n").unwrap();
    fails(&arguments, &["line 1", "empty"]);
    std::fs::write(&data, "{\"text\": 3}\n").unwrap();
    fails(&arguments, &["line 1"]);
    std::fs::write(&data, b"\xff\xfe").unwrap();
    fails(&arguments, &["few.jsonl", "UTF-8"]);
    fails(&["eval", &shipped("tales"), "--data", "/nowhere"], &["/nowhere"]);
}

#[test]
fn bad_texts_are_told() {
    for model in ["intent", "tales"] {
        if model == "intent" {
            fails(&["run", &shipped(model), ""], &["empty", "1 token or more needed, 0 given"]);
        } else {
            // The begin token is a prompt.
            assert_eq!(json(&["run", &shipped(model), "", "--json"])["prompt_ids"][0], 1);
        }
        let long = "long text ".repeat(400);
        fails(&["run", &shipped(model), &long], &["positions, the context has"]);
        let broken = [OsStr::new("run"), OsStr::new(&shipped(model)), OsStr::from_bytes(b"a\xffb")]
            .map(OsStr::to_owned);
        let (success, out, error) = picoformer(&broken);
        assert!(!success && out.is_empty() && error.contains("UTF-8"), "{error}");
    }
}

#[test]
fn bad_blobs_are_told() {
    fails(&["inspect", "/nowhere.pico"], &["/nowhere.pico"]);
    let blob = std::fs::read(shipped("intent")).unwrap();
    let path = scratch("bad.pico");
    let mut wrong = blob.clone();
    wrong[5000] ^= 1;
    for (bytes, word) in
        [(&blob[..100], "too short"), (&blob[..900], "wrong length"), (&wrong, "checksum")]
    {
        std::fs::write(&path, bytes).unwrap();
        fails(&["inspect", text(&path)], &["bad.pico", word]);
        fails(&["run", text(&path), "hello"], &["bad.pico", word]);
    }
}

/// A golden checkpoint with changed lines in `config.json`.
fn changed(name: &str, from: &str, changes: &[(&str, Value)]) -> PathBuf {
    let folder = scratch(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let source = root().join("tests/golden").join(from);
    std::fs::copy(source.join("model.safetensors"), folder.join("model.safetensors")).unwrap();
    let config = std::fs::read_to_string(source.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    changes.iter().for_each(|(key, value)| config[key] = value.clone());
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    folder
}

fn refused(folder: &Path, words: &[&str]) {
    let output = scratch("refused.pico");
    fails(&["convert", text(folder), "-o", text(&output)], words);
    assert!(!output.exists(), "a blob was written all the same");
}

#[test]
fn wrong_checkpoints_are_told() {
    let number = |n: u64| Value::from(n);
    let wide = changed("wide", "llama-bias", &[("intermediate_size", number(48))]);
    let words = ["model.layers.0.mlp.", "[40, 24]", "expected [48, 24]", "do not belong together"];
    refused(&wide, &words);
    let deep = changed("deep", "llama-bias", &[("num_hidden_layers", number(3))]);
    refused(&deep, &["model.layers.2.", "is missing", "model_type"]);
    let shallow = changed("shallow", "llama-bias", &[("num_hidden_layers", number(1))]);
    refused(&shallow, &["not part of this architecture", "model.layers.1."]);
    let foreign = changed("foreign", "llama-bias", &[("model_type", "mamba".into())]);
    refused(&foreign, &["model_type", "mamba", "supported: ", "bert", "gpt2", "llama"]);
    let option = changed("option", "llama-bias", &[("hidden_act", "mish".into())]);
    refused(&option, &["hidden_act", "mish", "supported: relu, gelu"]);
    let rope = serde_json::json!({ "rope_type": "yarn", "factor": 2.0 });
    let rope = changed("rope", "llama-bias", &[("rope_parameters", rope)]);
    refused(&rope, &["rope_type", "yarn", "supported: default, linear, llama3"]);
    let heads = changed("heads", "gpt2-tied", &[("n_head", number(5))]);
    refused(&heads, &["n_head", "5", "divides the width"]);
    let missing = changed("missing", "gpt2-tied", &[("n_embd", Value::Null)]);
    refused(&missing, &["n_embd", "is missing"]);
    let kind =
        changed("kind", "bert-mean", &[("architectures", serde_json::json!(["BertForMaskedLM"]))]);
    refused(&kind, &["architectures", "BertForMaskedLM", "BertForSequenceClassification"]);

    let cut = changed("cut", "gpt2-tied", &[]);
    let weights = cut.join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() - 7]).unwrap();
    refused(&cut, &["model.safetensors", "not a valid safetensors file"]);
    let mut damaged = bytes.clone();
    let end = damaged.len();
    damaged[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&weights, damaged).unwrap();
    refused(&cut, &["tensor `", "not finite"]);
    std::fs::remove_file(&weights).unwrap();
    refused(&cut, &["model.safetensors is missing"]);
    refused(Path::new("/nowhere"), &["/nowhere"]);
    let (checkpoint, output) = (root().join("tests/golden/gpt2-tied"), scratch("refused.pico"));
    let context = ["convert", text(&checkpoint), "-o", text(&output), "--context", "17"];
    fails(&context, &["--context 17", "1 to 16"]);
    let foreign = root().join("models/tales/checkpoint/tokenizer.json");
    let tokenizer =
        ["convert", text(&checkpoint), "-o", text(&output), "--tokenizer", text(&foreign)];
    fails(&tokenizer, &["1024 tokens", "the model knows 32"]);
}

/// A part of a vocabulary, from `convert` to `run`, `tokenize` and `eval`.
#[test]
fn a_part_of_a_vocabulary_works_with_every_command() {
    let (blob, mine) = (scratch("kept.pico"), scratch("kept/mine.text"));
    std::fs::create_dir_all(mine.parent().unwrap()).unwrap();
    std::fs::write(&mine, "Once upon a time there was a king.\nThe king had a daughter.\n")
        .unwrap();
    let checkpoint = root().join("models/tales/checkpoint");
    let option = ["--keep-vocabulary", text(&mine)];
    let mut convert = vec!["convert", text(&checkpoint), "-o", text(&blob), "--json"];
    convert.extend(option);
    let bill = json(&convert);
    assert_eq!(bill["original_vocab_size"], 1024);
    assert_eq!(bill["kept_pieces"], bill["vocab_size"]);
    let kept = bill["kept_pieces"].as_u64().unwrap();
    assert!((260..500).contains(&kept), "{kept}");
    assert!(bill["notes"][0].as_str().unwrap().contains("of 1024 tokens are kept"), "{bill}");
    let inspected = json(&["inspect", text(&blob), "--json"]);
    assert_eq!(inspected["kept_pieces"], kept);
    let section = inspected["sections"].as_array().unwrap().iter().find(|s| s["name"] == "orig");
    assert!(section.unwrap()["bytes"].as_u64().unwrap() < 16 + 4 + 2 * kept + 16);
    let whole = shipped("tales");
    assert!(json(&["inspect", &whole, "--json"])["kept_pieces"].is_null());
    let line = "The king had a daughter.";
    let (new, old) = (
        json(&["tokenize", text(&blob), line, "--json"]),
        json(&["tokenize", &whole, line, "--json"]),
    );
    assert_eq!((&new["original_ids"], &new["pieces"]), (&old["ids"], &old["pieces"]));
    assert!(old["original_ids"].is_null());
    let run = json(&["run", text(&blob), line, "--max-tokens", "5", "--json"]);
    assert_eq!(run["prompt_ids"], new["ids"]);
    let data = scratch("kept/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("0.txt"), line).unwrap();
    let eval =
        ["eval", text(&blob), "--data", text(&data), "--reference", text(&checkpoint), "--json"];
    let evaluation = json(&eval);
    let (blob_nll, nll) = (&evaluation["nll"], &evaluation["nll_reference"]);
    assert!((blob_nll.as_f64().unwrap() - nll.as_f64().unwrap()).abs() < 0.1, "{evaluation}");
    // Another checkpoint, and a text that is an input.
    let other = root().join("models/intent/checkpoint");
    fails(
        &["eval", text(&blob), "--data", text(&data), "--reference", text(&other), "--json"],
        &["1024", "checkpoint that the blob was made from"],
    );
    let same = ["convert", text(&checkpoint), "-o", text(&mine), option[0], option[1]];
    fails(&same, &["read by this very command"]);
}

/// Keys, signatures, and everything that a device refuses, by name.
#[test]
fn blobs_are_signed_and_verified() {
    let folder = scratch("signed");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (key, public, signed) = (path("door.key"), path("door.pub"), path("signed.pico"));
    let made = json(&["keygen", "-o", &key, "--json"]);
    has(&made, &["private", "public", "public_key"]);
    assert_eq!(std::fs::read(&public).unwrap().len(), 32);
    let private = std::fs::metadata(&key).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&private.permissions()) & 0o777, 0o600);
    // Neither file is ever replaced, and no part of a new one stays.
    for kept in [&key, &public] {
        let (name, before) = (path("other.key"), std::fs::read(kept).unwrap());
        std::fs::rename(kept, path(if *kept == key { "other.key" } else { "other.pub" })).unwrap();
        fails(&["keygen", "-o", &name], &["exists already", "never overwritten"]);
        fails(&["keygen", "-o", &name, "--json"], &["exists already"]);
        std::fs::rename(path(if *kept == key { "other.key" } else { "other.pub" }), kept).unwrap();
        assert_eq!(std::fs::read(kept).unwrap(), before);
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    let blob = shipped("intent");
    let sign = |blob: &str, key: &str, product: &str, release: &str, out: &str| {
        let arguments = ["sign", blob, "--key", key, "--product", product, "--release", release];
        [&arguments[..], &["-o", out]].concat().iter().map(|s| s.to_string()).collect::<Vec<_>>()
    };
    let known = |arguments: Vec<String>| {
        json(&[&arguments.iter().map(String::as_str).collect::<Vec<_>>()[..], &["--json"]].concat())
    };
    let written = known(sign(&blob, &key, "door", "3", &signed));
    assert_eq!((&written["product"], &written["version"]), (&"door".into(), &3.into()));
    assert_eq!(written["key"], made["public_key"].as_str().unwrap()[..16]);
    let verify = |file: &str, key: &str, product: &str, release: &str, words: &[&str]| {
        let arguments = ["verify", file, "--key", key, "--product", product, "--at-least", release];
        match words {
            [] => assert_eq!(json(&[&arguments[..], &["--json"]].concat())["version"], 3),
            words => fails(&arguments, words),
        }
    };
    verify(&signed, &public, "door", "3", &[]);
    verify(&signed, &public, "window", "0", &["another product, `door`"]);
    verify(&signed, &public, "door", "4", &["version 3 is older than 4"]);
    verify(&signed, &key, "door", "0", &["private key"]);
    verify(&blob, &public, "door", "0", &["not a signed blob", "50, 49, 43, 4f"]);
    // The same blob by another key.
    let other = path("other.key");
    json(&["keygen", "-o", &other, "--json"]);
    let forged = path("forged.pico");
    known(sign(&blob, &other, "door", "3", &forged));
    verify(&forged, &public, "door", "0", &["signed with another key"]);
    // Cut, continued, altered, two sections swapped, an older release's envelope in front of a newer blob.
    let bytes = std::fs::read(&signed).unwrap();
    let changed = path("changed.pico");
    let refused = |bytes: &[u8], words: &[&str]| {
        std::fs::write(&changed, bytes).unwrap();
        verify(&changed, &public, "door", "0", words);
    };
    refused(&bytes[..bytes.len() - 1], &["cut", "380608 bytes were signed, given are 380607"]);
    refused(&bytes[..100], &["cut", "192"]);
    refused(&[&bytes[..], &[0]].concat(), &["380609"]);
    let mut other = bytes.clone();
    other[8] = 4;
    refused(&other, &["bad signature"]);
    let mut other = bytes.clone();
    other[4] = 2;
    refused(&other, &["envelope of version 2"]);
    let mut swapped = bytes.clone();
    swapped[1000..3000].rotate_left(1000);
    refused(&swapped, &["not the one that was signed"]);
    let flipped = bytes.len() - 1;
    let mut other = bytes.clone();
    other[flipped] ^= 1;
    refused(&other, &["not the one that was signed"]);
    // What cannot be signed, and where it cannot go.
    let refused = |arguments: Vec<String>, words: &[&str]| {
        fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), words);
    };
    refused(sign(&signed, &key, "door", "3", &forged), &["not a picoformer blob"]);
    refused(sign(&blob, &public, "door", "3", &forged), &["private key of Ed25519"]);
    refused(sign(&blob, &key, "", "3", &forged), &["1 to 32 bytes"]);
    refused(sign(&blob, &key, &"x".repeat(33), "3", &forged), &["1 to 32 bytes"]);
    refused(sign(&blob, &key, "door", "3", &key), &["read by this very command"]);
    assert!(std::fs::read_to_string(&key).unwrap().contains("PRIVATE KEY"));
}
