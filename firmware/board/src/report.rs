//! Runs a demo and tells what it cost in `#key value` lines, apart from the demo's own text.

use core::fmt::Write;

use picoformer_demo::{Failure, PHASES, Phase, Probe, Summary, text};
use picoformer_stack as stack;

use crate::{Console, Meter, STACK_BYTES, exit};

/// A demo: writes its text, marks its phases.
pub type Demo = fn(&mut dyn Write, &mut dyn Probe) -> Result<Summary, Failure>;

/// Writes `#key value`.
pub fn line(key: &str, value: u64) {
    let mut out = Console;
    // The console cannot fail.
    let _ = out.write_str("#");
    let _ = out.write_str(key);
    let _ = out.write_str(" ");
    let _ = text::decimal(&mut out, value);
    let _ = out.write_str("\n");
}

/// What is reported of a phase: the names of its instructions and of its times. In flash: on the
/// stack it would lie below the demo's.
static LINES: [(Phase, &str, &str); PHASES] = [
    (Phase::Prefill, "prefill_instructions", "prefills"),
    (Phase::Token, "token_instructions", "tokens"),
    (Phase::Inference, "inference_instructions", "inferences"),
    (Phase::Parse, "parse_instructions", "parses"),
    (Phase::Word, "word_instructions", "words"),
    (Phase::Encoder, "encoder_instructions", "encoder_steps"),
    (Phase::Source, "source_instructions", "source_steps"),
    (Phase::SelfAttention, "self_attention_instructions", "self_attention_steps"),
    (Phase::CrossAttention, "cross_attention_instructions", "cross_attention_steps"),
    (Phase::FeedForward, "feed_forward_instructions", "feed_forward_steps"),
    (Phase::Head, "head_instructions", "head_steps"),
    (Phase::Beam, "beam_instructions", "beams"),
    (Phase::BeamStep, "beam_step_instructions", "beam_steps"),
    (Phase::Piece, "piece_instructions", "pieces"),
    (Phase::FrontEnd, "front_end_instructions", "front_end_pieces"),
];

/// Runs a demo, prints the report and ends the emulation: status 0, or 1 when the demo failed.
pub fn run(demo: Demo) -> ! {
    let mut meter = Meter::new();
    stack::paint(STACK_BYTES);
    let result = demo(&mut Console, &mut meter);
    let stack_bytes = stack::high_water(STACK_BYTES);
    match result {
        Ok(summary) => {
            for &(phase, name, unit) in &LINES {
                let (instructions, times) = meter.total(phase);
                if times > 0 {
                    line(name, instructions);
                    line(unit, times);
                }
            }
            if meter.longest_piece > 0 {
                line("longest_piece_instructions", meter.longest_piece);
            }
            line("arena_bytes", summary.arena_bytes as u64);
            line("blob_bytes", summary.blob_bytes as u64);
            line("stack_bytes", stack_bytes as u64);
            exit(0)
        }
        Err(failure) => {
            let _ = Console.write_str("#failed ");
            let _ = Console.write_str(failure.0);
            let _ = Console.write_str("\n");
            exit(1)
        }
    }
}

unsafe extern "C" {
    static _blob_slot: u8;
    static _blob_slot_end: u8;
}

/// A text of up to 32 bytes that may have been written to the slot's end: which case to run.
pub fn wanted() -> &'static [u8] {
    // SAFETY: the last bytes of a memory that nothing else uses, and that no model fills.
    let text = unsafe { core::slice::from_raw_parts((&raw const _blob_slot_end).sub(32), 32) };
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The memory in which a model is flashed on its own.
pub fn slot() -> &'static [u8] {
    let (start, end) = (&raw const _blob_slot, &raw const _blob_slot_end);
    // The blob tells its own length, in the header's bytes 8 to 12; nothing beyond it is read.
    // SAFETY: the linker script puts the symbols around a memory that nothing else uses.
    unsafe {
        let room = end.addr() - start.addr();
        let length = start.add(8).cast::<u32>().read_volatile() as usize;
        core::slice::from_raw_parts(start, length.min(room))
    }
}

/// Runs the stories demo on the blob in the slot.
///
/// # Errors
/// As `picoformer_demo::stories`.
pub fn stories(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    picoformer_demo::stories(slot(), out, probe)
}

/// Runs the endurance test; its probe counts nothing.
///
/// # Errors
/// As `picoformer_demo::endure::enduring`.
pub fn endure(out: &mut dyn Write, _: &mut dyn Probe) -> Result<Summary, Failure> {
    picoformer_demo::endure::enduring(out)
}

/// What the panic handlers call: where it happened, and a failing exit status.
pub fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = Console.write_str("#panic ");
    if let Some(place) = info.location() {
        let _ = Console.write_str(place.file());
        let _ = Console.write_str(":");
        let _ = text::decimal(&mut Console, u64::from(place.line()));
    }
    let _ = Console.write_str("\n");
    exit(101)
}

/// What the fault handlers call.
pub fn faulted() -> ! {
    let _ = Console.write_str("#fault\n");
    exit(102)
}
