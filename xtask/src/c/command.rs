//! The command itself: examples on emulated cores against the host, tests, rows.

use super::program::{CORES, build_library, export, library};
use super::row::{Row, example_row};
use super::{riscv, size, tasks, tests, watchdog};
use crate::board::install;
use anyhow::{Result, bail};
use clap::Args;

/// Each example, its model, and the demo whose text and hash it prints.
const EXAMPLES: [(&str, &str, &str); 3] = [
    ("classify", "intent", "classify"),
    ("story", "tales", "generate"),
    ("translate", "g2p", "g2p"),
];

/// What is wanted.
#[derive(Args, Default)]
pub struct Options {
    /// On every core instead of two, and RV32 with all examples
    #[arg(long)]
    all: bool,
    /// Machine-readable
    #[arg(long)]
    json: bool,
    /// Writes the record of the longest calls anew; with `--all`
    #[arg(long, requires = "all")]
    bless: bool,
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
    tasks::export()?;
    let cores = CORES.iter().take(if options.all { CORES.len() } else { 2 });
    let (mut rows, mut calls) = (Vec::new(), Vec::new());
    for core in cores {
        let found = build_library(core)?;
        tests::header(&found.functions)?;
        for (example, model, demo) in EXAMPLES {
            let row = example_row(core, example, model, demo, core.float, &library(core))?;
            rows.push(Row { panic_symbols: found.panic_symbols.len(), ..row });
        }
        tests::emulated(core)?;
        tasks::check(core)?;
        calls.extend(watchdog::count(core)?);
    }
    rows.extend(riscv::rows(options.all, &EXAMPLES)?);
    if options.all {
        calls.extend(watchdog::count_riscv()?);
    }
    watchdog::record(&calls, options.bless)?;
    if options.bless {
        export()?; // the headers have the bound
    }
    for core in &CORES[..2] {
        watchdog::watched(core)?;
    }
    // The FPU of the rows above is off; here it is on, and the archive the same.
    for float in ["softfp", "hard"] {
        let [core, ..] = &CORES;
        rows.push(example_row(core, "classify", "intent", "classify", float, &library(core))?);
    }
    rows.push(size::one_model()?);
    size::compare(&mut rows)?;
    tests::host()?;
    tests::beside()?;
    tests::offsets()?;
    Ok(rows)
}

/// A table for people.
fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<12} {:<10} {:<7} {:<8} {:>11} {:>13} {:>8} {:>8} {:>8}\n",
        "core",
        "example",
        "floats",
        "library",
        "equals host",
        "panic symbols",
        "code B",
        "Rust B",
        "stack B"
    );
    for row in rows {
        text += &format!(
            "{:<12} {:<10} {:<7} {:<8} {:>11} {:>13} {:>8} {:>8} {:>8}\n",
            row.core,
            row.example,
            row.float_abi,
            row.library,
            row.equals_host,
            row.panic_symbols,
            row.code_bytes,
            row.rust_bytes.map_or("-".into(), |bytes| bytes.to_string()),
            row.stack_bytes.map_or("-".into(), |bytes| bytes.to_string())
        );
    }
    text
}
