//! `cargo xtask fuzz`: runs libFuzzer's targets under AddressSanitizer with overflow checks, and counts what of the
//! source they reach.

use super::record::{Record, merge};
use super::rows::FuzzRow as Row;
use crate::progress::seconds_of_children;
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
    /// Keeps the rows in fuzz/record.json and shows them in docs/SECURITY.md: seconds and executions of runs add up
    #[arg(long)]
    record: bool,
    /// Then makes the corpus smaller: of the inputs that reach the same, the smallest
    #[arg(long)]
    minimize: bool,
}

/// Targets, each with the part of the source that it is for.
const TARGETS: [(&str, &[&str]); 13] = [
    (
        // The parser and what validates: the rest of `src/model.rs` gives views of what was accepted.
        "blob",
        &[
            "src/blob/bytes.rs",
            "src/blob/header.rs",
            "src/blob/layout.rs",
            "src/blob/section.rs",
            "src/config.rs",
            "src/model/validate.rs",
            "src/model/validate/",
            "src/model/section.rs",
            "src/rules/",
            "src/features/parameters.rs",
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
        let row = run(name, sources, options.seconds)?;
        if options.minimize {
            minimize(name)?;
        }
        // One after the other: another process may record other targets meanwhile.
        if options.record {
            let mut record = Record::read()?;
            let known = record.fuzz.iter().find(|known| known.target == name);
            let sum = known.map_or(row.clone(), |known| add(known, &row));
            merge(&mut record.fuzz, &[sum], |a, b| a.target == b.target);
            record.write()?;
            super::document::update(false)?;
        }
        rows.push(row);
    }
    match options.json {
        true => println!("{}", serde_json::to_string(&rows)?),
        false => print!("{}", table(&rows)),
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
    let before = seconds_of_children();
    let output = Command::new(&program)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        // What does not end is told by counted steps; this is for what is endless between them.
        .args(["-print_final_stats=1", "-rss_limit_mb=4096", "-timeout=600", "-max_len=512"])
        .args([&corpus, &seeds])
        .env("LLVM_PROFILE_FILE", &profile)
        .output()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    // Of a processor: others may have used it meanwhile.
    let seconds = match (before, seconds_of_children()) {
        (Some(before), Some(now)) => (now - before).round() as u64,
        _ => seconds,
    };
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

/// What is known of a target and a run more. After a crash, which was mended since, everything begins anew; where
/// its part of the source has changed, the regions do.
fn add(known: &Row, run: &Row) -> Row {
    let mended = known.crashes > 0;
    let [seconds, executions] = match mended {
        true => [0, 0],
        false => [known.seconds, known.executions],
    };
    let same = !mended && known.regions == run.regions;
    Row {
        target: run.target.clone(),
        executions: executions + run.executions,
        crashes: run.crashes,
        regions_covered: run.regions_covered.max(if same { known.regions_covered } else { 0 }),
        regions: run.regions,
        seconds: seconds + run.seconds,
    }
}

/// Merges the corpus of a target into a new folder, which takes its place.
fn minimize(name: &str) -> Result<()> {
    let fuzz = root().join("fuzz");
    let (corpus, smaller) = (fuzz.join("corpus").join(name), fuzz.join("corpus").join("smaller"));
    let _ = std::fs::remove_dir_all(&smaller);
    std::fs::create_dir_all(&smaller)?;
    let mut command = Command::new(fuzz.join(format!("target/{HOST}/release/{name}")));
    command.args(["-merge=1", "-max_len=512", "-rss_limit_mb=4096"]).args([&smaller, &corpus]);
    execute(command.env("LLVM_PROFILE_FILE", root().join("target/fuzz-merge.profraw")))?;
    std::fs::remove_dir_all(&corpus)?;
    Ok(std::fs::rename(&smaller, &corpus)?)
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
    fn runs_add_up() {
        let row = |executions, crashes, regions_covered, regions, seconds| Row {
            target: "x".into(),
            executions,
            crashes,
            regions_covered,
            regions,
            seconds,
        };
        let known = row(100, 0, 8, 10, 60);
        assert_eq!(add(&known, &row(50, 0, 7, 10, 30)), row(150, 0, 8, 10, 90));
        assert_eq!(add(&known, &row(50, 1, 9, 10, 30)), row(150, 1, 9, 10, 90));
        // Other source: what was reached of the old one says nothing.
        assert_eq!(add(&known, &row(50, 0, 7, 12, 30)), row(150, 0, 7, 12, 90));
        assert_eq!(add(&row(100, 1, 8, 10, 60), &row(50, 0, 7, 10, 30)), row(50, 0, 7, 10, 30));
    }

    #[test]
    fn executions_are_read() {
        let told = "Done 7 runs\nstat::number_of_executed_units: 1234\nstat::x: 1\n";
        assert_eq!(stat(told, "stat::number_of_executed_units:"), Some(1234));
    }
}
