//! How much larger a C program's part of the library is than the same demo in Rust.

use super::archive;
use super::check::check;
use super::program::CORES;
use super::row::{Row, example_row};
use super::target::target;
use crate::board::Board;
use crate::elf;
use crate::steps::root;
use anyhow::{Result, bail};

/// Bytes at most that the C library may need more than the whole image of the same demo in Rust.
const MORE: u64 = 4000;

/// `classify.c` with a library for `models/intent` alone.
pub fn one_model() -> Result<Row> {
    let [core, ..] = &CORES;
    let target = target(core.archive)?;
    let archive = archive::build(target, Some(&root().join("models/intent/model.pico")))?;
    let found = check(&archive, target)?;
    let row = example_row(core, "classify", "intent", "classify", core.float, &archive)?;
    Ok(Row { library: "intent".into(), panic_symbols: found.panic_symbols.len(), ..row })
}

/// Adds the bytes of the Rust demos: `classify`, which is for one model, and `classify_any`, which is for every
/// one and reads its blob when it runs, as the library does.
pub fn compare(rows: &mut [Row]) -> Result<()> {
    let [core, ..] = &CORES;
    let board = Board::read(core.board)?;
    for (library, program) in [("intent", "classify"), ("any", "classify_any")] {
        let rust = elf::read(&board.build(program, &[])?)?.text_bytes;
        let own = |row: &&mut Row| {
            (row.core.as_str(), row.example.as_str()) == (core.name, "classify")
                && (row.float_abi.as_str(), row.library.as_str()) == (core.float, library)
        };
        let Some(row) = rows.iter_mut().find(own) else { bail!("no row for {library}") };
        row.rust_bytes = Some(rust);
        if row.code_bytes > rust + MORE {
            bail!(
                "the library ({library}) takes {} bytes in classify.c, the demo in Rust {rust}: more than {MORE} more",
                row.code_bytes
            );
        }
    }
    Ok(())
}
