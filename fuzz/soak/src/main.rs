//! `soak SET OUTCOMES`: works through the mutations of a set (see `picoformer_forge::set`), and writes 9 bytes for
//! each: what became of it, and a hash over all that was answered. `cargo xtask soak` runs it in every build.

use picoformer::Model;
use picoformer::kernels::{Native, Portable};
use picoformer_forge::Outcome;
use picoformer_forge::set::{Set, forge};
use picoformer_soak::{Bytes, exactly};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

/// A kernel set of this core gave another answer than `Portable`.
const DIFFERS: u8 = 8;
/// It panicked.
const PANICKED: u8 = 16;

/// What became of a blob; for a board (which refuses plain weights) on the portable kernels alone.
fn verdict(forged: &Bytes, board: bool) -> (u8, u64) {
    let tried = catch_unwind(AssertUnwindSafe(|| match board {
        true => (exactly::<Portable>(forged, false), true),
        false => {
            let outcome = exactly::<Native>(forged, true);
            (outcome, outcome == exactly::<Portable>(forged, true))
        }
    }));
    match tried {
        Ok((outcome, same)) => {
            let Outcome { hash, .. } = outcome;
            (outcome.flags() | if same { 0 } else { DIFFERS }, hash)
        }
        Err(_) => (PANICKED, 0),
    }
}

/// All mutations of a set.
fn soak(set: &[u8]) -> Result<Vec<u8>, String> {
    let board = Set(set).is_for_board();
    let mut outcomes = Vec::new();
    for (number, entry) in Set(set).entries().enumerate() {
        let good = Bytes::new(entry.blob);
        let parsed = Model::parse_checked(good.get());
        let layout = *parsed.map_err(|error| format!("blob {number}: {error}"))?.layout();
        let mut copy = entry.blob.to_vec();
        for index in entry.indices() {
            let len = forge(&mut copy, &entry, &layout, index);
            let (flags, hash) = verdict(&Bytes::new(&copy[..len]), board);
            if flags & (DIFFERS | PANICKED) != 0 {
                eprintln!("blob {number}, mutation {index}: flags {flags}");
            }
            outcomes.push(flags);
            outcomes.extend(hash.to_le_bytes());
        }
    }
    Ok(outcomes)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [set, outcomes] = &arguments[..] else {
        eprintln!("usage: soak SET OUTCOMES");
        return ExitCode::from(2);
    };
    let run = || -> Result<(), String> {
        let set = std::fs::read(Path::new(set)).map_err(|error| format!("{set}: {error}"))?;
        let found = soak(&set)?;
        std::fs::write(Path::new(outcomes), found).map_err(|error| format!("{outcomes}: {error}"))
    };
    if let Err(error) = run() {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
