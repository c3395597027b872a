//! What an archive must be: one plain object with no global but ours, nothing needed but the C library's
//! four functions of memory, no panic, no instruction of an FPU.

use super::archive::NEEDED;
use super::target::{Marks, Target};
use anyhow::{Context, Result, bail};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol, RelocationFlags, SectionKind};
use std::path::Path;

/// What was found in an archive.
#[derive(Debug, Default)]
pub struct Found {
    /// Symbols of panics, allocators and unwinding.
    pub panic_symbols: Vec<String>,
    /// Globals that are not `picoformer_*`.
    pub foreign: Vec<String>,
    /// Symbols needed from elsewhere.
    pub needed: Vec<String>,
    /// Our functions.
    pub functions: Vec<String>,
    /// Code and constants of all functions, bytes.
    pub bytes: u64,
}

/// Names of functions that end a program, allocate or unwind.
fn is_panic(name: &str) -> bool {
    let parts = [
        "panic",
        "unwrap_failed",
        "expect_failed",
        "slice_index_fail",
        "index_fail",
        "_Unwind",
        "eh_personality",
        "__rust_alloc",
        "__rg_",
        "rust_begin_unwind",
        "malloc",
    ];
    parts.iter().any(|part| name.contains(part))
}

/// Reads an archive.
pub fn read(archive: &Path) -> Result<Found> {
    let data = std::fs::read(archive).with_context(|| archive.display().to_string())?;
    let mut found = Found::default();
    let members: Vec<_> = ArchiveFile::parse(&*data)?.members().collect::<Result<_, _>>()?;
    if members.len() != 1 {
        bail!("{} has {} members", archive.display(), members.len());
    }
    let bytes = members.first().context("no member")?.data(&*data)?;
    if bytes.starts_with(b"BC\xC0\xDE") || bytes.starts_with(&[0xDE, 0xC0, 0x17, 0x0B]) {
        bail!("{} holds bitcode instead of an object", archive.display());
    }
    let file = object::File::parse(bytes)?;
    for section in file.sections() {
        let name = section.name()?;
        if [".debug", ".llvm", ".init", ".ctors", ".eh_frame"]
            .iter()
            .any(|bad| name.starts_with(bad))
        {
            bail!("{} has a section {name}", archive.display());
        }
        for (_, relocation) in section.relocations() {
            // R_RISCV_SET_ULEB128 and R_RISCV_SUB_ULEB128, which binutils know since 2.41.
            if let RelocationFlags::Elf { r_type: 60 | 61 } = relocation.flags()
                && file.architecture() == object::Architecture::Riscv32
            {
                bail!("{}: a relocation in {name} that older linkers refuse", archive.display());
            }
        }
        match section.kind() {
            SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => {
                found.bytes += section.size()
            }
            // Constants with addresses, which the host's linker fills in.
            SectionKind::Data if name.starts_with(".data.rel.ro") => found.bytes += section.size(),
            SectionKind::Data | SectionKind::UninitializedData if section.size() > 0 => {
                bail!("{} has a variable in {name}", archive.display())
            }
            _ => {}
        }
    }
    for symbol in file.symbols() {
        let name = symbol.name()?.to_owned();
        if is_panic(&name) {
            found.panic_symbols.push(name.clone());
        }
        if symbol.is_undefined() && !name.is_empty() {
            found.needed.push(name);
        } else if symbol.is_global() && name.starts_with("picoformer_") {
            found.functions.push(name);
        } else if symbol.is_global() && symbol.is_definition() {
            found.foreign.push(name);
        }
    }
    found.needed.sort();
    found.functions.sort();
    Ok(found)
}

/// Reads an archive and refuses it where it is not what it must be.
pub fn check(archive: &Path, target: &Target) -> Result<Found> {
    let found = read(archive)?;
    let name = archive.display();
    for (names, what) in
        [(&found.panic_symbols, "panics or allocates"), (&found.foreign, "defines foreign globals")]
    {
        if !names.is_empty() {
            bail!("{name} {what}: {}", names.join(", "));
        }
    }
    // On the host, comparing for equality has a function of its own.
    let host = matches!(target.marks, Marks::None);
    let known = |name: &str| NEEDED.contains(&name) || (host && name == "bcmp");
    let more: Vec<_> = found.needed.iter().filter(|name| !known(name)).collect();
    if !more.is_empty() {
        bail!("{name} needs {more:?} beside {}", NEEDED.join(", "));
    }
    let limit = if host { 4 << 20 } else { 1 << 20 };
    let bytes = std::fs::metadata(archive)?.len();
    if bytes > limit {
        bail!("{name} has {bytes} bytes, more than {limit}");
    }
    Ok(found)
}

/// The functions that the header declares: those and no others must be in the archive.
pub fn declared(header: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in header.lines().filter(|line| line.contains("PICOFORMER_API ")) {
        if let Some(at) = line.find("picoformer_") {
            // The name that an opening parenthesis follows.
            for part in line[at..].split('(') {
                let name = part.rsplit([' ', '*']).next().unwrap_or_default();
                if name.starts_with("picoformer_") && line.contains(&format!("{name}(")) {
                    names.push(name.to_owned());
                    break;
                }
            }
        }
    }
    names.sort();
    names.dedup();
    names
}
