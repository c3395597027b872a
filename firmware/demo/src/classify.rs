//! Classifies sentences with `models/intent`, which is linked into the image.

use core::fmt::Write;

use picoformer::kernels::Native;
use picoformer::sampler::greedy;
use picoformer::{Arena, Build, Classifier, Known, Model};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::{Failure, Phase, Probe, Summary, blob, text};

blob!(BLOB, "../../../models/intent/model.pico");

/// A blob that is wrong fails the build.
#[allow(long_running_const_eval)]
const MODEL: Model<'static> = match Model::parse(&BLOB.0) {
    Ok(model) => model,
    Err(_) => panic!("models/intent/model.pico is not a valid blob"),
};
type Ram = Arena<{ MODEL.arena().bytes }, { MODEL.arena().halves }, { MODEL.arena().words }>;

/// This firmware runs this model only.
struct Intent;

impl Build for Intent {
    type Kernels = Native;
    const MODEL: Option<Known> = Some(MODEL.known());
}

/// The model in flash, not on the stack.
static INTENT: Model<'static> = MODEL;
static RAM: Lend<Ram> = Lend::new(Ram::new());

static SENTENCES: [&str; 4] = [
    "please set a timer for ten minutes",
    "how do you say thank you in italian",
    "what is the exchange rate between dollars and euros",
    "my credit card was stolen yesterday",
];

/// Writes a label for every sentence.
///
/// # Errors
/// Names what failed.
pub fn classify(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let classifier = Classifier::<Intent>::new_for(&INTENT, ram);
    let mut classifier = classifier.map_err(|_| Failure("no classifier"))?;
    let mut hash = Hash::new();
    for &sentence in &SENTENCES {
        let mut tokens = [0; 64];
        probe.begin();
        let logits = classifier.outputs(sentence, &mut tokens);
        probe.end(Phase::Inference);
        let logits = logits.map_err(|_| Failure("the sentence cannot be classified"))?;
        hash.add(logits);
        out.write_str(sentence)?;
        out.write_str(": ")?;
        out.write_str(INTENT.label(greedy(logits) as usize).unwrap_or("?"))?;
        out.write_str("\n")?;
    }
    out.write_str("logits ")?;
    text::hexadecimal(out, hash.value())?;
    out.write_str("\n")?;
    Ok(Summary { arena_bytes: size_of::<Ram>(), blob_bytes: INTENT.flash_bytes() })
}
