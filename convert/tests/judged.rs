//! `picoformer eval` and `run` where texts may be none of the labels, and where words have labels.

mod common;

use common::root;
use common::synthetic::{bert, random};
use picoformer::blob::TEXT_LABELS;
use picoformer::config::{Config, Head};
use picoformer_convert::tokenizer::from_json;
use picoformer_convert::writer::{self, Wide};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn picoformer(arguments: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_picoformer"));
    let output = command.args(arguments).env("NO_COLOR", "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).replace(['│', '╰', '─', '▶', '×'], " ");
    let error = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (output.status.success(), String::from_utf8(output.stdout).unwrap(), error)
}

fn answer(arguments: &[&str]) -> Value {
    let (success, out, error) = picoformer(arguments);
    assert!(success, "{arguments:?}: {error}");
    serde_json::from_str(&out).unwrap()
}

fn fails(arguments: &[&str], words: &[&str]) {
    let (success, out, error) = picoformer(arguments);
    assert!(
        !success && out.is_empty() && !error.contains("panicked"),
        "{arguments:?}: {out}{error}"
    );
    for word in words {
        assert!(error.contains(word), "{arguments:?}: `{word}` is not in: {error}");
    }
}

fn scratch(name: &str, content: impl AsRef<[u8]>) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("judged").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().into()
}

fn model(name: &str, file: &str) -> PathBuf {
    root().join("models").join(name).join(file)
}

fn shipped(name: &str) -> String {
    model(name, "model.pico").to_str().unwrap().into()
}

/// Some lines of a data set, in and out of scope.
fn some_lines(file: &str, step: usize) -> Vec<Value> {
    let content = std::fs::read_to_string(model("intent", file)).unwrap();
    let rows = content.lines().step_by(step).map(|line| serde_json::from_str(line).unwrap());
    rows.collect()
}

fn jsonl(rows: &[Value]) -> String {
    rows.iter().map(|row| row.to_string() + "\n").collect()
}

/// The figures of `eval` are those counted from the answers of `run`, for both scores, with a threshold chosen or given.
#[test]
fn rejection_is_what_the_answers_say() {
    let rows = some_lines("val.jsonl", 25);
    let data = scratch("val.jsonl", jsonl(&rows));
    let texts: String =
        rows.iter().map(|row| row["text"].as_str().unwrap().to_owned() + "\n").collect();
    let texts = scratch("val.txt", texts);
    let inside = rows.iter().filter(|row| !row["label"].is_null()).count() as f64;
    let outside = rows.len() as f64 - inside;
    assert!(outside >= 4.0);
    let converted = scratch("scoped.pico", "");
    let checkpoint = model("intent", "checkpoint");
    for score in ["energy", "log_probability"] {
        let asked =
            ["eval", &shipped("intent"), "--data", &data, "--json", "--out-of-scope", score];
        let chosen = answer(&[&asked[..], &["--reject", "0.05"]].concat());
        let rejected = chosen["in_scope_rejected"].as_f64().unwrap();
        assert!((rejected * inside).round() == (0.05 * inside).floor(), "{chosen}");
        let threshold = chosen["threshold"].as_f64().unwrap();
        let spec = format!("{score}={threshold}");
        let given =
            ["eval", &shipped("intent"), "--data", &data, "--json", "--out-of-scope", &spec];
        assert_eq!(answer(&given), chosen);
        answer(&[
            "convert",
            checkpoint.to_str().unwrap(),
            "-o",
            &converted,
            "--out-of-scope",
            &spec,
            "--json",
        ]);
        assert_eq!(answer(&["eval", &converted, "--data", &data, "--json"]), chosen);
        let bill = answer(&["inspect", &converted, "--json"]);
        assert_eq!(bill["out_of_scope"]["score"], score);
        let (_, out, _) = picoformer(&["run", &converted, "--file", &texts, "--json"]);
        let found: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (mut right, mut recalled, mut accepted) = (0.0, 0.0, 0.0);
        for (row, said) in rows.iter().zip(&found) {
            let is_in = said["in_scope"].as_bool().unwrap();
            assert_eq!(is_in, said["score"].as_f64().unwrap() >= threshold);
            assert_eq!(said["label"], if is_in { said["nearest"].clone() } else { Value::Null });
            right += (row["label"] == said["nearest"]) as u8 as f64;
            recalled += (row["label"].is_null() && !is_in) as u8 as f64;
            accepted += (!row["label"].is_null() && row["label"] == said["label"]) as u8 as f64;
        }
        let close = |key: &str, expected: f64| {
            assert!(
                (chosen[key].as_f64().unwrap() - expected).abs() < 1e-9,
                "{key}: {chosen} {expected}"
            );
        };
        close("accuracy", right / inside);
        close("out_of_scope_recall", recalled / outside);
        close("accepted_and_right", accepted / inside);
        assert!(chosen["calibration_error"].as_f64().unwrap() < 0.3);
    }
    let (_, out, _) = picoformer(&["run", &converted, "qwertz asdf"]);
    assert!(out.starts_with("none of these"), "{out}");
}

/// `eval` of a blob on data, and more words.
fn eval<'a>(blob: &'a str, data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["eval", blob, "--data", data, "--json"][..], more].concat()
}

#[test]
fn wrong_wishes_are_told() {
    let data = scratch("two.tsv", "text\tlabel\nwhat time is it\ttime\nblue\toos\n");
    let intent = shipped("intent");
    assert_eq!(answer(&eval(&intent, &data, &["--out-of-scope", "energy=-99"]))["out_of_scope"], 1);
    fails(&eval(&intent, &data, &["--out-of-scope", "energie=1"]), &["energie", "energy"]);
    fails(&eval(&intent, &data, &["--out-of-scope", "energy=x"]), &["x"]);
    fails(&eval(&intent, &data, &["--out-of-scope", "energy=1e9"]), &["range"]);
    fails(&eval(&intent, &data, &["--out-of-scope", "energy=1,nobody"]), &["nobody"]);
    fails(&eval(&intent, &data, &["--out-of-scope", "energy"]), &["--reject"]);
    fails(
        &eval(&intent, &data, &["--out-of-scope", "energy", "--reject", "1.5"]),
        &["--reject", "1.5"],
    );
    let checkpoint = model("intent", "checkpoint");
    let out = scratch("x.pico", "");
    let convert = ["convert", checkpoint.to_str().unwrap(), "-o", &out, "--out-of-scope"];
    fails(&[&convert[..], &["energy"]].concat(), &["threshold"]);
    let tales = model("tales", "checkpoint");
    let wrong = ["convert", tales.to_str().unwrap(), "-o", &out, "--out-of-scope", "energy=1"];
    fails(&wrong, &["--out-of-scope", "classifiers"]);
    fails(&["eval", &shipped("g2p"), "--data", &data, "--reject", "0.1"], &["classifiers"]);
}

/// A tagger that was never trained, judged by the tags that it gives itself.
#[test]
fn entities_are_counted() {
    let tokenizer = from_json(&model("intent", "checkpoint/tokenizer.json")).unwrap();
    let vocabulary = picoformer::Tokenizer::parse(&tokenizer).unwrap().vocabulary().len();
    let config = Config {
        head: Head::TokenLabels,
        n_labels: 7,
        pooler: false,
        vocab_size: vocabulary,
        context: 32,
        ..bert()
    };
    let mut tagger = random(config, 3);
    tagger.tokenizer = tokenizer;
    tagger.labels = ["play", "none", "O", "B-a", "I-a", "B-b", "I-b"].map(String::from).to_vec();
    tagger.set_section(TEXT_LABELS, 2u32.to_le_bytes().to_vec());
    let blob = scratch("tagger.pico", writer::write(&tagger, Wide::Auto).unwrap());
    let texts =
        ["play some jazz", "what time is it in oslo", "turn the o'clock off, please", "stop"];
    let (mut rows, mut entities) = (Vec::new(), 0);
    for text in texts {
        let said = answer(&["run", &blob, text, "--json"]);
        assert_eq!(said["label"], said["labels"][0]);
        assert_eq!(said["scores"].as_object().unwrap().len(), 2);
        let mut tags = vec!["O".to_owned(); text.split(' ').count()];
        for entity in said["entities"].as_array().unwrap() {
            let [first, end] = ["first", "end"].map(|key| entity[key].as_u64().unwrap() as usize);
            let kind = entity["kind"].as_str().unwrap();
            tags[first..end].fill(format!("I-{kind}"));
            tags[first] = format!("B-{kind}");
            entities += 1;
        }
        let intent = if said["label"] == "none" { Value::Null } else { said["label"].clone() };
        rows.push(json!({ "text": text, "tags": tags, "intent": intent }));
    }
    assert!(entities > 3, "{rows:?}");
    let data = scratch("tags.jsonl", jsonl(&rows));
    let found = answer(&["eval", &blob, "--data", &data, "--json"]);
    for key in
        ["entity_f1", "entity_precision", "entity_recall", "intent_accuracy", "whole_accuracy"]
    {
        assert_eq!(found[key], 1.0, "{key}: {found}");
    }
    assert_eq!(found["entities"], entities);
    // One text of four with nothing right any more.
    let count = |row: &Value| {
        row["tags"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|t| t.as_str().unwrap().starts_with('B'))
            .count()
    };
    let lost = count(&rows[1]);
    rows[1]["tags"] = json!(["B-z", "O", "O", "O", "O", "O"]);
    rows[1]["intent"] = json!("nothing");
    let data = scratch("tags.jsonl", jsonl(&rows));
    let found = answer(&["eval", &blob, "--data", &data, "--json"]);
    let f1 = 2.0 * (entities - lost) as f64 / (2 * entities - lost + 1) as f64;
    assert!((found["entity_f1"].as_f64().unwrap() - f1).abs() < 1e-12, "{found} {f1}");
    assert_eq!((&found["intent_accuracy"], &found["whole_accuracy"]), (&json!(0.75), &json!(0.75)));
    rows[2]["tags"] = json!(["O"]);
    let data = scratch("tags.jsonl", jsonl(&rows));
    fails(&["eval", &blob, "--data", &data], &["line 3", "5 words, 1 tags"]);
    let data = scratch("tags.jsonl", "{\"text\": \"a\"}\n");
    fails(&["eval", &blob, "--data", &data], &["line 1", "tags"]);
    let data = scratch("tags.jsonl", "a text without tags\n");
    fails(&["eval", &blob, "--data", &data], &["--reference"]);
}

/// The bits of a byte are the nats of all tokens by the bytes that they write.
#[test]
fn tales_have_bits_per_byte() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("judged/tales");
    std::fs::create_dir_all(&folder).unwrap();
    let texts = ["Once upon a time there was a king.", "A fox met a bear – in the wood."];
    for (i, text) in texts.iter().enumerate() {
        std::fs::write(folder.join(format!("{i}.txt")), text).unwrap();
    }
    let found = answer(&["eval", &shipped("tales"), "--data", folder.to_str().unwrap(), "--json"]);
    let number = |key: &str| found[key].as_f64().unwrap();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    assert_eq!(found["bytes"], bytes);
    let bits = number("nll") * number("tokens") / std::f64::consts::LN_2 / bytes as f64;
    assert!((number("bits_per_byte") - bits).abs() < 1e-9, "{found}");
}

/// A phrase is its words' answers; what cannot be said is named with its word.
#[test]
fn phrases_are_spoken_word_by_word() {
    let g2p = shipped("g2p");
    let (_, hello, _) = picoformer(&["run", &g2p, "hello"]);
    let (_, world, _) = picoformer(&["run", &g2p, "world"]);
    let (_, both, _) = picoformer(&["run", &g2p, " \u{201c}Hello,\u{201d} world!"]);
    assert_eq!(both.trim(), format!("{} | {}", hello.trim(), world.trim()));
    let said = answer(&["run", &g2p, "hello world", "--json"]);
    assert_eq!(said["text"], both.trim());
    assert_eq!(said["words"][1]["word"], "world");
    assert_eq!(said["words"][1]["text"], world.trim());
    assert_eq!(answer(&["run", &g2p, "hello", "--json"])["text"], hello.trim());
    fails(&["run", &g2p, "hello mp3"], &["`mp3`", "'3'"]);
    fails(&["run", &g2p, "caf\u{e9} noir"], &["`caf\u{e9}`"]);
    fails(&["run", &g2p, "mp3"], &["'3'"]);
    fails(&["run", &g2p, " "], &[]);
    let file = scratch("phrases.txt", "hello world\nmp3\nworld\n");
    let (success, out, _) = picoformer(&["run", &g2p, "--file", &file]);
    let lines: Vec<&str> = out.lines().collect();
    assert!(!success && lines.len() == 3, "{out}");
    assert_eq!(lines[0], format!("hello world\t{}", both.trim()));
    assert!(lines[1].starts_with("mp3\terror"), "{out}");
    assert_eq!(lines[2], format!("world\t{}", world.trim()));
}
