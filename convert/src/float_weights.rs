//! Canonical f32 weights of every supported family: what importers make and what is quantised.

use picoformer::blob::{RULES, Tag};
use picoformer::config::{Config, Role};
use picoformer::rules::Rules;
use std::sync::{Arc, Mutex};

/// `y = W x + b`, weights `(out_dim, in_dim)` row-major.
#[derive(Clone, Debug, Default)]
pub struct FloatLinear {
    /// `(out_dim, in_dim)`.
    pub weight: Vec<f32>,
    /// `(out_dim)`, or none.
    pub bias: Option<Vec<f32>>,
    /// Outputs.
    pub out_dim: usize,
    /// Inputs.
    pub in_dim: usize,
    /// The weights as they are to be stored, if that is settled.
    pub rounded: Option<Rounded>,
    /// What [`FloatLinear::forward`] reads, while somebody collects it.
    pub seen: Option<Seen>,
}

/// Weights as a blob stores them: `weight = code · multiplier[row] · 2^exponent`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rounded {
    /// `(out_dim, in_dim)`.
    pub codes: Vec<i8>,
    /// `(out_dim)`.
    pub multipliers: Vec<u16>,
    /// Exponent of the unit.
    pub exponent: i16,
}

/// The second moments of the rows that a layer read: `Σ x xᵀ`, `(in_dim, in_dim)`, shared by all copies of
/// the layer.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<Vec<f64>>>);

impl Seen {
    /// Adds a row.
    fn add(&self, x: &[f32]) {
        let Ok(mut moments) = self.0.lock() else { return };
        moments.resize(x.len() * x.len(), 0.0);
        for (row, &a) in moments.chunks_exact_mut(x.len()).zip(x) {
            row.iter_mut().zip(x).for_each(|(moment, &b)| *moment += (a * b) as f64);
        }
    }

    /// The moments; empty if no row was read.
    pub fn moments(&self) -> Vec<f64> {
        self.0.lock().map(|moments| moments.clone()).unwrap_or_default()
    }
}

impl FloatLinear {
    /// The layer applied to one row.
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        if let Some(seen) = &self.seen {
            seen.add(x);
        }
        let rows = self.weight.chunks_exact(self.in_dim);
        let mut y: Vec<f32> = rows.map(|row| dot(row, x)).collect();
        if let Some(bias) = &self.bias {
            y.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
        y
    }
}

/// Dot product in eight partial sums, so that the compiler can vectorise it.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for (a, b) in a8.iter().zip(b8) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// Gain and bias of a norm.
#[derive(Clone, Debug, Default)]
pub struct FloatNorm {
    /// `(d_model)`.
    pub gain: Vec<f32>,
    /// `(d_model)`; none for RMSNorm.
    pub bias: Option<Vec<f32>>,
}

/// One layer.
#[derive(Clone, Debug, Default)]
pub struct FloatLayer {
    /// Before attention (pre-norm) or after it (post-norm).
    pub norm_1: FloatNorm,
    /// Query projection, neighbouring pairs for rotary positions.
    pub q: FloatLinear,
    /// Key projection.
    pub k: FloatLinear,
    /// Value projection.
    pub v: FloatLinear,
    /// Output projection.
    pub o: FloatLinear,
    /// Before the feed-forward part (pre-norm) or after it (post-norm).
    pub norm_2: FloatNorm,
    /// Gate, if the feed-forward part is gated.
    pub gate: Option<FloatLinear>,
    /// First linear layer.
    pub up: FloatLinear,
    /// Second linear layer.
    pub down: FloatLinear,
    /// What `q · k` is multiplied with.
    pub score_scale: f32,
}

/// A whole model in f32.
#[derive(Clone, Debug)]
pub struct FloatModel {
    /// Hyperparameters as the blob will have them (before folding adds biases).
    pub config: Config,
    /// The norms' epsilon.
    pub epsilon: f32,
    /// Angle per position of each rotary pair.
    pub frequencies: Vec<f64>,
    /// `(vocab_size, d_model)`, or a frame projection.
    pub embedding: FloatLinear,
    /// `(context, d_model)` of learned positions.
    pub positions: Option<Vec<f32>>,
    /// Norm of the embedding.
    pub embedding_norm: Option<FloatNorm>,
    /// The layers.
    pub layers: Vec<FloatLayer>,
    /// Norm of the last rows.
    pub final_norm: Option<FloatNorm>,
    /// BERT's pooler.
    pub pooler: Option<FloatLinear>,
    /// Untied vocabulary or classifier.
    pub head: Option<FloatLinear>,
    /// Names of the labels.
    pub labels: Vec<String>,
    /// Tokenizer section of the blob; empty without one.
    pub tokenizer: Vec<u8>,
    /// Weights of the checkpoint.
    pub parameters: usize,
    /// Unit of a frame's features: 2^this.
    pub frame_exponent: i16,
    /// What relative positions add to the (encoder's) scores, in nats: `(n_heads, 2 · distance + 1)`.
    pub relative: Vec<f32>,
    /// Optional sections of the blob, in ascending order of their tags.
    pub sections: Vec<(Tag, Vec<u8>)>,
    /// The decoder of an encoder-decoder.
    pub decoder: Option<FloatDecoder>,
}

impl FloatModel {
    /// The data of an optional section.
    pub fn section(&self, tag: Tag) -> Option<&[u8]> {
        self.sections.iter().find(|section| section.0 == tag).map(|section| &section.1[..])
    }

    /// Adds an optional section, or replaces the one with this tag.
    pub fn set_section(&mut self, tag: Tag, data: Vec<u8>) {
        self.sections.retain(|section| section.0 != tag);
        self.sections.push((tag, data));
        self.sections.sort();
    }

    /// All linear layers with what they do; the embedding, too.
    pub fn linears_mut(&mut self) -> Vec<(Role, &mut FloatLinear)> {
        let mut all = vec![(Role::Embedding, &mut self.embedding)];
        let own = self.layers.iter_mut();
        let (mut other, mut cross) = (Vec::new(), Vec::new());
        if let Some(decoder) = &mut self.decoder {
            all.extend(decoder.embedding.iter_mut().map(|l| (Role::DecoderEmbedding, l)));
            other.extend(&mut decoder.layers);
            cross.extend(&mut decoder.cross);
        }
        for layer in own.chain(other) {
            all.extend([
                (Role::Query, &mut layer.q),
                (Role::Key, &mut layer.k),
                (Role::Value, &mut layer.v),
                (Role::Output, &mut layer.o),
                (Role::Up, &mut layer.up),
                (Role::Down, &mut layer.down),
            ]);
            all.extend(layer.gate.iter_mut().map(|l| (Role::Gate, l)));
        }
        for layer in cross {
            all.extend([
                (Role::CrossQuery, &mut layer.q),
                (Role::CrossKey, &mut layer.k),
                (Role::CrossValue, &mut layer.v),
                (Role::CrossOutput, &mut layer.o),
            ]);
        }
        all.extend(self.pooler.iter_mut().map(|l| (Role::Pooler, l)));
        all.extend(self.head.iter_mut().map(|l| (Role::Head, l)));
        all
    }

    /// Its rules of generation.
    pub fn rules(&self) -> Rules<'_> {
        self.section(RULES).map_or(Rules::NONE, Rules::of_valid)
    }
}

/// The cross-attention of one decoder layer.
#[derive(Clone, Debug, Default)]
pub struct FloatCross {
    /// Before cross-attention (pre-norm) or after it (post-norm).
    pub norm: FloatNorm,
    /// Query projection.
    pub q: FloatLinear,
    /// Key projection, of the encoder's rows.
    pub k: FloatLinear,
    /// Value projection, of the encoder's rows.
    pub v: FloatLinear,
    /// Output projection.
    pub o: FloatLinear,
    /// What `q · k` is multiplied with.
    pub score_scale: f32,
}

/// A decoder beside the encoder that a [`FloatModel`] is. Factors that a family puts on embeddings or
/// logits are folded into the weights by its importer.
#[derive(Clone, Debug, Default)]
pub struct FloatDecoder {
    /// `(vocab_size, d_model)`; the encoder's if none.
    pub embedding: Option<FloatLinear>,
    /// `(target_context, d_model)` of learned positions.
    pub positions: Option<Vec<f32>>,
    /// Norm of the embedding.
    pub embedding_norm: Option<FloatNorm>,
    /// The layers, but for cross-attention.
    pub layers: Vec<FloatLayer>,
    /// Their cross-attention.
    pub cross: Vec<FloatCross>,
    /// Norm of the last rows.
    pub final_norm: Option<FloatNorm>,
    /// What relative positions add to the scores, in nats: `(n_heads, 2 · distance + 1)`.
    pub relative: Vec<f32>,
    /// Bias of a tied head.
    pub head_bias: Option<Vec<f32>>,
}
