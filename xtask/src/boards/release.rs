//! The files that need no toolchain, each read back before it counts as made.

use super::board::Board;
use super::flash::Flash;
use super::uf2::{self, Family};
use crate::steps::root;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::Command;

/// Writes the release file of an image: what the board's boot loader or programmer takes.
pub fn write(board: &Board, flash: &Flash, models: &[String]) -> Result<PathBuf> {
    let start = u32::try_from(flash.start)?;
    let (ending, bytes) = match board.folder.as_str() {
        "pico" => ("uf2", uf2::encode(Family::Rp2040, start, &flash.bytes)),
        "pico2" => ("uf2", uf2::encode(Family::Rp2350Arm, start, &flash.bytes)),
        _ => ("bin", flash.bytes.clone()),
    };
    let folder = root().join("target/boards");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}-{}.{ending}", board.folder, models.join("-")));
    std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    let file = std::fs::read(&path)?;
    let (found, read) = match board.folder.as_str() {
        "pico" => uf2::decode(Family::Rp2040, &file)?,
        "pico2" => uf2::decode(Family::Rp2350Arm, &file)?,
        _ => (start, file),
    };
    let padding = read.get(flash.bytes.len()..).unwrap_or_default();
    ensure!(
        found == start && read.starts_with(&flash.bytes) && padding.iter().all(|&byte| byte == 0),
        "{} does not hold what was built",
        path.display()
    );
    Ok(path)
}

/// The SHA-256 of a file.
pub fn sha256(path: &std::path::Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(path).output().context("sha256sum")?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().next().context("sha256sum prints nothing")?.into())
}
