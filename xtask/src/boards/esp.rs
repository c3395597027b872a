//! An ESP32-C3's image: what `espflash` makes a flash image of, and what can be said of it without running.

use super::flash::Flash;
use anyhow::{Context, Result, ensure};
use object::LittleEndian;
use object::elf::PT_LOAD;
use object::read::elf::{ElfFile32, ProgramHeader};
use std::ops::Range;
use std::path::Path;

/// Where flash is seen as data, and where as code (technical reference manual, 3.3.2).
const DATA: u64 = 0x3C00_0000;
const CODE: u64 = 0x4200_0000;
const WINDOW: u64 = 8 << 20;
/// The unit in which flash is mapped. A unit is mapped for data or for code.
const PAGE: u64 = 64 << 10;
/// What the application's description begins with (`esp_app_desc_t` of ESP-IDF), first of all data.
const DESCRIPTION: [u8; 4] = 0xABCD_5432u32.to_le_bytes();

/// Reads an ELF file: constants first, then all else that lies in flash.
pub fn read(path: &Path, ram: &Range<u64>) -> Result<Flash> {
    let file = std::fs::read(path).with_context(|| path.display().to_string())?;
    let elf = ElfFile32::<LittleEndian>::parse(&*file)?;
    let (mut data, mut rest, mut maps) = (None, Vec::<u8>::new(), Vec::new());
    for segment in elf.elf_program_headers() {
        let bytes = segment.data(LittleEndian, &*file).ok().context("a segment out of the file")?;
        if segment.p_type(LittleEndian) != PT_LOAD || bytes.is_empty() {
            continue;
        }
        let start = u64::from(segment.p_vaddr(LittleEndian));
        for base in [DATA, CODE] {
            if (base..base + WINDOW).contains(&start) {
                maps.push(
                    (start - base) / PAGE..(start - base + bytes.len() as u64).div_ceil(PAGE),
                );
            }
        }
        if start & !(WINDOW - 1) == DATA && data.is_none() {
            data = Some((start, bytes.to_vec()));
        } else {
            rest.extend(bytes);
        }
    }
    let (start, mut bytes) = data.context("no constants in flash")?;
    ensure!(
        bytes.starts_with(&DESCRIPTION),
        "no description of the application: espflash refuses it"
    );
    maps.sort_by_key(|pages| pages.start);
    ensure!(
        maps.windows(2).all(|pair| pair[0].end <= pair[1].start),
        "the same unit of flash is mapped for data and for code: {maps:x?}"
    );
    bytes.extend(rest);
    Ok(Flash { start, bytes, ram_bytes: Flash::ram_bytes(&elf, ram)? })
}
