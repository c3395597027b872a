//! The engine with `defmt`: bills, answers and errors are logged in a few bytes each and put into words
//! on the host. Build with the feature `defmt`; `cargo xtask test` decodes what it logs.
#![no_std]
#![no_main]

use core::fmt::Write;

use cortex_m as _; // its critical section
use defmt_semihosting as _;
use picoformer::{Arena, ArenaParts, Classifier, Model, arena, include_blob, model};
use picoformer_board::{exit, report};
use picoformer_demo::{Failure, lend::Lend};

static BLOB: &[u8] = include_blob!("../../../../models/intent/model.pico");
static INTENT: Model = model!(bytes: BLOB);
static RAM: Lend<arena!(INTENT)> = Lend::new(Arena::new());

fn log() -> Result<(), Failure> {
    defmt::info!("flash {} bytes, {}", INTENT.flash_bytes(), INTENT.arena());
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let classifier = Classifier::new(&INTENT, ram.parts());
    let mut classifier = classifier.map_err(|_| Failure("no classifier"))?;
    for sentence in ["where is the nearest gas station", "turn the volume up"] {
        match classifier.classify(sentence) {
            Ok(answer) => defmt::info!("{=str}: {}", sentence, answer),
            Err(error) => defmt::error!("{=str}: {}", sentence, error),
        }
    }
    // What goes wrong is told with what was needed and given.
    let no_text = ArenaParts { tokens: &mut [], ..ram.parts() };
    if let Err(error) = Classifier::new(&INTENT, no_text) {
        defmt::warn!("{}", error);
    }
    if let Err(error) = Model::parse_checked(BLOB.get(..1000).unwrap_or_default()) {
        defmt::error!("{}", error);
    }
    Ok(())
}

#[cortex_m_rt::entry]
fn main() -> ! {
    match log() {
        Ok(()) => exit(0),
        Err(failure) => {
            let _ = picoformer_board::Console.write_str(failure.0);
            exit(1)
        }
    }
}

#[cortex_m_rt::exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    report::faulted()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    report::panicked(info)
}
