//! `cargo xtask demo`: the shipped models on this computer and on an emulated Cortex-M4, then their
//! checkpoints converted again. The engine goes first: it has no dependencies, while most of the time
//! goes into compiling the converter's.

use crate::board::{Board, setup_arm};
use crate::models;
use crate::progress::Progress;
use crate::qemu::{self, Row};
use anyhow::{Result, bail};

const BOARD: &str = "mps2-an386";
const DEMOS: [(&str, &str); 2] = [
    ("classify", "models/intent, a BERT of 0.3 M parameters, finds what a sentence wants:"),
    ("generate", "models/tales, a Llama of 0.5 M parameters, goes on with a tale:"),
];

/// Runs the shipped models here and on the emulated Cortex-M4, converts their checkpoints again.
pub fn demo() -> Result<()> {
    let shipped = models::shipped()?;
    let mut progress = Progress::new(3 + 2 * DEMOS.len() + shipped.len());
    let emulator = progress
        .step("Rust's target and QEMU for the Cortex-M4", || setup_arm(&Board::read(BOARD)?));
    progress.step("compiling the engine and the demos for this computer", qemu::build_host)?;
    for (name, what) in DEMOS {
        let on_host =
            progress.step(&format!("{name} on this computer"), || qemu::host(name, None))?;
        println!("\n{what}\n");
        let (text, logits) = on_host.split_once("logits ").unwrap_or((&on_host, ""));
        println!("{}", indented(text));
        println!("  on this computer           logits {logits}", logits = logits.trim_end());
        if let Err(error) = &emulator {
            println!("  (no Cortex-M4: {error:#})\n");
            progress.skip();
            continue;
        }
        let (row, on_board) = progress.step(&format!("{name} on the Cortex-M4"), || {
            qemu::emulate(&qemu::build(BOARD, name)?, &on_host, None)
        })?;
        print!("  on an emulated {:<12}logits {}", row.core, row.logits_hash);
        if !row.equals_host {
            println!();
            bail!("the board differs from this computer; it printed\n{on_board}");
        }
        println!("  (the text is equal, too)\n{}\n", bill(&row));
    }
    progress.step("compiling the converter and its dependencies", models::build_converter)?;
    for blob in &shipped {
        progress.step(&format!("converting models/{} again", blob.name), || models::check(blob))?;
    }
    println!("\nThe blobs in models/ are what their checkpoints convert to, byte for byte.");
    println!("{}", progress.summary());
    Ok(())
}

/// Broken at words, so that it can be read in any window.
fn indented(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut column = 0;
        for word in line.split(' ') {
            if column + word.len() > 90 {
                (out, column) = (out + "\n", 0);
            }
            out += if column == 0 { "  " } else { " " };
            out += word;
            column += word.len() + 1;
        }
        out += "\n";
    }
    out
}

fn bill(row: &Row) -> String {
    format!(
        "\n  flash  {:>9} bytes of model, {} of code\n  RAM    {:>9} bytes for the model, {} of stack\n  \
         work   {:>9.1} million instructions per {}",
        row.blob_bytes,
        row.text_bytes,
        row.arena_bytes,
        row.stack_bytes,
        row.instructions as f64 / 1e6,
        row.unit
    )
}
