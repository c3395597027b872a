//! The emulated boards: what `firmware/boards/*.toml` say, building for one and running on it.

use crate::steps::root;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Every board, the fastest to explain first.
pub const BOARDS: [&str; 5] =
    ["mps2-an386", "mps2-an385", "mps2-an505", "mps3-an547", "riscv32-virt"];

/// Every instruction set, by Rust's name.
pub const TARGETS: [&str; 4] = [
    "thumbv6m-none-eabi",
    "thumbv7em-none-eabihf",
    "thumbv8m.main-none-eabihf",
    "riscv32imac-unknown-none-elf",
];

/// What stands for the target in a board's file.
const EVERY_BOARD: &str = "cfg(target_os = \"none\")";

#[derive(Deserialize)]
struct File {
    build: Build,
    target: BTreeMap<String, Target>,
    picoformer: Own,
}

#[derive(Deserialize)]
struct Build {
    target: String,
}

#[derive(Deserialize)]
struct Target {
    runner: Vec<String>,
}

#[derive(Deserialize)]
struct Own {
    core: String,
    package: String,
    features: Vec<String>,
}

/// One board.
pub struct Board {
    /// Its name under QEMU.
    pub name: String,
    /// Its core, as reports call it.
    pub core: String,
    /// Rust's name of the instruction set.
    pub target: String,
    package: String,
    features: Vec<String>,
    runner: Vec<String>,
}

impl Board {
    /// Reads a board's file.
    pub fn read(name: &str) -> Result<Self> {
        let path = root().join(format!("firmware/boards/{name}.toml"));
        let text = std::fs::read_to_string(&path).with_context(|| format!("no board `{name}`"))?;
        let mut file: File = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let target = file.build.target;
        // Cargo finds no table of a target whose name has a dot, hence the condition.
        let runner = file.target.remove(EVERY_BOARD).context("no runner")?.runner;
        let File { picoformer: Own { core, package, features }, .. } = file;
        Ok(Self { name: name.into(), core, target, package, features, runner })
    }

    /// Whether its core has the loops of Armv8.1-M.
    pub fn has_low_overhead_loops(&self) -> bool {
        self.features.iter().any(|feature| feature == "arm-mve")
    }

    /// Cargo, told about the board.
    fn cargo(&self, subcommand: &str, more_features: &[&str]) -> Command {
        let mut features: Vec<&str> = self.features.iter().map(String::as_str).collect();
        features.extend(more_features);
        // Paths in panic messages must not depend on where this machine keeps sources.
        let home = std::env::var("CARGO_HOME")
            .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
            .unwrap_or_default();
        let own = root();
        let remap = |from: &str, to| format!("\"--remap-path-prefix={from}={to}\"");
        let flags = format!(
            "target.'{EVERY_BOARD}'.rustflags=[{}, {}]",
            remap(&home, "cargo"),
            remap(&own.to_string_lossy(), "picoformer")
        );
        let mut command = Command::new("cargo");
        command
            .args([subcommand, "--quiet", "--release", "--package", &self.package])
            .args(["--features", &features.join(",")])
            .args(["--config", &format!("boards/{}.toml", self.name)])
            .args(["--config", &flags])
            .args(["--target-dir", &format!("target/{}", self.name)])
            // Without it, defmt drops everything but errors.
            .env("DEFMT_LOG", "info")
            .current_dir(root().join("firmware"));
        command
    }

    /// Builds a program; returns the ELF file.
    pub fn build(&self, program: &str, more_features: &[&str]) -> Result<PathBuf> {
        self.build_with(program, more_features, &[])
    }

    /// As [`Board::build`], with variables that the program reads while it is compiled.
    pub fn build_with(
        &self,
        program: &str,
        more_features: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<PathBuf> {
        let status = self
            .cargo("build", more_features)
            .args(["--bin", program])
            .envs(environment.iter().copied())
            .status()
            .context("cargo cannot be started")?;
        if !status.success() {
            bail!("`{program}` does not build for {}", self.name);
        }
        let path = format!("firmware/target/{}/{}/release/{program}", self.name, self.target);
        Ok(root().join(path))
    }

    /// Clippy for every program of the board.
    pub fn clippy(&self, more_features: &[&str]) -> Result<()> {
        let mut command = self.cargo("clippy", more_features);
        let status = command.args(["--bins", "--", "-D", "warnings"]).status();
        if !status.context("cargo cannot be started")?.success() {
            bail!("clippy is not content with {} for {}", self.package, self.name);
        }
        Ok(())
    }

    /// Runs an ELF file to its end; `blob` is flashed into the slot for models first. Returns the text
    /// that it printed.
    pub fn run(&self, elf: &Path, blob: Option<(&Path, u64)>) -> Result<String> {
        String::from_utf8(self.run_for_bytes(elf, blob)?).context("what was printed is not UTF-8")
    }

    /// As [`Board::run`], for a program that does not print a text.
    pub fn run_for_bytes(&self, elf: &Path, blob: Option<(&Path, u64)>) -> Result<Vec<u8>> {
        self.run_within(600, elf, blob)
    }

    /// As [`Board::run_for_bytes`], for a program that may take so many seconds.
    pub fn run_within(
        &self,
        seconds: u32,
        elf: &Path,
        blob: Option<(&Path, u64)>,
    ) -> Result<Vec<u8>> {
        let mut command = Command::new("timeout");
        command.arg(seconds.to_string()).args(&self.runner).arg(elf).stdin(Stdio::null());
        if let Some((path, address)) = blob {
            let loader = format!("loader,file={},addr={address:#x},force-raw=on", path.display());
            command.args(["-device", &loader]);
        }
        let output = command.output().context("the emulator cannot be started")?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stdout);
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("{} on {} failed ({}):\n{text}{error}", elf.display(), self.name, output.status);
        }
        Ok(output.stdout)
    }
}

/// Whether a program can be started.
pub fn have(program: &str) -> bool {
    let started = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    started.is_ok_and(|status| status.success())
}

/// The emulators, each with the Debian package that has it.
const EMULATORS: [(&str, &str); 2] =
    [("qemu-system-arm", "qemu-system-arm"), ("qemu-system-riscv32", "qemu-system-misc")];

/// Installs what is missing: rustup targets, the emulators. Says so where it cannot.
pub fn setup() -> Result<()> {
    install(&TARGETS, &EMULATORS)
}

/// Installs what boards with an Arm core need.
pub fn setup_arm(board: &Board) -> Result<()> {
    install(&[&board.target], &EMULATORS[..1])
}

/// Installs targets and programs, each with the Debian package that has it.
pub fn install(targets: &[&str], emulators: &[(&str, &str)]) -> Result<()> {
    let mut rustup = Command::new("rustup");
    rustup.args(["--quiet", "target", "add"]).args(targets).current_dir(root());
    if !rustup.status().is_ok_and(|status| status.success()) {
        eprintln!("rustup could not add {}", targets.join(", "));
    }
    let missing = || emulators.iter().filter(|(program, _)| !have(program)).map(|(_, p)| *p);
    let packages: Vec<&str> = missing().collect();
    if packages.is_empty() {
        return Ok(());
    }
    let install = apt(&packages);
    if missing().next().is_some() {
        bail!("an emulator is not installed and could not be; install it by hand: {install}");
    }
    Ok(())
}

/// Tries to install Debian packages; the command, for a message to who has to do it by hand.
pub fn apt(packages: &[&str]) -> String {
    eprintln!("installing the Debian packages {} …", packages.join(", "));
    let install = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    let sudo = if have("sudo") { "sudo -n " } else { "" };
    let line = format!("{sudo}{install} || ({sudo}apt-get update && {sudo}{install})");
    let _ = Command::new("sh")
        .args(["-c", &line])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null())
        .status();
    install
}

/// The emulator of a board, about to run an ELF file.
pub fn emulator(board: &Board, elf: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg("600").args(&board.runner).arg(elf);
    command
}
