//! `cargo xtask layers`: a hash of what every layer of every shipped model computes, by tiles of several sizes, on the
//! host and on every emulated core: as they are flashed, and with debug assertions and overflow checks.

use crate::board::{BOARDS, Board, setup};
use crate::qemu;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use serde::Serialize;

/// What the command is asked for.
#[derive(clap::Args)]
pub struct Options {
    /// Only this board
    #[arg(long)]
    board: Option<String>,
    /// Only builds as they are flashed
    #[arg(long)]
    release: bool,
    /// Machine-readable
    #[arg(long)]
    json: bool,
    /// Writes the host's hashes as what is expected
    #[arg(long)]
    bless: bool,
}

/// One core and build. The fields are the keys of `--json`.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The core, or `host`.
    pub core: String,
    /// `release`, or `checked`: the same optimisation, with debug assertions and overflow checks.
    pub build: &'static str,
    /// Layers that have the hash of firmware/demo/expected, each by tiles of 1, 2, 7 and 64 rows.
    pub layers: usize,
}

const CHECKED: [(&str, &str); 2] = [
    ("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"),
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true"),
];

/// Compares what was printed with what is kept; the number of layers.
fn compare(core: &str, printed: &str) -> Result<usize> {
    let path = root().join("firmware/demo/expected/layers.out");
    let kept = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    if printed != kept {
        bail!("layers on {core} prints\n{printed}but {} holds\n{kept}", path.display());
    }
    Ok(kept.lines().count())
}

/// Writes what the host prints as what is expected.
fn bless(host: &str) -> Result<()> {
    let path = root().join("firmware/demo/expected/layers.out");
    std::fs::write(&path, host).with_context(|| path.display().to_string())
}

/// The hashes of the host, recorded anew.
pub fn record() -> Result<()> {
    bless(&qemu::host("layers", None)?)
}

/// Runs all builds.
pub fn rows(options: &Options) -> Result<Vec<Row>> {
    setup()?;
    let host = qemu::host("layers", None)?;
    if options.bless {
        bless(&host)?;
    }
    let mut rows =
        vec![Row { core: "host".into(), build: "release", layers: compare("the host", &host)? }];
    for name in BOARDS.into_iter().filter(|n| options.board.as_deref().is_none_or(|b| b == *n)) {
        let board = Board::read(name)?;
        for (build, environment) in [("release", &[][..]), ("checked", &CHECKED)] {
            if options.release && build == "checked" {
                continue;
            }
            let path = board.build_with("layers", &[], environment)?;
            let printed = board.run(&path, None)?;
            let printed = printed.lines().filter(|line| !line.starts_with('#'));
            let printed: String = printed.map(|line| line.to_owned() + "\n").collect();
            let layers = compare(&format!("{}, {build}", board.core), &printed)?;
            rows.push(Row { core: board.core.clone(), build, layers });
        }
    }
    Ok(rows)
}

/// Runs and prints.
pub fn layers(options: &Options) -> Result<()> {
    let rows = rows(options)?;
    if options.json {
        println!("{}", serde_json::to_string(&rows)?);
        return Ok(());
    }
    for row in rows {
        println!("{:<12} {:<8} {} layers as expected", row.core, row.build, row.layers);
    }
    Ok(())
}
