//! `cargo xtask demo`: from a checkpoint to an emulated Cortex-M4, everything shown.

use crate::board::{Board, setup};
use crate::qemu::{emulate, hash, host, table};
use crate::steps::run;
use anyhow::{Result, bail};

/// Converts the shipped checkpoints, runs them on the host and on the emulated Cortex-M4.
pub fn demo() -> Result<()> {
    let emulator = setup();
    for model in ["intent", "tales"] {
        run(&format!(
            "cargo run --quiet --package picoformer-convert -- convert models/{model}/checkpoint \
             --output models/{model}/model.pico --json"
        ))?;
    }
    let mut rows = Vec::new();
    for name in ["classify", "generate"] {
        let host = host(name, None)?;
        println!("\n── {name}, on this computer ──\n{host}");
        if emulator.is_err() {
            continue;
        }
        let (row, text) = emulate(&Board::read("mps2-an386")?, name, &host, None)?;
        println!("── {name}, on an emulated Cortex-M4 ──\n{text}");
        if !row.equals_host {
            bail!(
                "the logits differ: {} on the host, {} on the board",
                hash(&host),
                row.logits_hash
            );
        }
        rows.push(row);
    }
    match emulator {
        Ok(()) => println!("Equal bit for bit. What it costs:\n\n{}", table(&rows)),
        Err(error) => println!("{error:#}\nSo the demos ran on this computer only."),
    }
    Ok(())
}
