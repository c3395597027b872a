//! What an image holds, read from its ELF file: sizes, calls of panics, soft float.

use crate::engine;
use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::path::Path;

/// What was found.
#[derive(Debug)]
pub struct Image {
    /// Bytes of code and of constants, models not counted.
    pub text_bytes: u64,
    /// Those of the engine, see [`engine`].
    pub engine_bytes: u64,
    /// Places that call a panic.
    pub panic_sites: usize,
    /// Functions of the soft-float library.
    pub soft_float: Vec<String>,
    /// Functions that only an allocator has.
    pub allocator: Vec<String>,
    /// Where models are flashed.
    pub blob_slot: Option<u64>,
}

/// Reads an image.
pub fn read(path: &Path) -> Result<Image> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let file = object::File::parse(&*bytes)?;
    let mut text_bytes = 0;
    for section in file.sections() {
        let name = section.name().unwrap_or_default();
        let kept = [".vector_table", ".text", ".init", ".rodata", ".data", ".trap"];
        if kept.contains(&name) || name.starts_with(".text.") || name.starts_with(".init.") {
            text_bytes += section.size();
        }
    }
    let (mut panics, mut soft_float, mut allocator, mut blob_slot) = (vec![], vec![], vec![], None);
    for symbol in file.symbols() {
        let name = symbol.name().unwrap_or_default();
        if name == "_blob_slot" {
            blob_slot = Some(symbol.address());
        }
        if symbol.kind() != SymbolKind::Text {
            continue;
        }
        // Bit 0 of a Thumb function's address says that it is Thumb.
        let address = symbol.address() & !1;
        if name.contains("panicking")
            || name.contains("panic_")
            || name.contains("slice_index_fail")
            || name.contains("unwrap_failed")
        {
            panics.push(address);
        }
        if is_soft_float(name) {
            soft_float.push(name.to_owned());
        }
        if name.contains("__rust_alloc") || name.contains("__rg_alloc") {
            allocator.push(name.to_owned());
        }
    }
    panics.sort_unstable();
    panics.dedup();
    let mut panic_sites = 0;
    let thumb = file.architecture() == object::Architecture::Arm;
    for section in file.sections().filter(|s| s.kind() == object::SectionKind::Text) {
        let targets = calls(section.data()?, section.address(), thumb);
        panic_sites += targets.iter().filter(|call| panics.binary_search(&call.1).is_ok()).count();
    }
    soft_float.sort();
    let engine_bytes = engine::bytes(&bytes)?;
    Ok(Image { text_bytes, engine_bytes, panic_sites, soft_float, allocator, blob_slot })
}

/// Place and target of every direct call and long jump, found by their encodings. Constants among the code may
/// look like a call, but hardly like one of a panic.
fn calls(code: &[u8], base: u64, thumb: bool) -> Vec<(u64, u64)> {
    let half =
        |at: usize| code.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]) as u32);
    let mut targets = Vec::new();
    for at in (0..code.len().saturating_sub(3)).step_by(2) {
        let address = base + at as u64;
        if thumb {
            // BL (T1) and B.W (T4): ARMv7-M Architecture Reference Manual, A7.7.18 and A7.7.12.
            let (a, b) = (half(at), half(at + 2));
            if a & 0xF800 == 0xF000 && matches!(b & 0xD000, 0xD000 | 0x9000) {
                let (s, j1, j2) = (a >> 10 & 1, b >> 13 & 1, b >> 11 & 1);
                let (i1, i2) = (!(j1 ^ s) & 1, !(j2 ^ s) & 1);
                let offset = s << 24 | i1 << 23 | i2 << 22 | (a & 0x3FF) << 12 | (b & 0x7FF) << 1;
                let offset = ((offset << 7) as i32 >> 7) as i64;
                targets.push((address, (address as i64 + 4 + offset) as u64));
            }
        } else {
            let word = half(at) | half(at + 2) << 16;
            if word & 0x7F == 0x6F {
                // JAL: RISC-V Unprivileged ISA, 2.5.1.
                let offset = (word >> 31) << 20
                    | (word >> 12 & 0xFF) << 12
                    | (word >> 20 & 1) << 11
                    | (word >> 21 & 0x3FF) << 1;
                let offset = ((offset << 11) as i32 >> 11) as i64;
                targets.push((address, (address as i64 + offset) as u64));
            } else if word & 0x7F == 0x17 {
                // AUIPC followed by JALR of the same register.
                let next = half(at + 4) | half(at + 6) << 16;
                if next & 0x707F == 0x67 && next >> 15 & 31 == word >> 7 & 31 {
                    let offset = (word & 0xFFFF_F000) as i32 as i64 + ((next as i32) >> 20) as i64;
                    targets.push((address, (address as i64 + offset) as u64));
                }
            }
        }
    }
    targets
}

/// Names of the run-time ABI's float helpers and of compiler-rt's.
fn is_soft_float(name: &str) -> bool {
    let abi = name.strip_prefix("__aeabi_").is_some_and(|rest| {
        let operation = |rest: &str| {
            ["add", "sub", "rsub", "mul", "div", "cmp", "neg", "2"]
                .iter()
                .any(|o| rest.starts_with(o))
        };
        rest.strip_prefix(['f', 'd']).is_some_and(operation)
            || ["i2f", "i2d", "ui2f", "ui2d", "l2f", "l2d", "ul2f", "ul2d"].contains(&rest)
    });
    let runtime = [
        "sf3", "df3", "sf2", "df2", "sisf", "sidf", "disf", "didf", "sfsi", "dfsi", "sfdi", "dfdi",
    ];
    abi || (name.starts_with("__") && runtime.iter().any(|suffix| name.ends_with(suffix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_decoded() {
        // bl +0 is f000 f800 and calls the next instruction; bl -4 is f7ff fffe and calls itself.
        assert_eq!(calls(&[0x00, 0xf0, 0x00, 0xf8], 0x100, true), [(0x100, 0x104)]);
        assert_eq!(calls(&[0xff, 0xf7, 0xfe, 0xff], 0x100, true), [(0x100, 0x100)]);
        // jal ra, +8
        assert_eq!(calls(&0x0080_00efu32.to_le_bytes(), 0x80, false), [(0x80, 0x88)]);
        // auipc ra, 1; jalr ra, -4(ra)
        let pair = [0x0000_1097u32.to_le_bytes(), 0xffc0_80e7u32.to_le_bytes()].concat();
        assert_eq!(calls(&pair, 0, false), [(0, 0xffc)]);
    }

    #[test]
    fn soft_float_is_told_from_integers() {
        for name in [
            "__aeabi_fadd",
            "__aeabi_dmul",
            "__aeabi_i2f",
            "__aeabi_d2iz",
            "__adddf3",
            "__floatsisf",
        ] {
            assert!(is_soft_float(name), "{name}");
        }
        for name in
            ["__aeabi_lmul", "__aeabi_uldivmod", "__aeabi_memcpy", "__muldi3", "main", "__udivsi3"]
        {
            assert!(!is_soft_float(name), "{name}");
        }
    }
}
