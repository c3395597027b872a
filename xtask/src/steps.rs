//! The steps of `cargo xtask test`.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// The repository.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// Runs a command in the repository; fails with its name when it fails.
pub fn run(line: &str) -> Result<()> {
    eprintln!("\n$ {line}");
    let mut words = line.split_whitespace();
    let program = words.next().context("empty command")?;
    let status = Command::new(program)
        .args(words)
        .current_dir(root())
        .env("RUSTDOCFLAGS", "-D warnings")
        .status()
        .with_context(|| format!("`{program}` cannot be started"))?;
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

/// Prints one line per check and the closing line; whether all passed.
pub fn report(results: &[(&str, Result<()>)]) -> bool {
    println!();
    let failed = results.iter().filter(|(_, result)| result.is_err()).count();
    for (name, result) in results {
        match result {
            Ok(()) => println!("ok      {name}"),
            Err(error) => println!("FAILED  {name}: {error:#}"),
        }
    }
    println!("{} passed, {failed} failed", results.len() - failed);
    failed == 0
}

/// Everything that CI runs.
pub fn test() -> bool {
    let targets = "thumbv6m-none-eabi thumbv7em-none-eabihf riscv32imac-unknown-none-elf";
    let mut results = vec![
        ("targets", run(&format!("rustup target add {targets}"))),
        ("formatting", run("cargo fmt --all --check")),
        ("clippy", run("cargo clippy --workspace --all-targets -- -D warnings")),
        ("tests", run("cargo test --workspace")),
        ("documentation", run("cargo doc --no-deps --package picoformer")),
        ("floors", super::floors::check()),
    ];
    for target in targets.split(' ') {
        results.push((
            "engine without dependencies",
            run(&format!(
                "cargo build --release --package picoformer --no-default-features --target {target}"
            )),
        ));
    }
    report(&results)
}
