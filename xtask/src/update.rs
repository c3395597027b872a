//! `cargo xtask update`: a device that updates itself, on the emulated Cortex-M4 and M0+, and what signatures
//! cost there.

use crate::board::{Board, setup};
use crate::elf;
use crate::models::picoformer;
use crate::qemu;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where it runs: the fast core and the small one.
const BOARDS: [&str; 2] = ["mps2-an386", "mps2-an385"];
/// As in `picoformer_demo::update`: bytes of a slot, and where the received file begins.
const SLOT: usize = 512 * 1024;
const RECEIVED: usize = 2 * SLOT + 16 * 4096;

/// One core. The fields are the keys of `cargo xtask update --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The core.
    pub core: String,
    /// Instructions to verify an envelope: one signature.
    pub envelope_instructions: u64,
    /// Instructions to hash and parse, for a byte of the blob; the checksum is among them.
    pub instructions_per_byte: f64,
    /// Of those, what the checksum and the parser take without a signature.
    pub unsigned_instructions_per_byte: f64,
    /// Code and constants that signatures add to an image.
    pub code_bytes: u64,
    /// Deepest stack of reading a signed file; of reading it by its checksum.
    pub stack_bytes: u64,
    /// The same without a signature.
    pub unsigned_stack_bytes: u64,
    /// The device that updates itself: code and constants of its image.
    pub update_code_bytes: u64,
    /// Its deepest stack: signatures, model and updater.
    pub update_stack_bytes: u64,
    /// The most instructions between two yields while the file is written, and while it is read back; the last
    /// includes the record.
    pub longest_write: u64,
    /// See `longest_write`.
    pub longest_finish: u64,
    /// Calls of a panic in that image: those are `curve25519-dalek`'s.
    pub panic_sites: usize,
    /// Whether its text, with the logits of both models, is that of the host.
    pub equals_host: bool,
}

/// What a program printed: its text, and its numbers.
fn split(printed: &str) -> (String, BTreeMap<String, u64>) {
    let (mut text, mut numbers) = (String::new(), BTreeMap::new());
    for line in printed.lines() {
        match line.strip_prefix('#').and_then(|entry| entry.split_once(' ')) {
            Some((key, value)) => {
                numbers.insert(key.to_owned(), value.parse().unwrap_or(0));
            }
            None => text = text + line + "\n",
        }
    }
    (text, numbers)
}

/// The flash of a device: release 1 in slot 0, the rest erased, release 2 received behind it. Both are
/// `models/intent`; the second reads all rows in 12 bits, so that its logits are others.
fn flash() -> Result<PathBuf> {
    let folder = root().join("target/update");
    std::fs::create_dir_all(&folder)?;
    let path = |name: &str| folder.join(name);
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (models, keys) = (root().join("models/intent"), root().join("firmware/demo/keys"));
    let (wide, key) = (path("wide.pico"), keys.join("example.key"));
    let checkpoint = models.join("checkpoint");
    picoformer(&["convert", &text(&checkpoint), "-o", &text(&wide), "--wide", "all"])?;
    let mut flash = vec![0xFF; RECEIVED];
    for (blob, release) in [(models.join("model.pico"), 1), (wide, 2)] {
        let signed = path(&format!("release-{release}.pico"));
        let number = release.to_string();
        let [blob, key, out] = [&blob, &key, &signed].map(|path| text(path));
        let arguments =
            ["sign", &blob, "--key", &key, "--product", "picoformer-demo", "--release", &number];
        picoformer(&[&arguments[..], &["-o", &out]].concat())?;
        let bytes = std::fs::read(&signed).with_context(|| out.clone())?;
        match release {
            1 => flash[..bytes.len()].copy_from_slice(&bytes),
            _ => flash.extend(bytes),
        }
    }
    let image = path("flash.bin");
    std::fs::write(&image, flash)?;
    Ok(image)
}

/// Runs everything and compares with the host.
pub fn rows() -> Result<Vec<Row>> {
    setup()?;
    let image = flash()?;
    let host = qemu::host("update", Some(&image))?;
    let hashes: Vec<_> = host.lines().filter(|line| line.starts_with("logits ")).collect();
    let [old, new, itself] = hashes[..] else { bail!("the host prints\n{host}") };
    if new != itself || new == old {
        bail!("the update is not what answers:\n{host}");
    }
    print!("{host}");
    BOARDS.into_iter().map(|name| row(name, &image, &host)).collect()
}

fn row(name: &str, flash: &Path, host: &str) -> Result<Row> {
    let board = Board::read(name)?;
    let run = |program: &str| -> Result<_> {
        let path = board.build(program, &["update"])?;
        let image = elf::read(&path)?;
        if !image.soft_float.is_empty() || !image.allocator.is_empty() {
            bail!("{program} on {name}: {:?} {:?}", image.soft_float, image.allocator);
        }
        let at = image.blob_slot.context("no slot for a model")?;
        let (text, numbers) = split(&board.run(&path, Some((flash, at)))?);
        Ok((image, text, move |key: &str| numbers.get(key).copied().unwrap_or(0)))
    };
    let (with, _, signed) = run("signed")?;
    let (without, _, unsigned) = run("unsigned")?;
    let (image, text, update) = run("update")?;
    if text != host {
        bail!("update on {name} prints\n{text}but the host prints\n{host}");
    }
    let bytes = signed("blob_bytes").max(1) as f64;
    let tenths = |instructions: u64| (instructions as f64 / bytes * 10.0).round() / 10.0;
    Ok(Row {
        core: board.core.clone(),
        envelope_instructions: signed("verify_envelope"),
        instructions_per_byte: tenths(
            signed("parse_signed").saturating_sub(signed("verify_envelope")),
        ),
        unsigned_instructions_per_byte: tenths(unsigned("parse_checked")),
        code_bytes: with.text_bytes.saturating_sub(without.text_bytes),
        stack_bytes: signed("stack_bytes"),
        unsigned_stack_bytes: unsigned("stack_bytes"),
        update_code_bytes: image.text_bytes,
        update_stack_bytes: update("stack_bytes"),
        longest_write: update("longest_write"),
        longest_finish: update("longest_finish"),
        panic_sites: image.panic_sites,
        equals_host: text == host,
    })
}

/// Runs and prints a table, or JSON.
pub fn update(json: bool) -> Result<()> {
    let rows = rows()?;
    if json {
        println!("{}", serde_json::to_string(&rows)?);
        return Ok(());
    }
    for row in &rows {
        let value = serde_json::to_value(row)?;
        for (key, value) in value.as_object().into_iter().flatten() {
            println!("{:<12} {key:<32} {value}", row.core);
        }
    }
    Ok(())
}
