//! Listens to a stream that comes in pieces of 10 ms, as from a microphone's DMA, with `models/wake`, which is
//! linked into the image: two wake words and another word, with silence between them.

use core::fmt::Write;

use picoformer::{Arena, Listener, Model, arena, model, specialize};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::recordings::recording;
use crate::{Failure, Phase, Probe, Summary, blob, text};

blob!(BLOB, "../../../models/wake/model.pico");

/// The model, parsed at compile time.
pub static MODEL: Model = model!(bytes: &BLOB.0);
static RAM: Lend<arena!(MODEL)> = Lend::new(Arena::new());
specialize!(
    /// This firmware runs this model only.
    Wake,
    MODEL
);

recording!(ALEXA, "../recordings/alexa.wav");
recording!(ATHENA, "../recordings/other_athena.wav");
recording!(JARVIS, "../recordings/jarvis.wav");

/// Samples of 10 ms.
const PIECE: usize = 160;
/// Pieces of silence before the stream and behind every recording: half a second.
const SILENCE: usize = 50;

/// Writes every event with its time, in milliseconds from the beginning.
///
/// # Errors
/// Names what failed.
pub fn wake(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let listener = Listener::<Wake>::new_for(&MODEL, ram);
    let mut listener = listener.map_err(|_| Failure("no listener"))?;
    let mut hash = Hash::new();
    // An inference is spread over the frames of a row: the work of a piece is bounded.
    listener.spread();
    pieces(|piece| {
        probe.begin();
        let found = listener.push(piece);
        probe.end(Phase::Piece);
        let found = found.map_err(|_| Failure("the piece cannot be taken"))?;
        hash.add(listener.encoder().outputs());
        let Some(event) = found else { return Ok(()) };
        text::decimal(out, event.end * 1000 / u64::from(listener.sample_rate().max(1)))?;
        out.write_str(" ms: ")?;
        out.write_str(event.name)?;
        out.write_str("\n")?;
        Ok(())
    })?;
    // The front end alone, to tell its part.
    listener.reset();
    pieces(|piece| {
        probe.begin();
        listener.feed(piece);
        probe.end(Phase::FrontEnd);
        Ok(())
    })?;
    hash.write(out)?;
    Ok(Summary { arena_bytes: MODEL.arena().total_bytes(), blob_bytes: MODEL.flash_bytes() })
}

/// The stream.
fn pieces(mut each: impl FnMut(&[i16]) -> Result<(), Failure>) -> Result<(), Failure> {
    let recordings: [&[i16]; 4] = [&[], &ALEXA, &ATHENA, &JARVIS];
    for samples in recordings {
        samples.chunks_exact(PIECE).try_for_each(&mut each)?;
        for _ in 0..SILENCE {
            each(&[0; PIECE])?;
        }
    }
    Ok(())
}
