//! Writes a story with `models/tales`, which is linked into the image.

use core::fmt::Write;

use picoformer::sampler::{ONE, Sampling};
use picoformer::task::{Event, Generator, TextStream};
use picoformer::{Arena, Build, Model, arena, model, specialize};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::{Failure, Phase, Probe, Summary, blob};

blob!(BLOB, "../../../models/tales/model.pico");

/// The model.
pub static MODEL: Model = model!(bytes: &BLOB.0);
static RAM: Lend<arena!(MODEL)> = Lend::new(Arena::new());
specialize!(
    /// This firmware runs this model only.
    pub Tales,
    MODEL
);

/// How the tale begins.
pub const PROMPT: &str = "Once upon a time there was a";
/// How its tokens are drawn.
pub const SAMPLING: Sampling =
    Sampling::seeded(11).with_temperature(ONE * 7 / 10).with_top_p(ONE * 9 / 10);

/// Tokens written at most.
pub const TOKENS: usize = 128;

/// Writes a story of up to 128 tokens, the prompt first.
///
/// # Errors
/// Names what failed.
pub fn generate(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let mut generator = Generator::<Tales>::new_for(&MODEL, ram, SAMPLING);
    let generator = generator.as_mut().map_err(|_| Failure("no decoder"))?;
    story(generator, PROMPT, TOKENS, out, probe)?;
    Ok(Summary { arena_bytes: MODEL.arena().total_bytes(), blob_bytes: MODEL.flash_bytes() })
}

/// Writes a prompt and what the model makes of it, then the hash of all logits.
#[inline(never)] // its frame must not be that of parsing
pub fn story<B: Build>(
    generator: &mut Generator<B>,
    prompt: &str,
    max_tokens: usize,
    out: &mut dyn Write,
    probe: &mut dyn Probe,
) -> Result<(), Failure> {
    probe.begin();
    let fed = generator.prompt(prompt);
    probe.end(Phase::Prefill);
    let mut stream = TextStream::after(fed.map_err(|_| Failure("the prompt cannot be taken"))?);
    let tokenizer = generator.tokenizer().copied().ok_or(Failure("the model has no tokenizer"))?;
    let mut hash = Hash::new();
    hash.add(generator.decoder().logits());
    out.write_str(prompt)?;
    for _ in 0..max_tokens {
        // Drawing the token and running it: what a token costs.
        probe.begin();
        let event = generator.next_token();
        while generator.settle().unwrap_or(false) {}
        probe.end(Phase::Token);
        let Event::Token(token) = event.map_err(|_| Failure("no further token"))? else { break };
        hash.add(generator.decoder().logits());
        stream.push(&tokenizer, token, out)?;
    }
    stream.finish(out)?;
    hash.write(out)
}
