//! `cargo xtask demo`: from a checkpoint to an emulated Cortex-M4, everything shown.

use crate::board::setup;
use crate::models;
use crate::qemu::{Row, build, emulate, host};
use anyhow::{Result, bail};

const BOARD: &str = "mps2-an386";

/// Converts the shipped checkpoints, runs them on the host and on the emulated Cortex-M4.
pub fn demo() -> Result<()> {
    let emulator = setup();
    if let Err(error) = &emulator {
        eprintln!("{error:#}\nSo everything runs on this computer only.");
    }
    eprintln!("converting the checkpoints …");
    models::fresh()?;
    println!("The blobs in models/ are what their checkpoints convert to, byte for byte.");
    for (name, what) in [
        ("classify", "models/intent, a BERT of 0.3 M parameters, finds what a sentence wants:"),
        ("generate", "models/tales, a Llama of 0.5 M parameters, goes on with a tale:"),
    ] {
        println!("\n{what}\n");
        let on_host = host(name, None)?;
        let (text, logits) = on_host.split_once("logits ").unwrap_or((&on_host, ""));
        println!("{}", indented(text));
        println!("  on this computer           logits {logits}", logits = logits.trim_end());
        if emulator.is_err() {
            continue;
        }
        let (row, on_board) = emulate(&build(BOARD, name)?, &on_host, None)?;
        print!("  on an emulated {:<12}logits {}", row.core, row.logits_hash);
        if !row.equals_host {
            println!();
            bail!("the board differs from this computer; it printed\n{on_board}");
        }
        println!("  (the text is equal, too)\n{}", bill(&row));
    }
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
