//! How long each call of the C library keeps the core, and runs under a watchdog of the length in the bill.

use super::program::{Core, Program, build, library, run};
use super::riscv;
use crate::board::Board;
use crate::steps::root;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// Where the longest calls are recorded, for the bill of any model (`convert/src/longest.rs`).
const RECORD: &str = "bench/calls.json";

/// The longest call of a kind. The fields are the keys of the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The core.
    pub core: String,
    /// The model.
    pub model: String,
    /// The kind of call.
    pub call: String,
    /// Its instructions.
    pub instructions: u64,
}

/// Nanoseconds of the emulator's clock for each instruction (`-icount shift=6`).
const NANOSECONDS: u64 = 64;

/// The models whose calls are counted.
const MODELS: [&str; 6] = ["intent", "slots", "tales", "g2p", "digits", "motion"];

fn program(core: &Core, name: &str, longest: &str, hertz: u64) -> Result<std::path::PathBuf> {
    let ticks = format!("-DTICKS(n)=((uint64_t)(n)*{NANOSECONDS}u*{}u/1000000u)", hertz / 1000);
    let program = Program {
        name,
        source: "tests/watchdog.c",
        models: &MODELS,
        float: core.float,
        more: vec![format!("-DLONGEST(MODEL)={longest}"), ticks],
    };
    Ok(build(core, &program, &library(core))?.0)
}

fn hertz(core: &Core) -> Result<u64> {
    let file = root().join(format!("firmware/boards/{}.toml", core.board));
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let table: toml::Table = toml::from_str(&text)?;
    let own = table.get("env").and_then(|env| env.get("PICOFORMER_SYSTICK_HZ"));
    own.and_then(|value| value.as_str()?.parse().ok()).context("no PICOFORMER_SYSTICK_HZ")
}

/// Counts the longest calls on a core.
pub fn count(core: &Core) -> Result<Vec<Call>> {
    let hertz = hertz(core)?;
    // A watchdog that does not bite: SysTick has 24 bits.
    let (text, _) = run(core, &program(core, "calls", "0x1000000u", hertz)?)?;
    // A tick that has begun counts.
    calls(core.name, &text, |ticks| (ticks + 1) * 1_000_000_000 / hertz / NANOSECONDS + 1)
}

/// Counts them on RISC-V, by its counter of instructions; there the watchdog does not bite.
pub fn count_riscv() -> Result<Vec<Call>> {
    let more = ["-DLONGEST(MODEL)=0", "-DTICKS(n)=(n)"];
    riscv::build(riscv::ABIS[0], "calls-ilp32", "tests/watchdog.c", &MODELS, &more)?;
    calls("RV32IMAC", &riscv::run("calls-ilp32")?, |instructions| instructions)
}

/// The lines that watchdog.c prints.
fn calls(core: &str, text: &str, instructions: impl Fn(u64) -> u64) -> Result<Vec<Call>> {
    ensure!(text.ends_with("all well\n"), "watchdog.c on {core}:\n{text}");
    let mut calls = Vec::new();
    for line in text.lines().filter(|line| *line != "all well") {
        let words: Vec<_> = line.split(' ').collect();
        let [model, call, ticks] = words[..] else { bail!("watchdog.c prints {line}") };
        let ticks: u64 = ticks.parse()?;
        if ticks > 0 {
            calls.push(Call {
                core: core.into(),
                model: model.into(),
                call: call.into(),
                instructions: instructions(ticks),
            });
        }
    }
    Ok(calls)
}

/// Runs with a watchdog of the length that the bill says, and with one of a sixteenth, which must bite.
pub fn watched(core: &Core) -> Result<()> {
    let (hertz, own) = (hertz(core)?, core.name.to_uppercase());
    let macro_name = own.replace('+', "PLUS").replace('-', "_");
    let length = format!("MODEL##_LONGEST_{macro_name}");
    let (text, _) = run(core, &program(core, "watchdog", &length, hertz)?)?;
    ensure!(text.ends_with("all well\n"), "a watchdog as in the bill, on {}:\n{text}", core.name);
    let short = program(core, "watchdog-short", &format!("({length}/16)"), hertz)?;
    // The start-up file ends the run with `#fault` when the timer's interrupt comes.
    match Board::read(core.board)?.run(&short, None) {
        Ok(text) => bail!("a watchdog that is too short does not bite on {}:\n{text}", core.name),
        Err(error) if error.to_string().contains("#fault") => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes the record, or compares with it.
pub fn record(calls: &[Call], bless: bool) -> Result<()> {
    let path = root().join(RECORD);
    if bless {
        let lines: Vec<_> = calls.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        std::fs::write(&path, format!("[\n  {}\n]\n", lines.join(",\n  ")))?;
        return Ok(());
    }
    let kept: Vec<Call> = serde_json::from_slice(&std::fs::read(&path).context(RECORD)?)?;
    for call in calls {
        let Call { core, model, call: kind, instructions } = call;
        let same = |kept: &&Call| (&kept.core, &kept.model, &kept.call) == (core, model, kind);
        let kept = kept.iter().find(same).map_or(0, |kept| kept.instructions);
        // Compilers differ by a little; the bill has a quarter more than the record.
        if instructions.abs_diff(kept) * 20 > kept {
            bail!(
                "{model} on {core}: the longest {kind} takes {instructions} instructions, {RECORD} has \
                 {kept}; `cargo xtask c --all --bless` records it"
            );
        }
    }
    Ok(())
}
