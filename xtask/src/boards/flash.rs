//! What an image puts into flash, read from its ELF file.

use anyhow::{Context, Result, bail};
use object::elf::PT_LOAD;
use object::read::elf::{ElfFile32, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection, SectionFlags};
use std::ops::Range;
use std::path::Path;

/// What is written to flash, without gaps, and what is taken of RAM.
pub struct Flash {
    /// Address of the first byte.
    pub start: u64,
    /// The bytes; zero where the file says nothing.
    pub bytes: Vec<u8>,
    /// Bytes of RAM for statics; the rest is for the stack.
    pub ram_bytes: u64,
}

impl Flash {
    /// Reads an ELF file. Everything must lie in flash or RAM.
    pub fn read(path: &Path, flash: &Range<u64>, ram: &Range<u64>) -> Result<Self> {
        let file = std::fs::read(path).with_context(|| path.display().to_string())?;
        let elf = ElfFile32::<LittleEndian>::parse(&*file)?;
        let mut parts = Vec::new();
        for segment in elf.elf_program_headers() {
            let endian = LittleEndian;
            let data = segment.data(endian, &*file).ok().context("a segment outside the file")?;
            if segment.p_type(endian) != PT_LOAD || data.is_empty() {
                continue;
            }
            parts.push((u64::from(segment.p_paddr(endian)), data));
        }
        parts.sort_unstable_by_key(|(address, _)| *address);
        let (start, _) = *parts.first().context("nothing to flash")?;
        let mut bytes = Vec::new();
        for (address, data) in parts {
            // In front of FLASH may lie what the boot ROM wants.
            let (from, to) = (flash.start & !0xFFF, address + data.len() as u64);
            if address < from || to > flash.end || address < start + bytes.len() as u64 {
                bail!("{address:#x}..{to:#x} is not in flash, or is there twice");
            }
            bytes.resize((address - start) as usize, 0);
            bytes.extend(data);
        }
        let ram_bytes = Self::ram_bytes(&elf, ram)?;
        Ok(Self { start, bytes, ram_bytes })
    }

    /// Bytes of RAM that statics take; all must lie there.
    pub fn ram_bytes(elf: &ElfFile32<LittleEndian>, ram: &Range<u64>) -> Result<u64> {
        let mut ram_bytes = 0;
        for section in elf.sections() {
            let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
            let writes = u64::from(object::elf::SHF_ALLOC | object::elf::SHF_WRITE);
            // `riscv-rt` makes a section of all that is left for the stack.
            if sh_flags & writes != writes || matches!(section.name(), Ok(".stack" | ".heap")) {
                continue;
            }
            let range = section.address()..section.address() + section.size();
            if range.start < ram.start || range.end > ram.end {
                bail!("{} is not in RAM: {range:#x?}", section.name().unwrap_or("?"));
            }
            ram_bytes += section.size();
        }
        Ok(ram_bytes)
    }

    /// The word at an address.
    pub fn word(&self, address: u64) -> Option<u32> {
        let at = address.checked_sub(self.start)? as usize;
        let bytes = self.bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// The addresses that hold something.
    pub fn range(&self) -> Range<u64> {
        self.start..self.start + self.bytes.len() as u64
    }
}
