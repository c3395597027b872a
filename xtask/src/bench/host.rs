//! Counts on the host: the bench program under valgrind's callgrind, which emulates an x86-64 with
//! AVX2 and counts its instructions, the same in every run.

use super::row::{Row, read};
use crate::board::have;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The core, as rows and `--board` name it.
pub const CORE: &str = "x86-64";

/// Builds the bench program; `None` (with a printed reason) where it cannot be counted.
pub fn build() -> Result<Option<PathBuf>> {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("{CORE}: skipped, this computer is none");
        return Ok(None);
    }
    if !have("valgrind") {
        let sudo = if have("sudo") { "sudo -n " } else { "" };
        let install = format!("{sudo}apt-get install -y --no-install-recommends valgrind");
        let _ = Command::new("sh").args(["-c", &install]).stdout(Stdio::null()).status();
    }
    if !have("valgrind") {
        eprintln!("{CORE}: skipped, valgrind is not installed and could not be");
        return Ok(None);
    }
    program().map(Some)
}

/// The bench program, built for an x86-64 with AVX2 where this is one.
pub fn program() -> Result<PathBuf> {
    let flags: &[&str] = if cfg!(target_arch = "x86_64") {
        &["--config", "build.rustflags=[\"-C\",\"target-cpu=x86-64-v3\"]"]
    } else {
        &[]
    };
    let firmware = root().join("firmware");
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--package", "picoformer-host", "--bin", "bench"])
        .args(flags)
        .args(["--target-dir", "target/host-v3"])
        .current_dir(&firmware)
        .status()
        .context("cargo cannot be started")?;
    if !status.success() {
        bail!("`bench` does not build for the host");
    }
    Ok(firmware.join("target/host-v3/release/bench"))
}

/// Bytes of weights that a decoder's cases load, by case; of other models none.
pub fn weights(program: &Path, blob: &Path, model: &str) -> Result<BTreeMap<String, u64>> {
    let output = Command::new(program).arg("weights").arg(blob).output();
    let text = output.context("the bench program cannot be started")?.stdout;
    let mut loaded = BTreeMap::new();
    for line in String::from_utf8_lossy(&text).lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["#weights", case, bytes] = words[..] {
            loaded.insert(case.replace('*', model), bytes.parse().context("bytes of weights")?);
        }
    }
    Ok(loaded)
}

/// Runs the program, on a model's blob if any. Callgrind writes a file per case.
pub fn run(program: &Path, blob: Option<&Path>, model: &str) -> Result<Vec<Row>> {
    let folder = program.with_file_name("callgrind");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let out = folder.join("out");
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(blob)
        .output()
        .context("valgrind cannot be started")?;
    if !output.status.success() {
        bail!("the bench program fails: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut rows = read(&String::from_utf8_lossy(&output.stdout), CORE, model)?;
    for (i, row) in rows.iter_mut().enumerate() {
        row.instructions = total(&folder.join(format!("out.{}", i + 1)))?;
    }
    // The first case is the cost of counting.
    let nothing = rows.remove(0).instructions;
    rows.iter_mut().for_each(|row| row.instructions -= nothing.min(row.instructions));
    Ok(rows)
}

/// Instructions of one dump.
fn total(path: &Path) -> Result<u64> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.trim().parse().ok()).context("callgrind's file has no total")
}
