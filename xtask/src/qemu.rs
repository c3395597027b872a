//! Runs every demo on every emulated board and on the host: the same text, the same logits; and what it
//! costs, compared with the record in the repository.

use crate::board::{BOARDS, Board, setup};
use crate::elf::{self, Image};
use crate::image::close;
use crate::models::stories;
use crate::safety::frames::floats;
use crate::safety::image::Image as Code;
use crate::steps::{root, run_in};
use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// One core and demo. The fields are the keys of `cargo xtask qemu --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The core.
    pub core: String,
    /// The emulated board.
    pub board: String,
    /// The demo.
    pub demo: String,
    /// Guest instructions per `unit`, rounded.
    pub instructions: u64,
    /// `token`, `inference`, `word`, or `second` of sound.
    pub unit: String,
    /// RAM of the model.
    pub arena_bytes: u64,
    /// Deepest stack, by painting.
    pub stack_bytes: u64,
    /// Code and constants of the image, models not counted.
    pub text_bytes: u64,
    /// Those of the engine by their names, see `engine`.
    #[serde(default)]
    pub engine_bytes: u64,
    /// Flash of the model.
    pub blob_bytes: u64,
    /// Hash over every logit of the demo.
    pub logits_hash: String,
    /// Whether the text, hash included, is the host's to the byte.
    pub equals_host: bool,
    /// Where the instructions go, per `unit`; and `beam`, what a word costs with the blob's beam. Of a
    /// stream that is listened to: the front end's instructions a second, the most in 10 ms, and the
    /// share of a core at 100 MHz, an instruction a cycle, that all of it takes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, u64>,
}

/// Which demos there are.
pub const DEMOS: [&str; 8] =
    ["classify", "digits", "g2p", "generate", "motion", "slots", "stories", "wake"];

/// Pieces of a stream in a second.
const PIECES: u64 = 100;

/// Of a word that `g2p` pronounces greedily: the parts that are counted apart.
const PARTS: [&str; 6] =
    ["encoder", "source", "self_attention", "cross_attention", "feed_forward", "head"];

/// Compiles what runs demos on the host.
pub fn build_host() -> Result<()> {
    run_in(
        "firmware",
        "cargo build --quiet --release --package picoformer-host --bin picoformer-host",
    )
}

/// What the host prints.
pub fn host(demo: &str, blob: Option<&PathBuf>) -> Result<String> {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--release", "--package", "picoformer-host", "--", demo])
        .args(blob)
        .current_dir(root().join("firmware"))
        .output()
        .context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("{demo} fails on the host:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One demo built for one board.
pub struct Built {
    board: Board,
    demo: String,
    path: PathBuf,
    image: Image,
}

/// Builds one demo for one board. No image of ours panics, computes with soft float or allocates.
pub fn build(board: &str, demo: &str) -> Result<Built> {
    let board = Board::read(board)?;
    let path = board.build(demo, &[])?;
    let image = elf::read(&path)?;
    let code = Code::read(&path)?;
    let floats = floats(&code);
    if !floats.is_empty() {
        bail!("{demo} for {}: float instructions in the image: {}", board.core, floats.join(", "));
    }
    for (names, what) in [(&image.soft_float, "soft float"), (&image.allocator, "an allocator")] {
        if !names.is_empty() {
            bail!("{demo} for {}: {what} in the image: {}", board.core, names.join(", "));
        }
    }
    if image.panic_sites > 0 {
        bail!("{demo} for {}: {} calls of a panic in the image", board.core, image.panic_sites);
    }
    Ok(Built { board, demo: demo.into(), path, image })
}

/// Runs one demo on one board: its costs, and the text that it printed.
pub fn emulate(built: &Built, host: &str, blob: Option<&PathBuf>) -> Result<(Row, String)> {
    let Built { board, demo, path, image } = built;
    let slot = match blob {
        Some(blob) => Some((blob.as_path(), image.blob_slot.context("no slot for a model")?)),
        None => None,
    };
    let printed = board.run(path, slot)?;
    let (mut text, mut numbers) = (String::new(), BTreeMap::new());
    for line in printed.lines() {
        match line.strip_prefix('#') {
            Some(entry) => {
                let (key, value) = entry.split_once(' ').unwrap_or((entry, ""));
                numbers.insert(key.to_owned(), value.parse::<u64>().unwrap_or(0));
            }
            None => text = text + line + "\n",
        }
    }
    let number = |key: &str| numbers.get(key).copied().unwrap_or(0);
    let (total, times, unit) = match demo.as_str() {
        "classify" | "digits" | "motion" | "slots" => {
            (number("inference_instructions"), number("inferences"), "inference")
        }
        "g2p" => {
            let parts: u64 = PARTS.iter().map(|part| number(&format!("{part}_instructions"))).sum();
            (number("word_instructions") + parts, number("words"), "word")
        }
        "wake" => (PIECES * number("piece_instructions"), number("pieces"), "second"),
        _ => (number("token_instructions"), number("tokens"), "token"),
    };
    let mut parts = BTreeMap::new();
    if unit == "word" {
        for part in PARTS {
            let total = number(&format!("{part}_instructions"));
            parts.insert(part.to_owned(), total / times.max(1));
        }
        let beam = number("beam_instructions") + number("beam_step_instructions");
        parts.insert("beam".to_owned(), beam / number("beams").max(1));
    }
    if unit == "second" {
        let each = |key: &str| PIECES * number(key) / times.max(1);
        parts.insert("front_end".to_owned(), each("front_end_instructions"));
        parts.insert("longest_10_ms".to_owned(), number("longest_piece_instructions"));
        let share = each("piece_instructions") * 1000 / 100_000_000;
        parts.insert("permille_of_100_mhz".to_owned(), share);
    }
    let row = Row {
        core: board.core.clone(),
        board: board.name.clone(),
        demo: demo.clone(),
        instructions: (total + times / 2).checked_div(times).context("nothing was counted")?,
        unit: unit.into(),
        arena_bytes: number("arena_bytes"),
        stack_bytes: number("stack_bytes"),
        text_bytes: image.text_bytes,
        engine_bytes: image.engine_bytes,
        blob_bytes: number("blob_bytes"),
        logits_hash: hash(&text),
        equals_host: text == host,
        parts,
    };
    Ok((row, text))
}

/// Builds and runs a program of the board's own, which says by its exit status whether all is well.
pub fn self_check(board: &str, program: &str) -> Result<()> {
    let board = Board::read(board)?;
    let printed = board.run(&board.build(program, &[])?, None)?;
    printed.lines().filter(|line| !line.starts_with('#')).for_each(|line| println!("{line}"));
    Ok(())
}

/// Builds and runs a demo that is not measured: it prints what is kept in `firmware/demo/expected`.
pub fn expected(board: &str, demo: &str) -> Result<()> {
    let built = build(board, demo)?;
    let printed = built.board.run(&built.path, None)?;
    let own: String = printed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.to_owned() + "\n")
        .collect();
    let path = root().join(format!("firmware/demo/expected/{demo}.out"));
    let kept = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    if own != kept {
        bail!("{demo} on {board} prints\n{own}but {} holds\n{kept}", path.display());
    }
    Ok(())
}

/// The hash that a demo prints last.
pub fn hash(text: &str) -> String {
    text.lines().filter_map(|line| line.strip_prefix("logits ")).next_back().unwrap_or("").into()
}

fn record_path() -> PathBuf {
    root().join("firmware/record.json")
}

/// Rows of the record in the repository.
pub fn record() -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(record_path()).context("firmware/record.json")?;
    serde_json::from_str(&text).context("firmware/record.json")
}

/// All demos on all boards (or one of each).
pub fn rows(board: Option<&str>, demo: Option<&str>, bless: bool) -> Result<Vec<Row>> {
    setup()?;
    if let Some(board) = board {
        Board::read(board)?;
    }
    if let Some(demo) = demo.filter(|demo| !DEMOS.contains(demo)) {
        bail!("no demo `{demo}`; there are {}", DEMOS.join(", "));
    }
    let mut rows = Vec::new();
    for name in DEMOS.into_iter().filter(|name| demo.is_none_or(|demo| demo == *name)) {
        if name == "slots" && !root().join("models/slots/model.pico").is_file() {
            eprintln!("slots: skipped, models/slots is not shipped");
            continue;
        }
        let blob = if name == "stories" { stories()? } else { None };
        if name == "stories" && blob.is_none() {
            continue;
        }
        let host = host(name, blob.as_ref())?;
        let expected = root().join(format!("firmware/demo/expected/{name}.out"));
        if bless {
            std::fs::write(&expected, &host)?;
        }
        let kept =
            std::fs::read_to_string(&expected).with_context(|| expected.display().to_string())?;
        if kept != host {
            bail!("{name} on the host prints\n{host}but {} holds\n{kept}", expected.display());
        }
        let boards = BOARDS.into_iter().filter(|core| board.is_none_or(|board| board == *core));
        eprintln!("{name} on {} …", boards.clone().collect::<Vec<_>>().join(", "));
        let built = boards.map(|board| build(board, name)).collect::<Result<Vec<_>>>()?;
        // An emulator counts instructions, not time: they may share the processor.
        let (host, blob) = (&host, blob.as_ref());
        let found: Vec<_> = std::thread::scope(|scope| {
            let run = |built| scope.spawn(move || emulate(built, host, blob));
            let running: Vec<_> = built.iter().map(run).collect();
            running.into_iter().map(|thread| thread.join()).collect()
        });
        for found in found {
            let (row, text) = found.map_err(|_| anyhow!("a thread of xtask panicked"))??;
            if !row.equals_host {
                bail!("{name} on {} prints\n{text}but the host prints\n{host}", row.board);
            }
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Runs all and compares with the record, exactly; `bless` writes it.
pub fn check(bless: bool) -> Result<Vec<Row>> {
    let rows = rows(None, None, bless)?;
    if bless {
        let mut text = String::from("[\n");
        let lines: Vec<String> = rows
            .iter()
            .map(|row| Ok(format!("  {}", serde_json::to_string(row)?)))
            .collect::<Result<_>>()?;
        text += &lines.join(",\n");
        std::fs::write(record_path(), text + "\n]\n")?;
        return Ok(rows);
    }
    let record = record()?;
    let mut wrong = Vec::new();
    for row in &rows {
        let known = record.iter().find(|r| (&r.board, &r.demo) == (&row.board, &row.demo));
        let same = known.is_some_and(|known| {
            let (text_bytes, engine_bytes) = (known.text_bytes, known.engine_bytes);
            close(row.text_bytes, text_bytes)
                && close(row.engine_bytes, engine_bytes)
                && Row { text_bytes, engine_bytes, ..row.clone() } == *known
        });
        if !same {
            wrong.push(format!("found    {row:?}\nrecorded {known:?}"));
        }
    }
    if !wrong.is_empty() {
        bail!(
            "not as recorded in firmware/record.json (cargo xtask qemu --bless records anew):\n{}",
            wrong.join("\n")
        );
    }
    Ok(rows)
}

/// A table for people.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<12} {:<9} {:>12} {:<10} {:>8} {:>6} {:>8} {:>8} {:>8}  {:<16} {}\n",
        "core",
        "demo",
        "instructions",
        "per",
        "arena B",
        "stack",
        "code B",
        "engine B",
        "model B",
        "logits",
        "equals host"
    );
    for row in rows {
        text += &format!(
            "{:<12} {:<9} {:>12} {:<10} {:>8} {:>6} {:>8} {:>8} {:>8}  {:<16} {}\n",
            row.core,
            row.demo,
            row.instructions,
            row.unit,
            row.arena_bytes,
            row.stack_bytes,
            row.text_bytes,
            row.engine_bytes,
            row.blob_bytes,
            row.logits_hash,
            if row.equals_host { "yes" } else { "NO" }
        );
    }
    for row in rows.iter().filter(|row| row.unit == "second") {
        let part = |name: &str| row.parts.get(name).copied().unwrap_or(0);
        text += &format!(
            "{} listens in real time with {:.1} % of 100 MHz (instructions per second of sound / 10^8): {} \
             instructions a second, {} of them in the front end, {} at most in 10 ms\n",
            row.core,
            part("permille_of_100_mhz") as f64 / 10.0,
            row.instructions,
            part("front_end"),
            part("longest_10_ms"),
        );
    }
    text
}
