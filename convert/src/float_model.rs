//! The reference forward pass in f32: what the quantised engine is measured against. Written to be read,
//! not to be fast.

pub use crate::float_weights::{FloatLayer, FloatLinear, FloatModel, FloatNorm};

use crate::float_weights::dot;
use picoformer::config::{
    Activation, Architecture, Config, Head, Norm, NormOrder, Pooling, Position,
};
use picoformer::rules::Place;
use picoformer::sampler::greedy;
use picoformer::tokenizer::Vocabulary;

/// Whether a query may see a key, by their positions.
pub type Visible<'a> = &'a dyn Fn(usize, usize) -> bool;

/// What a model gives for one input.
#[derive(Clone, Debug)]
pub struct FloatOutput {
    /// Rows after the last norm, `(rows, d_model)`.
    pub hidden: Vec<Vec<f32>>,
    /// Decoder and per-token labels: a row of logits each. Classifier and embedding: one row.
    pub outputs: Vec<Vec<f32>>,
}

impl FloatModel {
    /// The forward pass over tokens.
    pub fn forward(&self, tokens: &[u32]) -> FloatOutput {
        self.forward_rows(self.embed(tokens), &|query, key| self.visible(query, key))
    }

    /// The forward pass over tokens with a mask of the caller's: `visible(query, key)`.
    pub fn forward_masked(&self, tokens: &[u32], visible: Visible) -> FloatOutput {
        self.forward_rows(self.embed(tokens), visible)
    }

    /// The forward pass over frames.
    pub fn forward_frames(&self, frames: &[Vec<f32>]) -> FloatOutput {
        let rows = frames.iter().map(|frame| self.embedding.forward(frame)).collect();
        self.forward_rows(rows, &|query, key| self.visible(query, key))
    }

    /// What a decoder writes after a prompt, in at most `max_tokens` tokens: always the likeliest one that
    /// the engine's rules allow, up to an end token.
    pub fn write(&self, prompt: &[u32], max_tokens: usize) -> Vec<u32> {
        let rules = self.rules();
        let end = Vocabulary::parse(&self.tokenizer).ok().and_then(|v| v.end());
        let limit = self.config.context.min(prompt.len() + max_tokens);
        let first = (prompt.len() == 1 && rules.forces_first()) as usize;
        let mut ids = prompt.to_vec();
        while ids.len() < limit {
            let outputs = self.forward(&ids).outputs;
            let Some(last) = outputs.last() else { break };
            let mut logits: Vec<i32> = last.iter().map(|x| (x * 65536.0).round() as i32).collect();
            let (len, new) = (ids.len(), ids.len() - prompt.len());
            let place = Place { len, new, begins: new == first, ends: len + 1 == limit };
            rules.apply(&mut logits, ids.iter().rev().copied(), place);
            let best = greedy(&logits);
            let ends = match rules.has_ends() {
                true => rules.is_end(best),
                false => Some(best) == end,
            };
            if ends {
                break;
            }
            ids.push(best);
        }
        ids.split_off(prompt.len())
    }

    /// Reads a text, and where there is a decoder, writes what it answers and reads that, too: for what the
    /// layers see meanwhile.
    pub fn read_through(&self, tokens: &[u32]) {
        let tokens = &tokens[..tokens.len().min(self.config.context)];
        match self.read(tokens) {
            Some(target) => drop(target.search(1, self.config.target_context).ok()),
            None => drop(self.forward(tokens)),
        }
    }

    /// The rows after the last norm.
    pub fn hidden(&self, tokens: &[u32]) -> Vec<Vec<f32>> {
        self.forward_rows(self.embed(tokens), &|query, key| self.visible(query, key)).hidden
    }

    fn embed(&self, tokens: &[u32]) -> Vec<Vec<f32>> {
        let d = self.config.d_model;
        let tokens = self.without_padding(tokens);
        tokens.iter().map(|&t| self.embedding.weight[t as usize * d..][..d].to_vec()).collect()
    }

    /// The mask that the configuration asks for.
    fn visible(&self, query: usize, key: usize) -> bool {
        let c = &self.config;
        let causal = c.causal || c.architecture == Architecture::Decoder;
        !(causal && key > query || c.window > 0 && key + c.window <= query)
    }

    /// Calls `each(layer, row)` with every key of a text, `(kv_dim)`, as queries meet it.
    pub fn each_key(&self, tokens: &[u32], each: &mut dyn FnMut(usize, &[f32])) {
        let mut x = self.first_rows(self.embed(tokens));
        for (i, layer) in self.layers.iter().enumerate() {
            let keys = self.keys(layer, &self.normed(layer, &x));
            keys.iter().for_each(|row| each(i, row));
            self.layer(layer, &mut x, &|query, key| self.visible(query, key));
        }
    }

    /// The rows that the first layer reads.
    fn first_rows(&self, mut x: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        for (position, row) in x.iter_mut().enumerate() {
            self.add_position(row, position, self.positions.as_deref());
        }
        if let Some(norm) = &self.embedding_norm {
            x.iter_mut().for_each(|row| *row = self.norm(row, norm));
        }
        x
    }

    fn forward_rows(&self, x: Vec<Vec<f32>>, visible: Visible) -> FloatOutput {
        let mut x = self.first_rows(x);
        for layer in &self.layers {
            self.layer(layer, &mut x, visible);
        }
        if let Some(norm) = &self.final_norm {
            x.iter_mut().for_each(|row| *row = self.norm(row, norm));
        }
        let outputs = self.outputs(&x);
        FloatOutput { hidden: x, outputs }
    }

    /// Where the last row is pooled: the tokens up to the last one that is no padding.
    fn without_padding<'t>(&self, tokens: &'t [u32]) -> &'t [u32] {
        let padding = match self.config.pooling {
            Pooling::Last => self.config.suppressed_token,
            _ => 0,
        };
        let last = tokens.iter().rposition(|&token| token as usize + 1 != padding);
        &tokens[..last.map_or(1, |last| last + 1)]
    }

    /// Adds what a learned table or sinusoids have for a position.
    pub(crate) fn add_position(&self, row: &mut [f32], position: usize, table: Option<&[f32]>) {
        if let Some(table) = table {
            let learned = &table[position * row.len()..][..row.len()];
            row.iter_mut().zip(learned).for_each(|(x, p)| *x += p);
        }
        if self.config.position == Position::Sinusoidal {
            let angles = self.frequencies.iter().map(|f| position as f64 * f);
            let waves = angles.clone().map(f64::sin).chain(angles.map(f64::cos));
            row.iter_mut().zip(waves).for_each(|(x, wave)| *x += wave as f32);
        }
    }

    fn layer(&self, layer: &FloatLayer, x: &mut [Vec<f32>], visible: Visible) {
        let pre = self.config.norm_order == NormOrder::Pre;
        let normed = self.normed(layer, x);
        for (row, a) in x.iter_mut().zip(self.attention(layer, &normed, visible)) {
            row.iter_mut().zip(layer.o.forward(&a)).for_each(|(x, o)| *x += o);
            if !pre {
                *row = self.norm(row, &layer.norm_1);
            }
            let input = if pre { self.norm(row, &layer.norm_2) } else { row.clone() };
            row.iter_mut().zip(self.feed_forward(layer, &input)).for_each(|(x, f)| *x += f);
            if !pre {
                *row = self.norm(row, &layer.norm_2);
            }
        }
    }

    /// The rows that a layer's attention reads.
    fn normed(&self, layer: &FloatLayer, x: &[Vec<f32>]) -> Vec<Vec<f32>> {
        match self.config.norm_order {
            NormOrder::Pre => x.iter().map(|row| self.norm(row, &layer.norm_1)).collect(),
            NormOrder::Post => x.to_vec(),
        }
    }

    fn keys(&self, layer: &FloatLayer, x: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let mut k: Vec<_> = x.iter().map(|row| layer.k.forward(row)).collect();
        self.rotate_rows(&mut k);
        k
    }

    fn attention(&self, layer: &FloatLayer, x: &[Vec<f32>], visible: Visible) -> Vec<Vec<f32>> {
        let c = &self.config;
        let (d, group) = (c.head_dim, c.n_heads / c.n_kv_heads);
        let mut q: Vec<_> = x.iter().map(|row| layer.q.forward(row)).collect();
        self.rotate_rows(&mut q);
        let k = self.keys(layer, x);
        let v: Vec<_> = x.iter().map(|row| layer.v.forward(row)).collect();
        let mut out = Vec::with_capacity(x.len());
        for (i, q) in q.iter().enumerate() {
            let mut row = Vec::with_capacity(c.n_heads * d);
            let keys: Vec<usize> = (0..x.len()).filter(|&key| visible(i, key)).collect();
            for head in 0..c.n_heads {
                let q = &q[head * d..][..d];
                let kv = head / group * d;
                let score = |&key: &usize| {
                    let score = dot(q, &k[key][kv..][..d]) * layer.score_scale;
                    score + relative(&self.relative, c, head, i, key)
                };
                let mut p: Vec<f32> = keys.iter().map(score).collect();
                softmax(&mut p);
                let mut sum = vec![0f32; d];
                for (p, &key) in p.iter().zip(&keys) {
                    sum.iter_mut().zip(&v[key][kv..][..d]).for_each(|(s, v)| *s += p * v);
                }
                row.extend(sum);
            }
            out.push(row);
        }
        out
    }

    /// Rotates the rows of all positions, where the model does that.
    fn rotate_rows(&self, rows: &mut [Vec<f32>]) {
        if self.config.position == Position::Rotary {
            rows.iter_mut().enumerate().for_each(|(position, row)| self.rotate(row, position));
        }
    }

    fn rotate(&self, row: &mut [f32], position: usize) {
        for head in row.chunks_exact_mut(self.config.head_dim) {
            for (pair, frequency) in head.chunks_exact_mut(2).zip(&self.frequencies) {
                let (sin, cos) = (position as f64 * frequency).sin_cos();
                let (a, b) = (pair[0] as f64, pair[1] as f64);
                pair[0] = (a * cos - b * sin) as f32;
                pair[1] = (a * sin + b * cos) as f32;
            }
        }
    }

    pub(crate) fn feed_forward(&self, layer: &FloatLayer, x: &[f32]) -> Vec<f32> {
        let up = layer.up.forward(x);
        let hidden: Vec<f32> = match &layer.gate {
            Some(gate) => {
                gate.forward(x).iter().zip(up).map(|(g, u)| self.activation(*g) * u).collect()
            }
            None => up.iter().map(|u| self.activation(*u)).collect(),
        };
        layer.down.forward(&hidden)
    }

    fn activation(&self, x: f32) -> f32 {
        let x = x as f64;
        (match self.config.activation {
            Activation::Relu => x.max(0.0),
            Activation::GeluErf => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Activation::GeluTanh => {
                0.5 * x * (1.0 + (0.797_884_560_802_865_4 * (x + 0.044715 * x * x * x)).tanh())
            }
            Activation::Silu => x / (1.0 + (-x).exp()),
        }) as f32
    }

    pub(crate) fn norm(&self, x: &[f32], norm: &FloatNorm) -> Vec<f32> {
        let d = x.len() as f64;
        let mean = match self.config.norm {
            Norm::Layer => x.iter().map(|&x| x as f64).sum::<f64>() / d,
            Norm::Rms => 0.0,
        };
        let variance = x.iter().map(|&x| (x as f64 - mean).powi(2)).sum::<f64>() / d;
        let scale = 1.0 / (variance + self.epsilon as f64).sqrt();
        let zero = vec![0.0; x.len()];
        let bias = norm.bias.as_ref().unwrap_or(&zero);
        let scaled = x.iter().map(|&x| ((x as f64 - mean) * scale) as f32);
        scaled.zip(&norm.gain).zip(bias).map(|((x, g), b)| x * g + b).collect()
    }

    fn outputs(&self, x: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let pooled = || {
            let channel = |i: usize| x.iter().map(move |row| row[i]);
            let mean = |i| channel(i).sum::<f32>() / x.len() as f32;
            let greatest = |i| channel(i).fold(f32::NEG_INFINITY, f32::max);
            let mut row: Vec<f32> = match self.config.pooling {
                Pooling::First => x[0].clone(),
                Pooling::Last => x[x.len() - 1].clone(),
                Pooling::Mean => (0..x[0].len()).map(mean).collect(),
                Pooling::Max => (0..x[0].len()).map(greatest).collect(),
            };
            if let Some(pooler) = &self.pooler {
                row = pooler.forward(&row).into_iter().map(f32::tanh).collect();
            }
            row
        };
        if self.decoder.is_some() {
            return Vec::new();
        }
        match (self.config.head, &self.head) {
            (Head::Classifier, Some(head)) => vec![head.forward(&pooled())],
            (Head::TokenLabels | Head::Vocabulary, Some(head)) => {
                x.iter().map(|row| head.forward(row)).collect()
            }
            (Head::TiedVocabulary, _) => x.iter().map(|row| self.embedding.forward(row)).collect(),
            (Head::Embedding, dense) => {
                let mut row = dense.as_ref().map_or_else(pooled, |dense| dense.forward(&pooled()));
                if self.config.head_tanh {
                    row.iter_mut().for_each(|x| *x = x.tanh());
                }
                if self.config.own_length {
                    return vec![row];
                }
                let length = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
                vec![row.iter().map(|x| x / length).collect()]
            }
            _ => Vec::new(),
        }
    }
}

/// What relative positions add to a score, in nats; 0 without.
pub(crate) fn relative(table: &[f32], c: &Config, head: usize, query: usize, key: usize) -> f32 {
    let distance = c.relative_distance;
    let offset = (key + distance).saturating_sub(query).min(2 * distance);
    table.get(head * (2 * distance + 1) + offset).copied().unwrap_or(0.0)
}

/// Softmax in place.
pub fn softmax(x: &mut [f32]) {
    let maximum = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    x.iter_mut().for_each(|x| *x = (*x - maximum).exp());
    let sum: f32 = x.iter().sum();
    x.iter_mut().for_each(|x| *x /= sum);
}

/// The error function: Taylor series below 3, continued fraction beyond (relative error < 1e-14).
pub fn erf(x: f64) -> f64 {
    let u = x.abs();
    let value = if u < 3.0 {
        let (mut term, mut sum) = (u, u);
        for n in 1..100 {
            term *= -u * u / n as f64;
            sum += term / (2 * n + 1) as f64;
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let fraction = (1..=60).rev().fold(0.0, |f, k| k as f64 / 2.0 / (u + f));
        1.0 - (-u * u).exp() * std::f64::consts::FRAC_2_SQRT_PI / 2.0 / (u + fraction)
    };
    value.copysign(x)
}
