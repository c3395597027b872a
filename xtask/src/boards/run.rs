//! Running a release file in an emulator, as somebody who types commands at the prompt.

use super::board::{Board, home};
use super::session::{Run, SECONDS, Typed, counted, typed};
use super::transcript::answers;
use crate::steps::{root, run_in};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// The emulator in which a board runs, if there is one.
pub fn emulator(board: &str) -> Option<&'static str> {
    match board {
        "pico" => Some("rp2040js"),
        "stm32f405" => Some("QEMU netduinoplus2"),
        "ibex-rtl" => Some("Verilator"),
        _ => None,
    }
}

/// Whether there is one.
pub fn emulated(board: &str) -> bool {
    emulator(board).is_some()
}

/// Runs a release file in the board's emulator. Only Ibex's flash has wait states.
pub fn run(
    board: &Board,
    file: &Path,
    wait_states: u32,
    commands: &[String],
) -> Result<Option<Run>> {
    Ok(Some(match board.folder.as_str() {
        "pico" => rp2040js(file, &[], commands)?,
        "stm32f405" => qemu(file, Typed::AtPrompts, commands)?,
        "ibex-rtl" => super::ibex::run(file, wait_states, commands)?,
        _ => return Ok(None),
    }))
}

/// The shell on this computer, which is what every board must answer.
pub fn host(commands: &[String]) -> Result<Vec<String>> {
    let mut command = Command::new("cargo");
    command
        .args(["run", "--quiet", "--release", "--package", "picoformer-host", "--bin", "shell"])
        .arg("--")
        .args(commands)
        .current_dir(root().join("firmware"));
    let output = command.output().context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("the shell on this computer: {}", String::from_utf8_lossy(&output.stderr));
    }
    answers(&String::from_utf8_lossy(&output.stdout).replace('\r', ""), commands)
}

/// An RP2040, see `firmware/boards/pico/emulator`. `options` are those of `emulate.mjs`.
pub fn rp2040js(file: &Path, options: &[&str], commands: &[String]) -> Result<Run> {
    let folder = home("pico").join("emulator");
    if !folder.join("node_modules").is_dir() {
        run_in("firmware/boards/pico/emulator", "npm ci --silent --no-audit --no-fund")
            .context("rp2040js needs Node.js with npm (Debian packages nodejs and npm)")?;
    }
    let mut command = Command::new("timeout");
    command.args([SECONDS, "node", "emulate.mjs"]).arg(file).args(options).args(commands);
    counted(command.current_dir(folder))
}

/// An STM32F405. QEMU has its serial port, its flash and its RAM, but no clocks and no cycle counter.
pub fn qemu(file: &Path, when: Typed, commands: &[String]) -> Result<Run> {
    let child = Command::new("timeout")
        .args([SECONDS, "qemu-system-arm", "-machine", "netduinoplus2", "-nographic"])
        .args(["-monitor", "none", "-serial", "stdio", "-kernel"])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("qemu-system-arm cannot be started")?;
    typed(child, when, commands)
}
