//! Running a release file in an emulator, as somebody who types commands at the prompt.

use super::board::{Board, home};
use super::transcript::answers;
use crate::steps::{root, run_in};
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The longest that an emulator may take, in seconds.
const SECONDS: &str = "900";

/// What a run gave.
pub struct Run {
    /// The answers, one per command.
    pub answers: Vec<String>,
    /// Cycles and instructions of each command, where the emulator counts them.
    pub counts: Vec<(u64, u64)>,
}

/// The emulator in which a board runs, if there is one.
pub fn emulator(board: &Board) -> Option<&'static str> {
    match board.folder.as_str() {
        "pico" => Some("rp2040js"),
        "stm32f405" => Some("QEMU netduinoplus2"),
        _ => None,
    }
}

/// Runs a release file in the board's emulator.
pub fn run(board: &Board, file: &Path, commands: &[String]) -> Result<Option<Run>> {
    Ok(Some(match board.folder.as_str() {
        "pico" => rp2040js(file, &[], commands)?,
        "stm32f405" => qemu(file, commands)?,
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
    answers(&String::from_utf8_lossy(&output.stdout), commands)
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
    let output = command.current_dir(folder).output().context("node cannot be started")?;
    let (text, log) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("rp2040js ({}): {log}{text}", output.status);
    }
    let count = |line: &str| {
        let (cycles, instructions) = line.strip_prefix("#cycles ")?.split_once(' ')?;
        Some((cycles.parse().ok()?, instructions.parse().ok()?))
    };
    let counts = log.lines().filter_map(count).collect();
    Ok(Run { answers: answers(&text, commands)?, counts })
}

/// An STM32F405. QEMU has its serial port, its flash and its RAM, but no clocks and no cycle counter.
fn qemu(file: &Path, commands: &[String]) -> Result<Run> {
    let child = Command::new("timeout")
        .args([SECONDS, "qemu-system-arm", "-machine", "netduinoplus2", "-nographic"])
        .args(["-monitor", "none", "-serial", "stdio", "-kernel"])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("qemu-system-arm cannot be started")?;
    let text = typed(child, commands)?;
    Ok(Run { answers: answers(&text, commands)?, counts: Vec::new() })
}

/// Types each command at a prompt; what was printed up to the last one.
fn typed(mut child: Child, commands: &[String]) -> Result<String> {
    let mut input = child.stdin.take().context("no stdin")?;
    let mut output = child.stdout.take().context("no stdout")?;
    let (mut text, mut commands, mut byte) = (Vec::new(), commands.iter(), [0]);
    let mut echo = 0;
    loop {
        if output.read(&mut byte)? == 0 {
            let _ = child.wait();
            bail!("the emulator ended early:\n{}", String::from_utf8_lossy(&text));
        }
        text.push(byte[0]);
        // What is echoed is no prompt, even if it ends like one.
        if text.ends_with(b"\n> ") && text.len() > echo {
            let Some(command) = commands.next() else { break };
            echo = text.len() + command.len() + 1;
            input.write_all(format!("{command}\r").as_bytes())?;
            input.flush()?;
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    Ok(String::from_utf8_lossy(&text).into_owned())
}
