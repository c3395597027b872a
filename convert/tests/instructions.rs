//! Instructions per byte of text for every tokenizer, counted by valgrind's callgrind, and memory, told by GNU
//! time, for texts of 10 KB, 100 KB and 1 MB. Run by hand; the table is in docs/BENCHMARKS.md.
//!
//! ```sh
//! cargo test -p picoformer-convert --test instructions -- --ignored --nocapture
//! ```

#[path = "common/texts.rs"]
mod texts;
#[path = "common/trained.rs"]
mod trained;

use picoformer_convert::tokenizer::{from_bytes, from_json, from_sentencepiece};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use texts::{models, sentences, tales};
use trained::changed;

const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];

fn sections() -> Vec<(&'static str, Vec<u8>)> {
    let golden = |file: &str| models().join("../tests/golden").join(file);
    let llama_3 = changed("llama_3_counted", |json| {
        let level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false });
        let split = json!({ "type": "Split", "behavior": "Isolated", "invert": false, "pattern": { "Regex":
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+" } });
        json["pre_tokenizer"] = json!({ "type": "Sequence", "pretokenizers": [split, level] });
        json["normalizer"] = json!({ "type": "NFC" });
    });
    vec![
        ("bytes", from_bytes(256).unwrap()),
        (
            "byte-pair encoding (`models/tales`)",
            from_json(&models().join("tales/checkpoint/tokenizer.json")).unwrap(),
        ),
        (
            "byte-pair encoding (Llama's `tokenizer.model`)",
            from_sentencepiece(&golden("spm/llama.model")).unwrap(),
        ),
        (
            "WordPiece (`models/intent`)",
            from_json(&models().join("intent/checkpoint/tokenizer.json")).unwrap(),
        ),
        ("Unigram (T5)", from_json(&golden("unigram.json")).unwrap()),
        ("byte-level, words of GPT-2", from_json(&changed("gpt_2_counted", |_| {})).unwrap()),
        ("byte-level, words of Qwen 2, NFC", from_json(&llama_3).unwrap()),
    ]
}

/// Instructions of one run.
fn instructions(program: &Path, arguments: [&str; 3]) -> u64 {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("callgrind.out");
    let status = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(arguments)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let text = std::fs::read_to_string(out).unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
    total.trim().parse().unwrap()
}

/// Greatest memory of one run in KB.
fn memory(program: &Path, arguments: [&str; 3]) -> u64 {
    let mut command = Command::new("/usr/bin/time");
    let done = command.args(["-f", "%M"]).arg(program).args(arguments).output().unwrap();
    let text = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{text}");
    text.trim().parse().unwrap()
}

#[test]
#[ignore = "builds the engine for release and runs it under valgrind"]
fn instructions_per_byte() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let build =
        ["build", "--quiet", "--release", "--package", "picoformer", "--example", "tokenize"];
    assert!(Command::new("cargo").args(build).current_dir(&root).status().unwrap().success());
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let program = target.join("release/examples/tokenize");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Cut anywhere it is text.
    let all: String =
        [tales(), sentences()].concat().join("\n").chars().filter(char::is_ascii).collect();
    let normal: String = all.chars().cycle().take(SIZES[2]).collect();
    let word = "abcdefghij".repeat(SIZES[1] / 10);
    println!(
        "| tokenizer | 10 KB of text | 100 KB | 1 MB | one word of 100 KB | memory, KB |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |"
    );
    for (name, section) in sections() {
        let path = folder.join("counted.section");
        std::fs::write(&path, &section).unwrap();
        let file = folder.join("counted.text");
        let of = |text: &str, size: usize, measure: fn(&Path, [&str; 3]) -> u64| {
            std::fs::write(&file, text).unwrap();
            let size = size.to_string();
            measure(&program, [path.to_str().unwrap(), file.to_str().unwrap(), &size])
        };
        // Without what a text of one byte takes.
        let count = |text: &str, size: usize| {
            (of(text, size, instructions) - of(text, 1, instructions)) / size as u64
        };
        let [small, large, larger] = SIZES.map(|size| count(&normal, size));
        let endless = count(&word, SIZES[1]);
        // The text as long as it is, so that the file, too, grows.
        let peaks = SIZES.map(|size| of(&normal[..size], size, memory));
        let [a, b, c] = peaks;
        println!("| {name} | {small} | {large} | {larger} | {endless} | {a} → {b} → {c} |");
        assert!(large < 2 * small && larger < 2 * large && endless < 20 * small, "{name}");
        // Ten times as much, and a page or two for every ten bytes of the text at most.
        assert!(c - b < 12 * (b - a).max(4_000), "{name}: {peaks:?} KB");
    }
}
