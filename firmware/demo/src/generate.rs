//! Writes a story with `models/tales`, which is linked into the image.

use core::fmt::Write;

use picoformer::kernels::Native;
use picoformer::sampler::{ONE, Sampling};
use picoformer::task::{Event, Generator, TextStream};
use picoformer::{Arena, Build, Decoder, Known, Model};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::{Failure, Phase, Probe, Summary, blob};

blob!(BLOB, "../../../models/tales/model.pico");

/// A blob that is wrong fails the build.
#[allow(long_running_const_eval)]
const MODEL: Model<'static> = match Model::parse(&BLOB.0) {
    Ok(model) => model,
    Err(_) => panic!("models/tales/model.pico is not a valid blob"),
};
type Ram = Arena<{ MODEL.arena().bytes }, { MODEL.arena().halves }, { MODEL.arena().words }>;

/// This firmware runs this model only.
struct Tales;

impl Build for Tales {
    type Kernels = Native;
    const MODEL: Option<Known> = Some(MODEL.known());
}

/// The model in flash, not on the stack.
static TALES: Model<'static> = MODEL;
static RAM: Lend<Ram> = Lend::new(Ram::new());

const PROMPT: &str = "Once upon a time there was a";
const SAMPLING: Sampling =
    Sampling::seeded(11).with_temperature(ONE * 7 / 10).with_top_p(ONE * 9 / 10);

/// Writes a story of up to 128 tokens, the prompt first.
///
/// # Errors
/// Names what failed.
pub fn generate(out: &mut dyn Write, probe: &mut dyn Probe) -> Result<Summary, Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let decoder = Decoder::<Tales>::new_for(&TALES, ram).map_err(|_| Failure("no decoder"))?;
    story(decoder, PROMPT, SAMPLING, 128, out, probe)?;
    Ok(Summary { arena_bytes: size_of::<Ram>(), blob_bytes: TALES.flash_bytes() })
}

/// Writes a prompt and what the model makes of it, then the hash of all logits.
#[inline(never)] // its frame must not be that of parsing
pub fn story<B: Build>(
    decoder: Decoder<B>,
    prompt: &str,
    sampling: Sampling,
    max_tokens: usize,
    out: &mut dyn Write,
    probe: &mut dyn Probe,
) -> Result<(), Failure> {
    let mut generator = Generator::from_decoder(decoder, sampling);
    let mut tokens = [0; 32];
    probe.begin();
    // By ids, so that an empty prompt is the begin token alone.
    let n = generator.encode(prompt, &mut tokens).map_err(|_| Failure("no room for the prompt"))?;
    let fed = generator.prompt_ids(tokens.get(..n).unwrap_or_default());
    probe.end(Phase::Prefill);
    fed.map_err(|_| Failure("the prompt cannot be taken"))?;
    let tokenizer = generator.tokenizer().copied().ok_or(Failure("the model has no tokenizer"))?;
    let mut hash = Hash::new();
    hash.add(generator.decoder().logits());
    out.write_str(prompt)?;
    let mut stream = TextStream::new();
    if let Some(&last) = n.checked_sub(1).and_then(|last| tokens.get(last)) {
        stream = TextStream::after(last);
    }
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
