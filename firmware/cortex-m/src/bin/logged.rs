//! The engine with `defmt`: bills, answers and errors are logged in a few bytes each and put into words
//! on the host. Build with the feature `defmt`; `cargo xtask test` decodes what it logs.
#![no_std]
#![no_main]

use core::fmt::Write;

use cortex_m as _; // its critical section
use defmt_semihosting as _;
use picoformer::{Arena, Classifier, Model, include_blob};
use picoformer_board::{exit, report};
use picoformer_demo::{Failure, lend::Lend};

const BLOB: &[u8] = include_blob!("../../../../models/intent/model.pico");
#[allow(long_running_const_eval)] // checking a blob while compiling takes its time
static INTENT: Model<'static> = MODEL;
const MODEL: Model<'static> = match Model::parse(BLOB) {
    Ok(model) => model,
    Err(_) => panic!("models/intent/model.pico is not a valid blob"),
};
type Ram = Arena<{ MODEL.arena().bytes }, { MODEL.arena().halves }, { MODEL.arena().words }>;
static RAM: Lend<Ram> = Lend::new(Ram::new());

fn log() -> Result<(), Failure> {
    defmt::info!("flash {} bytes, {}", INTENT.flash_bytes(), INTENT.arena());
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let mut classifier = Classifier::new(&INTENT, ram).map_err(|_| Failure("no classifier"))?;
    let mut tokens = [0; 64];
    for sentence in ["where is the nearest gas station", "turn the volume up"] {
        match classifier.classify(sentence, &mut tokens) {
            Ok(answer) => defmt::info!("{=str}: {}", sentence, answer),
            Err(error) => defmt::error!("{=str}: {}", sentence, error),
        }
    }
    // What goes wrong is told with what was needed and given.
    if let Err(error) = classifier.classify("more words than there is room for", &mut tokens[..4]) {
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
