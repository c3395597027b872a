//! Firmware that shows the engine beside other crates of the field, run on the emulated Cortex-M4.

use crate::board::Board;
use crate::elf;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::process::Command;

/// All of them.
pub const EXAMPLES: [&str; 2] = ["with_heap", "logged"];
/// Where they run.
pub const BOARD: &str = "mps2-an386";

/// Runs the example of that name and compares what it prints with what is kept beside the demos' texts;
/// `bless` keeps it.
pub fn run(name: &str, bless: bool) -> Result<()> {
    let text = match name {
        "with_heap" => with_heap()?,
        "logged" => logged()?,
        _ => bail!("no example `{name}`; there are {}", EXAMPLES.join(", ")),
    };
    print!("{text}");
    let path = root().join(format!("firmware/demo/expected/{name}.out"));
    if bless {
        return Ok(std::fs::write(path, text)?);
    }
    let expected = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    if text != expected {
        bail!("{name} prints\n{text}but {} holds\n{expected}", path.display());
    }
    Ok(())
}

/// `with_heap`: the rest of the program allocates, the engine does not. Also shows that the search for
/// allocators, which must find none in the other images, finds one where there is one.
fn with_heap() -> Result<String> {
    let board = Board::read(BOARD)?;
    let path = board.build("with_heap", &["heap"])?;
    if elf::read(&path)?.allocator.is_empty() {
        bail!("the search for allocators does not find the one of `with_heap`");
    }
    let printed = board.run(&path, None)?;
    let lines = printed.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

/// `logged`: a program of the host puts its log into words, by the table in its image.
fn logged() -> Result<String> {
    let board = Board::read(BOARD)?;
    let path = board.build("logged", &["defmt"])?;
    let log = root().join("firmware/target/logged.bin");
    std::fs::write(&log, board.run_for_bytes(&path, None)?)?;
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--package", "picoformer-log", "--"])
        .arg(&path)
        .stdin(File::open(&log)?)
        .current_dir(root().join("firmware"))
        .output()
        .context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("the log cannot be read: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
