//! Whose instruction is it: functions of an address, inlined ones too, from the image's debug
//! information; and the part of a transformer that they belong to.

use addr2line::Context as Lines;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::collections::HashMap;

/// The parts that a profile tells apart.
pub const PARTS: [&str; 10] = [
    "embedding",
    "position",
    "norm",
    "linear",
    "attention",
    "activation",
    "residual",
    "head",
    "sampler, tokenizer",
    "other",
];

/// Part of whatever runs below a function whose name contains the text.
const WHOLE: [(&str, &str); 7] = [
    ("::attention::", "attention"),
    ("Kernels>::attend", "attention"),
    ("defaults::attend", "attention"),
    ("nn::embedding", "embedding"),
    ("nn::head", "head"),
    ("picoformer::sampler", "sampler, tokenizer"),
    ("picoformer::tokenizer", "sampler, tokenizer"),
];
/// Part of a function whose name contains the text; the innermost known function decides.
const OWN: [(&str, &str); 22] = [
    ("nn::norm", "norm"),
    ("Kernels>::moments", "norm"),
    ("Kernels>::range", "norm"),
    ("Kernels>::gain", "norm"),
    ("defaults::range", "norm"),
    ("defaults::gain", "norm"),
    ("rsqrt", "norm"),
    ("activat", "activation"),
    ("rotate", "position"),
    ("nn::position", "position"),
    ("::renormalize", "residual"),
    ("::narrow", "residual"),
    ("::largest_sum", "residual"),
    ("Kernels>::add", "residual"),
    ("defaults::add", "residual"),
    ("::linear", "linear"),
    ("::matmul", "linear"),
    ("::rescale", "linear"),
    ("::eights::", "linear"),
    ("::quantize", "linear"),
    ("::largest", "linear"),
    ("nn::row::Input", "linear"),
];

type Reader<'d> = EndianSlice<'d, LittleEndian>;

/// Functions by address.
pub struct Symbols<'d> {
    lines: Lines<Reader<'d>>,
    /// Address, size and name of every function, in order.
    functions: Vec<(u64, String)>,
    names: HashMap<u64, Vec<String>>,
}

impl<'d> Symbols<'d> {
    /// Reads an image.
    pub fn read(bytes: &'d [u8]) -> Result<Self> {
        let file = object::File::parse(bytes)?;
        let section = |id: SectionId| -> Result<Reader<'d>> {
            let data = file.section_by_name(id.name()).map_or(Ok(&[][..]), |s| s.data());
            Ok(EndianSlice::new(data?, LittleEndian))
        };
        let lines = Lines::from_dwarf(Dwarf::load(section)?)?;
        let mut functions: Vec<(u64, String)> = file
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text)
            .map(|symbol| {
                let name = symbol.name().unwrap_or_default();
                // Bit 0 of a Thumb function's address says that it is Thumb.
                (symbol.address() & !1, format!("{:#}", rustc_demangle::demangle(name)))
            })
            .filter(|(_, name)| !name.starts_with('$'))
            .collect();
        functions.sort();
        Ok(Self { lines, functions, names: HashMap::new() })
    }

    /// The function, not an inlined one, that an address lies in.
    pub fn function(&self, address: u64) -> &str {
        let after = self.functions.partition_point(|(start, _)| *start <= address);
        after.checked_sub(1).map_or("?", |i| &self.functions[i].1)
    }

    /// Address of the one function whose name ends so.
    pub fn address(&self, ending: &str) -> Result<u64> {
        let found = self.functions.iter().find(|(_, name)| name.ends_with(ending));
        Ok(found.with_context(|| format!("the image has no function `{ending}`"))?.0)
    }

    /// Names of the functions of an address, the innermost inlined one first.
    pub fn names(&mut self, address: u64) -> &[String] {
        if !self.names.contains_key(&address) {
            let mut names = Vec::new();
            if let Ok(mut frames) = self.lines.find_frames(address).skip_all_loads() {
                while let Ok(Some(frame)) = frames.next() {
                    let name = frame.function.and_then(|f| Some(f.demangle().ok()?.into_owned()));
                    names.extend(name);
                }
            }
            // Code by hand has no debug information.
            if names.is_empty() {
                names.push(self.function(address).to_owned());
            }
            self.names.insert(address, names);
        }
        &self.names[&address]
    }

    /// The part that an address belongs to when it is called from code of part `caller`.
    pub fn part(&mut self, address: u64, caller: Option<Part>) -> Option<Part> {
        if let Some(caller) = caller.filter(|caller| caller.whole) {
            return Some(caller);
        }
        let names = self.names(address);
        let whole = |name: &String| WHOLE.iter().find(|(text, _)| name.contains(text));
        if let Some((_, part)) = names.iter().find_map(whole) {
            return Some(Part { name: part, whole: true });
        }
        let own = |name: &String| OWN.iter().find(|(text, _)| name.contains(text));
        let own = names.iter().find_map(own).map(|(_, name)| Part { name, whole: false });
        own.or(caller)
    }
}

/// A part, and whether all that it calls belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// One of [`PARTS`].
    pub name: &'static str,
    whole: bool,
}
