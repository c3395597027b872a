//! [`Model::parse`]: validated, zero-copy views of a blob in flash.
//!
//! `parse` is the only gate. After it, only the user's input can fail: every view below is a slice
//! whose length was checked once.

use crate::arena::ArenaSize;
use crate::blob::{
    HEADER_BYTES, Header, LayerLayout, Layout, LinearLayout, META_BYTES, checksum, norm_bytes,
    position_bytes, read_i16, read_u16, relative_bytes,
};
use crate::config::*;
use crate::error::FormatError;
use crate::tokenizer::{Tokenizer, TokenizerFormatError, Vocabulary};

/// Range of every power of two in a blob.
const EXPONENTS: core::ops::RangeInclusive<i16> = -100..=100;

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

/// A parsed blob: hyperparameters and views of the weights. `Copy`; it borrows the flash.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    bytes: &'a [u8],
    header: Header,
    layout: Layout,
}

/// Everything of `bytes` from `offset`, at most `len` bytes; empty beyond the end.
fn part(bytes: &[u8], offset: usize, len: usize) -> &[u8] {
    bytes.get(offset..).map(|rest| rest.get(..len).unwrap_or(rest)).unwrap_or(&[])
}

impl<'a> Model<'a> {
    /// Reads a blob without its checksum: header, every length, every padding byte, every exponent.
    /// Usable in `const`, so that a bad blob fails the build.
    ///
    /// # Errors
    /// Every [`FormatError`] but `BadChecksum`.
    #[inline(never)]
    pub const fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, layout) = match Header::parse(bytes) {
            Ok(parsed) => parsed,
            Err(error) => return Err(error),
        };
        if let Err(error) = validate(bytes, &header, &layout) {
            return Err(error);
        }
        Ok(Self { bytes, header, layout })
    }

    /// Reads a blob and verifies its CRC-32: what a program does with a blob that was flashed on its
    /// own or came over the air. Costs about 14 instructions per byte.
    ///
    /// # Errors
    /// Every [`FormatError`].
    #[inline(never)]
    pub fn parse_checked(bytes: &'a [u8]) -> Result<Self, FormatError> {
        // The result is never taken apart: a model is large for a small core's stack.
        let parsed = Self::parse(bytes);
        if let Ok(model) = &parsed {
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
    pub fn tokenizer(&self) -> Option<Tokenizer<'a>> {
        let section = part(self.bytes, self.layout.tokenizer.0, self.layout.tokenizer.1);
        Tokenizer::parse(section).ok()
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

    fn linear(&self, base: usize, at: (usize, LinearLayout)) -> Linear<'a> {
        let (offset, layout) = (base + at.0, at.1);
        let outputs = layout.padded_out() * 2;
        let biases = if layout.has_bias { outputs } else { 0 };
        Linear {
            weights: part(self.bytes, offset + layout.weights(), layout.weight_bytes()),
            layout: self.header.config.weight_layout,
            multipliers: part(self.bytes, offset + layout.multipliers(), outputs),
            biases: part(self.bytes, offset + layout.biases(), biases),
            out_dim: layout.out_dim,
            padded_in: layout.padded_in(),
            weight_exponent: read_i16(self.bytes, offset) as i32,
            bias_exponent: read_i16(self.bytes, offset + 2) as i32,
            output_exponent: read_i16(self.bytes, offset + 4) as i32,
            wide: read_u16(self.bytes, offset + 6) == 12,
        }
    }

    fn norm(&self, offset: usize) -> NormWeights<'a> {
        let row = self.header.config.d_model * 2;
        let biases = match self.header.config.norm {
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
    pub fn embedding(&self) -> Linear<'a> {
        self.linear(0, self.layout.embedding)
    }

    /// Position table or frequencies, and the exponent of the former.
    pub fn position(&self) -> (&'a [u8], i32) {
        let offset = self.layout.position;
        let len = position_bytes(&self.header.config).saturating_sub(META_BYTES);
        (part(self.bytes, offset + META_BYTES, len), read_i16(self.bytes, offset) as i32)
    }

    /// What turns a source's tokens (or the tokens of a model with one side) into rows.
    pub fn source_embedding(&self) -> EmbeddingWeights<'a> {
        let (positions, position_exponent) = self.position();
        EmbeddingWeights {
            table: self.embedding(),
            kind: self.header.config.position,
            positions,
            position_exponent,
            norm: self.embedding_norm(),
        }
    }

    /// What turns an encoder-decoder's target tokens into rows.
    pub fn target_embedding(&self) -> EmbeddingWeights<'a> {
        let (c, at) = (&self.header.config, &self.layout.decoder);
        let source = self.source_embedding();
        let (positions, position_exponent) = match c.position {
            Position::Learned => {
                let len = position_bytes(&c.decoder_side()).saturating_sub(META_BYTES);
                let exponent = read_i16(self.bytes, at.position) as i32;
                (part(self.bytes, at.position + META_BYTES, len), exponent)
            }
            _ => (source.positions, source.position_exponent),
        };
        EmbeddingWeights {
            table: if c.separate_embedding { self.linear(0, at.embedding) } else { source.table },
            kind: c.position,
            positions,
            position_exponent,
            norm: c.embedding_norm.then(|| self.norm(at.embedding_norm)),
        }
    }

    /// The relative positions of the encoder, or of the decoder.
    pub fn relative_bias(&self, decoder: bool) -> Option<RelativeBias<'a>> {
        let (c, at) = (&self.header.config, &self.layout);
        let offset = if decoder { at.decoder.position } else { at.position };
        matches!(c.position, Position::Relative).then(|| RelativeBias {
            table: part(self.bytes, offset + META_BYTES, relative_bytes(c)),
            exponent: read_i16(self.bytes, offset) as i32,
            distance: c.relative_distance,
        })
    }

    /// Norm of the embedding.
    pub fn embedding_norm(&self) -> Option<NormWeights<'a>> {
        self.header.config.embedding_norm.then(|| self.norm(self.layout.embedding_norm))
    }

    /// Norm of the last rows.
    pub fn final_norm(&self) -> Option<NormWeights<'a>> {
        self.header.config.final_norm.then(|| self.norm(self.layout.final_norm))
    }

    /// Norm of the decoder's last rows in an encoder-decoder.
    pub fn target_norm(&self) -> Option<NormWeights<'a>> {
        self.header.config.final_norm.then(|| self.norm(self.layout.decoder.final_norm))
    }

    /// BERT's pooler.
    pub fn pooler(&self) -> Option<Linear<'a>> {
        self.header.config.pooler.then(|| self.linear(0, self.layout.pooler))
    }

    /// The matrix of the head: vocabulary (the embedding table when tied) or labels.
    pub fn head(&self) -> Option<Linear<'a>> {
        match self.header.config.head {
            Head::TiedVocabulary if self.header.config.separate_embedding => {
                Some(self.linear(0, self.layout.decoder.embedding))
            }
            Head::TiedVocabulary => Some(self.embedding()),
            Head::Vocabulary | Head::Classifier | Head::TokenLabels => {
                Some(self.linear(0, self.layout.head))
            }
            Head::None | Head::Embedding => None,
        }
    }

    /// The weights of layer `index`.
    pub fn layer(&self, index: usize) -> LayerWeights<'a> {
        self.layer_at(self.layout.layers + index * self.layout.layer.bytes)
    }

    /// The weights of decoder layer `index` of an encoder-decoder, but for its cross-attention.
    pub fn decoder_layer(&self, index: usize) -> LayerWeights<'a> {
        self.layer_at(self.layout.decoder.layers + index * self.layout.decoder.cross.bytes)
    }

    /// The weights of the cross-attention of decoder layer `index`.
    pub fn cross(&self, index: usize) -> CrossWeights<'a> {
        let at = &self.layout.decoder.cross;
        let base = self.layout.decoder.layers + index * at.bytes;
        let post = matches!(self.header.config.norm_order, NormOrder::Post);
        CrossWeights {
            score_multiplier: read_u16(self.bytes, base + at.attention),
            score_exponent: read_i16(self.bytes, base + at.attention + 2) as i32,
            q: self.linear(base, at.q),
            k: self.linear(base, at.k),
            v: self.linear(base, at.v),
            o: self.linear(base, at.o),
            norm: post.then(|| self.norm(base + at.norm)),
        }
    }

    fn layer_at(&self, base: usize) -> LayerWeights<'a> {
        let at: &LayerLayout = &self.layout.layer;
        let post = matches!(self.header.config.norm_order, NormOrder::Post);
        LayerWeights {
            score_multiplier: read_u16(self.bytes, base + at.attention),
            score_exponent: read_i16(self.bytes, base + at.attention + 2) as i32,
            q: self.linear(base, at.q),
            k: self.linear(base, at.k),
            v: self.linear(base, at.v),
            o: self.linear(base, at.o),
            norm_1: post.then(|| self.norm(base + at.norm_1)),
            gate: self.header.config.gated.then(|| self.linear(base, at.gate)),
            up: self.linear(base, at.up),
            down: self.linear(base, at.down),
            norm_2: post.then(|| self.norm(base + at.norm_2)),
        }
    }
}

/// Checks what is inside the sections. `const`, hence the loops by hand.
#[inline(never)]
const fn validate(bytes: &[u8], header: &Header, layout: &Layout) -> Result<(), FormatError> {
    macro_rules! check {
        ($result:expr) => {
            if let Err(error) = $result {
                return Err(error);
            }
        };
    }
    let c = &header.config;
    check!(check_linear(bytes, layout.embedding, "embedding"));
    check!(check_position(bytes, layout.position, c));
    if c.embedding_norm {
        check!(check_norm(bytes, layout.embedding_norm, c, "embedding_norm"));
    }
    let mut i = 0;
    while i < c.n_layers {
        check!(check_layer(bytes, layout.layers + i * layout.layer.bytes, &layout.layer, c));
        i += 1;
    }
    if c.final_norm {
        check!(check_norm(bytes, layout.final_norm, c, "final_norm"));
    }
    if c.pooler {
        check!(check_linear(bytes, layout.pooler, "pooler"));
    }
    if c.decoder_layers > 0 {
        check!(check_decoder(bytes, layout, c));
    }
    if layout.tokenizer.0 - layout.head.0 >= META_BYTES {
        check!(check_linear(bytes, layout.head, "head"));
    }
    if layout.tokenizer.1 > 0
        && let Err(TokenizerFormatError(field)) =
            Vocabulary::parse(bytes.split_at(layout.tokenizer.0).1.split_at(layout.tokenizer.1).0)
    {
        return Err(FormatError::BadTokenizer { field });
    }
    check!(check_zero(bytes, layout.tokenizer.0 + layout.tokenizer.1, layout.labels.0));
    check!(check_labels(bytes, layout.labels, c.n_labels));
    check_zero(bytes, layout.labels.0 + layout.labels.1, layout.bytes)
}

const fn check_position(bytes: &[u8], offset: usize, c: &Config) -> Result<(), FormatError> {
    let used = match c.position {
        Position::None => return Ok(()),
        Position::Learned => c.context * c.d_model * 2,
        Position::Sinusoidal => c.d_model / 2 * 4,
        Position::Rotary => c.head_dim / 2 * 4,
        Position::Relative => relative_bytes(c),
    };
    if let Err(error) = check_exponents(bytes, offset, 1, "position") {
        return Err(error);
    }
    if let Err(error) = check_zero(bytes, offset + 2, offset + META_BYTES) {
        return Err(error);
    }
    check_zero(bytes, offset + META_BYTES + used, offset + position_bytes(c))
}

/// The scales of an attention and its linear layers.
const fn check_attention(
    bytes: &[u8],
    base: usize,
    attention: usize,
    layers: [(usize, LinearLayout); 4],
) -> Result<(), FormatError> {
    let offset = base + attention;
    if read_u16(bytes, offset) > 1 << 15 {
        return Err(FormatError::BadSection { section: "attention", offset });
    }
    if let Err(error) = check_exponents(bytes, offset + 2, 1, "attention") {
        return Err(error);
    }
    if let Err(error) = check_zero(bytes, offset + 4, offset + META_BYTES) {
        return Err(error);
    }
    let names = ["q", "k", "v", "o"];
    let mut i = 0;
    while i < 4 {
        let at = (base + layers[i].0, layers[i].1);
        if let Err(error) = check_linear(bytes, at, names[i]) {
            return Err(error);
        }
        i += 1;
    }
    Ok(())
}

const fn check_layer(
    bytes: &[u8],
    base: usize,
    l: &LayerLayout,
    c: &Config,
) -> Result<(), FormatError> {
    macro_rules! check {
        ($result:expr) => {
            if let Err(error) = $result {
                return Err(error);
            }
        };
    }
    check!(check_attention(bytes, base, l.attention, [l.q, l.k, l.v, l.o]));
    if c.gated {
        check!(check_linear(bytes, (base + l.gate.0, l.gate.1), "gate"));
    }
    check!(check_linear(bytes, (base + l.up.0, l.up.1), "up"));
    check!(check_linear(bytes, (base + l.down.0, l.down.1), "down"));
    if matches!(c.norm_order, NormOrder::Post) {
        check!(check_norm(bytes, base + l.norm_1, c, "norm_1"));
        check!(check_norm(bytes, base + l.norm_2, c, "norm_2"));
    }
    Ok(())
}

const fn check_decoder(bytes: &[u8], layout: &Layout, c: &Config) -> Result<(), FormatError> {
    macro_rules! check {
        ($result:expr) => {
            if let Err(error) = $result {
                return Err(error);
            }
        };
    }
    let at = &layout.decoder;
    if c.separate_embedding {
        check!(check_linear(bytes, at.embedding, "decoder embedding"));
    }
    if at.embedding_norm > at.position {
        check!(check_position(bytes, at.position, &c.decoder_side()));
    }
    if c.embedding_norm {
        check!(check_norm(bytes, at.embedding_norm, c, "decoder embedding_norm"));
    }
    let mut i = 0;
    while i < c.decoder_layers {
        let (base, cross) = (at.layers + i * at.cross.bytes, &at.cross);
        check!(check_layer(bytes, base, &layout.layer, c));
        let linear = [cross.q, cross.k, cross.v, cross.o];
        check!(check_attention(bytes, base, cross.attention, linear));
        if matches!(c.norm_order, NormOrder::Post) {
            check!(check_norm(bytes, base + cross.norm, c, "cross norm"));
        }
        i += 1;
    }
    if c.final_norm {
        check!(check_norm(bytes, at.final_norm, c, "decoder final_norm"));
    }
    Ok(())
}

/// Labels are `n` times a `u16` length and as many bytes of UTF-8; or there are none at all.
const fn check_labels(bytes: &[u8], section: (usize, usize), n: usize) -> Result<(), FormatError> {
    const BAD: &str = "labels";
    if section.1 == 0 {
        return Ok(());
    }
    let (mut at, end) = (section.0, section.0 + section.1);
    let mut i = 0;
    while i < n {
        if at + 2 > end || at + 2 + read_u16(bytes, at) as usize > end {
            return Err(FormatError::BadSection { section: BAD, offset: at });
        }
        let len = read_u16(bytes, at) as usize;
        let text = bytes.split_at(at + 2).1.split_at(len).0;
        if core::str::from_utf8(text).is_err() {
            return Err(FormatError::BadSection { section: BAD, offset: at });
        }
        at += 2 + len;
        i += 1;
    }
    if at != end {
        return Err(FormatError::BadSection { section: BAD, offset: at });
    }
    Ok(())
}

const fn check_zero(bytes: &[u8], from: usize, to: usize) -> Result<(), FormatError> {
    let mut i = from;
    while i < to && i < bytes.len() {
        if bytes[i] != 0 {
            return Err(FormatError::BadPadding { offset: i });
        }
        i += 1;
    }
    Ok(())
}

/// `n` exponents in a row.
const fn check_exponents(
    bytes: &[u8],
    offset: usize,
    n: usize,
    section: &'static str,
) -> Result<(), FormatError> {
    let mut i = 0;
    while i < n {
        let exponent = read_i16(bytes, offset + 2 * i);
        if exponent < *EXPONENTS.start() || exponent > *EXPONENTS.end() {
            return Err(FormatError::BadSection { section, offset });
        }
        i += 1;
    }
    Ok(())
}

const fn check_linear(
    bytes: &[u8],
    at: (usize, LinearLayout),
    section: &'static str,
) -> Result<(), FormatError> {
    let (offset, layout) = at;
    if let Err(error) = check_exponents(bytes, offset, 3, section) {
        return Err(error);
    }
    let bits = read_u16(bytes, offset + 6);
    if bits != 8 && bits != 12 {
        return Err(FormatError::BadSection { section, offset: offset + 6 });
    }
    if let Err(error) = check_zero(bytes, offset + 8, offset + META_BYTES) {
        return Err(error);
    }
    let weights_end = offset + layout.weights() + layout.weight_bytes();
    if let Err(error) = check_zero(bytes, weights_end, offset + layout.multipliers()) {
        return Err(error);
    }
    let mut i = 0;
    while i < layout.padded_out() {
        let at = offset + layout.multipliers() + 2 * i;
        if read_u16(bytes, at) > i16::MAX as u16 {
            return Err(FormatError::BadSection { section, offset: at });
        }
        i += 1;
    }
    let used = offset + layout.multipliers() + 2 * layout.padded_out();
    if let Err(error) = check_zero(bytes, used, offset + layout.biases()) {
        return Err(error);
    }
    if layout.has_bias {
        let used = offset + layout.biases() + 2 * layout.padded_out();
        return check_zero(bytes, used, offset + layout.bytes());
    }
    Ok(())
}

const fn check_norm(
    bytes: &[u8],
    offset: usize,
    config: &Config,
    section: &'static str,
) -> Result<(), FormatError> {
    if let Err(error) = check_exponents(bytes, offset, 2, section) {
        return Err(error);
    }
    if let Err(error) = check_zero(bytes, offset + 4, offset + META_BYTES) {
        return Err(error);
    }
    let row = config.d_model * 2;
    let mut at = offset + META_BYTES;
    while at < offset + norm_bytes(config) {
        if let Err(error) = check_zero(bytes, at + row, at + round_up(row, 16)) {
            return Err(error);
        }
        at += round_up(row, 16);
    }
    Ok(())
}

const _: () = assert!(HEADER_BYTES.is_multiple_of(16));
