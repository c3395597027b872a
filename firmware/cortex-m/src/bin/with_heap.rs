//! The engine beside code that has a heap: the heap sorts sentences by their intent, the model stays in
//! its static arena. Build with the feature `heap`.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::Write;

use cortex_m as _; // its critical section
use embedded_alloc::LlffHeap as Heap;
use picoformer::{Arena, Classifier, Model, arena, model};
use picoformer_demo::{Failure, Probe, Summary, lend::Lend};

picoformer_cortex_m::program!(with_heap);

#[global_allocator]
static HEAP: Heap = Heap::empty();

static INTENT: Model = model!("../../../../models/intent/model.pico");
static RAM: Lend<arena!(INTENT)> = Lend::new(Arena::new());

const SENTENCES: [&str; 4] = [
    "set an alarm for seven",
    "is it going to rain tomorrow",
    "wake me up at six in the morning",
    "will i need an umbrella today",
];

fn with_heap(out: &mut dyn Write, _: &mut dyn Probe) -> Result<Summary, Failure> {
    // SAFETY: the only time, and before anything is allocated.
    unsafe {
        embedded_alloc::init!(HEAP, 4096);
    }
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let mut classifier = Classifier::new(&INTENT, ram).map_err(|_| Failure("no classifier"))?;
    let mut by_intent: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for sentence in SENTENCES {
        let before = HEAP.used();
        let answer = classifier.classify(sentence);
        if HEAP.used() != before {
            return Err(Failure("the engine used the heap"));
        }
        let intent = answer.map_err(|_| Failure("the sentence cannot be classified"))?.name;
        by_intent.entry(intent).or_default().push(sentence);
    }
    for (intent, sentences) in &by_intent {
        out.write_str(intent)?;
        out.write_str(": ")?;
        out.write_str(&sentences.join(", "))?;
        out.write_str("\n")?;
    }
    Ok(Summary { arena_bytes: INTENT.arena().total_bytes(), blob_bytes: INTENT.flash_bytes() })
}
