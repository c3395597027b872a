//! Whole models, from a blob: decoding, prefill, an inference.

use core::hint::black_box;

use picoformer::config::Architecture;
use picoformer::sampler::greedy;
use picoformer::{ArenaParts, Classifier, Decoder, Encoder, Model};

use crate::memory::Memory;
use crate::{Case, Counter, Failure, Name};

/// Generated tokens.
const TOKENS: usize = 128;
/// Tokens of a prompt.
const PROMPT: usize = 64;
/// The token that begins a text in the shipped and recorded models.
const FIRST: u32 = 1;
const SENTENCE: &str = "what is the exchange rate between dollars and euros";

/// Counts what the model in `blob` is made for. The `*` in a case's name stands for the model's.
///
/// # Errors
/// Names what failed.
pub fn model<C: Counter>(blob: &[u8], memory: &mut Memory, counter: &mut C) -> Result<(), Failure> {
    let model = Model::parse_checked(blob).map_err(|_| Failure("no valid blob"))?;
    let (size, mut rest) = (model.arena(), memory.rest());
    let arena = ArenaParts {
        bytes: rest.take(size.bytes),
        halves: rest.take(size.halves),
        words: rest.take(size.words),
    };
    match model.config().architecture {
        Architecture::Decoder => decode(&model, arena, counter),
        Architecture::Encoder if model.tokenizer().is_some() => classify(&model, arena, counter),
        Architecture::Encoder => encode(&model, arena, counter),
    }
}

fn decode<C: Counter>(model: &Model, arena: ArenaParts, counter: &mut C) -> Result<(), Failure> {
    let mut decoder =
        Decoder::new(model, arena).map_err(|_| Failure("the model needs more RAM"))?;
    let mut tokens = [FIRST; TOKENS];
    counter.begin();
    let generated = generate(&mut decoder, &mut tokens);
    counter.end(Case { name: Name::new("decode/*"), per: TOKENS as u32, unit: "token" });
    generated?;
    let (prompt, _) = tokens.split_at(PROMPT);
    for (title, tile) in [("prefill/*/64", PROMPT), ("advance/*/64", 1)] {
        decoder.reset();
        counter.begin();
        for tokens in prompt.chunks(tile) {
            decoder.prefill(tokens).map_err(|_| Failure("the prompt is too long"))?;
        }
        counter.end(Case { name: Name::new(title), per: PROMPT as u32, unit: "token" });
    }
    Ok(())
}

/// The likeliest tokens from nothing.
#[inline(never)]
fn generate(decoder: &mut Decoder, tokens: &mut [u32]) -> Result<(), Failure> {
    let mut token = FIRST;
    for to in tokens {
        *to = token;
        decoder.advance(token).map_err(|_| Failure("the context is too short"))?;
        token = greedy(decoder.logits());
    }
    Ok(())
}

/// One sentence, tokenised on the device.
fn classify<C: Counter>(model: &Model, arena: ArenaParts, counter: &mut C) -> Result<(), Failure> {
    let mut classifier =
        Classifier::new(model, arena).map_err(|_| Failure("the model needs more RAM"))?;
    let mut tokens = [0; PROMPT];
    counter.begin();
    let done = classifier.outputs(SENTENCE, &mut tokens).map(|logits| black_box(logits).len());
    counter.end(Case { name: Name::new("classify/*"), per: 1, unit: "inference" });
    done.map(|_| ()).map_err(|_| Failure("the sentence cannot be classified"))
}

/// As many tokens as the context holds.
fn encode<C: Counter>(model: &Model, arena: ArenaParts, counter: &mut C) -> Result<(), Failure> {
    let mut encoder =
        Encoder::new(model, arena).map_err(|_| Failure("the model needs more RAM"))?;
    let config = model.config();
    let mut tokens = [0; 2 * PROMPT];
    for (i, token) in tokens.iter_mut().enumerate() {
        *token = (37 * i % config.vocab_size.max(1)) as u32;
    }
    let tokens = tokens.get(..config.context).ok_or(Failure("the context is too long"))?;
    counter.begin();
    let done = encoder.run(tokens).map(|logits| black_box(logits).len());
    counter.end(Case { name: Name::new("encoder/*"), per: 1, unit: "inference" });
    done.map(|_| ()).map_err(|_| Failure("the tokens cannot be encoded"))
}
