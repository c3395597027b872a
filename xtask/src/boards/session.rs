//! Somebody who types commands at a shell's prompt.

use super::transcript::answers;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::process::{Child, Command};

/// The longest that an emulator may take, in seconds.
pub const SECONDS: &str = "900";

/// What a run gave.
pub struct Run {
    /// The answers, one per command.
    pub answers: Vec<String>,
    /// Cycles and instructions of each command, where the emulator counts them.
    pub counts: Vec<(u64, u64)>,
}

/// Runs an emulator that types by itself and counts on stderr.
pub fn counted(command: &mut Command, commands: &[String]) -> Result<Run> {
    let output = command.output().context("the emulator cannot be started")?;
    let (text, log) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("the emulator ({}): {log}{text}", output.status);
    }
    let count = |line: &str| {
        let (cycles, instructions) = line.strip_prefix("#cycles ")?.split_once(' ')?;
        Some((cycles.parse().ok()?, instructions.parse().ok()?))
    };
    let counts = log.lines().filter_map(count).collect();
    Ok(Run { answers: answers(&text, commands)?, counts })
}

/// Types each command at a prompt; what was printed up to the last one.
pub fn typed(mut child: Child, commands: &[String]) -> Result<String> {
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
    // Killed outright, `timeout` would leave the emulator behind.
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let _ = child.wait();
    Ok(String::from_utf8_lossy(&text).into_owned())
}
