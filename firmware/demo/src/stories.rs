//! Writes a story with a model that is not in the image but flashed on its own, such as llama2.c's
//! stories260K: parsed and checked at run time.

use core::fmt::Write;

use picoformer::config::{Activation, Architecture, Config, Head, Norm, Position};
use picoformer::sampler::greedy;
use picoformer::task::TextStream;
use picoformer::tokenizer::{Kind, Token};
use picoformer::{Arena, ArenaSize, Decoder, Model, specialize};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::{Failure, Phase, Probe, Summary};

/// Tokens written.
const TOKENS: usize = 128;

/// What is known of stories260K: weights and vocabulary may change, this may not.
const CONFIG: Config = Config {
    position: Position::Rotary,
    norm: Norm::Rms,
    activation: Activation::Silu,
    head: Head::TiedVocabulary,
    gated: true,
    final_norm: true,
    vocab_size: 512,
    d_model: 64,
    n_layers: 5,
    n_heads: 8,
    n_kv_heads: 4,
    head_dim: 8,
    d_ff: 172,
    context: 512,
    ..Config::base(Architecture::Decoder)
};

specialize!(
    /// This firmware runs this model only.
    Stories,
    CONFIG,
    Some(Kind::Bpe)
);

const SIZE: ArenaSize = CONFIG.arena();
/// A decoder reads no text, so there is no room for one.
type Ram = Arena<{ SIZE.bytes }, { SIZE.halves }, { SIZE.words }>;
static RAM: Lend<Ram> = Lend::new(Arena::new());

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
    Ok(Summary { arena_bytes: size_of::<Ram>(), blob_bytes: model.flash_bytes() })
}

#[inline(never)] // the decoder is not on the stack while parsing
fn run(
    model: &'static Model<'static>,
    out: &mut dyn Write,
    probe: &mut dyn Probe,
) -> Result<(), Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    let mut decoder = Decoder::<Stories>::new_for(model, ram);
    let decoder = decoder.as_mut().map_err(|_| Failure("no decoder"))?;
    let tokenizer = model.tokenizer().ok_or(Failure("the model has no tokenizer"))?;
    let begin = tokenizer.vocabulary().begin().ok_or(Failure("no token to begin with"))?;
    let mut hash = Hash::new();
    let mut token = feed(decoder, begin, Phase::Prefill, &mut hash, probe)?;
    let mut stream = TextStream::after(&[begin]);
    for _ in 0..TOKENS {
        if Some(token) == tokenizer.vocabulary().end() {
            break;
        }
        stream.push(&tokenizer, token, out)?;
        token = feed(decoder, token, Phase::Token, &mut hash, probe)?;
    }
    stream.finish(out)?;
    hash.write(out)
}

/// Runs one token and chooses the next: what a token costs.
#[inline(never)]
fn feed(
    decoder: &mut Decoder<Stories>,
    token: Token,
    phase: Phase,
    hash: &mut Hash,
    probe: &mut dyn Probe,
) -> Result<Token, Failure> {
    probe.begin();
    let fed = decoder.advance(token);
    let next = greedy(decoder.logits());
    probe.end(phase);
    hash.add(decoder.logits());
    fed.map_err(|_| Failure("no further token"))?;
    Ok(next)
}

/// The blob as a model in static memory.
#[inline(never)] // the frame of parsing is gone when the model runs
fn parse(blob: &'static [u8]) -> Result<&'static Model<'static>, Failure> {
    let parsed = Model::parse_for::<Stories>(blob);
    let model = parsed.as_ref().map_err(|_| Failure("no valid blob in its slot"))?;
    Ok(MODEL.take().ok_or(Failure("the arena is in use"))?.insert(*model))
}
