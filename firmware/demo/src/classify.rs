//! Classifies sentences with `models/intent`, which is linked into the image.

use core::fmt::Write;

use picoformer::kernels::Native;
use picoformer::{Arena, Build, Classifier, Model, arena, model, specialize};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::{Failure, Phase, Probe, Summary, blob, text};

blob!(BLOB, "../../../models/intent/model.pico");

/// The model.
pub static MODEL: Model = model!(bytes: &BLOB.0);
static RAM: Lend<arena!(MODEL)> = Lend::new(Arena::new());
specialize!(
    /// This firmware runs this model only.
    pub Intent,
    MODEL
);

/// What is classified.
pub static SENTENCES: [&str; 6] = [
    "please set a timer for ten minutes",
    "how do you say thank you in italian",
    "what is the exchange rate between dollars and euros",
    "my credit card was stolen yesterday",
    "wake me up at seven",
    "how tall is mount everest",
];

/// What is written of a sentence that is none of the labels, before the nearest one.
pub const NONE: &str = "none of these; the nearest is ";

/// Writes a label for every sentence, or that it is none of them.
///
/// # Errors
/// Names what failed.
pub fn classify(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    run::<Intent>(&MODEL, out, probe)
}

/// The same by an engine for every model, on a blob that is read when it runs: what a library that is not for
/// one model has to hold.
///
/// # Errors
/// Names what failed.
pub fn classify_any(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    let model =
        Model::parse_linked_for::<Native>(&BLOB.0).map_err(|_| Failure("the blob is not valid"))?;
    run::<Native>(&model, out, probe)
}

fn run<B: Build>(
    model: &Model,
    out: &mut dyn Write,
    probe: &mut dyn Probe,
) -> Result<Summary, Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let classifier = Classifier::<B>::new_for(model, ram);
    let mut classifier = classifier.map_err(|_| Failure("no classifier"))?;
    let mut hash = Hash::new();
    for &sentence in &SENTENCES {
        probe.begin();
        let answer = classifier.classify(sentence);
        probe.end(Phase::Inference);
        let answer = answer.map_err(|_| Failure("the sentence cannot be classified"))?;
        hash.add(classifier.encoder().outputs());
        out.write_str(sentence)?;
        out.write_str(": ")?;
        out.write_str(if answer.in_scope { "" } else { NONE })?;
        out.write_str(answer.name)?;
        out.write_str("\n")?;
    }
    out.write_str("logits ")?;
    text::hexadecimal(out, hash.value())?;
    out.write_str("\n")?;
    Ok(Summary { arena_bytes: model.arena().total_bytes(), blob_bytes: model.flash_bytes() })
}
