//! Which cases are followed on which board.

use crate::profile::{self, Profile};
use anyhow::{Context, Result};
use std::path::Path;
use xtask::bench::models::MODELS;
use xtask::board::{Board, setup};
use xtask::steps::data;

/// Follows the cases of one board whose name begins with `case`.
pub fn profiles(board: &str, case: &str) -> Result<Vec<Profile>> {
    setup()?;
    let board = Board::read(board)?;
    let program = board.build("bench", &[])?;
    follow(&board, &program, case)
}

fn follow(board: &Board, program: &Path, case: &str) -> Result<Vec<Profile>> {
    let Some(model) = MODELS.iter().find(|model| model.has_case(case)) else {
        return profile::profiles(board, program, case, None);
    };
    let blob = (model.blob)()?.with_context(|| format!("no model for `{case}`"))?;
    let wanted = case.replace(model.name, "*");
    profile::profiles(board, program, &wanted, Some((model.name, &blob)))
}

/// What is followed for the document: a token and an inference by part, and a few kernels for their mix
/// of instructions.
const RECORDED: [(&str, &[&str]); 5] = [
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

/// Everything that the document shows; without the shared data, what can be followed.
pub fn all() -> Result<Vec<Profile>> {
    setup()?;
    let mut all = Vec::new();
    for (board, cases) in RECORDED {
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
