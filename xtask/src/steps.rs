//! What the commands share: where things lie, how a command is run, how results are told.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The repository.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// Runs a command in the repository; fails with its name when it fails.
pub fn run(line: &str) -> Result<()> {
    run_in("", line)
}

/// Runs a command in a folder of the repository.
pub fn run_in(folder: &str, line: &str) -> Result<()> {
    run_with(folder, line, &[])
}

/// Runs a command in a folder of the repository with more environment.
pub fn run_with(folder: &str, line: &str, environment: &[(&str, &OsStr)]) -> Result<()> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().context("empty command")?);
    command.args(words).current_dir(root().join(folder)).envs(environment.iter().copied());
    execute(&mut command)
}

/// Runs a command, shown as one would type it.
pub fn execute(command: &mut Command) -> Result<()> {
    let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).collect();
    let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    eprintln!("$ {line}");
    let status = command.env("RUSTDOCFLAGS", "-D warnings").status();
    let status = status.with_context(|| format!("`{line}` cannot be started"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// The folder of shared data, by PICOFORMER_DATA or beside the repository; not part of the product.
pub fn data() -> Option<PathBuf> {
    let set = std::env::var_os("PICOFORMER_DATA").map(PathBuf::from);
    let found = set.unwrap_or_else(|| root().join("../shared/data"));
    found.join("stories260K").is_dir().then_some(found)
}

/// Steps done so far. A failure is kept for the end, so that one run shows them all.
pub struct Report {
    only: String,
    results: Vec<(String, Result<()>)>,
}

impl Report {
    /// Of steps whose name contains `only`.
    pub fn new(only: String) -> Self {
        Self { only, results: Vec::new() }
    }

    /// Does one step.
    pub fn step(&mut self, name: impl Into<String>, work: impl FnOnce() -> Result<()>) {
        let (name, start) = (name.into(), Instant::now());
        if !name.contains(&self.only) {
            return;
        }
        eprintln!("\n── {name} ──");
        let result = work();
        let end = match &result {
            Ok(()) => String::from("ok"),
            Err(error) => format!("FAILED: {error:#}"),
        };
        eprintln!("── {name}: {end} ({:.0} s) ──", start.elapsed().as_secs_f32());
        self.results.push((name, result));
    }

    /// Prints one line per step and the closing line; whether all passed.
    pub fn close(self) -> bool {
        println!();
        let failed = self.results.iter().filter(|(_, result)| result.is_err()).count();
        for (name, result) in &self.results {
            match result {
                Ok(()) => println!("ok      {name}"),
                Err(error) => println!("FAILED  {name}: {error:#}"),
            }
        }
        println!("{} passed, {failed} failed", self.results.len() - failed);
        failed == 0 && !self.results.is_empty()
    }
}
