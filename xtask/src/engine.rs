//! How much of an image is the engine: its code, its tables, and what of the compiler's library only it
//! calls. The rest is the demo, the board's support and the vector table.

use crate::bench::Symbols;
use crate::elf::calls;
use anyhow::Result;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::collections::BTreeMap;

/// Whose a function is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Engine,
    /// The demo, the board, the runtime. Engine code inlined there is still the engine's.
    Firmware,
    /// The compiler's library: whoever calls it.
    Library,
}

struct Function {
    start: u64,
    end: u64,
    owner: Owner,
}

/// Bytes of the engine in an image. Constants without a name are counted as the engine's, although some
/// are the demo's texts.
pub fn bytes(image: &[u8]) -> Result<u64> {
    let file = object::File::parse(image)?;
    let mut symbols = Symbols::read(image)?;
    let mut functions = Vec::new();
    let mut sites = Vec::new();
    for section in file.sections().filter(|s| s.kind() == object::SectionKind::Text) {
        let (base, end) = (section.address(), section.address() + section.size());
        let mut starts: Vec<(u64, String)> = file
            .symbols()
            .filter(|s| s.kind() == SymbolKind::Text && s.section_index() == Some(section.index()))
            .map(|s| (s.address() & !1, s.name().unwrap_or_default().to_owned()))
            .filter(|(_, name)| !name.starts_with('$'))
            .collect();
        starts.sort();
        starts.dedup_by_key(|(address, _)| *address);
        for (i, (start, name)) in starts.iter().enumerate() {
            let end = starts.get(i + 1).map_or(end, |next| next.0);
            functions.push(Function { start: *start, end, owner: owner(name) });
        }
        let thumb = file.architecture() == object::Architecture::Arm;
        sites.extend(calls(section.data()?, base, thumb));
    }
    let mut own = |address: u64, owner: Owner| match owner {
        Owner::Firmware => symbols.names(address).iter().any(|name| is_engine(name)),
        owner => owner == Owner::Engine,
    };
    let mut total = 0;
    for function in &functions {
        total += match function.owner {
            Owner::Engine => function.end - function.start,
            Owner::Firmware => {
                let halfwords = (function.start..function.end).step_by(2);
                2 * halfwords.filter(|&address| own(address, Owner::Firmware)).count() as u64
            }
            Owner::Library => 0,
        };
    }
    // Library functions that engine code calls, and those that they call.
    let at = |address: u64| {
        let after = functions.partition_point(|function| function.start <= address);
        after.checked_sub(1).filter(|&i| address < functions[i].end)
    };
    let mut called = vec![false; functions.len()];
    loop {
        let mut more = false;
        for &(site, target) in &sites {
            let (Some(from), Some(to)) = (at(site), at(target)) else { continue };
            let by_engine = called[from] || own(site, functions[from].owner);
            if by_engine && !called[to] && functions[to].owner == Owner::Library {
                (called[to], more) = (true, true);
                total += functions[to].end - functions[to].start;
            }
        }
        if !more {
            break;
        }
    }
    Ok(total + constants(&file))
}

/// Bytes of constants but for those that the demo or the board has given a name, and the texts that such
/// a one points to.
fn constants(file: &object::File) -> u64 {
    let Some(section) = file.section_by_name(".rodata") else { return 0 };
    let (base, size) = (section.address(), section.size());
    let data = section.data().unwrap_or_default();
    let mut texts = BTreeMap::new();
    let mut others = 0;
    for symbol in file.symbols().filter(|s| s.section_index() == Some(section.index())) {
        let named = owner(symbol.name().unwrap_or_default()) == Owner::Firmware;
        if symbol.kind() != SymbolKind::Data || !named {
            continue;
        }
        others += symbol.size();
        let at = (symbol.address() - base) as usize;
        let bytes = data.get(at..at + symbol.size() as usize).unwrap_or_default();
        let words: Vec<u64> = bytes
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]).into())
            .collect();
        // A text is an address and a length.
        for pair in words.windows(2) {
            if (base..base + size).contains(&pair[0]) && (1..256).contains(&pair[1]) {
                texts.insert(pair[0], pair[1]);
            }
        }
    }
    size - others - texts.values().sum::<u64>()
}

fn owner(name: &str) -> Owner {
    let name = format!("{:#}", rustc_demangle::demangle(name));
    if is_engine(&name) {
        return Owner::Engine;
    }
    let firmware = ["picoformer_", "cortex_m_rt", "riscv_rt"].iter().any(|own| name.contains(own));
    // Functions without a path are the compiler's (`__aeabi_…`, `memcpy`) or the runtime's.
    let library = name.contains("::") || name.starts_with("__") || name.starts_with("mem");
    if !firmware && library { Owner::Library } else { Owner::Firmware }
}

/// Whether a function's path begins in the engine's crate, also within `<… as …>`.
fn is_engine(name: &str) -> bool {
    let path = name.trim_start_matches(['<', '_', '&']);
    let path = path.strip_prefix("$LT$").unwrap_or(path);
    path.starts_with("picoformer::")
        || path.starts_with("picoformer..")
        || name.contains("<impl picoformer::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_engine_are_known() {
        for name in [
            "picoformer::nn::layer::Layer<B>::project",
            "<picoformer::kernels::arm_dsp::ArmDsp as picoformer::kernels::Kernels>::add",
        ] {
            assert!(is_engine(name), "{name}");
        }
        for name in ["picoformer_demo::stories::run", "core::str::from_utf8", "__aeabi_memcpy"] {
            assert!(!is_engine(name), "{name}");
        }
        assert!(owner("picoformer_demo::stories::run") == Owner::Firmware);
        assert!(owner("__aeabi_memcpy4") == Owner::Library);
        assert!(owner("main") == Owner::Firmware);
    }
}
