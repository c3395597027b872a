//! [`Model::parse`]: validated, zero-copy views of a blob in flash.
//!
//! `parse` is the only gate. After it, only the user's input can fail: every view below is a slice
//! whose length was checked once.

mod validate;
mod weights;

pub use weights::*;

use crate::arena::ArenaSize;
use crate::blob::{
    Expected, HEADER_BYTES, Header, Layout, LinearLayout, META_BYTES, NOTE, Sections, Tag,
    checksum, position_bytes, read_i16, read_u16, relative_bytes,
};
use crate::config::*;
use crate::error::FormatError;
use crate::kernels::Native;
use crate::target::Known;
use crate::target::{self, Build};
use crate::tokenizer::Tokenizer;
use validate::validate;

/// A parsed blob: hyperparameters and views of the weights. `Copy`; it borrows the flash.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    bytes: &'a [u8],
    header: Header,
    layout: Layout,
}

/// Everything of `bytes` from `offset`, at most `len` bytes; empty beyond the end.
const fn part(bytes: &[u8], offset: usize, len: usize) -> &[u8] {
    match bytes.split_at_checked(offset) {
        Some((_, rest)) => match rest.split_at_checked(len) {
            Some((part, _)) => part,
            None => rest,
        },
        None => &[],
    }
}

impl<'a> Model<'a> {
    /// Reads a blob without its checksum: header, every length, every padding byte, every exponent.
    /// Usable in `const`, so that a bad blob fails the build.
    ///
    /// # Errors
    /// Every [`FormatError`] but `BadChecksum`.
    #[inline(never)]
    pub const fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        // Never taken apart, as in `parse_checked`.
        let read = Self::read(bytes);
        if let Ok(model) = &read
            && let Err(error) = validate::<Native>(bytes, &model.header, &model.layout)
        {
            return Err(error);
        }
        read
    }

    /// [`Model::parse`] without a look into the sections; apart, so that its frame is gone for that.
    #[inline(never)]
    const fn read(bytes: &'a [u8]) -> Result<Self, FormatError> {
        match Header::parse(bytes) {
            Ok((header, layout)) => Ok(Self { bytes, header, layout }),
            Err(error) => Err(error),
        }
    }

    #[inline(never)]
    fn read_as(bytes: &'a [u8], expected: &Expected) -> Result<Self, FormatError> {
        if bytes.len() < HEADER_BYTES {
            return Err(FormatError::TooShort { needed: HEADER_BYTES, given: bytes.len() });
        }
        if let Some(offset) = expected.difference(bytes) {
            return Err(FormatError::OtherModel { offset });
        }
        let header = Header::read(bytes, expected.config);
        let mut model = Self { bytes, header, layout: expected.layout };
        model.header.place(bytes.len(), &mut model.layout)?;
        Ok(model)
    }

    /// Reads a blob and verifies its CRC-32: what a program does with a blob that was flashed on its
    /// own or came over the air. Costs about 14 instructions per byte.
    ///
    /// # Errors
    /// Every [`FormatError`] but `OtherModel`.
    pub fn parse_checked(bytes: &'a [u8]) -> Result<Self, FormatError> {
        Self::parse_for::<Native>(bytes)
    }

    /// [`Model::parse_checked`] for firmware that runs one model only, whose weights are flashed on
    /// their own: a model with other hyperparameters is refused by its header, so that the code to read
    /// every other is not linked.
    ///
    /// # Errors
    /// Every [`FormatError`].
    #[inline(never)]
    pub fn parse_for<B: Build>(bytes: &'a [u8]) -> Result<Self, FormatError> {
        // The result is never taken apart: a model is large for a small core's stack.
        let parsed = match target::header::<B>() {
            Some(expected) => Self::read_as(bytes, expected),
            None => Self::read(bytes),
        };
        if let Ok(model) = &parsed {
            validate::<B>(bytes, &model.header, &model.layout)?;
            let (expected, found) = (model.header.checksum, checksum(bytes));
            if found != expected {
                return Err(FormatError::BadChecksum { expected, found });
            }
            if !bytes.as_ptr().addr().is_multiple_of(4) {
                return Err(FormatError::Misaligned);
            }
        }
        parsed
    }

    /// The hyperparameters.
    pub const fn config(&self) -> &Config {
        &self.header.config
    }

    /// The whole header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Where every section lies.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Bytes of flash.
    pub const fn flash_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What firmware for this model alone can rely on.
    pub const fn known(&self) -> Known {
        let tokenizer = match self.tokenizer() {
            Some(tokenizer) => Some(tokenizer.kind()),
            None => None,
        };
        Known { config: self.header.config, tokenizer }
    }

    /// Whether it is the model that is known.
    pub(crate) fn is_of<B: Build>(&self, known: Known) -> bool {
        self.tokenizer().map(|t| t.kind()) == known.tokenizer
            && target::header::<B>().is_some_and(|header| header.difference(self.bytes).is_none())
    }

    #[inline(always)]
    fn config_of<B: Build>(&self) -> &Config {
        target::config::<B>(&self.header.config)
    }

    #[inline(always)]
    fn layout_of<B: Build>(&self) -> &Layout {
        target::layout::<B>(&self.layout)
    }

    /// The same model with another beam width, to be set before [`Model::arena`] is asked: RAM grows
    /// with it. Widths beyond 1 … [`MAX_BEAMS`] are brought there; other models than
    /// encoder-decoders do not change.
    #[must_use]
    pub const fn with_beams(mut self, beams: usize) -> Self {
        if matches!(self.header.config.architecture, Architecture::EncoderDecoder) {
            let most = if beams > MAX_BEAMS { MAX_BEAMS } else { beams };
            self.header.config.beams = if most == 0 { 1 } else { most };
        }
        self
    }

    /// Exact RAM that running the model needs.
    pub const fn arena(&self) -> ArenaSize {
        ArenaSize::new(&self.header.config)
    }

    /// The tokenizer; `None` for a model that takes and gives ids.
    pub const fn tokenizer(&self) -> Option<Tokenizer<'a>> {
        let (offset, len) = self.layout.tokenizer;
        Tokenizer::of_valid(part(self.bytes, offset, len))
    }

    /// Name of label `index`.
    pub fn label(&self, index: usize) -> Option<&'a str> {
        let mut rest = part(self.bytes, self.layout.labels.0, self.layout.labels.1);
        for _ in 0..index {
            let len = read_u16(rest, 0) as usize;
            rest = rest.get(2 + len..)?;
        }
        let len = read_u16(rest, 0) as usize;
        core::str::from_utf8(rest.get(2..2 + len)?).ok()
    }

    /// The optional sections in the order of the blob, those that this engine does not know included.
    pub const fn sections(&self) -> Sections<'a> {
        Sections { rest: part(self.bytes, self.layout.end, self.bytes.len()) }
    }

    /// The data of the optional section with this tag.
    pub const fn section(&self, tag: Tag) -> Option<&'a [u8]> {
        let mut sections = self.sections();
        while let Some(section) = sections.split_first() {
            if u32::from_be_bytes(section.tag) == u32::from_be_bytes(tag) {
                return Some(section.data);
            }
        }
        None
    }

    /// Free text about the model, written by whoever converted it.
    pub fn note(&self) -> Option<&'a str> {
        core::str::from_utf8(self.section(NOTE)?).ok()
    }

    #[inline(never)] // asked for in many places
    fn linear<B: Build>(&self, base: usize, at: &(usize, LinearLayout)) -> Linear<'a> {
        let layout = &at.1;
        let section = part(self.bytes, base + at.0, layout.bytes());
        let (meta, rest) = section.split_at_checked(META_BYTES).unwrap_or_default();
        let (weights, rest) =
            rest.split_at_checked(layout.multipliers() - META_BYTES).unwrap_or_default();
        let (multipliers, biases) =
            rest.split_at_checked(layout.biases() - layout.multipliers()).unwrap_or_default();
        let meta = |i: usize| read_i16(meta, 2 * i) as i32;
        Linear {
            weights,
            packing: layout.packing,
            multipliers,
            biases,
            out_dim: layout.out_dim,
            padded_in: layout.padded_in(),
            weight_exponent: meta(0),
            bias_exponent: meta(1),
            output_exponent: meta(2),
            wide: meta(3) == 12,
        }
    }

    #[inline(never)]
    fn norm<B: Build>(&self, offset: usize) -> NormWeights<'a> {
        let row = self.config_of::<B>().d_model * 2;
        let biases = match self.config_of::<B>().norm {
            Norm::Layer => row,
            Norm::Rms => 0,
        };
        NormWeights {
            gains: part(self.bytes, offset + META_BYTES, row),
            biases: part(self.bytes, offset + META_BYTES + round_up(row, 16), biases),
            gain_exponent: read_i16(self.bytes, offset) as i32,
            bias_exponent: read_i16(self.bytes, offset + 2) as i32,
        }
    }

    /// Embedding table or frame projection.
    pub fn embedding<B: Build>(&self) -> Linear<'a> {
        self.linear::<B>(0, &self.layout_of::<B>().embedding)
    }

    /// Position table or frequencies, and the exponent of the former.
    pub fn position<B: Build>(&self) -> (&'a [u8], i32) {
        let offset = self.layout_of::<B>().position;
        let len = position_bytes(self.config_of::<B>()).saturating_sub(META_BYTES);
        (part(self.bytes, offset + META_BYTES, len), read_i16(self.bytes, offset) as i32)
    }

    /// What turns a source's tokens (or the tokens of a model with one side) into rows.
    pub fn source_embedding<B: Build>(&self) -> EmbeddingWeights<'a> {
        let (positions, position_exponent) = self.position::<B>();
        EmbeddingWeights {
            table: self.embedding::<B>(),
            kind: self.config_of::<B>().position,
            positions,
            position_exponent,
            norm: self.embedding_norm::<B>(),
        }
    }

    /// What turns an encoder-decoder's target tokens into rows.
    pub fn target_embedding<B: Build>(&self) -> EmbeddingWeights<'a> {
        let (c, at) = (self.config_of::<B>(), &self.layout_of::<B>().decoder);
        let source = self.source_embedding::<B>();
        let (positions, position_exponent) = match c.position {
            Position::Learned => {
                let len = position_bytes(&c.decoder_side()).saturating_sub(META_BYTES);
                let exponent = read_i16(self.bytes, at.position) as i32;
                (part(self.bytes, at.position + META_BYTES, len), exponent)
            }
            _ => (source.positions, source.position_exponent),
        };
        EmbeddingWeights {
            table: if c.separate_embedding {
                self.linear::<B>(0, &at.embedding)
            } else {
                source.table
            },
            kind: c.position,
            positions,
            position_exponent,
            norm: c.embedding_norm.then(|| self.norm::<B>(at.embedding_norm)),
        }
    }

    /// The relative positions of the encoder, or of the decoder.
    pub fn relative_bias<B: Build>(&self, decoder: bool) -> Option<RelativeBias<'a>> {
        let (c, at) = (self.config_of::<B>(), self.layout_of::<B>());
        let offset = if decoder { at.decoder.position } else { at.position };
        matches!(c.position, Position::Relative).then(|| RelativeBias {
            table: part(self.bytes, offset + META_BYTES, relative_bytes(c)),
            exponent: read_i16(self.bytes, offset) as i32,
            distance: c.relative_distance,
        })
    }

    /// Norm of the embedding.
    pub fn embedding_norm<B: Build>(&self) -> Option<NormWeights<'a>> {
        self.config_of::<B>()
            .embedding_norm
            .then(|| self.norm::<B>(self.layout_of::<B>().embedding_norm))
    }

    /// Norm of the last rows.
    pub fn final_norm<B: Build>(&self) -> Option<NormWeights<'a>> {
        self.config_of::<B>().final_norm.then(|| self.norm::<B>(self.layout_of::<B>().final_norm))
    }

    /// Norm of the decoder's last rows in an encoder-decoder.
    pub fn target_norm<B: Build>(&self) -> Option<NormWeights<'a>> {
        self.config_of::<B>()
            .final_norm
            .then(|| self.norm::<B>(self.layout_of::<B>().decoder.final_norm))
    }

    /// BERT's pooler.
    pub fn pooler<B: Build>(&self) -> Option<Linear<'a>> {
        self.config_of::<B>().pooler.then(|| self.linear::<B>(0, &self.layout_of::<B>().pooler))
    }

    /// The matrix of the head: vocabulary (the embedding table when tied) or labels.
    pub fn head<B: Build>(&self) -> Option<Linear<'a>> {
        match self.config_of::<B>().head {
            Head::TiedVocabulary if self.config_of::<B>().separate_embedding => {
                Some(self.linear::<B>(0, &self.layout_of::<B>().decoder.embedding))
            }
            Head::TiedVocabulary => Some(self.embedding::<B>()),
            Head::Vocabulary | Head::Classifier | Head::TokenLabels => {
                Some(self.linear::<B>(0, &self.layout_of::<B>().head))
            }
            Head::None | Head::Embedding => None,
        }
    }

    /// The weights of layer `index`.
    pub fn layer<B: Build>(&'a self, index: usize) -> LayerWeights<'a> {
        let base = self.layout_of::<B>().layers + index * self.layout_of::<B>().layer.bytes;
        LayerWeights { model: self, base }
    }

    /// The weights of decoder layer `index` of an encoder-decoder, but for its cross-attention.
    pub fn decoder_layer(&'a self, index: usize) -> LayerWeights<'a> {
        let base = self.layout.decoder.layers + index * self.layout.decoder.cross.bytes;
        LayerWeights { model: self, base }
    }

    /// The weights of the cross-attention of decoder layer `index`.
    pub fn cross<B: Build>(&self, index: usize) -> CrossWeights<'a> {
        let at = &self.layout_of::<B>().decoder.cross;
        let base = self.layout_of::<B>().decoder.layers + index * at.bytes;
        let post = matches!(self.config_of::<B>().norm_order, NormOrder::Post);
        CrossWeights {
            score_multiplier: read_u16(self.bytes, base + at.attention),
            score_exponent: read_i16(self.bytes, base + at.attention + 2) as i32,
            q: self.linear::<B>(base, &at.q),
            k: self.linear::<B>(base, &at.k),
            v: self.linear::<B>(base, &at.v),
            o: self.linear::<B>(base, &at.o),
            norm: post.then(|| self.norm::<B>(base + at.norm)),
        }
    }
}

const _: () = assert!(HEADER_BYTES.is_multiple_of(16));
