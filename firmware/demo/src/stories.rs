//! Writes a story with a model that is not in the image but flashed on its own, such as llama2.c's
//! stories260K: parsed and checked at run time.

use core::fmt::Write;

use picoformer::sampler::Sampling;
use picoformer::{Arena, Decoder, Model};

use crate::generate::story;
use crate::lend::Lend;
use crate::{Failure, Phase, Probe, Summary};

/// Room for stories260K with its context of 512; a larger model is refused by the engine.
static RAM: Lend<Arena<184_320, 1_024, 1_024>> = Lend::new(Arena::new());

/// The model parsed: too large for the stack of a small core.
static MODEL: Lend<Option<Model<'static>>> = Lend::new(None);

/// Writes 128 tokens from nothing, always the likeliest.
///
/// # Errors
/// Names what failed.
#[inline(never)]
pub fn stories(
    blob: &'static [u8],
    out: &mut dyn Write,
    probe: &mut dyn Probe,
) -> Result<Summary, Failure> {
    probe.begin();
    let parsed = parse(blob);
    probe.end(Phase::Parse);
    let model = parsed?;
    run(model, out, probe)?;
    Ok(Summary { arena_bytes: model.arena().total_bytes(), blob_bytes: model.flash_bytes() })
}

#[inline(never)] // the decoder is not on the stack while parsing
fn run(
    model: &'static Model<'static>,
    out: &mut dyn Write,
    probe: &mut dyn Probe,
) -> Result<(), Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let decoder = Decoder::new(model, ram).map_err(|_| Failure("the model needs more RAM"))?;
    story(decoder, "", Sampling::greedy(), 128, out, probe)
}

/// The blob as a model in static memory.
#[inline(never)] // the frame of parsing is gone when the model runs
fn parse(blob: &'static [u8]) -> Result<&'static Model<'static>, Failure> {
    let parsed = Model::parse_checked(blob);
    let model = parsed.as_ref().map_err(|_| Failure("no valid blob in its slot"))?;
    Ok(MODEL.take().ok_or(Failure("the arena is in use"))?.insert(*model))
}
