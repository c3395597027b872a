//! Where the instructions of one case go: by part of the transformer, by kind of instruction, by
//! function; and what they may cost in cycles.

use crate::cycles::{Timing, class};
use crate::symbols::{PARTS, Symbols};
use crate::trace::{Counts, Trace};
use anyhow::{Context, Result, bail};
use object::{Object, ObjectSymbol};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use xtask::bench::{Row, read};
use xtask::board::{Board, emulator};
use xtask::elf;

/// Instructions and, on a core with published timings, estimated cycles of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Instructions.
    pub instructions: u64,
    /// Estimated cycles, see `cycles`.
    pub cycles: Option<u64>,
}

/// One case on one core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The core.
    pub core: String,
    /// The case.
    pub case: String,
    /// Altogether.
    pub total: Cost,
    /// By part of the transformer.
    pub parts: BTreeMap<String, Cost>,
    /// Instructions by kind.
    pub mix: BTreeMap<String, u64>,
    /// Instructions by function, most first, from 1 % up.
    pub functions: Vec<(String, u64)>,
}

impl Profile {
    /// Whether it is of a token or an inference rather than of a kernel.
    pub fn whole_model(&self) -> bool {
        ["token/", "classify/", "encoder/"].iter().any(|kind| self.case.starts_with(kind))
    }

    /// For people: parts, kinds, and the functions that take at least 1 %.
    pub fn table(&self) -> String {
        let all = self.total.instructions.max(1) as f64;
        let mut text = format!("\n{} {}\n", self.core, self.case);
        let mut line = |name: &str, instructions: u64, cycles: Option<u64>| {
            let share = 100.0 * instructions as f64 / all;
            let cycles = cycles.map_or(String::new(), |cycles| format!("≈{cycles} cycles"));
            text += &format!("  {instructions:>10}  {share:>5.1} %  {cycles:<20} {name}\n");
        };
        line("altogether", self.total.instructions, self.total.cycles);
        for part in PARTS.iter().filter_map(|part| self.parts.get_key_value(*part)) {
            line(part.0, part.1.instructions, part.1.cycles);
        }
        line("", 0, None);
        for (kind, times) in &self.mix {
            line(kind, *times, None);
        }
        line("", 0, None);
        for (function, times) in &self.functions {
            line(function, *times, None);
        }
        text
    }
}

/// Bytes at the end of the slot that name the case to run.
const WANTED_BYTES: u64 = 32;

/// Follows the cases whose name begins with `wanted`, of the kernels or of the model in `blob`.
pub fn profiles(
    board: &Board,
    program: &Path,
    wanted: &str,
    model: Option<(&str, &Path)>,
) -> Result<Vec<Profile>> {
    let bytes = std::fs::read(program)?;
    let file = object::File::parse(&*bytes)?;
    let end = file.symbols().find(|symbol| symbol.name() == Ok("_blob_slot_end"));
    let end = end.context("the image has no `_blob_slot_end`")?.address();
    let slot = elf::read(program)?.blob_slot.context("no slot for a model")?;
    let name = program.with_extension("case");
    std::fs::write(&name, wanted)?;
    let mut command = emulator(board, program);
    let load =
        |path: &Path, at: u64| format!("loader,file={},addr={at:#x},force-raw=on", path.display());
    command.args(["-device", &load(&name, end - WANTED_BYTES)]);
    if let Some((_, blob)) = model {
        command.args(["-device", &load(blob, slot)]);
    }
    let single = board.has_low_overhead_loops();
    if single {
        command.arg("-singlestep");
    }
    command.args(["-d", "in_asm,exec,nochain"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child =
        command.stderr(Stdio::piped()).spawn().context("the emulator cannot be started")?;
    let mut symbols = Symbols::read(&bytes)?;
    let log = child.stderr.take().context("the emulator has no log")?;
    let trace = Trace::follow(log, &mut symbols, single);
    let output = child.wait_with_output()?;
    let (trace, text) = (trace?, String::from_utf8_lossy(&output.stdout).into_owned());
    let rows = read(&text, &board.core, model.map_or("", |(name, _)| name))?;
    // The first regions are the meters' own, by which they learn what measuring costs.
    let own = trace.regions.len().checked_sub(rows.len()).context("a case was not followed")?;
    let regions = trace.regions.get(own..).unwrap_or_default();
    if rows.is_empty() {
        bail!("no case begins with `{wanted}`:\n{text}");
    }
    let profile = |(row, counts): (Row, &Counts)| {
        let profile = sum(&trace, counts, &mut symbols, &board.core, row.case);
        let (found, counted) = (profile.total.instructions, row.instructions);
        // What begins and ends the region is followed but not counted.
        if found.abs_diff(counted) > 100 + counted / 1000 {
            bail!("{}: {counted} instructions were counted, {found} followed", profile.case);
        }
        Ok(profile)
    };
    rows.into_iter().zip(regions).map(profile).collect()
}

fn sum(trace: &Trace, counts: &Counts, symbols: &mut Symbols, core: &str, case: String) -> Profile {
    let timing = Timing::of(core);
    let (mut parts, mut mix) = (BTreeMap::<String, Cost>::new(), BTreeMap::new());
    let (mut functions, mut total) = (BTreeMap::<String, u64>::new(), Cost::default());
    for (&(block, caller, branched), &times) in counts {
        let block = &trace.blocks[block];
        let cycles = timing.map(|timing| timing.block(block, branched));
        for (i, instruction) in block.instructions.iter().enumerate() {
            let function = symbols.function(instruction.address);
            if function.contains("SysTick") || function.contains("counter::") {
                continue;
            }
            *functions.entry(function.to_owned()).or_default() += times;
            let part = symbols.part(instruction.address, caller).map_or("other", |part| part.name);
            let cycles = cycles.as_ref().map(|cycles| cycles[i] * times);
            for cost in [&mut total, parts.entry(part.to_owned()).or_default()] {
                cost.instructions += times;
                cost.cycles = cycles.map(|cycles| cycles + cost.cycles.unwrap_or(0));
            }
            *mix.entry(class(&instruction.text).name().to_owned()).or_default() += times;
        }
    }
    let mut functions: Vec<_> = functions.into_iter().collect();
    functions.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    functions.retain(|(_, times)| 100 * times > total.instructions);
    Profile { core: core.into(), case, total, parts, mix, functions }
}
