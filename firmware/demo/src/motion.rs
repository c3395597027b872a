//! Feels what a person with a motion sensor does, with `models/motion`, which is linked into the image.

use core::fmt::Write;

use picoformer::{Arena, Model, MotionClassifier, arena, model, specialize};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::recordings::csv;
use crate::{Failure, Phase, Probe, Summary, blob};

blob!(BLOB, "../../../models/motion/model.pico");

pub(crate) static MODEL: Model = model!(bytes: &BLOB.0);
static RAM: Lend<arena!(MODEL)> = Lend::new(Arena::new());
specialize!(
    /// This firmware runs this model only.
    pub Motions,
    MODEL
);

/// Values of a window of 128 samples of six channels.
const WINDOW: usize = 128 * 6;

/// Defines the static `$name`: the first window of a recording.
macro_rules! window {
    ($name:ident, $file:literal) => {
        #[allow(long_running_const_eval)] // every digit
        #[cfg_attr(target_os = "none", unsafe(link_section = ".blob"))]
        static $name: [i16; WINDOW] =
            csv(include_bytes!(concat!("../../../models/motion/samples/", $file, ".csv")));
    };
}
window!(WALKING, "walking-user02");
window!(UPSTAIRS, "walking_upstairs-user04");
window!(SITTING, "sitting-user10");
window!(LYING, "lying-user13");

/// Samples that a sensor's buffer gives at once.
pub(crate) const BUFFER: usize = 16 * 6;

/// What is done.
pub(crate) static RECORDINGS: [(&str, &[i16; WINDOW]); 4] =
    [("walking", &WALKING), ("upstairs", &UPSTAIRS), ("sitting", &SITTING), ("lying", &LYING)];

/// Writes what it feels in every recording.
///
/// # Errors
/// Names what failed.
pub fn motion(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let motions = MotionClassifier::<Motions>::new_for(&MODEL, ram);
    let mut motions = motions.map_err(|_| Failure("no classifier"))?;
    let mut hash = Hash::new();
    for (done, samples) in RECORDINGS {
        probe.begin();
        samples.chunks(BUFFER).for_each(|samples| motions.feed(samples));
        let answer = motions.classify();
        probe.end(Phase::Inference);
        let answer = answer.map_err(|_| Failure("the motion cannot be classified"))?;
        hash.add(motions.encoder().outputs());
        out.write_str(done)?;
        out.write_str(" is felt as ")?;
        out.write_str(answer.name)?;
        out.write_str("\n")?;
    }
    hash.write(out)?;
    Ok(Summary { arena_bytes: MODEL.arena().total_bytes(), blob_bytes: MODEL.flash_bytes() })
}
