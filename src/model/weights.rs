//! The weights of a model, as a [`Build`] resolves them: which section of the blob is which part.

use super::section::{Linear, NormWeights, Section};
use crate::blob::{Header, Layout, META_BYTES, position_bytes, relative_bytes};
use crate::config::{Architecture, Config, Head, Position, Side};
use crate::slices::part;
use crate::target::{self, Build};
use core::marker::PhantomData;

/// All weights. For a build that knows its model, hyperparameters and offsets are constants.
#[derive(Debug)]
pub struct Weights<'m, B: Build> {
    blob: Section<'m>,
    header: &'m Header,
    layout: &'m Layout,
    key_base: &'m [u8],
    build: PhantomData<B>,
}

impl<B: Build> Clone for Weights<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Build> Copy for Weights<'_, B> {}

/// The embedding: table, positions and norm.
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

/// The biases that relative positions add to the scores (Raffel et al. 2020, §2.1).
#[derive(Clone, Copy, Debug)]
pub struct RelativeBias<'a> {
    /// `i16 × (n_heads, 2 · distance + 1)`, for key − query = −distance … distance.
    pub table: &'a [u8],
    /// Real bias in log2 = `entry · 2^exponent`.
    pub exponent: i32,
    /// Distances told apart.
    pub distance: usize,
}

impl<'m, B: Build> Weights<'m, B> {
    pub(super) const fn new(
        bytes: &'m [u8],
        header: &'m Header,
        layout: &'m Layout,
        key_base: &'m [u8],
    ) -> Self {
        Self { blob: Section(bytes), header, layout, key_base, build: PhantomData }
    }

    /// The hyperparameters.
    #[inline(always)]
    pub const fn config(&self) -> &'m Config {
        target::config::<B>(&self.header.config)
    }

    /// The offsets of all sections.
    #[inline(always)]
    pub const fn layout(&self) -> &'m Layout {
        target::layout::<B>(self.layout)
    }

    /// ε of the norms as `mantissa · 2^exponent`.
    pub const fn epsilon(&self) -> (u16, i16) {
        (self.header.epsilon_mantissa, self.header.epsilon_exponent)
    }

    /// Whether `side` is the second of two: the decoder of an encoder-decoder.
    #[inline(always)]
    pub const fn is_target(&self, side: Side) -> bool {
        matches!(self.config().architecture, Architecture::EncoderDecoder)
            && matches!(side, Side::Decoder)
    }

    /// The embedding of the tokens (or frames) of one side.
    pub fn embedding(&self, side: Side) -> EmbeddingWeights<'m> {
        let (c, all, target) = (self.config(), self.layout(), self.is_target(side));
        let own = &all.decoder;
        let separate = target && c.separate_embedding;
        let table = if separate { &own.embedding } else { &all.embedding };
        // Both sides share the table of sinusoids.
        let (position, bytes) = match c.position {
            Position::Learned if target => (own.position, position_bytes(&c.decoder_side())),
            _ => (all.position, position_bytes(c)),
        };
        let norm = if target { own.embedding_norm } else { all.embedding_norm };
        let (positions, position_exponent) =
            self.blob.table(position, bytes.saturating_sub(META_BYTES));
        EmbeddingWeights {
            table: self.blob.linear(table),
            kind: c.position,
            positions,
            position_exponent,
            norm: c.embedding_norm.then(|| self.blob.norm(norm, c)),
        }
    }

    /// Frequencies of rotary positions.
    pub fn frequencies(&self) -> &'m [u8] {
        self.blob.table(self.layout().position, self.config().head_dim / 2 * 4).0
    }

    /// What the keys of a decoder's layer are stored less, `i16 × kv_dim`; empty if nothing.
    #[inline(always)]
    pub fn key_base(&self, layer: usize) -> &'m [u8] {
        let none = !target::has_key_base::<B>() || self.key_base.is_empty();
        let len = self.config().kv_dim() * 2;
        if none { &[] } else { part(self.key_base, layer * len, len) }
    }

    /// The relative positions of one side.
    pub fn relative_bias(&self, side: Side) -> Option<RelativeBias<'m>> {
        let (c, all) = (self.config(), self.layout());
        matches!(c.position, Position::Relative).then(|| {
            let offset = if self.is_target(side) { all.decoder.position } else { all.position };
            let (table, exponent) = self.blob.table(offset, relative_bytes(c));
            RelativeBias { table, exponent, distance: c.relative_distance }
        })
    }

    /// Layer `index` of one side.
    pub fn layer(&self, side: Side, index: usize) -> LayerWeights<'m, B> {
        let all = self.layout();
        let offset = match self.is_target(side) {
            true => all.decoder.layers + index * all.decoder.layer_bytes,
            false => all.layers + index * all.layer.bytes,
        };
        LayerWeights { model: *self, section: self.blob.at(offset), side, index }
    }

    /// The norm after the last layer of one side.
    pub fn final_norm(&self, side: Side) -> Option<NormWeights<'m>> {
        let (c, all) = (self.config(), self.layout());
        c.final_norm.then(|| {
            let target = self.is_target(side);
            self.blob.norm(if target { all.decoder.final_norm } else { all.final_norm }, c)
        })
    }

    /// BERT's pooler.
    pub fn pooler(&self) -> Option<Linear<'m>> {
        self.config().pooler.then(|| self.blob.linear(&self.layout().pooler))
    }

    /// The matrix of the head: vocabulary (the embedding table when tied), labels, or the dense layer
    /// of an embedding.
    pub fn head(&self) -> Option<Linear<'m>> {
        let (c, all) = (self.config(), self.layout());
        let matrix = match c.head {
            Head::TiedVocabulary if c.separate_embedding => &all.decoder.embedding,
            Head::TiedVocabulary => &all.embedding,
            Head::Vocabulary | Head::Classifier | Head::TokenLabels => &all.head,
            Head::Embedding if c.n_labels > 0 => &all.head,
            Head::None | Head::Embedding => return None,
        };
        Some(self.blob.linear(matrix))
    }
}

/// The weights of one layer. The offsets of [`LayerLayout`](crate::blob::LayerLayout) and of a
/// [cross-attention](crate::blob::DecoderLayout::cross) are relative to its first byte.
#[derive(Debug)]
pub struct LayerWeights<'m, B: Build> {
    /// The model.
    pub model: Weights<'m, B>,
    /// The layer's bytes.
    pub section: Section<'m>,
    side: Side,
    /// Index of the layer on its side.
    pub index: usize,
}

impl<B: Build> LayerWeights<'_, B> {
    /// The side of the layer.
    #[inline(always)]
    pub const fn side(&self) -> Side {
        target::side::<B>(self.side)
    }
}
