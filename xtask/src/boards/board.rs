//! The boards: what `firmware/boards/NAME/` says, and building for one.

use crate::board::install;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every board; those that run in an emulator first, and a core that is no board.
pub const BOARDS: [&str; 8] = [
    "pico",
    "stm32f405",
    "ibex-rtl",
    "pico2",
    "nrf52840-dk",
    "nrf52840-uf2",
    "nucleo-f446re",
    "esp32c3",
];

#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    picoformer: Own,
}

#[derive(Deserialize)]
struct Own {
    board: String,
    core: String,
    images: Vec<Vec<String>>,
}

#[derive(Deserialize)]
struct Config {
    build: Build,
}

#[derive(Deserialize)]
struct Build {
    target: String,
}

/// One board.
pub struct Board {
    /// Its folder.
    pub folder: String,
    /// Its name, as its maker has it.
    pub name: String,
    /// Its core.
    pub core: String,
    /// Which models are together in an image. The first is what one gets by `cargo build`.
    pub images: Vec<Vec<String>>,
    /// Addresses of its flash, and of its RAM.
    pub flash: Range<u64>,
    /// Addresses of its RAM.
    pub ram: Range<u64>,
    package: String,
    target: String,
}

impl Board {
    /// Reads a board's files.
    pub fn read(folder: &str) -> Result<Self> {
        let home = home(folder);
        let read = |name: &str| {
            let path = home.join(name);
            std::fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let Manifest { package } = toml::from_str(&read("Cargo.toml")?).context("Cargo.toml")?;
        let Config { build } =
            toml::from_str(&read(".cargo/config.toml")?).context("config.toml")?;
        // Where the HAL has the memory map, a file says how much flash a program may take.
        let own = home.join("memory.x").is_file();
        let map = read(if own { "memory.x" } else { "partition.x" })?;
        let Own { board, core, images } = package.metadata.picoformer;
        Ok(Self {
            folder: folder.into(),
            name: board,
            core,
            images,
            flash: region(&map, "FLASH").context("no FLASH in memory.x")?,
            ram: region(&map, "RAM").context("no RAM in memory.x")?,
            package: package.name,
            target: build.target,
        })
    }

    /// Builds the shell with these models; returns the ELF file.
    pub fn build(&self, models: &[String]) -> Result<PathBuf> {
        let target = root().join("firmware/boards/target").join(&self.folder);
        let output = Command::new("cargo")
            .args(["build", "--quiet", "--release", "--no-default-features"])
            .args(["--features", &models.join(",")])
            .arg("--target-dir")
            .arg(&target)
            .current_dir(home(&self.folder))
            .output()
            .context("cargo cannot be started")?;
        if !output.status.success() {
            bail!("{} does not build:\n{}", self.name, String::from_utf8_lossy(&output.stderr));
        }
        Ok(target.join(&self.target).join("release").join(&self.package))
    }
}

/// What the boards and their emulators need, with the Debian package of each.
const PROGRAMS: [(&str, &str); 6] = [
    ("qemu-system-arm", "qemu-system-arm"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("verilator", "verilator"),
    ("g++", "g++"),
    ("make", "make"),
];

/// Installs what is missing for some boards.
pub fn setup(boards: &[Board], emulated: bool) -> Result<()> {
    let targets: Vec<&str> = boards.iter().map(|board| &*board.target).collect();
    install(&targets, if emulated { &PROGRAMS } else { &[] })
}

/// A board's folder.
pub fn home(folder: &str) -> PathBuf {
    root().join("firmware/boards").join(folder)
}

/// A shipped model.
pub fn model(name: &str) -> PathBuf {
    root().join(Path::new("models").join(name).join("model.pico"))
}

/// The addresses of a region in a memory map of the form `NAME : ORIGIN = 0x…, LENGTH = …K - …`.
fn region(map: &str, name: &str) -> Option<Range<u64>> {
    let line = map.lines().map(str::trim).find_map(|line| line.strip_prefix(name))?;
    let (origin, length) = line.split_once("ORIGIN = ")?.1.split_once(", LENGTH = ")?;
    let origin = u64::from_str_radix(origin.strip_prefix("0x")?, 16).ok()?;
    let (kilo, rest) = length.split_once('K')?;
    let less = match rest.trim().strip_prefix("- ") {
        Some(less) => less.parse().ok()?,
        None => 0,
    };
    Some(origin..origin + kilo.parse::<u64>().ok()? * 1024 - less)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_maps_are_read() {
        let map = "MEMORY {\n  FLASH : ORIGIN = 0x10000100, LENGTH = 2048K - 256\n  RAM   : ORIGIN = 0x20000000, LENGTH = 256K\n}";
        assert_eq!(region(map, "FLASH"), Some(0x1000_0100..0x1020_0000));
        assert_eq!(region(map, "RAM"), Some(0x2000_0000..0x2004_0000));
        assert_eq!(region(map, "BOOT2"), None);
    }

    #[test]
    fn every_board_can_be_read() {
        for name in BOARDS {
            let board = Board::read(name).unwrap();
            assert!(board.images.iter().flatten().all(|name| model(name).is_file()), "{name}");
        }
    }
}
