//! Counts the cases of `picoformer_bench`: all kernels, or what the model in the slot is made for.

use core::fmt::Write;

use picoformer_bench::{Case, Counter, Memory, kernels, model};
use picoformer_demo::{Failure, Phase, Probe, Summary, lend::Lend, text};

use crate::report::{slot, wanted};
use crate::{Console, Meter};

static MEMORY: Lend<Memory> = Lend::new(Memory::new());

/// Prints `#case NAME INSTRUCTIONS PER UNIT` for every case.
struct Lines {
    meter: Meter,
    wanted: &'static [u8],
}

impl Counter for Lines {
    fn wants(&self, case: &Case) -> bool {
        case.name.as_str().as_bytes().starts_with(self.wanted)
    }

    fn begin(&mut self) {
        self.meter.begin();
    }

    fn end(&mut self, case: &Case) {
        let instructions = self.meter.elapsed();
        // The console cannot fail.
        let _ = line(&mut Console, case, instructions);
    }
}

fn line(out: &mut dyn Write, case: &Case, instructions: u64) -> core::fmt::Result {
    out.write_str("#case ")?;
    out.write_str(case.name.as_str())?;
    out.write_str(" ")?;
    text::decimal(out, instructions)?;
    out.write_str(" ")?;
    text::decimal(out, u64::from(case.per))?;
    out.write_str(" ")?;
    out.write_str(case.unit)?;
    out.write_str("\n")
}

/// Counts.
///
/// # Errors
/// Names what could not be run.
pub fn bench(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    out.write_str(<picoformer::kernels::Native as picoformer::kernels::Kernels>::NAME)?;
    out.write_str("\n")?;
    let memory = MEMORY.take().ok_or(Failure("the memory is in use"))?;
    let (mut lines, blob) = (Lines { meter: Meter::new(), wanted: wanted() }, slot());
    let mut arena_bytes = 0;
    if blob.is_empty() {
        kernels(memory, &mut lines);
    } else {
        let size = model(blob, memory, &mut lines).map_err(|failure| Failure(failure.0))?;
        arena_bytes = size.total_bytes();
    }
    probe.end(Phase::Inference);
    Ok(Summary { arena_bytes, blob_bytes: blob.len() })
}
