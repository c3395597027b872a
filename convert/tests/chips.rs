//! `picoformer inspect --chips`: what fits, what does not, and files of chips.

mod common;

use common::root;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Standard output, or standard error of a failure.
fn picoformer(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_picoformer"));
    let output = command.args(arguments).env("NO_COLOR", "1").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&picoformer(arguments).unwrap()).unwrap()
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chips");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

fn shipped(model: &str) -> String {
    root().join("models").join(model).join("model.pico").to_str().unwrap().into()
}

fn row<'a>(report: &'a Value, chip: &str) -> &'a Value {
    let rows = report["rows"].as_array().unwrap();
    rows.iter().find(|row| row["chip"] == chip).unwrap()
}

#[test]
fn known_chips_and_shipped_models() {
    let g2p = json(&["inspect", &shipped("g2p"), "--chips", "--json"]);
    // 1.42 MB exceed the nRF52840 and the usual partition of an ESP32; a Pico has room.
    for (chip, fits) in [("nRF52840", false), ("ESP32-C3", false), ("RP2040", true)] {
        assert_eq!(row(&g2p, chip)["fits"], fits, "{chip}");
    }
    let tales = json(&["inspect", &shipped("tales"), "--chips", "--json"]);
    assert_eq!(row(&tales, "STM32F446RE")["fits"], false); // no room for code beside it
    let pico = row(&tales, "RP2040");
    // rp2040js counts 3.27 million cycles a token, which are 26.2 ms (docs/BENCHMARKS.md).
    let time = pico["milliseconds"].as_f64().unwrap();
    assert!((22.0..31.0).contains(&time), "{time}");
    assert_eq!(pico["kernels"], "arm-v6m");
    assert!(tales["rows"].as_array().unwrap().len() >= 30);
    let text = picoformer(&["inspect", &shipped("tales"), "--chips"]).unwrap();
    assert!(text.contains("time: an estimate") && text.contains("flash: 34"), "{text}");
}

/// The largest context that is told is the largest: a blob that is converted for it fits, the next does not.
#[test]
fn the_largest_context_is_exact() {
    for golden in ["llama-tied", "t5-tied", "mistral"] {
        let checkpoint = root().join("tests/golden").join(golden);
        let checkpoint = checkpoint.to_str().unwrap();
        let blob = scratch(golden);
        let blob = blob.to_str().unwrap();
        json(&["convert", checkpoint, "-o", blob, "--json"]);
        let chip = ["--ram", "24K", "--flash", "1M", "--core", "cortex-m4"];
        let report = json(&[&["inspect", blob, "--json"], &chip[..]].concat());
        let own = row(&report, "yours");
        let largest = own["largest_context"].as_u64().unwrap();
        let stack = own["needed_ram"].as_u64().unwrap() - report["arena_bytes"].as_u64().unwrap();
        assert!(largest > 16 && stack > 1000, "{golden}: {own}");
        let arena = |context: u64| {
            let bill = ["convert", checkpoint, "-o", blob, "--json", "--context"];
            // The target of an encoder-decoder stays as long as it was.
            let target = report["context"].to_string();
            let context = context.to_string();
            let mut arguments = [&bill[..], &[&context]].concat();
            if golden == "t5-tied" {
                arguments.extend(["--target-context", &target]);
            }
            json(&arguments)["arena_bytes"].as_u64().unwrap()
        };
        assert!(arena(largest) + stack <= 24 << 10, "{golden}: {largest}");
        // With a window RAM stops growing: the engine's own limit is all that is left.
        if golden == "mistral" {
            assert_eq!(largest, 1 << 20);
        } else {
            assert!(arena(largest + 1) + stack > 24 << 10, "{golden}: {}", largest + 1);
        }
    }
}

/// A table of learned positions ends where it ends, however much RAM there is.
#[test]
fn learned_positions_end() {
    let chip = ["--ram", "4096M", "--flash", "4096M", "--json"];
    let report = json(&[&["inspect", &shipped("intent")], &chip[..]].concat());
    assert_eq!(row(&report, "yours")["largest_context"], report["context"]);
    assert_eq!(row(&report, "yours")["milliseconds"], Value::Null);
}

#[test]
fn a_file_adds_and_replaces() {
    let file = scratch("own.toml");
    let chip = |name: &str| {
        format!(
            "[[chip]]\nname = \"{name}\"\ncore = \"Mine\"\nmhz = 10\nflash_kib = 1024\nram_kib = 64\n\
             source = \"my data sheet\"\n"
        )
    };
    let core = "[[core]]\nname = \"Mine\"\nkernels = \"portable\"\ncounted_on = \"Cortex-M0+\"\n\
                cycles_per_instruction = 2\nwhy = \"I say so\"\n";
    std::fs::write(&file, core.to_owned() + &chip("RP2040") + &chip("mine")).unwrap();
    let path = file.to_str().unwrap();
    let report = json(&["inspect", &shipped("intent"), "--chips", path, "--json"]);
    let rows = report["rows"].as_array().unwrap().iter();
    assert_eq!(rows.filter(|row| row["chip"] == "RP2040").count(), 1);
    for name in ["RP2040", "mine"] {
        let row = row(&report, name);
        assert_eq!((&row["core"], &row["ram_bytes"]), (&"Mine".into(), &65536.into()));
        let (n, ms) =
            (row["instructions"].as_f64().unwrap(), row["milliseconds"].as_f64().unwrap());
        assert!((ms - n * 2.0 / 10_000.0).abs() < 0.01);
    }
    std::fs::write(&file, chip("lost")).unwrap();
    let error = picoformer(&["inspect", &shipped("intent"), "--chips", path]).unwrap_err();
    assert!(error.contains("no core is called `Mine`"), "{error}");
    let error = picoformer(&["inspect", &shipped("intent"), "--chips", "/no/file"]).unwrap_err();
    assert!(error.contains("cannot access"), "{error}");
}

#[test]
fn bad_options_are_refused() {
    let blob = shipped("intent");
    for (options, words) in [
        (&["--ram", "64K"][..], "--flash"),
        (&["--ram", "64", "--flash", "1M"], "a size from 1K"),
        (&["--ram", "-1K", "--flash", "1M"], "-1"),
        (&["--ram", "99999999999999999999K", "--flash", "1M"], "a size from 1K"),
        (&["--ram", "64K", "--flash", "1M", "--core", "z80"], "no core is called `z80`"),
        (&["--ram", "64K", "--flash", "1M", "--core", "cortex-m4", "--mhz", "NaN"], "--mhz is NaN"),
        (&["--mhz", "1"], "--core"),
    ] {
        let error = picoformer(&[&["inspect", &blob], options].concat()).unwrap_err();
        assert!(error.contains(words), "{options:?}: {error}");
        assert!(!error.contains("panicked"), "{error}");
    }
}
