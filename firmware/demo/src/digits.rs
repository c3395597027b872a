//! Hears which digit is spoken in recordings, with `models/digits`, which is linked into the image.

use core::fmt::Write;

use picoformer::{Arena, Listener, Model, arena, model, specialize};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::recordings::recording;
use crate::{Failure, Phase, Probe, Summary, blob};

blob!(BLOB, "../../../models/digits/model.pico");

pub(crate) static MODEL: Model = model!(bytes: &BLOB.0);
static RAM: Lend<arena!(MODEL)> = Lend::new(Arena::new());
specialize!(
    /// This firmware runs this model only.
    pub Digits,
    MODEL
);

recording!(ZERO, "../../../models/digits/samples/0-george_0.wav");
recording!(FOUR, "../../../models/digits/samples/4-theo_0.wav");
recording!(SEVEN, "../../../models/digits/samples/7-jackson_0.wav");
recording!(EIGHT, "../../../models/digits/samples/8-lucas_0.wav");

/// What is said.
pub(crate) static RECORDINGS: [(&str, &[i16]); 4] =
    [("zero", &ZERO), ("four", &FOUR), ("seven", &SEVEN), ("eight", &EIGHT)];

/// Writes what it hears in every recording.
///
/// # Errors
/// Names what failed.
pub fn digits(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let listener = Listener::<Digits>::new_for(&MODEL, ram);
    let mut listener = listener.map_err(|_| Failure("no listener"))?;
    let mut hash = Hash::new();
    for (said, samples) in RECORDINGS {
        probe.begin();
        let answer = listener.classify_recording(samples);
        probe.end(Phase::Inference);
        let answer = answer.map_err(|_| Failure("the recording cannot be classified"))?;
        hash.add(listener.encoder().outputs());
        out.write_str(said)?;
        out.write_str(" is heard as ")?;
        out.write_str(answer.name)?;
        out.write_str("\n")?;
    }
    hash.write(out)?;
    Ok(Summary { arena_bytes: MODEL.arena().total_bytes(), blob_bytes: MODEL.flash_bytes() })
}
