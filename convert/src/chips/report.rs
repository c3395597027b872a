//! The table: a row for each chip.

use super::data::{Chip, Chips, Core};
use super::fit::{Need, Room};
use crate::images::largest;
use crate::work::{Counts, unit};
use picoformer::Model;
use picoformer::config::Input;
use serde::Serialize;
use std::fmt;

/// What a model costs on a chip. The fields are the keys of the rows of `picoformer inspect --chips --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The chip.
    pub chip: String,
    /// Its core.
    pub core: String,
    /// The kernels that the engine picks there.
    pub kernels: String,
    /// Its clock, MHz.
    pub mhz: f64,
    /// Its flash, for programs and models.
    pub flash_bytes: usize,
    /// Its largest contiguous piece of RAM.
    pub ram_bytes: usize,
    /// The blob, and the code of the largest demo on that core.
    pub needed_flash: usize,
    /// The arena, and the stack of the deepest demo on that core.
    pub needed_ram: usize,
    /// Whether both fit.
    pub fits: bool,
    /// The largest context that fits, 0 if none; RAM and learned positions limit it.
    pub largest_context: usize,
    /// Estimate: instructions of a unit of work.
    pub instructions: Option<u64>,
    /// Estimate: how long that takes at this clock with memory that never waits, milliseconds.
    pub milliseconds: Option<f64>,
    /// Where the chip's numbers stand.
    pub source: String,
    /// What else is to be known of it.
    pub note: String,
}

/// What a model costs on some chips.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The blob's bytes.
    pub blob_bytes: usize,
    /// The arena's bytes.
    pub arena_bytes: usize,
    /// The blob's own context.
    pub context: usize,
    /// What the estimate is for.
    pub unit: &'static str,
    /// What it is made of.
    pub assumptions: Vec<String>,
    /// A row for each chip.
    pub rows: Vec<Row>,
}

fn row(model: &Model, need: &Need, chip: &Chip, core: Option<&Core>) -> Row {
    let counted = core.map_or("", |core| core.counted_on.as_str());
    let (code, stack) = largest(counted);
    let (flash, ram) = (chip.flash_kib << 10, chip.ram_kib << 10);
    let room = Room { flash: flash.saturating_sub(code), ram: ram.saturating_sub(stack) };
    let fits = need.flash() <= room.flash && need.ram() <= room.ram;
    let instructions = Counts::of(counted).and_then(|counts| counts.model(model.config()));
    // Where it does not fit, there is nothing to wait for.
    let time = instructions.zip(core).filter(|_| fits && chip.mhz > 0.0);
    let milliseconds = |(instructions, core): (f64, &Core)| {
        instructions * core.cycles_per_instruction / (1000.0 * chip.mhz)
    };
    Row {
        chip: chip.name.clone(),
        core: chip.core.clone(),
        kernels: core.map_or_else(String::new, |core| core.kernels.clone()),
        mhz: chip.mhz,
        flash_bytes: flash,
        ram_bytes: ram,
        needed_flash: need.flash() + code,
        needed_ram: need.ram() + stack,
        fits,
        largest_context: need.largest_context(room),
        instructions: instructions.map(|n| n.round() as u64),
        milliseconds: time.map(milliseconds),
        source: chip.source.clone(),
        note: chip.note.clone(),
    }
}

/// What a model costs on each chip.
pub fn report(model: &Model, chips: &Chips) -> Report {
    let need = Need::of(model);
    let core = |chip: &Chip| chips.cores.iter().find(|core| core.name == chip.core);
    let mut rows: Vec<_> =
        chips.chips.iter().map(|chip| row(model, &need, chip, core(chip))).collect();
    rows.sort_by_key(|row| row.chip.to_lowercase());
    let c = model.config();
    let mut assumptions = vec![
        "code and stack: those of the largest demo on that core (firmware/record.json), without a HAL and a program \
         around it"
            .into(),
        "time: an estimate, from below. Kernels as counted in bench/record.json, one after the other for this \
         model's sizes, plus what counted models take beyond them; memory never waits (flash without wait states, \
         or a cache that always hits)"
            .into(),
    ];
    if !c.four_bits.is_empty() {
        assumptions.push(
            "four-bit weights: a product takes what it takes in the counted stories260K of four bits (`--bits 4`); on \
             M55 that is the portable loop"
                .into(),
        );
    }
    if c.input == Input::Frames && need.ram() > picoformer::arena::ArenaSize::new(c).total_bytes() {
        assumptions
            .push("the front end is not in the time; the context is the front end's window".into());
    } else {
        assumptions.push(
            "the largest context is what memory allows (`convert --context`); what the model was trained on may be \
             less"
                .into(),
        );
    }
    let used = |core: &&Core| rows.iter().any(|row| row.core == core.name);
    assumptions.extend(chips.cores.iter().filter(used).map(|core| {
        let Core { name, cycles_per_instruction, why, .. } = core;
        format!("{name}: {cycles_per_instruction} cycles per instruction, {why}")
    }));
    Report {
        blob_bytes: need.flash(),
        arena_bytes: need.ram(),
        context: c.context,
        unit: unit(c),
        assumptions,
        rows,
    }
}

/// A time with three digits.
fn time(milliseconds: f64) -> String {
    match milliseconds {
        ms if ms < 9.995 => format!("{ms:.2} ms"),
        ms if ms < 99.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}

impl Row {
    /// What is missing, or the estimate.
    pub fn verdict(&self) -> String {
        let missing = |what: &str, needed: usize, given: usize| {
            (needed > given).then(|| format!("{what}: {} bytes too small", needed - given))
        };
        let flash = missing("flash", self.needed_flash, self.flash_bytes);
        let ram = missing("RAM", self.needed_ram, self.ram_bytes);
        let parts: Vec<_> = flash.into_iter().chain(ram).collect();
        match (parts.is_empty(), self.milliseconds) {
            (false, _) => parts.join(", "),
            (true, Some(ms)) => format!("fits, ≈ {}", time(ms)),
            (true, None) => "fits".into(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} bytes of flash and {} of RAM, context {}; time for {}\n",
            self.blob_bytes, self.arena_bytes, self.context, self.unit
        )?;
        writeln!(
            f,
            "{:<24}{:<12}{:<9}{:>6}{:>10}{:>10}{:>10}  verdict",
            "chip", "core", "kernels", "MHz", "flash", "RAM", "context"
        )?;
        for row in &self.rows {
            let mhz = if row.mhz > 0.0 { row.mhz.to_string() } else { "-".into() };
            writeln!(
                f,
                "{:<24}{:<12}{:<9}{:>6}{:>7} KB{:>7} KB{:>10}  {}",
                row.chip,
                row.core,
                row.kernels,
                mhz,
                row.flash_bytes >> 10,
                row.ram_bytes >> 10,
                row.largest_context,
                row.verdict()
            )?;
        }
        writeln!(f, "\n`context`: the largest that fits")?;
        let assumptions: Vec<_> = self.assumptions.iter().map(|line| format!("- {line}")).collect();
        f.write_str(&assumptions.join("\n"))
    }
}
