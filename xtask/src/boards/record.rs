//! `firmware/boards/record.json`: what every board's first image takes, and README's table of it.

use super::board::{BOARDS, Board};
use super::row::Row;
use crate::figures::grouped;
use crate::image::close;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

fn path() -> PathBuf {
    root().join("firmware/boards/record.json")
}

fn read() -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(path()).context("firmware/boards/record.json")?;
    serde_json::from_str(&text).context("firmware/boards/record.json")
}

/// Writes the rows of these boards anew, or compares them with the record: sizes, and that all answers were the
/// host's. What an emulator counts may move with the compiler; it is told and not compared.
pub fn record(rows: &[Row], bless: bool) -> Result<()> {
    if bless {
        let mut all = read().unwrap_or_default();
        all.retain(|kept| rows.iter().all(|row| row.board != kept.board));
        all.extend(rows.iter().cloned());
        all.sort_by_key(|row| BOARDS.iter().position(|board| *board == row.board));
        let lines: Vec<_> = all.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        std::fs::write(path(), format!("[\n  {}\n]\n", lines.join(",\n  ")))?;
        return Ok(());
    }
    let kept = read()?;
    for row in rows {
        let same = |kept: &&Row| {
            (&kept.board, &kept.demo, &kept.models) == (&row.board, &row.demo, &row.models)
        };
        // `--all` builds images that are not recorded.
        let Some(kept) = kept.iter().find(same) else { continue };
        let sizes = [(row.flash_bytes, kept.flash_bytes), (row.ram_bytes, kept.ram_bytes)];
        if sizes.iter().any(|&(found, kept)| !close(found, kept)) {
            bail!(
                "{} takes {} bytes of flash and {} of RAM, firmware/boards/record.json has {} and {}; \
                 `cargo xtask boards --bless` records it",
                row.board,
                row.flash_bytes,
                row.ram_bytes,
                kept.flash_bytes,
                kept.ram_bytes
            );
        }
    }
    Ok(())
}

/// README's table: a line for each board.
pub fn table() -> Result<String> {
    let kept = read()?;
    let mut text = String::from(
        "\n| board | models | flash | RAM | shown by |\n| --- | --- | ---: | ---: | --- |\n",
    );
    for folder in BOARDS.iter().filter(|folder| **folder != "ibex-rtl") {
        let board = Board::read(folder)?;
        let rows: Vec<_> = kept.iter().filter(|row| row.board == *folder).collect();
        let [row, ..] = rows[..] else {
            bail!("{folder} is not recorded; `cargo xtask boards --board {folder} --bless` does it")
        };
        let ran = rows.iter().find_map(|row| row.runs_in.as_ref().zip(row.equals_host));
        let shown = match ran {
            Some((emulator, true)) => format!("run in {emulator}"),
            Some((emulator, false)) => bail!("{folder} in {emulator} is not the host's"),
            None => "built, not run".into(),
        };
        text += &format!(
            "| {} | {} | {} | {} | {shown} |\n",
            board.name,
            row.models.join(", "),
            grouped(row.flash_bytes),
            grouped(row.ram_bytes)
        );
    }
    Ok(text)
}
