//! Whole models, from a blob: decoding, prefill, an inference.

use picoformer::config::Architecture;
use picoformer::kernels::Kernels;
use picoformer::sampler::greedy;
use picoformer::task::TaskError;
use picoformer::{
    ArenaParts, ArenaSize, Classifier, Decoder, Encoder, Model, Progress, Translator,
};

use crate::flash::{CountWeights, loaded};
use crate::memory::Memory;
use crate::{Case, Counter, Failure, Name};

/// Generated tokens.
const TOKENS: usize = 128;
/// Tokens of a prompt.
const PROMPT: usize = 64;
/// The token that begins a text in the shipped and recorded models.
const FIRST: u32 = 1;
/// Tokens before the one that is looked at closely.
const CACHED: usize = 16;
const TOO_LARGE: Failure = Failure("the model needs more RAM");
const TOO_LONG: Failure = Failure("the context is too short");
const WORD: &str = "transformer";
const SENTENCE: &str = "what is the exchange rate between dollars and euros";

/// Counts what the model in `blob` is made for; returns the RAM it needs. The `*` in a case's name stands for the model's.
///
/// # Errors
/// Names what failed.
pub fn model<C: Counter>(
    blob: &[u8],
    memory: &mut Memory,
    counter: &mut C,
) -> Result<ArenaSize, Failure> {
    let (model, arena) = load(blob, memory)?;
    match model.config().architecture {
        Architecture::Decoder => decode(&model, arena, counter),
        Architecture::Encoder if model.tokenizer().is_some() => classify(&model, arena, counter),
        Architecture::Encoder => encode(&model, arena, counter),
        Architecture::EncoderDecoder => pronounce(&model, arena, counter),
    }?;
    Ok(model.arena())
}

fn load<'b, 'm>(
    blob: &'b [u8],
    memory: &'m mut Memory,
) -> Result<(Model<'b>, ArenaParts<'m>), Failure> {
    let model = Model::parse_checked(blob).map_err(|_| Failure("no valid blob"))?;
    let (size, mut rest) = (model.arena(), memory.rest());
    let arena = ArenaParts {
        bytes: rest.take(size.bytes),
        halves: rest.take(size.halves),
        words: rest.take(size.words),
        tokens: rest.take(size.tokens),
    };
    Ok((model, arena))
}

/// The prompt in tiles as large as the model wants, and token by token.
const FEEDS: [(&str, usize); 2] = [("prefill/*/64", PROMPT), ("advance/*/64", 1)];

fn fed(title: &str) -> Case {
    Case { name: Name::new(title), per: PROMPT as u32, unit: "token" }
}

fn feed<K: Kernels>(decoder: &mut Decoder<K>, prompt: &[u32], tile: usize) -> Result<(), Failure> {
    prompt.chunks(tile).try_for_each(|part| decoder.prefill(part)).map_err(|_| TOO_LONG)
}

/// Tells how many bytes of weights feeding a prompt to a decoder loads, case by case.
///
/// # Errors
/// Names what failed.
pub fn weights(
    blob: &[u8],
    memory: &mut Memory,
    mut each: impl FnMut(Case, usize),
) -> Result<(), Failure> {
    let (model, arena) = load(blob, memory)?;
    let mut decoder = Decoder::<CountWeights>::new_for(&model, arena).map_err(|_| TOO_LARGE)?;
    for (title, tile) in FEEDS {
        decoder.reset();
        loaded();
        feed(&mut decoder, words(&model).split_at(PROMPT).0, tile)?;
        each(fed(title), loaded());
    }
    Ok(())
}

fn decode<C: Counter>(model: &Model, arena: ArenaParts, counter: &mut C) -> Result<(), Failure> {
    let mut decoder = Decoder::new(model, arena).map_err(|_| TOO_LARGE)?;
    let mut tokens = words(model);
    // The token whose instructions are traced, so what comes before it is short.
    let (before, _) = tokens.split_at(CACHED);
    decoder.prefill(before).map_err(|_| TOO_LONG)?;
    let case = Case { name: Name::new("token/*/16"), per: 1, unit: "token" };
    counter.count(case, || generate(&mut decoder, &mut [FIRST])).transpose()?;
    decoder.reset();
    let case = Case { name: Name::new("decode/*"), per: TOKENS as u32, unit: "token" };
    counter.count(case, || generate(&mut decoder, &mut tokens)).transpose()?;
    let (prompt, _) = tokens.split_at(PROMPT);
    for (title, tile) in FEEDS {
        decoder.reset();
        counter.count(fed(title), || feed(&mut decoder, prompt, tile)).transpose()?;
    }
    Ok(())
}

/// The likeliest tokens from nothing.
#[inline(never)]
fn generate(decoder: &mut Decoder, tokens: &mut [u32]) -> Result<(), Failure> {
    let mut token = FIRST;
    for to in tokens {
        *to = token;
        decoder.advance(token).map_err(|_| TOO_LONG)?;
        token = greedy(decoder.logits());
    }
    Ok(())
}

/// One sentence, tokenised on the device.
fn classify<C: Counter>(model: &Model, arena: ArenaParts, counter: &mut C) -> Result<(), Failure> {
    let mut classifier = Classifier::new(model, arena).map_err(|_| TOO_LARGE)?;
    let case = Case { name: Name::new("classify/*"), per: 1, unit: "inference" };
    counter
        .count(case, || classifier.outputs(SENTENCE).map(|logits| logits.len()))
        .transpose()
        .map(|_| ())
        .map_err(|_| Failure("the sentence cannot be classified"))
}

/// As many tokens as the context holds.
fn encode<C: Counter>(model: &Model, arena: ArenaParts, counter: &mut C) -> Result<(), Failure> {
    let mut encoder = Encoder::new(model, arena).map_err(|_| TOO_LARGE)?;
    let config = model.config();
    let tokens = words(model);
    let tokens = tokens.get(..config.context).ok_or(Failure("the context is too long"))?;
    let case = Case { name: Name::new("encoder/*"), per: 1, unit: "inference" };
    counter
        .count(case, || encoder.run(tokens).map(|logits| logits.len()))
        .transpose()
        .map(|_| ())
        .map_err(|_| Failure("the tokens cannot be encoded"))
}

/// One word, letters to phonemes.
fn pronounce<C: Counter>(model: &Model, arena: ArenaParts, counter: &mut C) -> Result<(), Failure> {
    let mut translator =
        Translator::new(model, arena).map_err(|_| Failure("the model needs more RAM"))?;
    let case = Case { name: Name::new("pronounce/*"), per: 1, unit: "word" };
    counter
        .count(case, || {
            translator.begin(WORD)?;
            while translator.engine().step() == Progress::Working {}
            Ok::<_, TaskError>(translator.engine().found().map(|found| found.len))
        })
        .transpose()
        .map(|_| ())
        .map_err(|_| Failure("the word cannot be pronounced"))
}

/// Tokens from all over the vocabulary.
fn words(model: &Model) -> [u32; TOKENS] {
    core::array::from_fn(|i| (37 * i % model.config().vocab_size.max(1)) as u32)
}
