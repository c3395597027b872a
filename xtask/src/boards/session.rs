//! Somebody who types commands at a shell's prompt.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::process::{Child, Command};

/// The longest that an emulator may take, in seconds.
pub const SECONDS: &str = "900";

/// When a command is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Each at a prompt.
    AtPrompts,
    /// All at the first prompt.
    Ahead,
}

/// What a run gave.
pub struct Run {
    /// What the shell wrote.
    pub text: String,
    /// Cycles and instructions of each command, where the emulator counts them.
    pub counts: Vec<(u64, u64)>,
}

/// Runs an emulator that types by itself and counts on stderr.
pub fn counted(command: &mut Command) -> Result<Run> {
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
    Ok(Run { text: text.replace('\r', ""), counts })
}

/// Types commands; returns what was printed up to the last prompt.
pub fn typed(mut child: Child, typed: Typed, commands: &[String]) -> Result<Run> {
    let mut input = child.stdin.take().context("no stdin")?;
    let mut output = child.stdout.take().context("no stdout")?;
    let (mut text, mut byte, mut prompts) = (Vec::new(), [0], 0);
    while prompts <= commands.len() {
        if output.read(&mut byte)? == 0 {
            let _ = child.wait();
            bail!("the emulator ended early:\n{}", String::from_utf8_lossy(&text));
        }
        text.push(byte[0]);
        if !text.ends_with(b"\n> ") {
            continue;
        }
        let keys = match typed {
            Typed::AtPrompts => commands.get(prompts..=prompts).unwrap_or_default(),
            Typed::Ahead if prompts == 0 => commands,
            Typed::Ahead => &[],
        };
        keys.iter().try_for_each(|command| input.write_all(format!("{command}\r").as_bytes()))?;
        input.flush()?;
        prompts += 1;
    }
    // Killed outright, `timeout` would leave the emulator behind.
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let _ = child.wait();
    Ok(Run { text: String::from_utf8_lossy(&text).replace('\r', ""), counts: Vec::new() })
}
