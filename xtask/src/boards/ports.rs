//! The serial ports under bad manners: a thousand characters pasted while a model runs, a terminal that
//! closes in mid-answer.

use super::run::{qemu, rp2040js};
use super::session::Typed;
use anyhow::{Result, ensure};
use std::path::Path;

const QUESTION: &str = "classify please set a timer for ten minutes";
const ANSWER: &str = "\ntimer (99.70 %), logits ef3beab6fda3b40c\n";
const PASTED: usize = 1000;

/// Checks the ports of a board whose release file can be run.
pub fn check(board: &str, file: &Path) -> Result<()> {
    match board {
        "pico" => {
            for port in [&["--ahead"][..], &["--usb", "--ahead"]] {
                pasted(board, &rp2040js(file, port, &paste())?.text)?;
            }
            left(&rp2040js(file, &["--leave", "70"], &[QUESTION, QUESTION].map(String::from))?.text)
        }
        "stm32f405" => pasted(board, &qemu(file, Typed::Ahead, &paste())?.text),
        _ => Ok(()),
    }
}

/// What is typed without waiting for answers.
fn paste() -> [String; 3] {
    [QUESTION.into(), "x".repeat(PASTED), "help".into()]
}

/// All has arrived: the model's answer is right, the pasted line is refused with its length, and the line
/// behind it is done.
fn pasted(board: &str, text: &str) -> Result<()> {
    let refused = format!("error: the line is too long: {PASTED} bytes");
    for part in [ANSWER, &refused, "Ctrl-C stops a command"] {
        ensure!(text.contains(part), "{board}: {PASTED} characters pasted: no `{part}` in\n{text}");
    }
    Ok(())
}

/// After the terminal on USB has closed, the shell answers over the UART.
fn left(text: &str) -> Result<()> {
    ensure!(text.ends_with(&format!("{ANSWER}> ")), "pico: a terminal that leaves:\n{text}");
    Ok(())
}
