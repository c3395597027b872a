//! The command itself: examples on emulated cores against the host, tests, rows.

use super::map;
use super::program::{CORES, Core, Program, build, build_library, export, library, run};
use super::tests;
use crate::board::install;
use crate::qemu::hash;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;

/// Each example, its model, and the demo whose text and hash it prints.
const EXAMPLES: [(&str, &str, &str); 3] = [
    ("classify", "intent", "classify"),
    ("story", "tales", "generate"),
    ("translate", "g2p", "g2p"),
];

/// What is wanted.
#[derive(Args, Default)]
pub struct Options {
    /// On four cores instead of two
    #[arg(long)]
    all: bool,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

/// One example on one core. The fields are the keys of `cargo xtask c --json`.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The emulated core.
    pub core: String,
    /// The example.
    pub example: String,
    /// The float ABI that the program was compiled for.
    pub float_abi: String,
    /// Whether text and hash are those of the host.
    pub equals_host: bool,
    /// Symbols of panics, allocators and unwinding in the archive.
    pub panic_symbols: usize,
    /// Code and constants that the program links of the library.
    pub code_bytes: u64,
    /// Deepest stack of the whole program, by painting.
    pub stack_bytes: u64,
    /// Hash over every logit.
    pub logits_hash: String,
}

/// Builds the archives, tests them, runs the examples.
pub fn c(options: &Options) -> Result<()> {
    let rows = rows(options)?;
    if options.json {
        println!("{}", serde_json::to_string(&rows)?);
    } else {
        print!("{}", table(&rows));
    }
    match rows.iter().find(|row| !row.equals_host) {
        Some(row) => bail!("{} on {} is not what the host prints", row.example, row.core),
        None => Ok(()),
    }
}

fn rows(options: &Options) -> Result<Vec<Row>> {
    let targets = ["thumbv6m-none-eabi", "thumbv7em-none-eabi", "thumbv8m.main-none-eabi"];
    install(
        &targets,
        &[("qemu-system-arm", "qemu-system-arm"), ("arm-none-eabi-gcc", "gcc-arm-none-eabi")],
    )?;
    export()?;
    let cores = CORES.iter().take(if options.all { 4 } else { 2 });
    let mut rows = Vec::new();
    for core in cores {
        let found = build_library(core)?;
        tests::header(&found.functions)?;
        for (example, model, demo) in EXAMPLES {
            rows.push(example_row(
                core,
                example,
                model,
                demo,
                core.float,
                found.panic_symbols.len(),
            )?);
        }
        tests::emulated(core)?;
    }
    // The FPU of the rows above is off; here it is on, and the archive the same.
    for float in ["softfp", "hard"] {
        let [core, ..] = &CORES;
        rows.push(example_row(core, "classify", "intent", "classify", float, 0)?);
    }
    tests::host()?;
    tests::beside()?;
    tests::offsets()?;
    Ok(rows)
}

fn example_row(
    core: &Core,
    example: &str,
    model: &str,
    demo: &str,
    float: &str,
    panic_symbols: usize,
) -> Result<Row> {
    let source = format!("examples/{example}.c");
    let program =
        Program { name: example, source: &source, models: &[model], float, more: Vec::new() };
    let (elf, map) = build(core, &program, &library(core))?;
    let map = std::fs::read_to_string(map)?;
    tests::helpers(&map)?;
    let (text, stack_bytes) = run(core, &elf)?;
    // What the host prints, and every emulated board (firmware/host/tests).
    let kept = root().join(format!("firmware/demo/expected/{demo}.out"));
    let kept = std::fs::read_to_string(&kept).with_context(|| kept.display().to_string())?;
    Ok(Row {
        core: core.name.into(),
        example: example.into(),
        float_abi: float.into(),
        equals_host: text == kept,
        panic_symbols,
        code_bytes: map::code_bytes(&map, "libpicoformer.a("),
        stack_bytes,
        logits_hash: hash(&text),
    })
}

/// A table for people.
fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<12} {:<10} {:<7} {:>11} {:>13} {:>8} {:>8}\n",
        "core", "example", "floats", "equals host", "panic symbols", "code B", "stack B"
    );
    for row in rows {
        text += &format!(
            "{:<12} {:<10} {:<7} {:>11} {:>13} {:>8} {:>8}\n",
            row.core,
            row.example,
            row.float_abi,
            row.equals_host,
            row.panic_symbols,
            row.code_bytes,
            row.stack_bytes
        );
    }
    text
}
