//! Runs the bench programs: all kernels, then each model, on one board after the other.

use super::profile::{self, Profile};
use super::{Row, backend, host};
use crate::board::{Board, setup};
use crate::elf;
use crate::steps::{data, root};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The boards that are counted.
pub const BOARDS: [&str; 6] =
    ["mps2-an386", "mps2-an500", "mps2-an385", "mps2-an505", "mps3-an547", "riscv32-virt"];

/// A model whose cases are counted: its name, its cases, where its blob comes from.
struct Model {
    name: &'static str,
    cases: &'static [&'static str],
    blob: fn() -> Result<Option<PathBuf>>,
}

const DECODER: &[&str] = &["token/*/16", "decode/*", "prefill/*/64", "advance/*/64"];
const MODELS: [Model; 5] = [
    Model { name: "stories260k", cases: DECODER, blob: stories },
    Model {
        name: "tales",
        cases: DECODER,
        blob: || Ok(Some(root().join("models/tales/model.pico"))),
    },
    Model {
        name: "intent",
        cases: &["classify/*"],
        blob: || Ok(Some(root().join("models/intent/model.pico"))),
    },
    Model {
        name: "g2p",
        cases: &["pronounce/*"],
        blob: || Ok(Some(root().join("models/g2p/model.pico"))),
    },
    Model { name: "l2h128t64", cases: &["encoder/*"], blob: encoder },
];
/// What the kernels' cases begin with.
const KERNELS: [&str; 6] = ["linear/", "attention/", "layer_norm", "rms_norm/", "gelu/", "silu/"];

/// Counts on all boards, or one; all cases, or those whose name contains `case`.
pub fn rows(board: Option<&str>, case: Option<&str>) -> Result<Vec<Row>> {
    setup()?;
    let wanted = |name: &str| case.is_none_or(|part| name.contains(part));
    // A part of a name may stand for any of its cases: run what could have them.
    let kernels = case.is_none_or(|part| {
        KERNELS.iter().any(|kernel| part.starts_with(kernel) || kernel.contains(part))
            || !MODELS.iter().any(|model| asks_for(model, part))
    });
    let mut models = Vec::new();
    for model in MODELS.iter().filter(|model| case.is_none_or(|part| asks_for(model, part))) {
        if let Some(blob) = (model.blob)()? {
            models.push((model.name, blob));
        }
    }
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for name in BOARDS.into_iter().filter(|name| board.is_none_or(|board| board == *name)) {
        eprintln!("{name} …");
        match on_board(name, kernels, &models) {
            Ok(counted) => rows.extend(counted),
            Err(error) => failed.push(format!("{name}: {error:#}")),
        }
    }
    if board.is_none_or(|board| board == host::CORE)
        && let Some(program) = host::build()?
    {
        eprintln!("{} …", host::CORE);
        if kernels {
            rows.extend(host::run(&program, None, "")?);
        }
        for (model, blob) in &models {
            rows.extend(host::run(&program, Some(blob), model)?);
        }
    }
    if rows.iter().any(|row| row.case.starts_with("prefill/")) {
        let program = host::program()?;
        for (model, blob) in &models {
            let loaded = host::weights(&program, blob, model)?;
            for row in &mut rows {
                row.weight_bytes = row.weight_bytes.or(loaded.get(&row.case).copied());
            }
        }
    }
    if !failed.is_empty() {
        bail!("not every board could be counted:\n{}", failed.join("\n"));
    }
    rows.retain(|row| wanted(&row.case));
    if rows.is_empty() {
        bail!("nothing was counted: no such board or case");
    }
    Ok(rows)
}

/// stories260K, converted from the shared data; `None` (with a printed reason) without.
fn stories() -> Result<Option<PathBuf>> {
    let Some(data) = data() else {
        eprintln!("stories260k: skipped, set PICOFORMER_DATA to a folder with stories260K");
        return Ok(None);
    };
    let blob = root().join("target/stories260K.pico");
    let checkpoint = data.join("stories260K/stories260K.bin");
    let (from, to) = (checkpoint.display().to_string(), blob.display().to_string());
    converter(&["--bin", "picoformer", "--", "convert", &from, "--output", &to])?;
    Ok(Some(blob))
}

/// An encoder of the shape in which others were measured, with random weights.
fn encoder() -> Result<Option<PathBuf>> {
    let blob = root().join("target/l2h128t64.pico");
    converter(&["--example", "random_encoder", "--", &blob.display().to_string()])?;
    Ok(Some(blob))
}

/// Runs a program of the converter.
fn converter(arguments: &[&str]) -> Result<()> {
    let status = Command::new("cargo")
        .args(["run", "--quiet", "--package", "picoformer-convert"])
        .args(arguments)
        .current_dir(root())
        .stdout(Stdio::null())
        .status()
        .context("cargo cannot be started")?;
    if !status.success() {
        bail!("the converter fails: {}", arguments.join(" "));
    }
    Ok(())
}

/// Everything wanted on one board.
fn on_board(name: &str, kernels: bool, models: &[(&str, PathBuf)]) -> Result<Vec<Row>> {
    let board = Board::read(name)?;
    let program = board.build("bench", &[])?;
    backend::check(&board.core, &program)?;
    let slot = elf::read(&program)?.blob_slot.context("no slot for a model")?;
    let mut rows = Vec::new();
    if kernels {
        rows.extend(read(&board.run(&program, None)?, &board.core, "")?);
    }
    for (model, blob) in models {
        rows.extend(read(&board.run(&program, Some((blob, slot)))?, &board.core, model)?);
    }
    Ok(rows)
}

/// Follows the cases of one board whose name begins with `case`.
pub fn profiles(board: &str, case: &str) -> Result<Vec<Profile>> {
    setup()?;
    let board = Board::read(board)?;
    let program = board.build("bench", &[])?;
    follow(&board, &program, case)
}

fn follow(board: &Board, program: &Path, case: &str) -> Result<Vec<Profile>> {
    let Some(model) = MODELS.iter().find(|model| asks_for(model, case)) else {
        return profile::profiles(board, program, case, None);
    };
    let blob = (model.blob)()?.with_context(|| format!("no model for `{case}`"))?;
    let wanted = case.replace(model.name, "*");
    profile::profiles(board, program, &wanted, Some((model.name, &blob)))
}

/// What is followed for the record: a token and an inference by part, and a few kernels for their mix
/// of instructions.
const PROFILED: [(&str, &[&str]); 5] = [
    (
        "mps2-an386",
        &[
            "token/stories260k/16",
            "token/tales/16",
            "classify/intent",
            "encoder/l2h128t64",
            "linear/64x64",
            "linear/128x512",
            "attention/d32/t64",
            "layer_norm/128",
            "gelu/512",
            "silu/172",
        ],
    ),
    (
        "mps2-an385",
        &[
            "token/stories260k/16",
            "token/tales/16",
            "linear/64x64",
            "attention/d32/t64",
            "layer_norm/128",
            "gelu/512",
            "silu/172",
        ],
    ),
    ("mps2-an505", &["token/stories260k/16"]),
    ("mps3-an547", &["token/stories260k/16", "token/tales/16", "encoder/l2h128t64"]),
    ("riscv32-virt", &["token/stories260k/16", "token/tales/16"]),
];

/// Everything that the record follows; without the shared data, what can be followed.
pub fn all_profiles() -> Result<Vec<Profile>> {
    let mut all = Vec::new();
    for (board, cases) in PROFILED {
        let board = Board::read(board)?;
        let program = board.build("bench", &[])?;
        for case in cases {
            if case.contains("stories260k") && data().is_none() {
                continue;
            }
            eprintln!("{} {case} …", board.name);
            all.extend(follow(&board, &program, case)?);
        }
    }
    Ok(all)
}

fn asks_for(model: &Model, part: &str) -> bool {
    model.cases.iter().any(|case| case.replace('*', model.name).contains(part))
}

/// Reads `#case NAME INSTRUCTIONS PER UNIT` and `#arena_bytes BYTES`.
pub fn read(text: &str, core: &str, model: &str) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let kind = words.next().unwrap_or_default();
        let mut word = || words.next().with_context(|| format!("a word is missing in `{line}`"));
        match kind {
            "#case" => {
                let case = word()?.replace('*', model);
                let mut number = || word()?.parse().with_context(|| format!("no number: `{line}`"));
                let (count, per) = (number()?, number()?);
                rows.push(Row {
                    core: core.into(),
                    case,
                    instructions: count,
                    per,
                    unit: word()?.into(),
                    weight_bytes: None,
                    arena_bytes: None,
                    source: "ours".into(),
                });
            }
            "#arena_bytes" => {
                let bytes: u64 = word()?.parse().with_context(|| format!("no number: `{line}`"))?;
                rows.iter_mut().for_each(|row| row.arena_bytes = Some(bytes).filter(|b| *b > 0));
            }
            _ => {}
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read() {
        let rows = read("arm-dsp\n#case decode/* 1000 128 token\n#x 1\n", "M4", "tales").unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].case.as_str(), rows[0].instructions), ("decode/tales", 1000));
        assert!(read("#case decode/* many 128 token", "M4", "tales").is_err());
    }
}
