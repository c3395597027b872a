//! `cargo xtask soak`: mutated blobs of every architecture and every shipped model, their checksum made right: on
//! hosts of 64 and 32 bits, under AddressSanitizer, on two emulated cores. Each is refused or run, and all do the same.

use super::fuzz::HOST;
use super::record::{Record, merge};
use super::rows::SoakRow as Row;
use crate::board::{Board, setup};
use crate::elf;
use crate::steps::{execute, root};
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the command is asked for.
#[derive(clap::Args)]
pub struct Options {
    /// Mutations on the hosts of 64 and of 32 bits each; a tenth of it under AddressSanitizer, at most 10,000 on each core
    #[arg(long, default_value_t = 10_000)]
    mutations: u32,
    /// Other mutations
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Only campaigns whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Machine-readable
    #[arg(long)]
    json: bool,
    /// Keeps the rows in fuzz/record.json and shows them in docs/SECURITY.md
    #[arg(long)]
    record: bool,
}

/// The most on a core.
const BOARD_MUTATIONS: u32 = 10_000;
/// Emulated cores: one whose kernels are assembly for Arm, and RISC-V.
const BOARDS: [&str; 2] = ["mps2-an386", "riscv32-virt"];
/// Mutations that one run of an emulator works through, by blob.
const BATCH: u32 = 50;
/// A host of 32 bits.
pub const HOST_32: &str = "i686-unknown-linux-gnu";

// What `picoformer-soak` writes for a mutation: 9 bytes, of which the first holds these.
const ACCEPTED: u8 = 1;
const HUNG: u8 = 4;
const DIFFERS: u8 = 8;
const PANICKED: u8 = 16;

/// What became of a mutation.
type Verdict = (u8, u64);

/// The rows so far.
struct Rows {
    all: Vec<Row>,
    record: bool,
}

impl Rows {
    /// Keeps a row at once: the next campaign may take hours.
    fn push(&mut self, row: Row) -> Result<()> {
        eprint!("{}", table(std::slice::from_ref(&row)));
        if self.record {
            let mut record = Record::read()?;
            merge(&mut record.soak, std::slice::from_ref(&row), |a, b| a.campaign == b.campaign);
            record.write()?;
            super::document::update(false)?;
        }
        self.all.push(row);
        Ok(())
    }
}

/// Runs the campaigns.
pub fn soak(options: &Options) -> Result<()> {
    let wants = |name: &str| name.contains(&options.only);
    let mut rows = Rows { all: Vec::new(), record: options.record };
    let n = options.mutations;
    if [HOST, HOST_32].iter().any(|host| wants(host)) {
        let set = make_set("soak", n, options.seed, false)?;
        let native = host(&set, HOST, false)?;
        let expected = native.as_ref().map_err(|error| anyhow!("{error}"))?.clone();
        if wants(HOST) {
            rows.push(row(HOST, n, &native, None))?;
        }
        if wants(HOST_32) {
            rows.push(row(HOST_32, n, &host(&set, HOST_32, false)?, Some(&expected)))?;
        }
    }
    let name = format!("{HOST}, AddressSanitizer");
    if wants(&name) {
        let n = n.div_ceil(10);
        let set = make_set("soak-sanitized", n, options.seed.wrapping_add(1), false)?;
        rows.push(row(&name, n, &host(&set, HOST, true)?, None))?;
    }
    let boards: Vec<Board> = BOARDS.iter().map(|name| Board::read(name)).collect::<Result<_>>()?;
    let boards: Vec<Board> = boards.into_iter().filter(|board| wants(&board.core)).collect();
    if !boards.is_empty() {
        setup()?;
        let n = n.min(BOARD_MUTATIONS);
        let set = make_set("soak-board", n, options.seed.wrapping_add(2), true)?;
        let expected = host(&set, HOST, false)?.map_err(|error| anyhow!("{error}"))?;
        for board in &boards {
            rows.push(on_board(board, &set, n, &expected)?)?;
        }
    }
    let rows = rows.all;
    match options.json {
        true => println!("{}", serde_json::to_string(&rows)?),
        false => print!("{}", table(&rows)),
    }
    if rows.iter().any(|row| row.panics + row.hangs + row.differences > 0) {
        bail!("a mutation did harm");
    }
    Ok(())
}

fn target(name: &str) -> PathBuf {
    root().join("target").join(name)
}

/// Writes the set of good blobs, with the number of mutations of each.
fn make_set(name: &str, mutations: u32, seed: u32, board: bool) -> Result<PathBuf> {
    let path = target(&format!("{name}.set"));
    let mut command = Command::new("cargo");
    command
        .args(["run", "--quiet", "--package", "picoformer-fuzz-targets", "--bin", "make_set", "--"])
        .arg(&path)
        .args([mutations.to_string(), seed.to_string()])
        .args(board.then_some("--board"))
        .current_dir(root());
    execute(&mut command)?;
    Ok(path)
}

/// Works through a set on this machine: the verdicts, or how the process ended.
fn host(
    set: &Path,
    triple: &str,
    sanitized: bool,
) -> Result<std::result::Result<Vec<Verdict>, String>> {
    let folder = target(if sanitized { "soak-sanitized" } else { "soak" });
    let mut command = Command::new("cargo");
    if sanitized {
        command.arg("+nightly").env("RUSTFLAGS", "-Zsanitizer=address");
    } else {
        execute(Command::new("rustup").args(["--quiet", "target", "add", triple]))?;
    }
    command
        .args(["build", "--quiet", "--release", "--package", "picoformer-soak", "--target", triple])
        .arg("--target-dir")
        .arg(&folder)
        // What is shipped, with every check on.
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
        .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
        .current_dir(root());
    execute(&mut command)?;
    let program = folder.join(triple).join("release/picoformer-soak");
    let outcomes = set.with_extension(format!("{triple}.out"));
    let _ = std::fs::remove_file(&outcomes);
    eprintln!("{} {} …", program.display(), set.display());
    let status = Command::new(&program).arg(set).arg(&outcomes).status();
    let status = status.with_context(|| format!("{} cannot be started", program.display()))?;
    if !status.success() {
        return Ok(Err(format!("{} ended: {status}", program.display())));
    }
    let bytes = std::fs::read(&outcomes)?;
    let verdict = |bytes: &[u8; 9]| {
        let [flags, hash @ ..] = *bytes;
        (flags, u64::from_le_bytes(hash))
    };
    Ok(Ok(bytes.as_chunks::<9>().0.iter().map(verdict).collect()))
}

/// The row of a campaign, against the verdicts of another host on the same set.
fn row(
    name: &str,
    mutations: u32,
    found: &std::result::Result<Vec<Verdict>, String>,
    expected: Option<&Vec<Verdict>>,
) -> Row {
    let verdicts = match found {
        Ok(verdicts) => verdicts,
        Err(error) => {
            eprintln!("{name}: {error}");
            let inputs = u64::from(mutations);
            let (refused, safe, hangs, differences) = (0, 0, 0, 0);
            return Row {
                campaign: name.into(),
                inputs,
                refused,
                safe,
                panics: 1,
                hangs,
                differences,
            };
        }
    };
    let count = |mask: u8| verdicts.iter().filter(|(flags, _)| flags & mask != 0).count() as u64;
    let (accepted, panics, hangs) = (count(ACCEPTED), count(PANICKED), count(HUNG));
    let mut differences = count(DIFFERS);
    if let Some(expected) = expected {
        let common = verdicts.iter().zip(expected).filter(|(a, b)| a == b).count();
        differences += (verdicts.len().max(expected.len()) - common) as u64;
    }
    let inputs = verdicts.len() as u64;
    let (refused, safe) = (inputs - accepted - panics, accepted - hangs);
    Row { campaign: name.into(), inputs, refused, safe, panics, hangs, differences }
}

/// A line of the board's: mutations, refused ones, hung ones, hash.
type Line = (u64, u64, u64, u64);

/// The lines that a board prints for a set, from the verdicts of the host. As `picoformer_forge::set::fold`.
fn lines(counts: &[u32], verdicts: &[Verdict]) -> Vec<Line> {
    let (mut lines, mut rest) = (Vec::new(), verdicts);
    for &count in counts {
        let (own, others) = rest.split_at((count as usize).min(rest.len()));
        rest = others;
        lines.extend(own.chunks(BATCH as usize).map(|chunk| {
            let count = |what: fn(u8) -> bool| chunk.iter().filter(|v| what(v.0)).count() as u64;
            let hash = chunk.iter().fold(0u64, |hash, &(flags, outcome)| {
                let mixed = hash.rotate_left(5) ^ outcome ^ u64::from(flags);
                mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            });
            let refused = count(|flags| flags & ACCEPTED == 0);
            (chunk.len() as u64, refused, count(|flags| flags & HUNG != 0), hash)
        }));
    }
    lines
}

fn word(set: &[u8], index: usize) -> u32 {
    set.get(4 * index..4 * index + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

/// Works through a set on an emulated core, a part at a time.
fn on_board(board: &Board, set: &Path, mutations: u32, verdicts: &[Verdict]) -> Result<Row> {
    let elf = board.build("soak", &[])?;
    let slot = elf::read(&elf)?.blob_slot.context("no slot for a set")?;
    let bytes = std::fs::read(set)?;
    let blobs = word(&bytes, 1) as usize;
    let counts: Vec<u32> = (1..=blobs).map(|i| word(&bytes, 4 * i + 3)).collect();
    let expected = lines(&counts, verdicts);
    // Every blob in turns of a few hundred mutations: an emulator is slow, and what hangs is found early.
    let turn = 4 * BATCH;
    let mut found: Vec<Vec<Line>> = vec![Vec::new(); blobs];
    let (mut panics, most) = (0, counts.iter().copied().max().unwrap_or(0));
    let part = set.with_extension(format!("{}.part", board.name));
    for first in (0..most).step_by(turn as usize) {
        let mut own = bytes.clone();
        for (i, &count) in counts.iter().enumerate() {
            let n = count.saturating_sub(first).min(turn);
            let at = 16 * (i + 1) + 8;
            own[at..at + 4].copy_from_slice(&first.to_le_bytes());
            own[at + 4..at + 8].copy_from_slice(&n.to_le_bytes());
        }
        std::fs::write(&part, own)?;
        eprintln!("{}: mutations {first} … of each of {blobs} blobs", board.core);
        let printed = match board.run(&elf, Some((&part, slot))) {
            Ok(printed) => printed,
            Err(error) => {
                eprintln!("{error:#}");
                panics += 1;
                continue;
            }
        };
        let mut printed = printed.lines().filter(|line| !line.starts_with('#'));
        for (i, &count) in counts.iter().enumerate() {
            let n = count.saturating_sub(first).min(turn);
            for _ in 0..n.div_ceil(BATCH) {
                found[i].push(parse(printed.next().context("a line is missing")?)?);
            }
        }
    }
    let found: Vec<Line> = found.into_iter().flatten().collect();
    let sum = |field: fn(&Line) -> u64| found.iter().map(field).sum::<u64>();
    let (inputs, refused, hangs) = (sum(|l| l.0), sum(|l| l.1), sum(|l| l.2));
    let mut differences = 0;
    if panics == 0 {
        let same = found.iter().zip(&expected).filter(|(a, b)| a == b).count();
        differences = (found.len().max(expected.len()) - same) as u64;
    }
    let lost = u64::from(mutations).saturating_sub(inputs);
    let safe = inputs - refused - hangs;
    let panics = panics.max(u64::from(lost > 0));
    Ok(Row { campaign: board.core.clone(), inputs, refused, safe, panics, hangs, differences })
}

/// Reads a line of the board's.
fn parse(line: &str) -> Result<Line> {
    let words: Vec<&str> = line.split(' ').collect();
    let [count, refused, hung, hash] = words[..] else { bail!("no line of a soak: {line}") };
    Ok((count.parse()?, refused.parse()?, hung.parse()?, u64::from_str_radix(hash, 16)?))
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<42} {:>9} {:>9} {:>9} {:>7} {:>6} {:>12}\n",
        "campaign", "inputs", "refused", "safe", "panics", "hangs", "differences"
    );
    for r in rows {
        text += &format!(
            "{:<42} {:>9} {:>9} {:>9} {:>7} {:>6} {:>12}\n",
            r.campaign, r.inputs, r.refused, r.safe, r.panics, r.hangs, r.differences
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_counted_and_compared() {
        let one = vec![(0, 5), (3, 7), (3 | HUNG, 1), (PANICKED, 0), (3 | DIFFERS, 9)];
        let other = vec![(0, 5), (3, 8), (7, 1), (PANICKED, 0), (3 | DIFFERS, 9)];
        let row = row("x", 5, &Ok(one), Some(&other));
        assert_eq!((row.inputs, row.refused, row.safe), (5, 1, 2));
        assert_eq!((row.panics, row.hangs, row.differences), (1, 1, 2));
        let crashed = super::row("x", 5, &Err("ended".into()), None);
        assert_eq!((crashed.inputs, crashed.panics), (5, 1));
    }

    #[test]
    fn lines_are_those_of_a_board() {
        let verdicts: Vec<Verdict> = (0..70).map(|i| (i as u8 & 7, i)).collect();
        let lines = lines(&[60, 10], &verdicts);
        assert_eq!(lines.iter().map(|line| line.0).collect::<Vec<_>>(), [50, 10, 10]);
        let mut other = verdicts.clone();
        other[69].1 += 1;
        let others = super::lines(&[60, 10], &other);
        assert_eq!((lines[..2] == others[..2], lines[2] == others[2]), (true, false));
        let (count, refused, hung, hash) = lines[0];
        let text = format!("{count} {refused} {hung} {hash:016x}");
        assert_eq!(parse(&text).unwrap(), lines[0]);
    }
}
