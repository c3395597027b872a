//! Pronounces words with `models/g2p`, an encoder-decoder that is linked into the image: greedily, with
//! the cost of every part, then with the beam that the blob asks for.

use core::fmt::Write;

use picoformer::seq2seq::Part;
use picoformer::{Arena, Model, Progress, Translator, arena, model, specialize};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::{Failure, Phase, Probe, Summary, blob, text};

blob!(BLOB, "../../../models/g2p/model.pico");

/// The model, with as many hypotheses as the blob asks for.
pub static BEAM: Model = model!(bytes: &BLOB.0);
/// As [`BEAM`], with one hypothesis.
pub static GREEDY: Model = BEAM.with_beams(1);
type Ram = arena!(BEAM);
static RAM: Lend<Ram> = Lend::new(Arena::new());
specialize!(
    /// This firmware runs this model only.
    pub Words,
    BEAM
);

/// What is pronounced.
pub const WORDS: [&str; 4] = ["hello", "transformer", "microcontroller", "pronunciation"];
/// What cannot be pronounced is refused.
const REFUSED: [&str; 3] = ["", "mp3", "pneumonoultramicroscopicsilicovolcanoconiosis"];

/// Writes the phonemes of every word.
///
/// # Errors
/// Names what failed.
#[inline(never)] // its frame must not be the report's
pub fn g2p(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let mut hash = Hash::new();
    for (model, name) in [(&GREEDY, "greedy: "), (&BEAM, "beam: ")] {
        pass(model, name, ram, out, &mut hash, probe)?;
    }
    refuse(ram)?;
    out.write_str("logits ")?;
    text::hexadecimal(out, hash.value())?;
    out.write_str("\n")?;
    Ok(Summary { arena_bytes: BEAM.arena().total_bytes(), blob_bytes: BEAM.flash_bytes() })
}

/// Writes the phonemes of every word with one model. By reference: a second translator on the stack
/// would be a kilobyte.
#[inline(never)]
fn pass(
    model: &'static Model<'static>,
    name: &str,
    ram: &mut Ram,
    out: &mut dyn Write,
    hash: &mut Hash,
    probe: &mut dyn Probe,
) -> Result<(), Failure> {
    let mut engine = Translator::<Words>::new_for(model, ram.parts());
    let translator = engine.as_mut().map_err(|_| Failure("no encoder-decoder"))?;
    for word in WORDS {
        out.write_str(name)?;
        out.write_str(word)?;
        out.write_str(" ")?;
        pronounce(translator, word, out, hash, probe)?;
        out.write_str("\n")?;
    }
    Ok(())
}

/// Checks that what is no word is refused.
#[inline(never)]
fn refuse(ram: &mut Ram) -> Result<(), Failure> {
    let mut engine = Translator::<Words>::new_for(&GREEDY, ram.parts());
    let translator = engine.as_mut().map_err(|_| Failure("no encoder-decoder"))?;
    for word in REFUSED {
        if translator.begin(word).is_ok() {
            return Err(Failure("a text that is no word was taken"));
        }
    }
    Ok(())
}

/// Writes the phonemes of one word.
#[inline(never)]
fn pronounce(
    translator: &mut Translator<Words>,
    word: &str,
    out: &mut dyn Write,
    hash: &mut Hash,
    probe: &mut dyn Probe,
) -> Result<(), Failure> {
    let greedy = translator.engine().model().config().beams == 1;
    probe.begin();
    let begun = translator.begin(word);
    probe.end(if greedy { Phase::Word } else { Phase::Beam });
    begun.map_err(|_| Failure("the word cannot be taken"))?;
    loop {
        let part = translator.engine().part();
        probe.begin();
        let progress = translator.engine().step();
        probe.end(if greedy { phase(part) } else { Phase::BeamStep });
        if part == Part::Head {
            hash.add(translator.engine().logits());
        }
        if progress == Progress::Done {
            break;
        }
    }
    let found = translator.write(out);
    let found = found.map_err(|_| Failure("the phonemes cannot be written"))?;
    if found.complete { Ok(()) } else { Err(Failure("a word without end")) }
}

fn phase(part: Part) -> Phase {
    match part {
        Part::Encoder => Phase::Encoder,
        Part::Source => Phase::Source,
        Part::SelfAttention => Phase::SelfAttention,
        Part::CrossAttention => Phase::CrossAttention,
        Part::FeedForward => Phase::FeedForward,
        Part::Head | Part::Done => Phase::Head,
    }
}
