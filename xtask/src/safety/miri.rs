//! `cargo xtask miri`: the engine's own tests in Miri, which sees undefined behaviour: reads beyond memory or of
//! uninitialised bytes, wrong alignment, pointers without provenance. All together take ten minutes of one core at
//! most: tests of bare arithmetic, which has no memory to be wrong about, and those that take minutes say so
//! themselves (`#[cfg_attr(miri, ignore = "…")]`), and are listed with that reason.

use crate::steps::{execute, root};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::process::Command;

/// A test. The fields are the keys of `--json`.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its path.
    pub test: String,
    /// `ok`, `ignored` or `FAILED`.
    pub result: String,
    /// Why it is ignored.
    pub reason: String,
}

/// Runs them.
pub fn miri(json: bool) -> Result<()> {
    execute(Command::new("rustup").args([
        "component",
        "add",
        "--toolchain",
        "nightly",
        "miri",
        "rust-src",
    ]))?;
    let output = Command::new("cargo")
        .args(["+nightly", "miri", "test", "--package", "picoformer", "--lib"])
        .args(["--target-dir", "target/miri"])
        .env("MIRIFLAGS", "-Zmiri-strict-provenance")
        .current_dir(root())
        .output()
        .context("cargo cannot be started")?;
    let told = String::from_utf8_lossy(&output.stdout);
    let rows: Vec<Row> = told.lines().filter_map(row).collect();
    match json {
        true => println!("{}", serde_json::to_string(&rows)?),
        false => {
            rows.iter().for_each(|row| println!("{:<8} {} {}", row.result, row.test, row.reason));
            let count = |result: &str| rows.iter().filter(|row| row.result == result).count();
            println!("in Miri {} tests passed, {} are left out", count("ok"), count("ignored"));
        }
    }
    if !output.status.success() || rows.is_empty() {
        bail!("Miri is not content:\n{told}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Reads `test PATH ... RESULT, REASON`.
fn row(line: &str) -> Option<Row> {
    let (test, end) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let (result, reason) = end.split_once(", ").unwrap_or((end, ""));
    let test = test.trim_end_matches(" - should panic");
    Some(Row { test: test.into(), result: result.into(), reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tests_are_read() {
        let ignored = row("test a::b ... ignored, long: 2^32 numbers").unwrap();
        assert_eq!((&*ignored.test, &*ignored.result), ("a::b", "ignored"));
        assert_eq!(ignored.reason, "long: 2^32 numbers");
        assert_eq!(row("test a::c ... ok").unwrap().result, "ok");
        assert!(row("test result: ok. 3 passed").is_none());
    }
}
