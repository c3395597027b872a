//! Views of the weights in flash, one struct a part of the model.

use super::Model;
use crate::blob::{read_i16, read_u16};
use crate::config::{NormOrder, Position};
use crate::matrix::Packing;
use crate::target::Build;

/// One linear layer: `y = W x + b`, weights int8 with a scale per output.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    /// Packed weights, see [`matrix`](crate::matrix).
    pub weights: &'a [u8],
    /// How they are packed.
    pub packing: Packing,
    /// `u16` × padded outputs, and padding.
    pub multipliers: &'a [u8],
    /// `i16` × padded outputs and padding, or empty.
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

/// The weights of one layer, each view made when it is asked for: all at once would be most of a
/// kilobyte of a small core's stack.
#[derive(Clone, Copy, Debug)]
pub struct LayerWeights<'a> {
    pub(super) model: &'a Model<'a>,
    /// Where the layer begins in the blob.
    pub(super) base: usize,
}

impl<'a> LayerWeights<'a> {
    /// Multiplier and exponent: score in log2 units = `q·k · max|q| · max|k| · multiplier · 2^exponent`.
    pub fn score_scale<B: Build>(&self) -> (u16, i32) {
        let offset = self.base + self.model.layout_of::<B>().layer.attention.scores;
        (read_u16(self.model.bytes, offset), read_i16(self.model.bytes, offset + 2) as i32)
    }

    /// Whether q, k and v read 12-bit rows.
    pub fn wide<B: Build>(&self) -> bool {
        read_u16(
            self.model.bytes,
            self.base + self.model.layout_of::<B>().layer.attention.q.offset + 6,
        ) == 12
    }

    /// Unit of the values, and so of what attention gives.
    pub fn value_exponent<B: Build>(&self) -> i32 {
        read_i16(
            self.model.bytes,
            self.base + self.model.layout_of::<B>().layer.attention.v.offset + 4,
        ) as i32
    }

    /// Query projection.
    pub fn q<B: Build>(&self) -> Linear<'a> {
        self.model.linear::<B>(self.base, &self.model.layout_of::<B>().layer.attention.q)
    }

    /// Key projection.
    pub fn k<B: Build>(&self) -> Linear<'a> {
        self.model.linear::<B>(self.base, &self.model.layout_of::<B>().layer.attention.k)
    }

    /// Value projection.
    pub fn v<B: Build>(&self) -> Linear<'a> {
        self.model.linear::<B>(self.base, &self.model.layout_of::<B>().layer.attention.v)
    }

    /// Output projection.
    pub fn o<B: Build>(&self) -> Linear<'a> {
        self.model.linear::<B>(self.base, &self.model.layout_of::<B>().layer.attention.o)
    }

    /// Gate of the feed-forward part; nothing sensible without one.
    pub fn gate<B: Build>(&self) -> Linear<'a> {
        self.model.linear::<B>(self.base, &self.model.layout_of::<B>().layer.gate)
    }

    /// First linear layer of the feed-forward part.
    pub fn up<B: Build>(&self) -> Linear<'a> {
        self.model.linear::<B>(self.base, &self.model.layout_of::<B>().layer.up)
    }

    /// Second linear layer of the feed-forward part.
    pub fn down<B: Build>(&self) -> Linear<'a> {
        self.model.linear::<B>(self.base, &self.model.layout_of::<B>().layer.down)
    }

    /// After attention (post-norm).
    pub fn norm_1<B: Build>(&self) -> Option<NormWeights<'a>> {
        self.norm::<B>(self.model.layout_of::<B>().layer.attention.norm)
    }

    /// After the feed-forward part (post-norm).
    pub fn norm_2<B: Build>(&self) -> Option<NormWeights<'a>> {
        self.norm::<B>(self.model.layout_of::<B>().layer.norm)
    }

    fn norm<B: Build>(&self, offset: usize) -> Option<NormWeights<'a>> {
        let post = matches!(self.model.config_of::<B>().norm_order, NormOrder::Post);
        post.then(|| self.model.norm::<B>(self.base + offset))
    }
}

/// The weights of a decoder layer's cross-attention.
#[derive(Clone, Copy, Debug)]
pub struct CrossWeights<'a> {
    /// As of [`LayerWeights::score_scale`].
    pub score_multiplier: u16,
    /// See `score_multiplier`.
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
