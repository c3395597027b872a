//! What can be said of an image without running it: the vector table, what the boot ROM wants, the models.

use super::board::{Board, model};
use super::flash::Flash;
use anyhow::{Context, Result, bail, ensure};

/// Checks an image with these models.
pub fn check(board: &Board, flash: &Flash, models: &[String]) -> Result<()> {
    if board.core.starts_with("Cortex-M") {
        vectors(board, flash)?;
    }
    match board.folder.as_str() {
        "pico" => second_stage(flash)?,
        "pico2" => image_definition(board, flash)?,
        _ => {}
    }
    for name in models {
        let blob = std::fs::read(model(name))?;
        let at = flash.bytes.windows(blob.len()).position(|window| window == blob);
        let at = flash.start + at.with_context(|| format!("models/{name} is not in flash"))? as u64;
        ensure!(at.is_multiple_of(16), "models/{name} lies at {at:#x}, no multiple of 16");
    }
    Ok(())
}

/// The vector table of a Cortex-M (Arm, ARMv6-M and ARMv7-M Architecture Reference Manuals, B1.5.3): the
/// stack begins at the end of RAM, every vector is that of a Thumb function in flash, or of none.
fn vectors(board: &Board, flash: &Flash) -> Result<()> {
    let table = board.flash.start;
    let stack = u64::from(flash.word(table).context("no vector table")?);
    if stack != board.ram.end {
        bail!("the stack begins at {stack:#x}, RAM ends at {:#x}", board.ram.end);
    }
    for number in 1..16 {
        let vector = u64::from(flash.word(table + 4 * number).context("a short vector table")?);
        let reserved = vector == 0 && matches!(number, 4..=10 | 12 | 13);
        let function = vector & 1 == 1 && flash.range().contains(&(vector - 1));
        ensure!(reserved || function, "vector {number} is {vector:#x}");
    }
    Ok(())
}

/// The first 256 bytes of an RP2040's flash end with their CRC-32 (RP2040 data sheet, 2.8.1.3.1); without
/// it the boot ROM does not start the image.
fn second_stage(flash: &Flash) -> Result<()> {
    let boot2 = flash.bytes.get(..252).context("no second stage")?;
    let (found, expected) = (flash.word(flash.start + 252), crc32(boot2));
    ensure!(flash.start == 0x1000_0000, "the second stage lies at {:#x}", flash.start);
    ensure!(
        found == Some(expected),
        "the second stage's checksum is {found:x?}, not {expected:#x}"
    );
    Ok(())
}

/// CRC-32/MPEG-2.
fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 }
        })
    })
}

/// The first 4 KiB of an RP2350's flash hold the image definition (RP2350 data sheet, 5.9): a block that
/// says "executable, secure, Arm, RP2350" in its first item and leads back to itself.
fn image_definition(board: &Board, flash: &Flash) -> Result<()> {
    const START: u32 = 0xFFFF_DED3;
    const END: u32 = 0xAB12_3579;
    const ARM_EXECUTABLE: u32 = 0x1021_0142;
    const LAST: u32 = 0x0000_01FF;
    let expected = [START, ARM_EXECUTABLE, LAST, 0, END];
    let words: Vec<u32> = (0..1024).map_while(|i| flash.word(board.flash.start + 4 * i)).collect();
    ensure!(
        words.windows(expected.len()).any(|window| window == expected),
        "no image definition in the first 4 KiB of flash"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_checksum() {
        // The check value of CRC-32/MPEG-2 in the catalogue of parametrised CRC algorithms.
        assert_eq!(crc32(b"123456789"), 0x0376_E6E7);
    }

    fn image() -> (Board, Flash) {
        let board = Board::read("stm32f405").unwrap();
        let mut bytes = vec![0; 256];
        for i in 0..16 {
            let vector: u32 = if i == 0 { 0x2002_0000 } else { 0x0800_0081 };
            bytes[4 * i..4 * i + 4].copy_from_slice(&vector.to_le_bytes());
        }
        (board, Flash { start: 0x0800_0000, bytes, ram_bytes: 0 })
    }

    #[test]
    fn wrong_vectors_are_found() {
        let (board, mut flash) = image();
        vectors(&board, &flash).unwrap();
        for (at, byte) in [(0, 4), (4, 0x80), (5, 2), (15, 0x20), (44, 0)] {
            let before = std::mem::replace(&mut flash.bytes[at], byte);
            assert!(vectors(&board, &flash).is_err(), "{at}");
            flash.bytes[at] = before;
        }
    }

    #[test]
    fn a_model_must_be_there() {
        let (board, flash) = image();
        let error = check(&board, &flash, &["intent".into()]).unwrap_err();
        assert_eq!(error.to_string(), "models/intent is not in flash");
    }
}
