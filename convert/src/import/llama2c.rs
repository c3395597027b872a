//! llama2.c checkpoints (version 0): seven 32-bit integers, then all weights in f32, in one order.

use super::llama::frequencies;
use crate::error::{Error, Result, read};
use crate::float_model::{FloatLayer, FloatLinear, FloatModel, FloatNorm};
use crate::pad::padded;
use picoformer::config::{Activation, Architecture, Config, Head, Norm, Position};
use std::path::Path;

/// Reads a `.bin` file.
///
/// # Errors
/// [`Error::Malformed`] for a wrong length or impossible sizes.
pub fn import(path: &Path) -> Result<FloatModel> {
    let bytes = read(path)?;
    let bad = |reason: String| Error::Malformed {
        path: path.into(),
        what: "llama2.c checkpoint",
        reason,
    };
    let (words, rest) = bytes.as_chunks::<4>();
    if words.len() < 7 || !rest.is_empty() {
        return Err(bad(format!("{} bytes are no header of 28 and whole floats", bytes.len())));
    }
    let header: Vec<i32> = words[..7].iter().map(|&w| i32::from_le_bytes(w)).collect();
    let [dim, d_ff, n_layers, n_heads, n_kv_heads, vocab, context] = header[..] else {
        return Err(bad("header".into()));
    };
    let tied = vocab > 0; // a negative vocabulary is the format's flag for an untied head
    let size = |value: i32| usize::try_from(value).unwrap_or(0);
    let (d, n_heads) = (size(dim), size(n_heads));
    let head_dim = d.checked_div(n_heads).unwrap_or(0);
    if head_dim * n_heads != d {
        return Err(bad(format!("{n_heads} heads do not divide a width of {d}")));
    }
    let config = Config {
        position: Position::Rotary,
        norm: Norm::Rms,
        activation: Activation::Silu,
        head: if tied { Head::TiedVocabulary } else { Head::Vocabulary },
        gated: true,
        final_norm: true,
        vocab_size: vocab.unsigned_abs() as usize,
        d_model: d,
        n_layers: size(n_layers),
        n_heads,
        n_kv_heads: size(n_kv_heads),
        head_dim,
        d_ff: size(d_ff),
        context: size(context),
        ..Config::base(Architecture::Decoder)
    };
    padded(&config).validate().map_err(|e| bad(format!("its header's {} is out of range", e.0)))?;
    let (layers, q, kv) = (config.n_layers, config.q_dim(), config.kv_dim());
    // The old rotary tables stand before an untied head and are not used.
    let tables = context as usize * head_dim;
    let head = if tied { 0 } else { config.vocab_size * d };
    let per_layer = 2 * d + 2 * q * d + 2 * kv * d + 3 * config.d_ff * d;
    let needed = config.vocab_size * d + layers * per_layer + d + tables + head;
    if words.len() - 7 != needed {
        return Err(bad(format!(
            "{} weights found, its header asks for {needed}",
            words.len() - 7
        )));
    }
    if let Some(at) = words[7..].iter().position(|&w| !f32::from_le_bytes(w).is_finite()) {
        return Err(bad(format!("weight {at} is not a finite number")));
    }
    let mut floats = words[7..].iter().map(|&w| f32::from_le_bytes(w));
    let mut take = |n: usize| -> Vec<f32> { floats.by_ref().take(n).collect() };
    let embedding = take(config.vocab_size * d);
    let mut parts: Vec<Vec<f32>> = Vec::new();
    for n in [d, q * d, kv * d, kv * d, d * q, d, config.d_ff * d, d * config.d_ff, config.d_ff * d]
    {
        parts.push(take(n * layers));
    }
    let final_norm = take(d);
    take(tables);
    let head = (!tied).then(|| matrix(take(config.vocab_size * d), config.vocab_size, d));
    let of = |part: usize, layer: usize, out: usize, inp: usize| {
        matrix(parts[part][layer * out * inp..][..out * inp].to_vec(), out, inp)
    };
    let gain = |part: usize, layer: usize| FloatNorm {
        gain: parts[part][layer * d..][..d].to_vec(),
        bias: None,
    };
    let layers = (0..layers)
        .map(|i| FloatLayer {
            norm_1: gain(0, i),
            q: of(1, i, q, d),
            k: of(2, i, kv, d),
            v: of(3, i, kv, d),
            o: of(4, i, d, q),
            norm_2: gain(5, i),
            gate: Some(of(6, i, config.d_ff, d)),
            down: of(7, i, d, config.d_ff),
            up: of(8, i, config.d_ff, d),
            score_scale: 1.0 / (head_dim as f32).sqrt(),
        })
        .collect();
    Ok(FloatModel {
        config,
        epsilon: 1e-5,
        frequencies: frequencies(10000.0, head_dim),
        embedding: matrix(embedding, config.vocab_size, d),
        positions: None,
        embedding_norm: None,
        layers,
        final_norm: Some(FloatNorm { gain: final_norm, bias: None }),
        pooler: None,
        head,
        labels: Vec::new(),
        tokenizer: Vec::new(),
        parameters: needed - tables,
        frame_exponent: 0,
        relative: Vec::new(),
        decoder: None,
    })
}

fn matrix(weight: Vec<f32>, out_dim: usize, in_dim: usize) -> FloatLinear {
    FloatLinear { weight, bias: None, out_dim, in_dim }
}
