//! Checks the instruments themselves: a loop of known length must be counted exactly, a known depth
//! of stack must be found.

use core::arch::asm;
use core::fmt::Write;
use core::hint::black_box;

use picoformer_demo::{Failure, Phase, Probe, Summary, text};
use picoformer_stack as stack;

use crate::{Meter, STACK_BYTES};

/// Executes `2 * rounds` instructions, and three to five around them that do not depend on `rounds`.
#[inline(never)]
fn known_loop(rounds: u32) {
    // SAFETY: changes its own register and the flags.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("2:", "subs {0}, #1", "bne 2b", inout(reg) rounds => _, options(nomem, nostack));
        #[cfg(target_arch = "riscv32")]
        asm!("2:", "addi {0}, {0}, -1", "bnez {0}, 2b", inout(reg) rounds => _,
            options(nomem, nostack));
    }
}

#[inline(never)]
fn measure(meter: &mut Meter, rounds: u32) -> u64 {
    meter.begin();
    known_loop(black_box(rounds));
    meter.elapsed()
}

#[inline(never)]
fn deep() {
    let mut frame = [0u8; 4096];
    black_box(&mut frame);
}

/// Writes `ok` after each instrument that tells the truth.
///
/// # Errors
/// Names the instrument that does not.
pub fn selfcheck(out: &mut dyn Write, _: &mut dyn Probe) -> Result<Summary, Failure> {
    let mut meter = Meter::new();
    let around = measure(&mut meter, 1) - 2;
    // Long enough for the 24-bit timer to wrap several times.
    for rounds in (1..100).chain([1_000, 99_999, 30_000_000]) {
        if measure(&mut meter, rounds) != around + 2 * u64::from(rounds) {
            text::decimal(out, u64::from(rounds))?;
            out.write_str(" rounds counted wrongly\n")?;
            return Err(Failure("the instruction counter is not exact"));
        }
    }
    out.write_str("instruction counter: exact\n")?;
    stack::paint(STACK_BYTES);
    let before = stack::high_water(STACK_BYTES);
    deep();
    let depth = stack::high_water(STACK_BYTES) - before;
    if !(3800..4300).contains(&depth) {
        return Err(Failure("the stack's high-water mark is wrong"));
    }
    out.write_str("stack paint: found 4 KiB\n")?;
    meter.end(Phase::Inference);
    Ok(Summary { arena_bytes: 0, blob_bytes: 0 })
}

/// Random cases of each kernel, and random operands in search of a write beyond an output; for a long
/// search: `PICOFORMER_OPERANDS=1000000 cargo xtask test "kernels on"`.
const CASES: u32 = 1500;

/// Compares the kernels that the engine was built with to the portable ones, and gives them operands of any
/// shape.
///
/// # Errors
/// Names the kernel that differs, or that wrote beyond its output.
pub fn kernels(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    use picoformer::kernels::check::{check, guard};
    use picoformer::kernels::{Kernels, Native};
    let operands = option_env!("PICOFORMER_OPERANDS").map_or(Ok(20_000), str::parse::<u32>);
    let operands = operands.map_err(|_| Failure("PICOFORMER_OPERANDS is not a number"))?;
    out.write_str(Native::NAME)?;
    probe.begin();
    let cases = check::<Native>(CASES).map_err(Failure)?;
    let made = guard::<Native>(operands).map_err(Failure)?;
    probe.end(Phase::Inference);
    out.write_str(": ")?;
    text::decimal(out, u64::from(cases))?;
    out.write_str(" cases equal to portable, guards intact after ")?;
    text::decimal(out, u64::from(operands))?;
    out.write_str(" operands, of which ")?;
    text::decimal(out, u64::from(made))?;
    out.write_str(" were accepted\n")?;
    Ok(Summary { arena_bytes: 0, blob_bytes: 0 })
}
