//! Views of the weights in flash, one struct a part of the model.

use crate::config::{Position, WeightLayout};

/// One linear layer: `y = W x + b`, weights int8 with a scale per output.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    /// Packed weights, see [`matrix`](crate::matrix).
    pub weights: &'a [u8],
    /// How they are packed.
    pub layout: WeightLayout,
    /// `u16` × padded outputs.
    pub multipliers: &'a [u8],
    /// `i16` × padded outputs, or empty.
    pub biases: &'a [u8],
    /// Outputs.
    pub out_dim: usize,
    /// Inputs, a multiple of 4.
    pub padded_in: usize,
    /// Real weight = `w · multiplier · 2^weight_exponent`.
    pub weight_exponent: i32,
    /// Real bias = `bias · 2^bias_exponent`.
    pub bias_exponent: i32,
    /// Unit of 16-bit results.
    pub output_exponent: i32,
    /// Input rows have 12 bits instead of 8.
    pub wide: bool,
}

/// Gain and bias of an explicit norm.
#[derive(Clone, Copy, Debug)]
pub struct NormWeights<'a> {
    /// `i16` × d_model.
    pub gains: &'a [u8],
    /// `i16` × d_model, or empty (RMSNorm).
    pub biases: &'a [u8],
    /// Real gain = `gain · 2^gain_exponent`.
    pub gain_exponent: i32,
    /// Real bias = `bias · 2^bias_exponent`.
    pub bias_exponent: i32,
}

/// The weights of one layer.
#[derive(Clone, Copy, Debug)]
pub struct LayerWeights<'a> {
    /// Score in log2 units = `q·k · max|q| · max|k| · score_multiplier · 2^score_exponent`.
    pub score_multiplier: u16,
    /// See `score_multiplier`.
    pub score_exponent: i32,
    /// Query projection.
    pub q: Linear<'a>,
    /// Key projection.
    pub k: Linear<'a>,
    /// Value projection.
    pub v: Linear<'a>,
    /// Output projection.
    pub o: Linear<'a>,
    /// After attention (post-norm).
    pub norm_1: Option<NormWeights<'a>>,
    /// Gate of the feed-forward part.
    pub gate: Option<Linear<'a>>,
    /// First linear layer of the feed-forward part.
    pub up: Linear<'a>,
    /// Second linear layer of the feed-forward part.
    pub down: Linear<'a>,
    /// After the feed-forward part (post-norm).
    pub norm_2: Option<NormWeights<'a>>,
}

/// The weights of a decoder layer's cross-attention.
#[derive(Clone, Copy, Debug)]
pub struct CrossWeights<'a> {
    /// As [`LayerWeights::score_multiplier`].
    pub score_multiplier: u16,
    /// As [`LayerWeights::score_exponent`].
    pub score_exponent: i32,
    /// Query projection.
    pub q: Linear<'a>,
    /// Key projection, of the encoder's rows.
    pub k: Linear<'a>,
    /// Value projection, of the encoder's rows.
    pub v: Linear<'a>,
    /// Output projection.
    pub o: Linear<'a>,
    /// After cross-attention (post-norm).
    pub norm: Option<NormWeights<'a>>,
}

/// What turns a token into a row: the table, the positions, the norm.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingWeights<'a> {
    /// Embedding table or frame projection.
    pub table: Linear<'a>,
    /// How positions enter.
    pub kind: Position,
    /// Position table or frequencies.
    pub positions: &'a [u8],
    /// Exponent of the position table.
    pub position_exponent: i32,
    /// Norm of the embedding.
    pub norm: Option<NormWeights<'a>>,
}

/// The numbers that relative positions add to the scores (Raffel et al. 2020, §2.1).
#[derive(Clone, Copy, Debug)]
pub struct RelativeBias<'a> {
    /// `i16 × (n_heads, 2 · distance + 1)`, for key − query = −distance … distance.
    pub table: &'a [u8],
    /// Real bias in log2 = `entry · 2^exponent`.
    pub exponent: i32,
    /// Distances told apart.
    pub distance: usize,
}
