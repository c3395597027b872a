//! `cargo xtask bench`: counts instructions of every kernel and of whole models on every core, and
//! compares them with the record in the repository, with what others need, and with the goals.

mod backend;
mod count;
mod cycles;
mod document;
mod goals;
mod host;
mod profile;
mod record;
mod symbols;
mod table;
mod trace;

use crate::steps::data;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(clap::Args)]
pub struct Options {
    /// Only this board, or `x86-64` for the host
    #[arg(long)]
    board: Option<String>,
    /// Only cases whose name contains this
    #[arg(long)]
    case: Option<String>,
    /// Machine-readable: a row per core, case and source
    #[arg(long)]
    json: bool,
    /// Fails when a count has grown by more than 1 % over the record
    #[arg(long)]
    check: bool,
    /// Follows the cases instruction by instruction instead: parts, kinds, functions, cycles.
    /// Needs --board and --case with the beginning of a case's name, such as token/stories260k
    #[arg(long)]
    profile: bool,
    /// Writes the record anew
    #[arg(long)]
    bless: bool,
}

/// One count. The fields are the keys of `cargo xtask bench --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The core.
    pub core: String,
    /// What was run, such as `linear/64x512/rows16`.
    pub case: String,
    /// Instructions of the whole case.
    pub instructions: u64,
    /// How many units the case covers.
    pub per: u64,
    /// MAC, pair, element, token or inference.
    pub unit: String,
    /// Bytes of weights loaded from flash, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_bytes: Option<u64>,
    /// Bytes of RAM of the model, where one was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arena_bytes: Option<u64>,
    /// Whose count it is: `ours`, or a recorded one of somebody else's code.
    pub source: String,
}

impl Row {
    /// Instructions of one unit.
    pub fn each(&self) -> f64 {
        self.instructions as f64 / self.per.max(1) as f64
    }
}

/// Counts everything and compares with the record, as continuous integration does.
pub fn check() -> Result<()> {
    record::check(&count::rows(None, None)?, &record::rows()?)
}

/// Counts what the options ask for and prints it.
pub fn bench(options: &Options) -> Result<()> {
    let everything = options.board.is_none() && options.case.is_none();
    if options.bless && !everything {
        bail!("--bless records everything: leave out --board and --case");
    }
    if options.bless && data().is_none() {
        bail!("--bless needs stories260K: set PICOFORMER_DATA to a folder with it");
    }
    if options.profile {
        let board = options.board.as_deref().context("--profile needs --board")?;
        let case = options.case.as_deref().context("--profile needs --case")?;
        for profile in count::profiles(board, case)? {
            print!("{}", profile::table(&profile));
        }
        return Ok(());
    }
    let rows = count::rows(options.board.as_deref(), options.case.as_deref())?;
    let peers = record::peers()?;
    let known = record::rows()?;
    if options.json {
        let cores: Vec<&str> = rows.iter().map(|row| row.core.as_str()).collect();
        let peers = peers.into_iter().filter(|peer| cores.contains(&peer.core.as_str()));
        let all: Vec<Row> = rows.iter().cloned().chain(peers).collect();
        println!("{}", serde_json::to_string(&all)?);
    } else {
        print!("{}", table::table(&rows, &peers, &known));
        print!("\n{}", goals::table(&goals::outcomes(&rows, &peers)));
    }
    if options.bless {
        let profiles = count::all_profiles()?;
        let (peers, demos) = (record::peers()?, crate::qemu::record()?);
        record::write(&rows, &profiles, &document::document(&rows, &peers, &profiles, &demos))?;
    }
    if options.check {
        record::check(&rows, &known)?;
    }
    Ok(())
}
