//! `chips.toml`: the microcontrollers that come with the command, and those of a user.

use crate::error::{Error, Result, input};
use serde::Deserialize;
use std::path::Path;

/// The chips that come with the command.
const SHIPPED: &str = include_str!("chips.toml");

/// A core: which kernels run there, and how fast.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// Its name.
    pub name: String,
    /// What the engine picks there.
    pub kernels: String,
    /// The core of the records whose instructions it runs.
    pub counted_on: String,
    /// Cycles per instruction, with memory that never waits.
    pub cycles_per_instruction: f64,
    /// Where that number comes from.
    pub why: String,
}

/// A microcontroller.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chip {
    /// Its name.
    pub name: String,
    /// The name of its core.
    pub core: String,
    /// Its fastest clock.
    pub mhz: f64,
    /// Flash that a program and its models may take, KiB.
    pub flash_kib: usize,
    /// The largest contiguous piece of RAM, KiB.
    pub ram_kib: usize,
    /// Where these numbers stand.
    pub source: String,
    /// What else is to be known.
    #[serde(default)]
    pub note: String,
}

/// Chips and their cores.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chips {
    /// The cores.
    #[serde(default, rename = "core")]
    pub cores: Vec<Core>,
    /// The chips.
    #[serde(default, rename = "chip")]
    pub chips: Vec<Chip>,
}

impl Chips {
    /// Those that come with the command, with those of a file: it adds, or replaces by name.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Malformed`] with the place and what is wrong there.
    pub fn with(file: Option<&Path>) -> Result<Self> {
        let mut all = Self::parse(SHIPPED, Path::new("chips.toml"), &[])?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| Error::File { path: path.into(), source })?;
            let own = Self::parse(&text, path, &all.cores)?;
            all.cores.retain(|core| own.cores.iter().all(|other| other.name != core.name));
            all.chips.retain(|chip| own.chips.iter().all(|other| other.name != chip.name));
            all.cores.extend(own.cores);
            all.chips.extend(own.chips);
        }
        Ok(all)
    }

    /// Reads a file whose chips may also name cores that are `known`.
    fn parse(text: &str, path: &Path, known: &[Core]) -> Result<Self> {
        let wrong = |reason| Error::Malformed { path: path.into(), what: "file of chips", reason };
        let own: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        for core in &own.cores {
            let cycles = core.cycles_per_instruction;
            if !(0.1..=100.0).contains(&cycles) {
                let name = &core.name;
                return Err(wrong(format!(
                    "`{name}`: cycles_per_instruction is {cycles}, not 0.1 to 100"
                )));
            }
        }
        for chip in &own.chips {
            let Chip { name, core, mhz, flash_kib, ram_kib, .. } = chip;
            let named = |other: &Core| other.name == *core;
            if !own.cores.iter().chain(known).any(named) {
                return Err(wrong(format!("`{name}`: no core is called `{core}`")));
            }
            if !(0.001..=100_000.0).contains(mhz) {
                return Err(wrong(format!("`{name}`: mhz is {mhz}, not 0.001 to 100000")));
            }
            for (key, kib) in [("flash_kib", flash_kib), ("ram_kib", ram_kib)] {
                if !(1..=1 << 22).contains(kib) {
                    return Err(wrong(format!("`{name}`: {key} is {kib}, not 1 to {}", 1 << 22)));
                }
            }
        }
        Ok(own)
    }

    /// A core by its name.
    ///
    /// # Errors
    /// [`Error::Input`] with the names there are.
    pub fn core(&self, name: &str) -> Result<&Core> {
        let found = self.cores.iter().find(|core| core.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            let names: Vec<_> = self.cores.iter().map(|core| core.name.as_str()).collect();
            input(format!("no core is called `{name}`"), format!("there are {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        let cores = Chips::with(None).unwrap().cores;
        Chips::parse(text, Path::new("own.toml"), &cores).unwrap_err().to_string()
    }

    const CHIP: &str = "[[chip]]\nname = \"x\"\ncore = \"Cortex-M4\"\nmhz = 1\nflash_kib = 1\n\
                        ram_kib = 1\nsource = \"me\"\n";

    #[test]
    fn the_shipped_file_is_valid_and_names_sources() {
        let Chips { cores, chips } = Chips::with(None).unwrap();
        assert!(chips.len() >= 30 && cores.iter().all(|core| !core.why.is_empty()));
        assert!(chips.iter().all(|chip| chip.source.len() > 10), "a chip without a source");
        let mut names: Vec<_> = chips.iter().map(|chip| &chip.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), chips.len(), "a name twice");
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named() {
        for (from, to, words) in [
            ("Cortex-M4", "Z80", "`x`: no core is called `Z80`"),
            ("mhz = 1", "mhz = 0", "`x`: mhz is 0"),
            ("mhz = 1", "mhz = nan", "mhz is NaN"),
            ("ram_kib = 1", "ram_kib = 0", "ram_kib is 0"),
            ("flash_kib = 1", "flash_kib = 99999999", "flash_kib is 99999999"),
            ("flash_kib = 1", "flash_kib = -1", "invalid value"),
            ("flash_kib = 1\n", "", "missing field `flash_kib`"),
            ("source", "sauce", "unknown field `sauce`"),
        ] {
            let error = wrong(&CHIP.replace(from, to));
            assert!(error.contains("own.toml") && error.contains(words), "{error}");
        }
    }
}
