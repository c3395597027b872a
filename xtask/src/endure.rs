//! `cargo xtask endure`: inferences of mixed tasks in one arena for long, on the host and on an emulated board,
//! and bit flips in the arena between steps. Every answer is compared with the first one of its kind.

use crate::board::{Board, setup};
use crate::steps::{root, run_in};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::process::Command;

/// What to run.
#[derive(Args)]
pub struct Options {
    /// Inferences on this computer
    #[arg(long, default_value_t = 1_000_000)]
    inferences: u64,
    /// Bits of the arena that are flipped between steps, on this computer, without checks
    #[arg(long, default_value_t = 100_000)]
    flips: u64,
    /// Inferences on an emulated board; 10,000 take long
    #[arg(long, default_value_t = 0)]
    board_inferences: u64,
    /// Which one
    #[arg(long, default_value = "mps2-an386")]
    board: String,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

impl Options {
    /// The short run of CI.
    pub fn ci() -> Self {
        let board = String::from("mps2-an386");
        Self { inferences: 20_000, flips: 10_000, board_inferences: 0, board, json: false }
    }
}

/// One campaign. The fields are the keys of `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `host`, `flips`, or the board's core.
    pub campaign: String,
    /// Passes through a model.
    pub inferences: u64,
    /// Bits that were flipped.
    pub flips: u64,
    /// Answers during which bits were flipped, and how many of them were wrong.
    pub faulted: u64,
    /// See `faulted`.
    pub wrong: u64,
    /// Answers without a flip that were not as before.
    pub differences: u64,
    /// Answers that took more steps than any.
    pub hangs: u64,
    /// Processes that ended by a signal or a panic.
    pub crashes: u64,
    /// Whether the words around the arena (and, on a board, below the stack) hold what they held.
    pub guards_intact: bool,
    /// Hash of the first answers.
    pub hash: String,
}

/// What the program on the host prints.
#[derive(Deserialize)]
struct Tally {
    inferences: u64,
    differences: u64,
    faulted: u64,
    wrong: u64,
    hangs: u64,
    flips: u64,
    guards_intact: bool,
    hash: String,
}

/// Inferences for a flip: as the program flips four bits in every third gap between two steps, half would do.
const FLIPS_PER_INFERENCE: u64 = 4;
/// Flips of one process: each has another seed.
const FLIPS_OF_A_PROCESS: u64 = 10_000;

/// Runs the program on the host; `None` if it crashed.
fn on_host(inferences: u64, seed: u64, flips: Option<u64>) -> Result<Option<Tally>> {
    let output = Command::new("timeout")
        .arg("3000")
        .arg(root().join("firmware/target/release/endure"))
        .args([inferences, seed].iter().chain(&flips).map(u64::to_string))
        .output()
        .context("the program cannot be started")?;
    if !output.status.success() {
        eprintln!("seed {seed}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&output.stdout)?))
}

/// Adds up what processes did.
fn campaign(name: &str, runs: impl Iterator<Item = Result<Option<Tally>>>) -> Result<Row> {
    let mut row = Row {
        campaign: name.into(),
        inferences: 0,
        flips: 0,
        faulted: 0,
        wrong: 0,
        differences: 0,
        hangs: 0,
        crashes: 0,
        guards_intact: true,
        hash: String::new(),
    };
    for run in runs {
        let Some(tally) = run? else {
            row.crashes += 1;
            continue;
        };
        row.inferences += tally.inferences;
        row.flips += tally.flips;
        row.faulted += tally.faulted;
        row.wrong += tally.wrong;
        row.differences += tally.differences;
        row.hangs += tally.hangs;
        row.guards_intact &= tally.guards_intact;
        if !row.hash.is_empty() && row.hash != tally.hash {
            row.differences += 1;
        }
        row.hash = tally.hash;
    }
    Ok(row)
}

/// Runs on a board: the program says itself whether all is well.
fn on_board(name: &str, inferences: u64) -> Result<Row> {
    setup()?;
    let board = Board::read(name)?;
    let mut row = campaign(&board.core.clone(), std::iter::empty())?;
    let number = inferences.to_string();
    let path = board.build_with("endure", &[], &[("PICOFORMER_INFERENCES", &number)])?;
    let printed = board.run_within(6 * 3600, &path, None)?;
    let printed = String::from_utf8(printed).context("what was printed is not UTF-8")?;
    let value = |key: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(key));
        line.map(str::trim).map(String::from).with_context(|| format!("no `{key}`: {printed}"))
    };
    row.inferences = value("inferences ")?.parse()?;
    row.hash = value("logits ")?;
    // The stack was painted: the deepest word of it is still paint.
    row.guards_intact = value("#stack_bytes ")?.parse::<u64>()? < 48 * 1024;
    Ok(row)
}

/// Runs all campaigns.
pub fn rows(options: &Options) -> Result<Vec<Row>> {
    run_in("firmware", "cargo build --quiet --release --package picoformer-host --bin endure")?;
    let mut rows = Vec::new();
    if options.inferences > 0 {
        let one = std::iter::once_with(|| on_host(options.inferences, 1, None));
        rows.push(campaign("host", one)?);
    }
    if options.flips > 0 {
        let processes = options.flips.div_ceil(FLIPS_OF_A_PROCESS);
        let flips = options.flips / processes;
        let run = |seed| on_host(flips / FLIPS_PER_INFERENCE, seed, Some(flips));
        rows.push(campaign("flips", (1..=processes).map(run))?);
    }
    if options.board_inferences > 0 {
        rows.push(on_board(&options.board, options.board_inferences)?);
    }
    for row in &rows {
        if row.crashes + row.hangs + row.differences > 0 || !row.guards_intact {
            bail!("{row:?}");
        }
        if rows.iter().any(|other| other.hash != row.hash) {
            bail!("hashes differ: {rows:?}");
        }
    }
    Ok(rows)
}

/// Runs and prints.
pub fn endure(options: &Options) -> Result<()> {
    let rows = rows(options)?;
    if options.json {
        println!("{}", serde_json::to_string(&rows)?);
        return Ok(());
    }
    for row in rows {
        println!(
            "{:<12} {:>9} inferences, {:>7} flips in {} answers ({} wrong), 0 crashes, hangs or differences, \
             guards intact, hash {}",
            row.campaign, row.inferences, row.flips, row.faulted, row.wrong, row.hash
        );
    }
    Ok(())
}
