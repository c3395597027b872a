//! The command line of `cargo xtask bench`.

use super::count;
use super::goals;
use super::record;
use super::row::Row;
use super::table;
use crate::readme;
use crate::steps::data;
use anyhow::{Result, bail};

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
    /// Writes the record and docs/BENCHMARKS.md anew
    #[arg(long)]
    bless: bool,
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
        record::write(&rows)?;
        readme::benchmarks(false)?;
    }
    if options.check {
        record::check(&rows, &known)?;
    }
    Ok(())
}
