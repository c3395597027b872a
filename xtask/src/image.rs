//! The smallest image: a blob parsed at run time, run, in a loop. What it holds may not grow unnoticed.

use crate::board::Board;
use crate::elf;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One instruction set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The core.
    pub core: String,
    /// Code and constants.
    pub text_bytes: u64,
    /// Places that call a panic.
    pub panic_sites: usize,
    /// Functions of the soft-float library; must be none.
    pub soft_float: Vec<String>,
}

fn record_path() -> PathBuf {
    root().join("firmware/minimal.json")
}

/// Rows of the record in the repository.
pub fn record() -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(record_path()).context("firmware/minimal.json")?;
    serde_json::from_str(&text).context("firmware/minimal.json")
}

/// Builds the minimal image for each instruction set and compares with the record.
pub fn check(bless: bool) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for board in ["mps2-an386", "mps2-an385", "riscv32-virt"] {
        let board = Board::read(board)?;
        let image = elf::read(&board.build("minimal", &[])?)?;
        if !image.soft_float.is_empty() {
            bail!("{}: float in the image: {}", board.core, image.soft_float.join(", "));
        }
        if !image.allocator.is_empty() {
            bail!("{}: an allocator in the image: {}", board.core, image.allocator.join(", "));
        }
        rows.push(Row {
            core: board.core,
            text_bytes: image.text_bytes,
            panic_sites: image.panic_sites,
            soft_float: image.soft_float,
        });
    }
    if bless {
        std::fs::write(record_path(), serde_json::to_string_pretty(&rows)? + "\n")?;
        return Ok(rows);
    }
    let record = record()?;
    let same = rows.len() == record.len()
        && rows.iter().zip(&record).all(|(row, known)| {
            close(row.text_bytes, known.text_bytes)
                && Row { text_bytes: known.text_bytes, ..row.clone() } == *known
        });
    if !same {
        bail!(
            "not as recorded in firmware/minimal.json (cargo xtask size --bless):\nfound    {rows:?}\nrecorded {record:?}"
        );
    }
    Ok(rows)
}

/// Whether code is as large as recorded, but for alignment: the order in which functions are linked follows
/// hashes of the folder's path (seen: 16 bytes between two clones, on RV32).
pub fn close(found: u64, recorded: u64) -> bool {
    found.abs_diff(recorded) <= 64
}

/// A table for people.
pub fn table(rows: &[Row]) -> String {
    let mut text =
        format!("{:<12} {:>8} {:>12} {:>11}\n", "core", "code B", "panic sites", "soft float");
    for row in rows {
        let (bytes, sites) = (row.text_bytes, row.panic_sites);
        text += &format!("{:<12} {bytes:>8} {sites:>12} {:>11}\n", row.core, row.soft_float.len());
    }
    text
}
