//! How much of an image is the engine. Counted are the functions and the constants whose names begin in
//! the engine's crate, by the sizes in the symbol table; and, in the functions of others (the demo, the
//! board), the code that the debug information calls inlined from the engine: a function with one caller
//! vanishes there, but costs the same. Not counted is what has no name of the engine: functions of
//! `core` and of the compiler's library (division, `memcpy`), which other code of a firmware shares, and
//! constants without a name (texts, tables of jumps). `text_bytes` counts those, too.

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use anyhow::Result;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::collections::HashSet;

/// Bytes of the engine in an image.
pub fn bytes(image: &[u8]) -> Result<u64> {
    let file = object::File::parse(image)?;
    let section = |id: SectionId| -> Result<_> {
        let data = file.section_by_name(id.name()).map_or(Ok(&[][..]), |s| s.data());
        Ok(EndianSlice::new(data?, LittleEndian))
    };
    let lines = Context::from_dwarf(Dwarf::load(section)?)?;
    let (mut total, mut seen) = (0, HashSet::new());
    for symbol in file.symbols() {
        // Bit 0 of a Thumb function's address says that it is Thumb.
        let (start, size) = (symbol.address() & !1, symbol.size());
        if size == 0 || !seen.insert(start) {
            continue; // another name for the same
        }
        let named = is_engine(&rustc_demangle::demangle(symbol.name()?).to_string());
        total += match symbol.kind() {
            SymbolKind::Text | SymbolKind::Data if named && !is_written(&file, &symbol) => size,
            SymbolKind::Text => {
                let halfwords = (start..start + size).step_by(2);
                2 * halfwords.filter(|&address| is_inlined(&lines, address)).count() as u64
            }
            _ => 0,
        };
    }
    Ok(total)
}

/// Whether a symbol lies in RAM.
fn is_written(file: &object::File, symbol: &object::Symbol) -> bool {
    let section = symbol.section_index().and_then(|index| file.section_by_index(index).ok());
    section.is_none_or(|section| section.kind() == object::SectionKind::UninitializedData)
}

/// Whether code of the engine was inlined at an address.
fn is_inlined(lines: &Context<EndianSlice<LittleEndian>>, address: u64) -> bool {
    let Ok(mut frames) = lines.find_frames(address).skip_all_loads() else { return false };
    while let Ok(Some(frame)) = frames.next() {
        let name = frame.function.as_ref().and_then(|function| function.demangle().ok());
        if name.is_some_and(|name| is_engine(&name)) {
            return true;
        }
    }
    false
}

/// Whether a path begins in the engine's crate, also within `<… as …>`.
fn is_engine(name: &str) -> bool {
    let path = name.trim_start_matches(['<', '&']).trim_start_matches("mut ");
    path.starts_with("picoformer::") || name.contains("<impl picoformer::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_engine_are_known() {
        for name in [
            "picoformer::nn::layer::Layer<B>::project",
            "<picoformer::kernels::arm_dsp::ArmDsp as picoformer::kernels::Kernels>::add",
            "core::fmt::<impl picoformer::error::RunError>::fmt",
        ] {
            assert!(is_engine(name), "{name}");
        }
        for name in [
            "picoformer_demo::stories::run",
            "<picoformer_demo::Stories as picoformer::target::Build>::of",
            "core::str::from_utf8",
            "__aeabi_memcpy",
        ] {
            assert!(!is_engine(name), "{name}");
        }
    }
}
