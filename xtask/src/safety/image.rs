//! The functions of a firmware image, from its ELF file: names, code, what lies among the constants.

use anyhow::{Context, Result, bail};
use object::{Architecture, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use rustc_demangle::demangle;
use std::collections::BTreeMap;
use std::path::Path;

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name, without the hash.
    pub name: String,
    /// Its first address.
    pub start: u64,
    /// Its code, constants among it included.
    pub code: Vec<u8>,
    /// Stretches of it that are constants, from the mapping symbols `$d`.
    pub data: Vec<(u64, u64)>,
}

/// An image.
#[derive(Debug)]
pub struct Image {
    /// Thumb, otherwise RISC-V.
    pub thumb: bool,
    /// Where it begins to run; on RISC-V `main`, to which code without frames leads by registers.
    pub entry: u64,
    /// By address.
    pub functions: BTreeMap<u64, Function>,
    /// Words of the constants and of initialised data, by address; the vectors of interrupts are not among them.
    pub words: BTreeMap<u64, u32>,
}

impl Image {
    /// Reads an image.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let file = object::File::parse(&*bytes)?;
        let thumb = match file.architecture() {
            Architecture::Arm => true,
            Architecture::Riscv32 => false,
            other => bail!("no image of a microcontroller: {other:?}"),
        };
        let even = |address: u64| if thumb { address & !1 } else { address };
        let (mut starts, mut marks) = (BTreeMap::new(), BTreeMap::new());
        for symbol in file.symbols() {
            let name = symbol.name().unwrap_or_default();
            if name.starts_with('$') {
                marks.insert(symbol.address(), name.starts_with("$d"));
            } else if name.is_empty() || name.starts_with(".L") {
                // A label within a function, which RISC-V's linker keeps.
                continue;
            } else if symbol.kind() == SymbolKind::Text || symbol.kind() == SymbolKind::Unknown {
                let Some(index) = symbol.section_index() else { continue };
                if file.section_by_index(index)?.kind() == SectionKind::Text {
                    // Among names of the same place, that of a function rather than a label.
                    let function = symbol.kind() == SymbolKind::Text;
                    let known = starts.entry(even(symbol.address())).or_insert((function, name));
                    if function && !known.0 {
                        *known = (function, name);
                    }
                }
            }
        }
        let (mut functions, mut words) = (BTreeMap::new(), BTreeMap::new());
        for section in file.sections() {
            let (base, data) = (section.address(), section.data().unwrap_or_default());
            let name = section.name().unwrap_or_default();
            let constant = matches!(section.kind(), SectionKind::ReadOnlyData | SectionKind::Data);
            if constant && name != ".vector_table" && name != ".blob" {
                for (i, word) in data.as_chunks::<4>().0.iter().enumerate() {
                    words.insert(base + 4 * i as u64, u32::from_le_bytes(*word));
                }
            }
            if section.kind() != SectionKind::Text || data.is_empty() {
                continue;
            }
            let end = base + data.len() as u64;
            let own: Vec<u64> = starts.range(base..end).map(|(&start, _)| start).collect();
            for (i, &start) in own.iter().enumerate() {
                let stop = own.get(i + 1).copied().unwrap_or(end);
                let mut code = &data[(start - base) as usize..(stop - base) as usize];
                // What the linker of Arm fills gaps with, and no branch.
                while let Some(rest) = code.strip_suffix(&[0xd4, 0xd4]).filter(|_| thumb) {
                    code = rest;
                }
                let mut stretches = Vec::new();
                let mut open =
                    marks.range(..=start).next_back().is_some_and(|(_, d)| *d).then_some(start);
                for (&at, &is_data) in marks.range(start..stop) {
                    match (is_data, open) {
                        (true, None) => open = Some(at),
                        (false, Some(from)) => {
                            stretches.push((from, at));
                            open = None;
                        }
                        _ => {}
                    }
                }
                stretches.extend(open.map(|from| (from, stop)));
                let name = format!("{:#}", demangle(starts[&start].1));
                let function = Function { name, start, code: code.to_vec(), data: stretches };
                functions.insert(start, function);
            }
        }
        // Nothing of the program calls what runs before it, and the address of RISC-V's is a common number.
        let before = ["_start", "_abs_start", "_default_start_trap"];
        functions.retain(|_, function: &mut Function| {
            thumb || !before.iter().any(|name| function.name.starts_with(name))
        });
        let main = functions.values().find(|function| !thumb && function.name == "main");
        let entry = main.map_or(even(file.entry()), |function| function.start);
        Ok(Self { thumb, entry, functions, words })
    }

    /// The function that a word points to the beginning of.
    pub fn pointed(&self, word: u32) -> Option<u64> {
        let address = u64::from(word);
        let address = match (self.thumb, address & 1) {
            (true, 1) => address - 1,
            (true, _) => return None,
            (false, _) => address,
        };
        self.functions.contains_key(&address).then_some(address)
    }

    /// The function that holds an address.
    pub fn holding(&self, address: u64) -> Option<&Function> {
        let (_, function) = self.functions.range(..=address).next_back()?;
        (address < function.start + function.code.len() as u64).then_some(function)
    }

    /// A word of the image, among the code too.
    pub fn word(&self, address: u64) -> Option<u32> {
        if let Some(&word) = self.words.get(&address) {
            return Some(word);
        }
        let function = self.holding(address)?;
        let at = (address - function.start) as usize;
        let bytes = function.code.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }
}
