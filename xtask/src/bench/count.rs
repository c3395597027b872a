//! Runs the bench programs: all kernels, then each model, on one board after the other.

use super::models::MODELS;
use super::row::{Row, read};
use super::{backend, host};
use crate::board::{Board, setup};
use crate::elf;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// The boards that are counted.
pub const BOARDS: [&str; 6] =
    ["mps2-an386", "mps2-an500", "mps2-an385", "mps2-an505", "mps3-an547", "riscv32-virt"];

/// What the kernels' cases begin with.
const KERNELS: [&str; 6] = ["linear/", "attention/", "layer_norm", "rms_norm/", "gelu/", "silu/"];

/// Counts on all boards, or one; all cases, or those whose name contains `case`.
pub fn rows(board: Option<&str>, case: Option<&str>) -> Result<Vec<Row>> {
    setup()?;
    let wanted = |name: &str| case.is_none_or(|part| name.contains(part));
    // A part of a name may stand for any of its cases: run what could have them.
    let kernels = case.is_none_or(|part| {
        KERNELS.iter().any(|kernel| part.starts_with(kernel) || kernel.contains(part))
            || !MODELS.iter().any(|model| model.has_case(part))
    });
    let mut models = Vec::new();
    for model in MODELS.iter().filter(|model| case.is_none_or(|part| model.has_case(part))) {
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
