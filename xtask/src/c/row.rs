//! One example on one core.

use super::program::{Core, Program, build, run};
use super::{map, tests};
use crate::qemu::hash;
use crate::steps::root;
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

/// One example on one core. The fields are the keys of `cargo xtask c --json`.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The emulated core.
    pub core: String,
    /// The example.
    pub example: String,
    /// The float ABI that the program was compiled for.
    pub float_abi: String,
    /// Whether text and hash are those of the host.
    pub equals_host: bool,
    /// `any`, or the only model that the library is for.
    pub library: String,
    /// Symbols of panics, allocators and unwinding in the archive.
    pub panic_symbols: usize,
    /// Code and constants that the program links of the library.
    pub code_bytes: u64,
    /// Code and constants of the same demo in Rust, board and all, where it is built for comparison.
    pub rust_bytes: Option<u64>,
    /// Deepest stack of the whole program, by painting; null on a core whose start-up file does not paint.
    pub stack_bytes: Option<u64>,
    /// Hash over every logit.
    pub logits_hash: String,
}

/// Builds an example with an archive, runs it and compares.
pub fn example_row(
    core: &Core,
    example: &str,
    model: &str,
    demo: &str,
    float: &str,
    archive: &Path,
) -> Result<Row> {
    let source = format!("examples/{example}.c");
    let program =
        Program { name: example, source: &source, models: &[model], float, more: Vec::new() };
    let (elf, map) = build(core, &program, archive)?;
    let map = std::fs::read_to_string(map)?;
    tests::helpers(&map)?;
    let (text, stack_bytes) = run(core, &elf)?;
    Ok(Row {
        code_bytes: map::code_bytes(&map, "libpicoformer"),
        stack_bytes: Some(stack_bytes),
        ..row(core.name, example, demo, float, &text)?
    })
}

/// What an example printed, compared with the host.
pub fn row(core: &str, example: &str, demo: &str, float: &str, text: &str) -> Result<Row> {
    // What the host prints, and every emulated board (firmware/host/tests).
    let kept = root().join(format!("firmware/demo/expected/{demo}.out"));
    let kept = std::fs::read_to_string(&kept).with_context(|| kept.display().to_string())?;
    Ok(Row {
        core: core.into(),
        example: example.into(),
        float_abi: float.into(),
        equals_host: text == kept,
        library: "any".into(),
        panic_symbols: 0,
        code_bytes: 0,
        rust_bytes: None,
        stack_bytes: None,
        logits_hash: hash(text),
    })
}
