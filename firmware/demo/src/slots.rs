//! Finds what a command names with `models/slots`, which is linked into the image: its entities, and what it
//! wants if the model has labels for that.

use core::fmt::Write;

use picoformer::task::Entity;
use picoformer::{Arena, Classifier, Model, arena, model, specialize};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::{Failure, Phase, Probe, Summary, blob, text};

blob!(BLOB, "../../../models/slots/model.pico");

/// The model.
pub static MODEL: Model = model!(bytes: &BLOB.0);
static RAM: Lend<arena!(MODEL)> = Lend::new(Arena::new());
specialize!(
    /// This firmware runs this model only.
    pub Slots,
    MODEL
);

/// What is labelled.
pub static COMMANDS: [&str; 4] = [
    "play yesterday by the beatles",
    "book a table for four in paris tomorrow at seven",
    "what is the weather in oslo on sunday",
    "add this song to my workout playlist",
];

/// Entities of the longest command.
const ROOM: usize = 16;

/// Writes the entities of every command.
///
/// # Errors
/// Names what failed.
pub fn slots(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let classifier = Classifier::<Slots>::new_for(&MODEL, ram);
    let mut classifier = classifier.map_err(|_| Failure("no tagger"))?;
    let mut hash = Hash::new();
    for &command in &COMMANDS {
        let (mut found, mut count): ([Option<Entity>; ROOM], usize) = ([None; ROOM], 0);
        probe.begin();
        let answer = classifier.entities(command, |entity| {
            if let Some(to) = found.get_mut(count) {
                *to = Some(entity);
            }
            count += 1;
        });
        probe.end(Phase::Inference);
        let answer = answer.map_err(|_| Failure("the command cannot be labelled"))?;
        if count > ROOM {
            return Err(Failure("more entities than there is room for"));
        }
        let mut row = 0;
        while let Ok(logits) = classifier.encoder().label_logits(row) {
            hash.add(logits);
            row += 1;
        }
        out.write_str(command)?;
        out.write_str(":")?;
        if let Some(answer) = answer {
            out.write_str(" ")?;
            out.write_str(answer.name)?;
        }
        out.write_str("\n")?;
        for entity in found.iter().flatten() {
            for part in ["  ", entity.kind, ": ", entity.text, "\n"] {
                out.write_str(part)?;
            }
        }
    }
    out.write_str("logits ")?;
    text::hexadecimal(out, hash.value())?;
    out.write_str("\n")?;
    Ok(Summary { arena_bytes: MODEL.arena().total_bytes(), blob_bytes: MODEL.flash_bytes() })
}
