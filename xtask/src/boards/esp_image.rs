//! What is written to an ESP32-C3's flash: boot loader, partition table and application, from address 0.
//!
//! Made by `espflash`, as a library; read back here. Formats: ESP-IDF Programming Guide, "App Image Format" and
//! "Partition Tables".

use anyhow::{Context, Result, bail, ensure};
use espflash::flasher::{FlashData, FlashFrequency, FlashMode, FlashSettings, FlashSize};
use espflash::image_format::idf::IdfBootloaderFormat;
use espflash::target::{Chip, XtalFrequency};
use object::LittleEndian;
use object::elf::PT_LOAD;
use object::read::elf::{ElfFile32, ProgramHeader};
use sha2::{Digest, Sha256};

/// Where the partition table lies, and what its entries begin with.
const TABLE: usize = 0x8000;
const ENTRY: [u8; 2] = [0xAA, 0x50];
/// What an image begins with.
const IMAGE: u8 = 0xE9;
/// The chip's number in an image.
const ESP32_C3: u16 = 5;
/// `esp_app_desc_t`, the first of all constants.
const DESCRIPTION: u32 = 0xABCD_5432;

/// Where in it the ELF file's SHA-256 is filled in.
const ELF_HASH: std::ops::Range<usize> = 144..176;

/// The flash from address 0 for an ELF file.
pub fn encode(elf: &[u8]) -> Result<Vec<u8>> {
    let settings = FlashSettings::new(
        Some(FlashMode::Dio),
        Some(FlashSize::_4Mb),
        Some(FlashFrequency::_40Mhz),
    );
    let data = FlashData::new(settings, 0, None, Chip::Esp32c3, XtalFrequency::_40Mhz);
    let image = IdfBootloaderFormat::new(elf, &data, None, None, None, None)?;
    let mut flash = Vec::new();
    for segment in image.flash_segments() {
        let at = segment.addr as usize;
        ensure!(at >= flash.len(), "two parts of the flash overlap at {at:#x}");
        flash.resize(at, 0xFF);
        flash.extend(segment.data());
    }
    Ok(flash)
}

/// Reads such a flash: a boot loader, a table with a partition for an application, and there one that is whole,
/// describes itself and holds the segments of the ELF file.
pub fn check(flash: &[u8], elf: &[u8]) -> Result<()> {
    image(flash).context("the boot loader")?;
    let start = partition(flash)?;
    let app = flash.get(start..).context("the partition lies behind the end")?;
    let segments = image(app).context("the application")?;
    let (address, data) = segments.first().context("no segment")?;
    ensure!(
        (0x3C00_0000..0x3C80_0000).contains(address) && word(data, 0) == Some(DESCRIPTION),
        "the application does not begin with its description"
    );
    ensure!(
        data.get(ELF_HASH) == Some(&Sha256::digest(elf)[..]),
        "the description does not name the ELF file"
    );
    let file = ElfFile32::<LittleEndian>::parse(elf)?;
    for header in file.elf_program_headers() {
        let bytes = header.data(LittleEndian, elf).ok().context("a segment outside the file")?;
        let at = header.p_vaddr(LittleEndian);
        if header.p_type(LittleEndian) != PT_LOAD || bytes.is_empty() {
            continue;
        }
        let holds = |(from, data): &(u32, &[u8])| {
            let offset = at.checked_sub(*from).map(|offset| offset as usize);
            let found = offset.and_then(|offset| data.get(offset..offset + bytes.len()));
            let skip = if at == *address { ELF_HASH } else { 0..0 };
            found.is_some_and(|found| {
                let pairs = found.iter().zip(bytes).enumerate();
                pairs.filter(|(i, _)| !skip.contains(i)).all(|(_, (found, byte))| found == byte)
            })
        };
        ensure!(segments.iter().any(holds), "the image does not hold the segment at {at:#x}");
    }
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Where the first partition for an application lies.
fn partition(flash: &[u8]) -> Result<usize> {
    let table = flash.get(TABLE..TABLE + 0xC00).context("no partition table")?;
    for entry in table.chunks(32).take_while(|entry| entry.starts_with(&ENTRY)) {
        let (start, size) = (word(entry, 4).unwrap_or(0), word(entry, 8).unwrap_or(0));
        // Type 0 is an application.
        if entry.get(2) == Some(&0) {
            let needed = flash.len() - (start as usize).min(flash.len());
            ensure!(needed <= size as usize, "{needed} bytes for a partition of {size}");
            return Ok(start as usize);
        }
    }
    bail!("the table has no partition for an application")
}

/// The segments of an image, with their addresses; its checksum and its hash are right.
fn image(bytes: &[u8]) -> Result<Vec<(u32, &[u8])>> {
    let header = bytes.get(..24).context("cut off")?;
    ensure!(header[0] == IMAGE, "it begins with {:#x}", header[0]);
    let chip = u16::from_le_bytes([header[12], header[13]]);
    ensure!(chip == ESP32_C3, "it is for chip {chip}");
    let (mut at, mut sum, mut segments) = (24, 0xEF, Vec::new());
    for _ in 0..header[1] {
        let address = word(bytes, at).context("cut off")?;
        let len = word(bytes, at + 4).context("cut off")? as usize;
        let data = bytes.get(at + 8..at + 8 + len).context("cut off")?;
        sum = data.iter().fold(sum, |sum, byte| sum ^ byte);
        segments.push((address, data));
        at += 8 + len;
    }
    // The checksum is the last byte of a block of 16.
    at = (at + 16) / 16 * 16;
    ensure!(bytes.get(at - 1) == Some(&sum), "its checksum is wrong");
    if header[23] == 1 {
        let found = bytes.get(at..at + 32).context("no hash")?;
        ensure!(Sha256::digest(&bytes[..at])[..] == *found, "its SHA-256 is wrong");
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image with one segment, as the format describes it.
    fn small() -> Vec<u8> {
        let mut bytes = vec![0; 24];
        (bytes[0], bytes[1], bytes[12], bytes[23]) = (IMAGE, 1, 5, 1);
        bytes.extend(0x3C00_0020u32.to_le_bytes());
        bytes.extend(8u32.to_le_bytes());
        bytes.extend(DESCRIPTION.to_le_bytes());
        bytes.extend([1, 2, 3, 4]);
        let sum = bytes[32..].iter().fold(0xEF, |sum, byte| sum ^ byte);
        bytes.resize(47, 0);
        bytes.push(sum);
        bytes.extend(Sha256::digest(&bytes));
        bytes
    }

    #[test]
    fn damaged_images_are_refused() {
        let bytes = small();
        assert_eq!(image(&bytes).unwrap()[0].0, 0x3C00_0020);
        for at in [0, 1, 12, 28, 33, 36, 47, 48, 79] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 2;
            assert!(image(&damaged).is_err(), "{at}");
        }
        assert!(image(&bytes[..60]).is_err() && image(&[]).is_err());
    }

    #[test]
    fn a_table_without_an_application_is_refused() {
        let mut flash = vec![0xFF; 0x10100];
        assert!(partition(&flash).is_err());
        flash[TABLE..TABLE + 12].copy_from_slice(&[0xAA, 0x50, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0]);
        assert_eq!(partition(&flash).unwrap(), 0x10000);
        flash[TABLE + 9] = 0; // a partition of no bytes
        assert!(partition(&flash).is_err());
        assert!(partition(&[0; 100]).is_err());
    }
}
