//! UF2, the files that one drags onto a board: 512-byte blocks of 256 bytes of flash each.
//!
//! Format: Microsoft, "USB Flashing Format (UF2)". Families: its `uf2families.json`; the RP2350's block
//! for erratum E10: Raspberry Pi, RP2350 data sheet, appendix E, and `elf2uf2` of `picotool`.

use anyhow::{Result, bail};

const MAGIC: [u32; 2] = [0x0A32_4655, 0x9E5D_5157];
const END: u32 = 0x0AB1_6F30;
const BLOCK: usize = 512;
const DATA: usize = 32;
const PAGE: usize = 256;
const HAS_FAMILY: u32 = 0x2000;
/// Without a block of this family in front, for the end of the flash, the RP2350 may write a file to the
/// wrong place (erratum E10). What the block holds does not matter.
const ABSOLUTE: u32 = 0xE48B_FF57;
const ABSOLUTE_AT: u32 = 0x10FF_FF00;
const ABSOLUTE_BYTES: [u8; PAGE] = [0xEF; PAGE];

/// Which chip a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// RP2040.
    Rp2040,
    /// RP2350 on its Arm cores.
    Rp2350Arm,
    /// nRF52840 with Adafruit's boot loader.
    Nrf52840,
}

impl Family {
    const fn id(self) -> u32 {
        match self {
            Self::Rp2040 => 0xE48B_FF56,
            Self::Rp2350Arm => 0xE48B_FF59,
            Self::Nrf52840 => 0xADA5_2840,
        }
    }
}

/// A file for bytes of flash from an address on, which must begin a page.
pub fn encode(family: Family, start: u32, bytes: &[u8]) -> Vec<u8> {
    let pages = bytes.chunks(PAGE);
    let mut file = Vec::with_capacity((pages.len() + 1) * BLOCK);
    if family == Family::Rp2350Arm {
        block(&mut file, ABSOLUTE_AT, [0, 2], ABSOLUTE, &ABSOLUTE_BYTES);
    }
    for (i, page) in pages.clone().enumerate() {
        let mut data = [0; PAGE];
        data[..page.len()].copy_from_slice(page);
        let (address, count) = (start + (i * PAGE) as u32, [i as u32, pages.len() as u32]);
        block(&mut file, address, count, family.id(), &data);
    }
    file
}

fn block(file: &mut Vec<u8>, address: u32, count: [u32; 2], family: u32, data: &[u8; PAGE]) {
    let end = file.len() + BLOCK;
    let [number, total] = count;
    for word in [MAGIC[0], MAGIC[1], HAS_FAMILY, address, PAGE as u32, number, total, family] {
        file.extend(word.to_le_bytes());
    }
    file.extend(data);
    file.resize(end - 4, 0);
    file.extend(END.to_le_bytes());
}

/// What a file writes: from which address, which bytes. Refuses every file that a boot loader would not
/// take as a whole: other magic, another family, gaps, wrong counts.
pub fn decode(family: Family, file: &[u8]) -> Result<(u32, Vec<u8>)> {
    let (blocks, rest) = file.as_chunks::<BLOCK>();
    if !rest.is_empty() || blocks.is_empty() {
        bail!("a UF2 file of {} bytes: not whole blocks of {BLOCK}", file.len());
    }
    let word = |block: &[u8; BLOCK], at: usize| {
        u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
    };
    let mut blocks = blocks.iter();
    if family == Family::Rp2350Arm {
        let first = encode(family, 0, &[]);
        if blocks.next().is_none_or(|block| block[..] != first[..]) {
            bail!("the first block is not the one for the RP2350's erratum E10");
        }
    }
    let (total, mut start, mut bytes) = (blocks.len(), None, Vec::new());
    for (i, block) in blocks.enumerate() {
        if [word(block, 0), word(block, 4), word(block, 508)] != [MAGIC[0], MAGIC[1], END] {
            bail!("block {i} is not UF2");
        }
        if word(block, 8) != HAS_FAMILY || word(block, 28) != family.id() {
            bail!("block {i} is for the family {:#x}, not {:#x}", word(block, 28), family.id());
        }
        let expected = start.get_or_insert(word(block, 12)).wrapping_add(bytes.len() as u32);
        if word(block, 12) != expected || !expected.is_multiple_of(PAGE as u32) {
            bail!("block {i} is for {:#x}, {expected:#x} comes next", word(block, 12));
        }
        if [word(block, 16), word(block, 20), word(block, 24)]
            != [PAGE as u32, i as u32, total as u32]
        {
            bail!("block {i} has another length or number");
        }
        bytes.extend(&block[DATA..DATA + PAGE]);
    }
    match start {
        Some(start) => Ok((start, bytes)),
        None => bail!("a UF2 file without data"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILIES: [Family; 3] = [Family::Rp2040, Family::Rp2350Arm, Family::Nrf52840];

    #[test]
    fn what_is_written_is_read() {
        let bytes: Vec<u8> = (0..1000u32).map(|i| i as u8).collect();
        for family in FAMILIES {
            let file = encode(family, 0x1000_0000, &bytes);
            let (start, read) = decode(family, &file).unwrap();
            assert_eq!((start, &read[..1000], read.len()), (0x1000_0000, &bytes[..], 1024));
            for other in FAMILIES.into_iter().filter(|other| *other != family) {
                assert!(decode(other, &file).is_err(), "{family:?} as {other:?}");
            }
        }
    }

    /// The first block of such a file, from the format's description.
    #[test]
    fn the_bytes_are_those_of_the_format() {
        let file = encode(Family::Rp2040, 0x1000_0000, &[7; 300]);
        assert_eq!(file.len(), 1024);
        assert_eq!(file[..8], *b"UF2\nWQ]\x9E");
        assert_eq!(file[8..16], [0, 0x20, 0, 0, 0, 0, 0, 0x10]);
        assert_eq!(file[16..32], [0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x56, 0xFF, 0x8B, 0xE4]);
        assert_eq!(file[32 + 255..32 + 257], [7, 0]);
        assert_eq!(file[508..512], [0x30, 0x6F, 0xB1, 0x0A]);
    }

    #[test]
    fn damaged_files_are_refused() {
        let file = encode(Family::Rp2350Arm, 0x1000_0000, &[7; 3000]);
        assert!(decode(Family::Rp2350Arm, &file[..file.len() - 1]).is_err());
        assert!(decode(Family::Rp2350Arm, &file[..file.len() - BLOCK]).is_err());
        assert!(decode(Family::Rp2350Arm, &file[BLOCK..]).is_err());
        assert!(decode(Family::Rp2350Arm, &[]).is_err());
        for at in [12, 28, 288, 512, 516, 520, 524, 528, 532, 536, 540, 1020] {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(decode(Family::Rp2350Arm, &damaged).is_err(), "{at}");
        }
    }
}
