//! llama2.c checkpoints. Version 0: seven 32-bit integers, then all weights in f32, in one order. Versions 1
//! and 2 (`export.py --version`): a header of 256 bytes, then f32, or int8 in groups with a scale each.

use super::rotary::frequencies;
use crate::checkpoint::Options;
use crate::error::{Error, Result, input, read};
use crate::float_model::{FloatLayer, FloatLinear, FloatModel, FloatNorm};
use crate::pad::validate;
use crate::weights::kind::{Kind, lfs_pointer, recognise};
use picoformer::config::{Activation, Architecture, Config, Head, Norm, Position};
use std::path::Path;

/// Length of the header since version 1.
const HEADER: usize = 256;

/// The weights of all layers together, by what they are.
struct Weights {
    embedding: Vec<f32>,
    attention_norm: Vec<f32>,
    /// q, k, v, o.
    attention: [Vec<f32>; 4],
    forward_norm: Vec<f32>,
    /// gate (w1), down (w2), up (w3).
    forward: [Vec<f32>; 3],
    final_norm: Vec<f32>,
    head: Option<Vec<f32>>,
}

/// Reads a `.bin` file.
///
/// # Errors
/// [`Error::Malformed`] for a wrong length or impossible sizes, [`Error::Input`] for another kind of file.
pub fn import(path: &Path) -> Result<FloatModel> {
    import_with(path, &Options::default())
}

/// As [`import`], with the user's options.
///
/// # Errors
/// As [`import`].
pub fn import_with(path: &Path, options: &Options) -> Result<FloatModel> {
    let bytes = read(path)?;
    let bad = |reason: String| Error::Malformed {
        path: path.into(),
        what: "llama2.c checkpoint",
        reason,
    };
    if let Some(pointer) = lfs_pointer(&bytes) {
        return Err(bad(pointer));
    }
    let export = "convert the folder that it lies in, with its config.json, or export it with llama2.c's \
                  export.py";
    let foreign = match recognise(&bytes) {
        Kind::TorchZip | Kind::TorchOld => Some(("a file of PyTorch, whatever its name", export)),
        Kind::Safetensors => Some(("a safetensors file", "convert the folder that it lies in")),
        Kind::Foreign(what, help) => Some((what, help)),
        Kind::Llama2cNew | Kind::Unknown => None,
    };
    if let Some((what, help)) = foreign {
        return Err(input(format!("`{}` is {what}", path.display()), help));
    }
    let integer =
        |at: usize| -> Option<i32> { Some(i32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)) };
    if is_vocabulary(&bytes) {
        return Err(input(
            format!("`{}` is a tokenizer of llama2.c", path.display()),
            "convert the model beside it; this one is found there, or named with --tokenizer",
        ));
    }
    let version = match recognise(&bytes) {
        Kind::Llama2cNew => integer(4).unwrap_or(-1),
        _ => 0,
    };
    if !(0..=2).contains(&version) {
        return Err(bad(format!("its version is {version}; export it with `--version 0`, 1 or 2")));
    }
    let first = if version == 0 { 0 } else { 8 };
    let header: Option<Vec<i32>> = (0..7).map(|i| integer(first + 4 * i)).collect();
    let Some([dim, d_ff, n_layers, n_heads, n_kv_heads, vocab, context]) = header.as_deref() else {
        return Err(bad(format!("{} bytes are no header", bytes.len())));
    };
    // In version 0 a negative vocabulary is the flag for an untied head.
    let tied = if version == 0 { *vocab > 0 } else { bytes.get(36) == Some(&1) };
    let size = |&value: &i32| usize::try_from(value).unwrap_or(0);
    let (d, n_heads) = (size(dim), size(n_heads));
    let head_dim = d.checked_div(n_heads).unwrap_or(0);
    if head_dim * n_heads != d {
        return Err(bad(format!("{n_heads} heads do not divide a width of {d}")));
    }
    if options.context == Some(0) {
        return Err(input("--context 0 is not possible", "1 or more"));
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
        context: options.context.unwrap_or(size(context)),
        ..Config::base(Architecture::Decoder)
    };
    validate(&config)?;
    let weights = match version {
        0 => version_0(&bytes, &config, size(context)),
        1 => version_1(&bytes, &config),
        _ => version_2(&bytes, &config, integer(37)),
    };
    assemble(config, weights.map_err(bad)?).map_err(bad)
}

/// Whether it is a `tok*.bin`: the longest length, then a score, a length and a text for every piece.
fn is_vocabulary(bytes: &[u8]) -> bool {
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize);
    let (Some(longest), mut at) = (word(0), 4) else { return false };
    while at < bytes.len() {
        match word(at + 4) {
            Some(len) if (1..=longest).contains(&len) => at += 8 + len,
            _ => return false,
        }
    }
    longest < 1 << 16 && at > 4 && at == bytes.len()
}

/// Floats in a row.
struct Floats<'a>(&'a [u8]);

impl Floats<'_> {
    fn take(&mut self, n: usize) -> Vec<f32> {
        let (head, rest) = self.0.split_at(self.0.len().min(4 * n));
        self.0 = rest;
        head.as_chunks::<4>().0.iter().map(|&w| f32::from_le_bytes(w)).collect()
    }
}

/// Elements of q, k, v and o, and of gate, down and up, in all layers.
fn sizes(c: &Config) -> ([usize; 4], [usize; 3]) {
    let (d, l) = (c.d_model, c.n_layers);
    let (q, kv) = (l * c.q_dim() * d, l * c.kv_dim() * d);
    ([q, kv, kv, q], [l * c.d_ff * d; 3])
}

/// Elements of everything, but for a head of its own.
fn total(c: &Config) -> usize {
    let (attention, forward) = sizes(c);
    let norms = (2 * c.n_layers + 1) * c.d_model;
    let layers: usize = attention.iter().chain(&forward).sum();
    c.vocab_size * c.d_model + norms + layers
}

fn untied(c: &Config) -> usize {
    if c.head == Head::Vocabulary { c.vocab_size * c.d_model } else { 0 }
}

/// Whether there are as many bytes as the header asks for.
fn expect(bytes: &[u8], needed: usize) -> std::result::Result<(), String> {
    match bytes.len() == needed {
        true => Ok(()),
        false => Err(format!(
            "{} bytes found, its header asks for {needed}; copy it anew, or export it with llama2.c's export.py \
             (`--version` 0, 1 or 2)",
            bytes.len()
        )),
    }
}

fn version_0(bytes: &[u8], c: &Config, context: usize) -> std::result::Result<Weights, String> {
    // Old rotary tables stand before an untied head and are not used.
    let tables = context * c.head_dim;
    expect(bytes, 28 + 4 * (total(c) + tables + untied(c)))?;
    let mut floats = Floats(&bytes[28..]);
    let (attention, forward) = sizes(c);
    let norms = c.n_layers * c.d_model;
    Ok(Weights {
        embedding: floats.take(c.vocab_size * c.d_model),
        attention_norm: floats.take(norms),
        attention: attention.map(|n| floats.take(n)),
        forward_norm: floats.take(norms),
        forward: forward.map(|n| floats.take(n)),
        final_norm: floats.take(c.d_model),
        head: (c.head == Head::Vocabulary).then(|| {
            floats.take(tables);
            floats.take(untied(c))
        }),
    })
}

fn version_1(bytes: &[u8], c: &Config) -> std::result::Result<Weights, String> {
    expect(bytes, HEADER + 4 * (total(c) + untied(c)))?;
    let mut floats = Floats(&bytes[HEADER..]);
    let (attention, forward) = sizes(c);
    let norms = c.n_layers * c.d_model;
    let (attention_norm, forward_norm) = (floats.take(norms), floats.take(norms));
    Ok(Weights {
        attention_norm,
        forward_norm,
        final_norm: floats.take(c.d_model),
        embedding: floats.take(c.vocab_size * c.d_model),
        attention: attention.map(|n| floats.take(n)),
        forward: forward.map(|n| floats.take(n)),
        head: (c.head == Head::Vocabulary).then(|| floats.take(untied(c))),
    })
}

fn version_2(bytes: &[u8], c: &Config, group: Option<i32>) -> std::result::Result<Weights, String> {
    let group = group.and_then(|group| usize::try_from(group).ok()).unwrap_or(0);
    let (attention, forward) = sizes(c);
    let embedding = c.vocab_size * c.d_model;
    // Every matrix of every layer is quantised for itself.
    let matrices = attention.iter().chain(&forward).map(|n| n / c.n_layers);
    if group == 0 || matrices.chain([embedding]).any(|n| n % group != 0) {
        return Err(format!("its groups of {group} do not divide its matrices"));
    }
    let norms = c.n_layers * c.d_model;
    let float = 2 * norms + c.d_model;
    let quantized = total(c) - float + untied(c);
    expect(bytes, HEADER + 4 * float + quantized + 4 * (quantized / group))?;
    let mut floats = Floats(&bytes[HEADER..]);
    let (attention_norm, forward_norm) = (floats.take(norms), floats.take(norms));
    let final_norm = floats.take(c.d_model);
    let mut matrix = |n: usize| {
        let (weights, rest) = floats.0.split_at(n.min(floats.0.len()));
        floats.0 = rest;
        let scales = floats.take(n / group);
        let weights = weights.chunks(group).zip(scales);
        let product = |(group, scale): (&[u8], f32)| -> Vec<f32> {
            group.iter().map(|&w| w as i8 as f32 * scale).collect()
        };
        weights.flat_map(product).collect::<Vec<f32>>()
    };
    let embedding = matrix(embedding);
    let mut layers = |n: usize| (0..c.n_layers).flat_map(|_| matrix(n / c.n_layers)).collect();
    let (attention, forward) = (attention.map(&mut layers), forward.map(&mut layers));
    let head = (c.head == Head::Vocabulary).then(|| matrix(untied(c)));
    Ok(Weights { embedding, attention_norm, attention, forward_norm, forward, final_norm, head })
}

/// The canonical model.
fn assemble(config: Config, weights: Weights) -> std::result::Result<FloatModel, String> {
    let w = &weights;
    let all = [&w.embedding, &w.attention_norm, &w.forward_norm, &w.final_norm];
    let all = all.into_iter().chain(&w.attention).chain(&w.forward).chain(&w.head);
    let parts: Vec<&Vec<f32>> = all.collect();
    if let Some(at) = parts.iter().flat_map(|part| part.iter()).position(|x| !x.is_finite()) {
        return Err(format!("weight {at} is not a finite number"));
    }
    let parameters = parts.iter().map(|part| part.len()).sum();
    let (d, q, kv) = (config.d_model, config.q_dim(), config.kv_dim());
    let of = |part: &[f32], layer: usize, out: usize, inp: usize| {
        matrix(part[layer * out * inp..][..out * inp].to_vec(), out, inp)
    };
    let gain = |part: &[f32], layer: usize| FloatNorm {
        gain: part[layer * d..][..d].to_vec(),
        bias: None,
    };
    let layers = (0..config.n_layers)
        .map(|i| FloatLayer {
            norm_1: gain(&w.attention_norm, i),
            q: of(&w.attention[0], i, q, d),
            k: of(&w.attention[1], i, kv, d),
            v: of(&w.attention[2], i, kv, d),
            o: of(&w.attention[3], i, d, q),
            norm_2: gain(&w.forward_norm, i),
            gate: Some(of(&w.forward[0], i, config.d_ff, d)),
            down: of(&w.forward[1], i, d, config.d_ff),
            up: of(&w.forward[2], i, config.d_ff, d),
            score_scale: 1.0 / (config.head_dim as f32).sqrt(),
        })
        .collect();
    Ok(FloatModel {
        config,
        epsilon: 1e-5,
        frequencies: frequencies(10000.0, config.head_dim),
        embedding: matrix(weights.embedding, config.vocab_size, d),
        positions: None,
        embedding_norm: None,
        layers,
        final_norm: Some(FloatNorm { gain: weights.final_norm, bias: None }),
        pooler: None,
        head: weights.head.map(|head| matrix(head, config.vocab_size, d)),
        labels: Vec::new(),
        tokenizer: Vec::new(),
        parameters,
        frame_exponent: 0,
        relative: Vec::new(),
        sections: Vec::new(),
        decoder: None,
    })
}

fn matrix(weight: Vec<f32>, out_dim: usize, in_dim: usize) -> FloatLinear {
    FloatLinear { weight, out_dim, in_dim, ..FloatLinear::default() }
}
