//! `picoformer inspect`: the bill of a blob, or what it costs on microcontrollers.

use clap::Args;
use miette::{IntoDiagnostic, Result};
use picoformer_convert::bill::bill;
use picoformer_convert::chips::{Chip, Chips, report};
use picoformer_convert::error::{Error, input};
use picoformer_convert::host::Blob;
use picoformer_convert::output::say;
use std::path::PathBuf;

#[derive(Args)]
pub struct InspectArguments {
    /// The blob
    blob: PathBuf,
    /// Which microcontrollers it fits, with what context, and about how fast; FILE adds your own or replaces some
    /// (docs/CHIPS.md)
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    chips: Option<Option<PathBuf>>,
    /// The same for a chip with this much RAM, such as 64K
    #[arg(long, value_name = "SIZE", requires = "flash", value_parser = kib)]
    ram: Option<usize>,
    /// And this much flash, such as 256K or 1M
    #[arg(long, value_name = "SIZE", requires = "ram", value_parser = kib)]
    flash: Option<usize>,
    /// And this core, such as cortex-m4; without it code is taken to be the largest, and there is no estimate
    #[arg(long, value_name = "CORE", requires = "ram")]
    core: Option<String>,
    /// And this clock
    #[arg(long, requires = "core")]
    mhz: Option<f64>,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

/// Shows it.
pub fn run(arguments: &InspectArguments) -> Result<()> {
    let bytes = Blob::open(&arguments.blob)?;
    let model = bytes.model(&arguments.blob)?;
    if arguments.chips.is_none() && arguments.ram.is_none() {
        return print(&bill(&model), arguments.json);
    }
    let file = arguments.chips.as_ref().and_then(Option::as_deref);
    let mut chips = Chips::with(file)?;
    let own = own(arguments, &chips)?;
    if arguments.chips.is_none() {
        chips.chips.clear();
    }
    chips.chips.extend(own);
    print(&report(&model, &chips), arguments.json)
}

fn print<T: serde::Serialize + std::fmt::Display>(value: &T, json: bool) -> Result<()> {
    match json {
        true => say(&serde_json::to_string(value).into_diagnostic()?)?,
        false => say(value)?,
    }
    Ok(())
}

/// The chip that options describe.
fn own(arguments: &InspectArguments, chips: &Chips) -> Result<Option<Chip>, Error> {
    let Some((ram_kib, flash_kib)) = arguments.ram.zip(arguments.flash) else { return Ok(None) };
    let core = match &arguments.core {
        Some(core) => chips.core(core)?.name.clone(),
        None => "any".into(),
    };
    let mhz = arguments.mhz.unwrap_or(if arguments.core.is_some() { 100.0 } else { 0.0 });
    if arguments.core.is_some() && !(0.001..=100_000.0).contains(&mhz) {
        return Err(input(format!("--mhz is {mhz}"), "a clock from 0.001 to 100000 MHz"));
    }
    let (name, source) = ("yours".into(), "the command line".into());
    Ok(Some(Chip { name, core, mhz, flash_kib, ram_kib, source, note: String::new() }))
}

/// A size in KiB: `64K`, `1M` (1,024 of the unit before), or bytes, rounded down.
fn kib(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.to_ascii_uppercase() {
        text if text.ends_with('K') => (text.trim_end_matches('K').to_owned(), 1024),
        text if text.ends_with('M') => (text.trim_end_matches('M').to_owned(), 1024 * 1024),
        text => (text, 1),
    };
    let bytes = digits.parse::<usize>().ok().and_then(|n| n.checked_mul(unit));
    match bytes.map(|bytes| bytes / 1024) {
        Some(kib @ 1..=0x40_0000) => Ok(kib),
        _ => Err("a size from 1K to 4096M, such as 64K, 1M or 262144".into()),
    }
}
