//! Random models of any configuration: what no family of checkpoints gives.

use picoformer::config::*;
use picoformer_convert::float_model::{FloatLayer, FloatLinear, FloatModel, FloatNorm};

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// About normal: the sum of twelve uniform numbers.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| (self.next() >> 40) as f32 / (1u64 << 24) as f32).sum::<f32>() - 6.0
    }

    pub fn normals(&mut self, n: usize, size: f32) -> Vec<f32> {
        (0..n).map(|_| self.normal() * size).collect()
    }

    pub fn tokens(&mut self, n: usize, vocab_size: usize) -> Vec<u32> {
        (0..n).map(|_| self.below(vocab_size) as u32).collect()
    }

    fn linear(&mut self, out_dim: usize, in_dim: usize, bias: bool, size: f32) -> FloatLinear {
        FloatLinear {
            weight: self.normals(out_dim * in_dim, size / (in_dim as f32).sqrt()),
            bias: bias.then(|| self.normals(out_dim, 0.3)),
            out_dim,
            in_dim,
            ..FloatLinear::default()
        }
    }

    fn norm(&mut self, c: &Config) -> FloatNorm {
        FloatNorm {
            gain: self.normals(c.d_model, 0.3).iter().map(|x| x + 1.0).collect(),
            bias: (c.norm == Norm::Layer).then(|| self.normals(c.d_model, 0.3)),
        }
    }
}

/// A small decoder in the manner of Llama.
pub fn llama() -> Config {
    Config {
        position: Position::Rotary,
        norm: Norm::Rms,
        activation: Activation::Silu,
        head: Head::TiedVocabulary,
        gated: true,
        final_norm: true,
        vocab_size: 29,
        d_model: 16,
        n_layers: 2,
        n_heads: 2,
        n_kv_heads: 2,
        head_dim: 8,
        d_ff: 24,
        context: 64,
        ..Config::base(Architecture::Decoder)
    }
}

/// A small decoder in the manner of GPT-2.
pub fn gpt2() -> Config {
    Config {
        position: Position::Learned,
        norm: Norm::Layer,
        activation: Activation::GeluTanh,
        gated: false,
        qkv_bias: true,
        output_bias: true,
        up_bias: true,
        down_bias: true,
        ..llama()
    }
}

/// A small encoder in the manner of BERT.
pub fn bert() -> Config {
    Config {
        architecture: Architecture::Encoder,
        norm_order: NormOrder::Post,
        activation: Activation::GeluErf,
        head: Head::None,
        embedding_norm: true,
        final_norm: false,
        ..gpt2()
    }
}

/// Random weights for a configuration.
pub fn random(config: Config, seed: u64) -> FloatModel {
    let (c, r) = (&config, &mut Random(seed));
    let (d, q, kv) = (c.d_model, c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim);
    let layers = (0..c.n_layers)
        .map(|_| FloatLayer {
            norm_1: r.norm(c),
            q: r.linear(q, d, c.qkv_bias, 1.3),
            k: r.linear(kv, d, c.qkv_bias, 1.3),
            v: r.linear(kv, d, c.qkv_bias, 1.3),
            o: r.linear(d, q, c.output_bias, 1.3),
            norm_2: r.norm(c),
            gate: c.gated.then(|| r.linear(c.d_ff, d, c.up_bias, 1.3)),
            up: r.linear(c.d_ff, d, c.up_bias, 1.3),
            down: r.linear(d, c.d_ff, c.down_bias, 1.3),
            score_scale: 1.0 / (c.head_dim as f32).sqrt(),
        })
        .collect();
    let pairs = match c.position {
        Position::Rotary => c.head_dim / 2,
        Position::Sinusoidal => d / 2,
        Position::None | Position::Learned | Position::Relative => 0,
    };
    let angle = |i: usize| 10000f64.powf(-(i as f64) / pairs as f64);
    let labelled = matches!(c.head, Head::Classifier | Head::TokenLabels);
    let head = match c.head {
        Head::Vocabulary => Some(r.linear(c.vocab_size, d, c.head_bias, 1.5)),
        Head::Embedding if c.n_labels > 0 => Some(r.linear(c.n_labels, d, c.head_bias, 1.5)),
        _ if labelled => Some(r.linear(c.n_labels, d, c.head_bias, 1.5)),
        _ => None,
    };
    FloatModel {
        config,
        epsilon: 1e-5,
        frequencies: (0..pairs).map(angle).collect(),
        embedding: match c.input {
            Input::Tokens => r.linear(c.vocab_size, d, false, (d as f32).sqrt()),
            Input::Frames => r.linear(d, c.frame_len, true, 1.3),
        },
        positions: (c.position == Position::Learned).then(|| r.normals(c.context * d, 0.5)),
        embedding_norm: c.embedding_norm.then(|| r.norm(c)),
        layers,
        final_norm: c.final_norm.then(|| r.norm(c)),
        pooler: c.pooler.then(|| r.linear(d, d, true, 1.3)),
        head,
        labels: (0..if labelled { c.n_labels } else { 0 }).map(|i| format!("label {i}")).collect(),
        tokenizer: Vec::new(),
        parameters: 0,
        frame_exponent: if c.input == Input::Frames { -10 } else { 0 },
        relative: Vec::new(),
        sections: Vec::new(),
        decoder: None,
    }
}
