//! Counts the parts of the demos `update` and `signed`.

use core::fmt::Write;

use picoformer_demo::update::{Mark, signed, update};
use picoformer_demo::{Failure, Probe, Summary};

use crate::Meter;
use crate::report::line;

unsafe extern "C" {
    static mut _blob_slot: u8;
    static _blob_slot_end: u8;
}

/// The memory in which models are flashed on their own: on an emulated board it can be written.
///
/// # Safety
/// To be called once.
unsafe fn memory() -> &'static mut [u8] {
    let (start, end) = (&raw mut _blob_slot, &raw const _blob_slot_end);
    // SAFETY: the linker script puts the symbols around a memory that nothing else uses.
    unsafe { core::slice::from_raw_parts_mut(start, end.addr() - start.addr()) }
}

/// Instructions of a part: name, sum, the most, times.
type Part = (&'static str, u64, u64, u64);

/// Runs a demo on the flash and prints what its parts cost.
fn measured(
    demo: fn(&'static mut [u8], &mut dyn Write, Mark) -> Result<Summary, Failure>,
    out: &mut dyn Write,
) -> Result<Summary, Failure> {
    let (mut meter, mut parts) = (Meter::new(), [Part::default(); 8]);
    meter.begin();
    // SAFETY: a program runs one demo, once.
    let memory = unsafe { memory() };
    let result = demo(memory, out, &mut |name| {
        let elapsed = meter.elapsed();
        let entry = parts.iter_mut().find(|part| part.0 == name || part.3 == 0);
        if let Some(part) = entry.filter(|_| !name.is_empty()) {
            *part = (name, part.1 + elapsed, part.2.max(elapsed), part.3 + 1);
        }
        meter.begin();
    });
    for (name, sum, most, times) in parts.into_iter().filter(|part| part.3 > 0) {
        line(name, sum);
        if times > 1 {
            let _ = out.write_str("#longest_");
            let _ = out.write_str(name);
            let _ = out.write_str(" ");
            let _ = picoformer_demo::text::decimal(out, most);
            let _ = out.write_str("\n");
        }
    }
    result
}

/// The device that updates itself.
///
/// # Errors
/// Names what failed.
pub fn updating(out: &mut dyn Write, _: &mut dyn Probe) -> Result<Summary, Failure> {
    measured(update, out)
}

/// Reads a signed file.
///
/// # Errors
/// Names what failed.
pub fn verified(out: &mut dyn Write, _: &mut dyn Probe) -> Result<Summary, Failure> {
    measured(signed::<true>, out)
}

/// Reads the same blob by its checksum only.
///
/// # Errors
/// Names what failed.
pub fn unverified(out: &mut dyn Write, _: &mut dyn Probe) -> Result<Summary, Failure> {
    measured(signed::<false>, out)
}
