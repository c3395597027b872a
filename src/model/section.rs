//! Views of the parts of a model: slices of the flash and the numbers stored with them.

use crate::blob::{AttentionLayout, META_BYTES, Placed, read_i16, read_u16};
use crate::config::{Config, Norm, round_up};
use crate::kernels::{Channels, Matrix, Weights};
use crate::matrix::Packing;
use crate::slices::{part, rest, split};

/// One linear layer: `y = W x + b`, weights of eight or four bits with a scale per output.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    /// The packed matrix, a scale for every output, and perhaps biases.
    pub weights: Weights<'a>,
    /// Number of outputs; the matrix is padded with up to three more.
    pub out_dim: usize,
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
    /// `(d_model)` gains, and biases except in an RMSNorm.
    pub channels: Channels<'a>,
    /// Real gain = `gain · 2^gain_exponent`.
    pub gain_exponent: i32,
    /// Real bias = `bias · 2^bias_exponent`.
    pub bias_exponent: i32,
}

/// The bytes that the offsets of a layout refer to: the whole blob, or one layer. Views are made on
/// demand: all views of a layer at once would take most of a kilobyte of a small core's stack.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a>(pub(super) &'a [u8]);

impl Linear<'_> {
    /// Whether the weights have four bits.
    #[inline(always)]
    pub fn has_nibbles(&self) -> bool {
        matches!(self.weights.matrix().packing(), Packing::Nibbles)
    }
}

impl<'a> Section<'a> {
    /// The bytes from `offset` on.
    pub const fn at(self, offset: usize) -> Self {
        Self(rest(self.0, offset))
    }

    /// A linear layer.
    #[inline(never)] // called in many places
    pub fn linear(self, at: &Placed) -> Linear<'a> {
        let layout = &at.layout;
        let (meta, rest) = split(part(self.0, at.offset, layout.bytes()), META_BYTES);
        let (weights, rest) = split(rest, layout.multipliers() - META_BYTES);
        let (multipliers, biases) = split(rest, layout.biases() - layout.multipliers());
        let meta = |i: usize| read_i16(meta, 2 * i) as i32;
        let matrix = Matrix::new(weights, layout.packing, layout.padded_out(), layout.padded_in());
        let weights = matrix
            .zip(Channels::new(multipliers, biases))
            .and_then(|(matrix, channels)| Weights::new(matrix, channels));
        debug_assert!(weights.is_some(), "a linear layer that is not where its layout says");
        Linear {
            weights: weights.unwrap_or(Weights::ZERO),
            out_dim: layout.out_dim,
            weight_exponent: meta(0),
            bias_exponent: meta(1),
            output_exponent: meta(2),
            wide: meta(3) == 12,
        }
    }

    /// Whether a linear layer reads 12-bit rows.
    pub const fn is_wide(self, at: &Placed) -> bool {
        read_u16(self.0, at.offset + 6) == 12
    }

    /// Unit of a linear layer's 16-bit results.
    pub const fn output_exponent(self, at: &Placed) -> i32 {
        read_i16(self.0, at.offset + 4) as i32
    }

    /// Multiplier and exponent of an attention's scores, see [`AttentionLayout::scores`].
    pub const fn score_scale(self, at: &AttentionLayout) -> (u16, i32) {
        (read_u16(self.0, at.scores), read_i16(self.0, at.scores + 2) as i32)
    }

    /// An explicit norm.
    #[inline(never)]
    pub fn norm(self, offset: usize, config: &Config) -> NormWeights<'a> {
        let row = config.d_model * 2;
        let biases = if matches!(config.norm, Norm::Layer) { row } else { 0 };
        let gains = offset + META_BYTES;
        let biases = part(self.0, gains + round_up(row, 16), biases);
        let channels = Channels::new(part(self.0, gains, row), biases);
        debug_assert!(channels.is_some(), "a norm that is not where its layout says");
        NormWeights {
            channels: channels.unwrap_or(Channels::NONE),
            gain_exponent: read_i16(self.0, offset) as i32,
            bias_exponent: read_i16(self.0, offset + 2) as i32,
        }
    }

    /// A table with an exponent before it.
    pub(super) fn table(self, offset: usize, len: usize) -> (&'a [u8], i32) {
        (part(self.0, offset + META_BYTES, len), read_i16(self.0, offset) as i32)
    }
}
