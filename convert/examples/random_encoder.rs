//! Writes the blob of an encoder with random weights: the shape in which TFLite Micro was measured
//! (2 layers, 128 channels, 2 heads, 64 tokens, 512 hidden units, 1000 words, 2 classes), as BERT
//! builds it. The same weights in every run; what they are does not matter to what is counted.

use picoformer::config::{Architecture, Config, Head, NormOrder, Position};
use picoformer_convert::float_model::{FloatLayer, FloatLinear, FloatModel, FloatNorm};
use picoformer_convert::writer::{Wide, write};

/// Numbers in −1…1: Knuth's linear congruential generator, the upper half of its bits.
struct Random(u64);

impl Random {
    fn numbers(&mut self, len: usize, largest: f32) -> Vec<f32> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 33) as f32 / (1u32 << 30) as f32 - 1.0
        };
        (0..len).map(|_| next() * largest).collect()
    }

    /// Weights as they are initialised, after Glorot & Bengio 2010.
    fn linear(&mut self, out_dim: usize, in_dim: usize) -> FloatLinear {
        let largest = (6.0 / (in_dim + out_dim) as f32).sqrt();
        FloatLinear {
            weight: self.numbers(out_dim * in_dim, largest),
            bias: Some(self.numbers(out_dim, 0.1)),
            out_dim,
            in_dim,
            ..FloatLinear::default()
        }
    }

    fn norm(&mut self, d: usize) -> FloatNorm {
        let gain = self.numbers(d, 0.2).into_iter().map(|x| 1.0 + x).collect();
        FloatNorm { gain, bias: Some(self.numbers(d, 0.1)) }
    }
}

fn main() {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: random_encoder BLOB");
        std::process::exit(2);
    };
    let config = Config {
        position: Position::Learned,
        norm_order: NormOrder::Post,
        head: Head::Classifier,
        qkv_bias: true,
        output_bias: true,
        up_bias: true,
        down_bias: true,
        head_bias: true,
        embedding_norm: true,
        pooler: true,
        vocab_size: 1000,
        d_model: 128,
        n_layers: 2,
        n_heads: 2,
        n_kv_heads: 2,
        head_dim: 64,
        d_ff: 512,
        context: 64,
        n_labels: 2,
        tile_rows: 4, // as many as 40 KB of RAM allow
        ..Config::base(Architecture::Encoder)
    };
    let (d, mut random) = (config.d_model, Random(1));
    let layers = (0..config.n_layers).map(|_| FloatLayer {
        q: random.linear(d, d),
        k: random.linear(d, d),
        v: random.linear(d, d),
        o: random.linear(d, d),
        norm_1: random.norm(d),
        gate: None,
        up: random.linear(config.d_ff, d),
        down: random.linear(d, config.d_ff),
        norm_2: random.norm(d),
        score_scale: 1.0 / (config.head_dim as f32).sqrt(),
    });
    let layers = layers.collect();
    let model = FloatModel {
        config,
        epsilon: 1e-12,
        frequencies: Vec::new(),
        embedding: FloatLinear {
            weight: random.numbers(config.vocab_size * d, 0.05),
            bias: None,
            out_dim: config.vocab_size,
            in_dim: d,
            ..FloatLinear::default()
        },
        positions: Some(random.numbers(config.context * d, 0.05)),
        embedding_norm: Some(random.norm(d)),
        layers,
        final_norm: None,
        pooler: Some(random.linear(d, d)),
        head: Some(random.linear(config.n_labels, d)),
        labels: vec!["0".into(), "1".into()],
        tokenizer: Vec::new(),
        parameters: 0,
        frame_exponent: 0,
        relative: Vec::new(),
        sections: Vec::new(),
        decoder: None,
    };
    let blob = write(&model, Wide::Auto).expect("the shape is within the engine's range");
    std::fs::write(&path, blob).unwrap_or_else(|error| panic!("{path}: {error}"));
}
