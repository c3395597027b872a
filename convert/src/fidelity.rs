//! What eight bits cost a model, tried on a few tokens as soon as it is converted.
//!
//! Rows, keys and queries in 8 bits make the scores of an attention wrong by about one part in a hundred of
//! their spread. Where that spread is a few nats nothing comes of it; where it is tens of nats, attention takes
//! one key and leaves the others, and the error decides which one. Then a blob answers something else than its
//! checkpoint, and nobody sees it who has no data at hand. `tools/fidelity.py` shows the cause.

use crate::error::Result;
use crate::evaluate::cosine;
use crate::float_model::FloatModel;
use crate::host::HeapArena;
use picoformer::config::{Architecture, Input, Roles};
use picoformer::{Decoder, Encoder, Model, Seq2Seq};

/// Tokens of a text, and texts at most.
const TOKENS: usize = 16;
const TEXTS: usize = 4;
/// Products of the f32 model at most, about a fifth of a second. Larger models are not tried.
const WORK: usize = 100_000_000;
/// Bytes of an arena at most.
const MEMORY: usize = 64 << 20;
/// Outputs of fewer numbers have no direction to speak of.
const FEWEST: usize = 16;
/// Cosine below which it is told. Models of random weights whose scores spread over less than ten nats have
/// 0.99 and more.
const LEAST: f64 = 0.98;

/// What a blob gives for tokens: a row of logits for each, or one row of a classifier or an embedding (empty
/// where every token has a label), as the engine has them. `target` is that of an encoder-decoder, start token first; its last token is not read.
///
/// # Errors
/// The engine's.
pub fn outputs(model: &Model, ids: &[u32], target: &[u32]) -> Result<Vec<Vec<i32>>> {
    let mut arena = HeapArena::try_new(model.arena())?;
    let mut rows = Vec::new();
    match model.config().architecture {
        Architecture::EncoderDecoder => {
            let mut engine = Seq2Seq::new(model, arena.parts())?;
            let rest = target.get(1..).unwrap_or_default();
            engine.score(ids, rest, |_, _, logits| rows.push(logits.to_vec()))?;
        }
        Architecture::Encoder => {
            let mut engine = Encoder::new(model, arena.parts())?;
            rows.push(engine.run(ids)?.to_vec());
        }
        Architecture::Decoder => {
            let mut engine = Decoder::new(model, arena.parts())?;
            for &id in ids {
                engine.advance(id)?;
                rows.push(engine.logits().to_vec());
            }
        }
    }
    Ok(rows)
}

/// The mean cosine between the outputs of a blob and those of its checkpoint in f32, over a few tokens drawn at
/// random, the same each time. None for models that are too large to be tried in passing, that read frames, that
/// have a few labels only, or that this host's kernels do not run.
pub fn of(float: &FloatModel, model: &Model) -> Option<f64> {
    let config = model.config();
    let texts = (WORK / TOKENS / float.parameters.max(1)).min(TEXTS);
    let large = model.arena().total_bytes() > MEMORY;
    if large || config.input != Input::Tokens || config.vocab_size < 2 {
        return None;
    }
    let len = |context: usize| TOKENS.min(context.saturating_sub(1)).max(1);
    let mut state = 1u64;
    let mut draw = |len: usize| -> Vec<u32> {
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u32 % config.vocab_size as u32
        };
        (0..len).map(|_| next()).collect()
    };
    let (mut sum, mut rows) = (0.0, 0);
    for _ in 0..texts {
        let ids = draw(len(config.context));
        let mut target = Vec::new();
        let expected = match config.architecture {
            Architecture::EncoderDecoder => {
                target = draw(len(config.target_context));
                target[0] = config.start_token as u32;
                let read = float.read(&ids);
                read.map_or_else(Vec::new, |read| read.forward(&target))
            }
            _ => float.forward(&ids).outputs,
        };
        for (a, b) in expected.iter().zip(outputs(model, &ids, &target).ok()?) {
            if a.len() >= FEWEST && a.len() == b.len() {
                sum += cosine(a, &b);
                rows += 1;
            }
        }
    }
    (rows > 0).then(|| sum / rows as f64)
}

/// What a user has to know of it.
pub fn note(float: &FloatModel, model: &Model) -> Option<String> {
    if model.config().four_bits != Roles::NONE {
        return None; // rounding tells its own
    }
    let found = of(float, model).filter(|&cosine| cosine < LEAST);
    found.map(|cosine| {
        format!(
            "with 8 bits the outputs for random tokens are far from the checkpoint's in f32: mean cosine {cosine:.3}. \
             Attention whose scores spread over tens of nats does that (docs/MODELS.md); see what it costs on data \
             of yours: picoformer eval BLOB --data FILE --reference CHECKPOINT"
        )
    })
}
