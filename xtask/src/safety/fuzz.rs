//! `cargo xtask fuzz`: runs libFuzzer's targets under AddressSanitizer with overflow checks, and counts what of the
//! source they reach.

use super::record::{Record, merge};
use super::rows::FuzzRow as Row;
use crate::steps::{execute, root};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the command is asked for.
#[derive(clap::Args)]
pub struct Options {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only this target
    #[arg(long)]
    target: Option<String>,
    /// Machine-readable
    #[arg(long)]
    json: bool,
    /// Keeps the rows in fuzz/record.json and shows them in docs/SECURITY.md
    #[arg(long)]
    record: bool,
}

/// Targets, each with the part of the source that it is for.
const TARGETS: [(&str, &[&str]); 13] = [
    (
        "blob",
        &[
            "src/blob/",
            "src/model.rs",
            "src/model/",
            "src/config.rs",
            "src/tokenizer/vocabulary.rs",
        ],
    ),
    ("kernels", &["src/kernels/portable/", "src/kernels/x86/"]),
    ("tokenizer_section", &["src/tokenizer/"]),
    ("tokenizer_ids", &["src/tokenizer/"]),
    ("tokenizer_json", &["convert/src/tokenizer/"]),
    ("decoder_calls", &["src/decoder.rs", "src/nn/"]),
    ("search_calls", &["src/seq2seq/search.rs", "src/seq2seq/past.rs", "src/rules.rs"]),
    ("sampler_calls", &["src/sampler.rs"]),
    ("stream_calls", &["src/task/stream.rs", "src/features/"]),
    ("safetensors", &["convert/src/weights/", "convert/src/checkpoint.rs"]),
    ("config", &["convert/src/import/", "convert/src/account/", "convert/src/generation.rs"]),
    ("torch", &["convert/src/weights/"]),
    ("llama2c", &["convert/src/import/llama2c.rs", "convert/src/tokenizer/llama2c.rs"]),
];

/// What is compiled for.
pub const HOST: &str = "x86_64-unknown-linux-gnu";

/// Runs the targets.
pub fn fuzz(options: &Options) -> Result<()> {
    let chosen = |name: &str| options.target.as_deref().is_none_or(|target| target == name);
    let targets: Vec<_> = TARGETS.into_iter().filter(|(name, _)| chosen(name)).collect();
    if targets.is_empty() {
        let names = TARGETS.map(|(name, _)| name).join(", ");
        bail!("no such target; there are {names}");
    }
    build(options.target.as_deref())?;
    let mut rows = Vec::new();
    for (name, sources) in targets {
        rows.push(run(name, sources, options.seconds)?);
    }
    match options.json {
        true => println!("{}", serde_json::to_string(&rows)?),
        false => print!("{}", table(&rows)),
    }
    if options.record {
        let mut record = Record::read()?;
        merge(&mut record.fuzz, &rows, |a, b| a.target == b.target);
        record.write()?;
        super::document::update(false)?;
    }
    if rows.iter().any(|row| row.crashes > 0) {
        bail!("crashes; the inputs are in fuzz/artifacts");
    }
    Ok(())
}

/// Compiles with cargo-fuzz, which is installed where it is missing; the flags beside its own count coverage.
fn build(target: Option<&str>) -> Result<()> {
    let there = Command::new("cargo").args(["fuzz", "--version"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        execute(Command::new("cargo").args(["install", "cargo-fuzz"]))?;
    }
    execute(Command::new("rustup").args([
        "component",
        "add",
        "--toolchain",
        "nightly",
        "llvm-tools",
    ]))?;
    let mut command = Command::new("cargo");
    command
        .args(["+nightly", "fuzz", "build", "--fuzz-dir", ".", "--debug-assertions"])
        .args(target)
        .env("RUSTFLAGS", "-Cinstrument-coverage")
        .current_dir(root().join("fuzz"));
    execute(&mut command)
}

/// Runs one target on what is known of it, for some seconds.
fn run(name: &str, sources: &[&str], seconds: u64) -> Result<Row> {
    let fuzz = root().join("fuzz");
    let [corpus, artifacts, seeds] =
        ["corpus", "artifacts", "seeds"].map(|folder| fuzz.join(folder).join(name));
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder)?;
    }
    let profile = root().join(format!("target/fuzz-{name}.profraw"));
    let program = fuzz.join(format!("target/{HOST}/release/{name}"));
    eprintln!("{name} for {seconds} s …");
    let output = Command::new(&program)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        // What does not end is told by counted steps; this is for what is endless between them.
        .args(["-print_final_stats=1", "-rss_limit_mb=4096", "-timeout=600", "-max_len=512"])
        .args([&corpus, &seeds])
        .env("LLVM_PROFILE_FILE", &profile)
        .output()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let crashes = u64::from(!output.status.success());
    if crashes > 0 {
        let end: Vec<&str> = told.lines().rev().take(40).collect();
        eprintln!("{}", end.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    let executions = stat(&told, "stat::number_of_executed_units:").unwrap_or(0);
    let (regions_covered, regions) = match profile.is_file() {
        true => coverage(&program, &profile, sources)?,
        false => (0, 0),
    };
    Ok(Row { target: name.into(), executions, crashes, regions_covered, regions, seconds })
}

/// A number of libFuzzer's closing lines.
fn stat(told: &str, name: &str) -> Option<u64> {
    told.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}

/// Where nightly's LLVM tools are.
fn tool(name: &str) -> Result<PathBuf> {
    let output = Command::new("rustc").args(["+nightly", "--print", "sysroot"]).output()?;
    let root = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(Path::new(&root).join("lib/rustlib").join(HOST).join("bin").join(name))
}

/// Regions of some sources that were reached, and all of them.
fn coverage(program: &Path, profile: &Path, sources: &[&str]) -> Result<(u64, u64)> {
    let merged = profile.with_extension("profdata");
    let mut merge = Command::new(tool("llvm-profdata")?);
    execute(merge.args(["merge", "-sparse"]).arg(profile).arg("-o").arg(&merged))?;
    let output = Command::new(tool("llvm-cov")?)
        .args(["export", "-summary-only"])
        .arg(format!("-instr-profile={}", merged.display()))
        .arg(program)
        .output()
        .context("llvm-cov cannot be started")?;
    let json: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let files = json["data"][0]["files"].as_array().context("no coverage")?;
    let own = std::fs::canonicalize(root())?;
    let (mut covered, mut all) = (0, 0);
    for file in files {
        let name = Path::new(file["filename"].as_str().unwrap_or_default());
        let name = std::fs::canonicalize(name).unwrap_or_else(|_| name.into());
        let Ok(name) = name.strip_prefix(&own) else { continue };
        let name = name.to_string_lossy();
        if sources.iter().any(|source| name.starts_with(source)) {
            let regions = &file["summary"]["regions"];
            covered += regions["covered"].as_u64().unwrap_or(0);
            all += regions["count"].as_u64().unwrap_or(0);
        }
    }
    Ok((covered, all))
}

fn table(rows: &[Row]) -> String {
    let mut text =
        format!("{:<18} {:>12} {:>8} {:>16}\n", "target", "executions", "crashes", "regions");
    for row in rows {
        let regions = format!("{} of {}", row.regions_covered, row.regions);
        text += &format!(
            "{:<18} {:>12} {:>8} {regions:>16}\n",
            row.target, row.executions, row.crashes
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_target_has_a_program_and_seeds() {
        let mut known = BTreeSet::new();
        for (name, sources) in TARGETS {
            known.insert(format!("{name}.rs"));
            assert!(root().join("fuzz/seeds").join(name).is_dir(), "{name}");
            sources.iter().for_each(|source| assert!(root().join(source).exists(), "{source}"));
        }
        let programs = std::fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let programs: BTreeSet<String> =
            programs.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        assert_eq!(programs, known);
    }

    #[test]
    fn executions_are_read() {
        let told = "Done 7 runs\nstat::number_of_executed_units: 1234\nstat::x: 1\n";
        assert_eq!(stat(told, "stat::number_of_executed_units:"), Some(1234));
    }
}
