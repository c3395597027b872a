//! Texts that a decoder writes itself: what it will be used on, without any data.

use crate::error::Result;
use crate::float_model::FloatModel;
use crate::host::{Blob, HeapArena};
use crate::writer::{Wide, write};
use picoformer::sampler::{Sampler, Sampling};
use picoformer::{Decoder, Model};
use std::ops::Range;

/// The seeds of the texts from which a model's rounding is found.
pub const SEEDS: Range<u64> = 1..17;
/// The length of a text in tokens.
const LENGTH: usize = 512;
/// Multiplications that sixteen texts may take together: a large model writes fewer, one at least.
const WORK: usize = 1 << 31;

/// A decoder's blob with as many positions as a text has: what the device's RAM would be the host needs not
/// have. Its weights have eight bits.
///
/// # Errors
/// As [`write()`].
pub fn writer(model: &mut FloatModel, wide: Wide) -> Result<Blob> {
    let config = model.config;
    let short = config.context.min(LENGTH);
    model.config.context = short;
    model.config.window = config.window.min(short);
    let blob = write(model, wide);
    model.config = config;
    Ok(Blob::new(&blob?))
}

/// Texts that the model writes: from its begin token, or from some token if it has none, at temperature 1; one
/// a seed, fewer if that takes too long.
///
/// # Errors
/// A model that needs more memory than there is.
pub fn write_texts(model: &Model, parameters: usize, seeds: Range<u64>) -> Result<Vec<Vec<u32>>> {
    let c = model.config();
    let begin = model.tokenizer().and_then(|tokenizer| tokenizer.vocabulary().begin());
    let length = LENGTH.min(c.context);
    let count = (WORK / (length * parameters.max(1))).max(1);
    let mut arena = HeapArena::try_new(model.arena())?;
    let mut decoder = Decoder::new(model, arena.parts())?;
    let mut texts = Vec::new();
    for seed in seeds.take(count) {
        let mut sampler = Sampler::new(Sampling::seeded(seed));
        // All tokens alike: the first draw of a text without a begin token.
        let mut uniform = vec![0; c.vocab_size];
        let first = begin.unwrap_or_else(|| sampler.sample(&mut uniform));
        let mut text = vec![first];
        decoder.reset();
        while text.len() < length {
            decoder.advance(text[text.len() - 1])?;
            text.push(sampler.sample(decoder.logits_mut()));
        }
        texts.push(text);
    }
    Ok(texts)
}
