//! The files that need no toolchain, each read back before it counts as made.

use super::board::Board;
use super::esp_image;
use super::flash::Flash;
use super::hex;
use super::uf2::{self, Family};
use crate::steps::root;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The forms of a release file.
enum Form {
    /// What is dragged onto the drive that a boot loader shows.
    Uf2(Family),
    /// What every programmer takes, addresses included.
    Hex,
    /// The bytes of the flash and nothing else.
    Bytes,
    /// The whole flash of an ESP32 from address 0: boot loader, partitions, application.
    Esp,
}

impl Form {
    fn of(board: &Board) -> Self {
        match board.folder.as_str() {
            "pico" => Self::Uf2(Family::Rp2040),
            "pico2" => Self::Uf2(Family::Rp2350Arm),
            "nrf52840-dk" => Self::Hex,
            "nrf52840-uf2" => Self::Uf2(Family::Nrf52840),
            "esp32c3" => Self::Esp,
            _ => Self::Bytes,
        }
    }

    const fn ending(&self) -> &'static str {
        match self {
            Self::Uf2(_) => "uf2",
            Self::Hex => "hex",
            Self::Bytes | Self::Esp => "bin",
        }
    }

    fn encode(&self, start: u32, bytes: &[u8]) -> Vec<u8> {
        match *self {
            Self::Uf2(family) => uf2::encode(family, start, bytes),
            Self::Hex => hex::encode(start, bytes).into(),
            Self::Bytes | Self::Esp => bytes.into(),
        }
    }

    /// What such a file writes: from which address (if it says so), which bytes.
    fn decode(&self, start: u32, file: &[u8]) -> Result<(u32, Vec<u8>)> {
        match *self {
            Self::Uf2(family) => uf2::decode(family, file),
            Self::Hex => hex::decode(std::str::from_utf8(file)?),
            Self::Bytes | Self::Esp => Ok((start, file.into())),
        }
    }
}

/// Writes the release file of an image: what the board's boot loader or programmer takes.
pub fn write(board: &Board, elf: &Path, flash: &Flash, models: &[String]) -> Result<PathBuf> {
    let (form, start) = (Form::of(board), u32::try_from(flash.start)?);
    let folder = root().join("target/boards");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}-{}.{}", board.folder, models.join("-"), form.ending()));
    if matches!(form, Form::Esp) {
        let elf = std::fs::read(elf).with_context(|| elf.display().to_string())?;
        std::fs::write(&path, esp_image::encode(&elf)?)
            .with_context(|| path.display().to_string())?;
        let written = std::fs::read(&path)?;
        esp_image::check(&written, &elf).with_context(|| path.display().to_string())?;
        return Ok(path);
    }
    std::fs::write(&path, form.encode(start, &flash.bytes))
        .with_context(|| path.display().to_string())?;
    let (found, read) = form.decode(start, &std::fs::read(&path)?)?;
    let padding = read.get(flash.bytes.len()..).unwrap_or_default();
    ensure!(
        found == start && read.starts_with(&flash.bytes) && padding.iter().all(|&byte| byte == 0),
        "{} does not hold what was built",
        path.display()
    );
    Ok(path)
}

/// The SHA-256 of a file.
pub fn sha256(path: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(path).output().context("sha256sum")?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().next().context("sha256sum prints nothing")?.into())
}
