//! The blob: header and section layout, shared by the engine (which reads) and the converter
//! (which writes). `docs/FORMAT.md` describes every byte.
//!
//! A blob is a header of [`HEADER_BYTES`], then sections in one fixed order computed from the
//! [`Config`] by [`Layout::new`]: no names, no table of contents, no holes. Every section begins at a
//! multiple of 16 bytes; the padding is zero and checked. All numbers are little-endian.

use crate::config::*;
use crate::error::FormatError;

/// The first four bytes.
pub const MAGIC: [u8; 4] = *b"PICO";
/// Version of the format; raised whenever an old engine would misread a new blob.
pub const VERSION: u16 = 1;
/// Length of the header.
pub const HEADER_BYTES: usize = 128;
/// Every section begins at a multiple of this.
pub const ALIGN: usize = 16;
/// Where the CRC-32 stands in the header. It covers every other byte of the blob.
pub const CHECKSUM_OFFSET: usize = 12;
/// Length of the small header before a linear layer, a norm, a position table, an attention.
pub const META_BYTES: usize = 16;

/// Where the parts of one linear layer lie, relative to its beginning.
///
/// ```text
/// 0   i16 weight_exponent   real weight = w · multiplier[row] · 2^weight_exponent
/// 2   i16 bias_exponent     real bias = bias[row] · 2^bias_exponent
/// 4   i16 output_exponent   16-bit results are in units of 2^output_exponent
/// 6   u16 input_bits        8: input rows in −127…127; 12: in −2047…2047
/// 8   8 zero bytes
/// 16  weights               packed: out_dim and in_dim rounded up to multiples of 4
///     multipliers           u16 (0…32767) × padded out_dim
///     biases                i16 × padded out_dim, if the layer has a bias
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearLayout {
    /// Outputs.
    pub out_dim: usize,
    /// Inputs.
    pub in_dim: usize,
    /// The layer has a bias.
    pub has_bias: bool,
}

impl LinearLayout {
    /// Layout of a layer of `in_dim` inputs and `out_dim` outputs.
    pub const fn new(out_dim: usize, in_dim: usize, has_bias: bool) -> Self {
        Self { out_dim, in_dim, has_bias }
    }
    /// Outputs, rounded up to a multiple of 4.
    pub const fn padded_out(&self) -> usize {
        round_up(self.out_dim, 4)
    }
    /// Inputs, rounded up to a multiple of 4.
    pub const fn padded_in(&self) -> usize {
        round_up(self.in_dim, 4)
    }
    /// Bytes of the packed weights.
    pub const fn weight_bytes(&self) -> usize {
        self.padded_out() * self.padded_in()
    }
    /// Offset of the packed weights.
    pub const fn weights(&self) -> usize {
        META_BYTES
    }
    /// Offset of the multipliers.
    pub const fn multipliers(&self) -> usize {
        META_BYTES + round_up(self.weight_bytes(), ALIGN)
    }
    /// Offset of the biases (end of the multipliers).
    pub const fn biases(&self) -> usize {
        self.multipliers() + round_up(self.padded_out() * 2, ALIGN)
    }
    /// Bytes of the whole layer.
    pub const fn bytes(&self) -> usize {
        let bias = if self.has_bias { round_up(self.padded_out() * 2, ALIGN) } else { 0 };
        self.biases() + bias
    }
}

/// Bytes of a norm with explicit gain (and bias for LayerNorm):
///
/// ```text
/// 0   i16 gain_exponent     real gain = gain · 2^gain_exponent
/// 2   i16 bias_exponent     real bias = bias · 2^bias_exponent
/// 4   12 zero bytes
/// 16  gains                 i16 × d_model, padded to 16 bytes
///     biases                i16 × d_model, padded to 16 bytes, LayerNorm only
/// ```
pub const fn norm_bytes(config: &Config) -> usize {
    let row = round_up(config.d_model * 2, ALIGN);
    META_BYTES + if matches!(config.norm, Norm::Layer) { 2 * row } else { row }
}

/// Bytes of the position section:
///
/// ```text
/// 0   i16 exponent          Learned: real = entry · 2^exponent; Sinusoidal: real = sin · 2^exponent,
///                           sin in Q1.14; Rotary: zero
/// 2   14 zero bytes (Relative: unit of an entry, real bias of a score in log2 = entry · 2^exponent)
/// 16  Learned: i16 × context × d_model. Sinusoidal: u32 × d_model/2, Rotary: u32 × head_dim/2:
///     frequencies in turns per position, Q0.32. Relative: i16 × n_heads × (2 · relative_distance + 1),
///     for key − query = −relative_distance … relative_distance
/// ```
pub const fn position_bytes(config: &Config) -> usize {
    match config.position {
        Position::None => 0,
        Position::Learned => META_BYTES + round_up(config.context * config.d_model * 2, ALIGN),
        Position::Sinusoidal => META_BYTES + round_up(config.d_model / 2 * 4, ALIGN),
        Position::Rotary => META_BYTES + round_up(config.head_dim / 2 * 4, ALIGN),
        Position::Relative => META_BYTES + round_up(relative_bytes(config), ALIGN),
    }
}

/// Bytes of a table of relative positions.
pub const fn relative_bytes(config: &Config) -> usize {
    config.n_heads * (2 * config.relative_distance + 1) * 2
}

/// Where the parts of one layer lie, relative to its beginning, in this order.
///
/// ```text
/// attention   16 bytes: u16 score_multiplier, i16 score_exponent, 12 zero bytes
/// q k v o     linear layers
/// norm_1      post-norm only
/// gate        gated only
/// up down     linear layers
/// norm_2      post-norm only
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerLayout {
    /// Attention parameters.
    pub attention: usize,
    /// Query projection.
    pub q: (usize, LinearLayout),
    /// Key projection.
    pub k: (usize, LinearLayout),
    /// Value projection.
    pub v: (usize, LinearLayout),
    /// Output projection.
    pub o: (usize, LinearLayout),
    /// Norm after attention (post-norm).
    pub norm_1: usize,
    /// Gate of the feed-forward part.
    pub gate: (usize, LinearLayout),
    /// First linear layer of the feed-forward part.
    pub up: (usize, LinearLayout),
    /// Second linear layer of the feed-forward part.
    pub down: (usize, LinearLayout),
    /// Norm after the feed-forward part (post-norm).
    pub norm_2: usize,
    /// Bytes of the layer.
    pub bytes: usize,
}

impl LayerLayout {
    /// Layout of every layer of a model.
    pub const fn new(c: &Config) -> Self {
        let norm = if matches!(c.norm_order, NormOrder::Post) { norm_bytes(c) } else { 0 };
        let attention = 0;
        let q = (META_BYTES, LinearLayout::new(c.q_dim(), c.d_model, c.qkv_bias));
        let k = (q.0 + q.1.bytes(), LinearLayout::new(c.kv_dim(), c.d_model, c.qkv_bias));
        let v = (k.0 + k.1.bytes(), k.1);
        let o = (v.0 + v.1.bytes(), LinearLayout::new(c.d_model, c.q_dim(), c.output_bias));
        let norm_1 = o.0 + o.1.bytes();
        let gate = (norm_1 + norm, LinearLayout::new(c.d_ff, c.d_model, c.up_bias));
        let up = (gate.0 + if c.gated { gate.1.bytes() } else { 0 }, gate.1);
        let down = (up.0 + up.1.bytes(), LinearLayout::new(c.d_model, c.d_ff, c.down_bias));
        let norm_2 = down.0 + down.1.bytes();
        Self { attention, q, k, v, o, norm_1, gate, up, down, norm_2, bytes: norm_2 + norm }
    }
}

/// Where the parts of a decoder layer's cross-attention lie, relative to the layer's beginning. They
/// follow the parts of [`LayerLayout`].
///
/// ```text
/// attention   as in a layer
/// q k v o     linear layers; k and v read the encoder's last rows
/// norm        post-norm only
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossLayout {
    /// Attention parameters.
    pub attention: usize,
    /// Query projection.
    pub q: (usize, LinearLayout),
    /// Key projection.
    pub k: (usize, LinearLayout),
    /// Value projection.
    pub v: (usize, LinearLayout),
    /// Output projection.
    pub o: (usize, LinearLayout),
    /// Norm after cross-attention (post-norm).
    pub norm: usize,
    /// Bytes of the whole decoder layer.
    pub bytes: usize,
}

impl CrossLayout {
    /// Layout of the cross-attention of every decoder layer. Its query reads a row that a pre-norm has
    /// normalised, so it has a bias as the layer's own; keys and values read what the encoder left.
    pub const fn new(c: &Config) -> Self {
        let norm_bytes = if matches!(c.norm_order, NormOrder::Post) { norm_bytes(c) } else { 0 };
        let attention = LayerLayout::new(c).bytes;
        let q = (attention + META_BYTES, LinearLayout::new(c.q_dim(), c.d_model, c.qkv_bias));
        let k = (q.0 + q.1.bytes(), LinearLayout::new(c.kv_dim(), c.d_model, c.qkv_bias));
        let v = (k.0 + k.1.bytes(), k.1);
        let o = (v.0 + v.1.bytes(), LinearLayout::new(c.d_model, c.q_dim(), c.output_bias));
        let norm = o.0 + o.1.bytes();
        Self { attention, q, k, v, o, norm, bytes: norm + norm_bytes }
    }
}

/// Where the sections of an encoder-decoder's decoder lie. All empty for other models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderLayout {
    /// The decoder's own embedding table, if separate.
    pub embedding: (usize, LinearLayout),
    /// Learned positions (`target_context` rows) or relative ones; sinusoids are the encoder's.
    pub position: usize,
    /// Norm of the embedding, if any.
    pub embedding_norm: usize,
    /// The first decoder layer.
    pub layers: usize,
    /// Cross-attention within a layer.
    pub cross: CrossLayout,
    /// Norm of the last rows, if any.
    pub final_norm: usize,
    /// End of the decoder.
    pub end: usize,
}

impl DecoderLayout {
    const fn new(c: &Config, start: usize) -> Self {
        let both = c.decoder_layers > 0;
        let norm = norm_bytes(c);
        let embedding = (start, Layout::embedding_layout(c));
        let position = start + if c.separate_embedding { embedding.1.bytes() } else { 0 };
        let has_position = both && matches!(c.position, Position::Learned | Position::Relative);
        let position_len = if has_position { position_bytes(&c.decoder_side()) } else { 0 };
        let embedding_norm = position + position_len;
        let layers = embedding_norm + if both && c.embedding_norm { norm } else { 0 };
        let cross = CrossLayout::new(c);
        let final_norm = layers + cross.bytes * c.decoder_layers;
        let end = final_norm + if both && c.final_norm { norm } else { 0 };
        Self { embedding, position, embedding_norm, layers, cross, final_norm, end }
    }
}

/// Where every section of a blob lies. The single source of offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Embedding table (token input: a linear layer of `vocab_size` outputs and `d_model` inputs,
    /// its rows are looked up) or frame projection (`d_model` outputs, `frame_len` inputs, bias).
    pub embedding: (usize, LinearLayout),
    /// Positions, see [`position_bytes`].
    pub position: usize,
    /// Norm of the embedding, if any.
    pub embedding_norm: usize,
    /// The first layer.
    pub layers: usize,
    /// Within a layer.
    pub layer: LayerLayout,
    /// Norm of the last rows, if any.
    pub final_norm: usize,
    /// Pooler, if any: `d_model` → `d_model` with bias.
    pub pooler: (usize, LinearLayout),
    /// The decoder of an encoder-decoder.
    pub decoder: DecoderLayout,
    /// Head: an untied vocabulary matrix or a classifier.
    pub head: (usize, LinearLayout),
    /// Tokenizer section; its length is in the header.
    pub tokenizer: (usize, usize),
    /// Label names; its length is in the header.
    pub labels: (usize, usize),
    /// Bytes of the whole blob.
    pub bytes: usize,
}

impl Layout {
    /// Computes every offset from a valid configuration and the lengths of the two sections that
    /// do not follow from it. `None` if the blob would not fit 32-bit offsets.
    pub const fn new(c: &Config, tokenizer_bytes: usize, labels_bytes: usize) -> Option<Self> {
        // Everything is computed in 64 bits first: on a 32-bit core a hostile header must not wrap.
        if Self::total(c, tokenizer_bytes, labels_bytes) > 1 << 30 {
            return None;
        }
        let norm = norm_bytes(c);
        let embedding = (HEADER_BYTES, Self::embedding_layout(c));
        let position = embedding.0 + embedding.1.bytes();
        let embedding_norm = position + position_bytes(c);
        let layers = embedding_norm + if c.embedding_norm { norm } else { 0 };
        let layer = LayerLayout::new(c);
        let final_norm = layers + layer.bytes * c.n_layers;
        let pooler = (
            final_norm + if c.final_norm { norm } else { 0 },
            LinearLayout::new(c.d_model, c.d_model, true),
        );
        let decoder = DecoderLayout::new(c, pooler.0 + if c.pooler { pooler.1.bytes() } else { 0 });
        let head = (decoder.end, LinearLayout::new(c.n_outputs(), c.d_model, c.head_bias));
        let has_head = matches!(c.head, Head::Vocabulary | Head::Classifier | Head::TokenLabels);
        let tokenizer = head.0 + if has_head { head.1.bytes() } else { 0 };
        let labels = tokenizer + round_up(tokenizer_bytes, ALIGN);
        Some(Self {
            embedding,
            position,
            embedding_norm,
            layers,
            layer,
            final_norm,
            pooler,
            decoder,
            head,
            tokenizer: (tokenizer, tokenizer_bytes),
            labels: (labels, labels_bytes),
            bytes: labels + round_up(labels_bytes, ALIGN),
        })
    }

    /// A tied head's bias stands with the table.
    const fn embedding_layout(c: &Config) -> LinearLayout {
        let bias = c.head_bias && matches!(c.head, Head::TiedVocabulary);
        match c.input {
            Input::Tokens => LinearLayout::new(c.vocab_size, c.d_model, bias),
            Input::Frames => LinearLayout::new(c.d_model, c.frame_len, true),
        }
    }

    /// Upper bound of the blob's length in 64 bits.
    const fn total(c: &Config, tokenizer_bytes: usize, labels_bytes: usize) -> u64 {
        let d = c.d_model as u64 + 32;
        let linear = (c.q_dim() as u64 + 2 * c.kv_dim() as u64 + 32) * (d + 8) * 2
            + 3 * (c.d_ff as u64 + 32) * (d + 8)
            + 16 * d;
        let input = if c.vocab_size > c.frame_len { c.vocab_size } else { c.frame_len } as u64;
        let positions = c.context as u64 + c.target_context as u64;
        let tables = (2 * input + 2 * positions + c.n_outputs() as u64 + 64) * (d + 8);
        linear * (c.n_layers as u64 + 2 * c.decoder_layers as u64)
            + tables
            + 4 * relative_bytes(c) as u64
            + (d + 8) * d
            + tokenizer_bytes as u64
            + labels_bytes as u64
    }
}

/// The header's fields beside the [`Config`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The hyperparameters.
    pub config: Config,
    /// Length of the whole blob.
    pub total_bytes: usize,
    /// CRC-32 (ISO-HDLC) of every byte but the four of this field.
    pub checksum: u32,
    /// Mantissa of the norms' epsilon: real = mantissa · 2^exponent.
    pub epsilon_mantissa: u16,
    /// Exponent of the norms' epsilon.
    pub epsilon_exponent: i16,
    /// Frame input: features are integers in units of 2^frame_exponent.
    pub frame_exponent: i16,
    /// Bytes of the tokenizer section; 0 without one.
    pub tokenizer_bytes: usize,
    /// Bytes of the labels section; 0 without one.
    pub labels_bytes: usize,
    /// Parameters of the checkpoint, for [`inspect`](https://docs.rs/picoformer) only.
    pub parameters: u32,
}

/// Reads a `u16` at `offset`; 0 beyond the end (callers have checked the length).
pub const fn read_u16(bytes: &[u8], offset: usize) -> u16 {
    if offset < bytes.len() && offset + 1 < bytes.len() {
        u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
    } else {
        0
    }
}

/// Reads an `i16` at `offset`; 0 beyond the end.
pub const fn read_i16(bytes: &[u8], offset: usize) -> i16 {
    read_u16(bytes, offset) as i16
}

/// Reads a `u32` at `offset`; 0 beyond the end.
pub const fn read_u32(bytes: &[u8], offset: usize) -> u32 {
    read_u16(bytes, offset) as u32 | (read_u16(bytes, offset + 2) as u32) << 16
}

macro_rules! codes {
    ($name:ident: $type:ident { $($variant:ident),* }) => {
        const fn $name(code: u8) -> Option<$type> {
            $(if code == $type::$variant as u8 { return Some($type::$variant); })*
            None
        }
    };
}
codes!(architecture: Architecture { Encoder, Decoder, EncoderDecoder });
codes!(input: Input { Tokens, Frames });
codes!(position: Position { None, Learned, Sinusoidal, Rotary, Relative });
codes!(norm: Norm { Layer, Rms });
codes!(norm_order: NormOrder { Pre, Post });
codes!(activation: Activation { Relu, GeluErf, GeluTanh, Silu });
codes!(head: Head { None, TiedVocabulary, Vocabulary, Classifier, TokenLabels, Embedding });
codes!(pooling: Pooling { First, Mean });
codes!(weight_layout: WeightLayout { Paired, Plain });

impl Header {
    /// The header's bytes, checksum included. Written by the converter.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let c = &self.config;
        let mut bytes = [0u8; HEADER_BYTES];
        let mut put = |offset: usize, value: u32, width: usize| {
            for (to, from) in bytes.iter_mut().skip(offset).zip(value.to_le_bytes()).take(width) {
                *to = from;
            }
        };
        put(0, u32::from_le_bytes(MAGIC), 4);
        put(4, VERSION as u32, 2);
        put(6, HEADER_BYTES as u32, 2);
        put(8, self.total_bytes as u32, 4);
        put(CHECKSUM_OFFSET, self.checksum, 4);
        let flags = [
            c.gated,
            c.qkv_bias,
            c.output_bias,
            c.up_bias,
            c.down_bias,
            c.head_bias,
            c.embedding_norm,
            c.final_norm,
            c.pooler,
            c.separate_embedding,
        ];
        let flags = flags.iter().rev().fold(0, |bits, &flag| bits << 1 | flag as u32);
        let codes = [
            c.architecture as u8,
            c.input as u8,
            c.position as u8,
            c.norm as u8,
            c.norm_order as u8,
            c.activation as u8,
            c.head as u8,
            c.pooling as u8,
            c.weight_layout as u8,
        ];
        for (i, code) in codes.into_iter().enumerate() {
            put(16 + i, code as u32, 1);
        }
        put(28, flags, 4);
        let sizes = [
            c.vocab_size,
            c.frame_len,
            c.d_model,
            c.n_layers,
            c.n_heads,
            c.n_kv_heads,
            c.head_dim,
            c.d_ff,
            c.context,
            c.window,
            c.n_labels,
            c.tile_rows,
            self.tokenizer_bytes,
            self.labels_bytes,
        ];
        for (i, size) in sizes.into_iter().enumerate() {
            put(32 + 4 * i, size as u32, 4);
        }
        put(88, self.epsilon_mantissa as u32, 2);
        put(90, self.epsilon_exponent as u16 as u32, 2);
        put(92, self.frame_exponent as u16 as u32, 2);
        put(96, self.parameters, 4);
        put(100, c.decoder_layers as u32, 2);
        put(102, c.beams as u32, 2);
        put(104, c.target_context as u32, 4);
        put(108, c.relative_distance as u32, 4);
        put(112, c.start_token as u32, 4);
        put(116, c.end_token as u32, 4);
        put(120, c.suppressed_token as u32, 4);
        put(124, c.forced_token as u32, 4);
        bytes
    }

    /// Reads and checks a header: magic, version, every code, every range, the total length, and
    /// that reserved bytes are zero. Returns the layout that follows from it.
    ///
    /// # Errors
    /// Every [`FormatError`] but `BadChecksum`, `BadSection` and `Misaligned`.
    pub const fn parse(blob: &[u8]) -> Result<(Self, Layout), FormatError> {
        macro_rules! code {
            ($name:ident, $offset:expr) => {
                match $name(blob[$offset]) {
                    Some(value) => value,
                    None => return Err(FormatError::BadConfig { field: stringify!($name) }),
                }
            };
        }
        macro_rules! size {
            ($index:expr) => {
                read_u32(blob, 32 + 4 * $index) as usize
            };
        }
        if blob.len() < HEADER_BYTES {
            return Err(FormatError::TooShort { needed: HEADER_BYTES, given: blob.len() });
        }
        let magic = [blob[0], blob[1], blob[2], blob[3]];
        if u32::from_le_bytes(magic) != u32::from_le_bytes(MAGIC) {
            return Err(FormatError::BadMagic { found: magic });
        }
        if read_u16(blob, 4) != VERSION {
            return Err(FormatError::UnsupportedVersion {
                supported: VERSION,
                found: read_u16(blob, 4),
            });
        }
        if read_u16(blob, 6) as usize != HEADER_BYTES {
            return Err(FormatError::BadConfig { field: "header_bytes" });
        }
        let flags = read_u32(blob, 28);
        if flags >= 1 << 10 {
            return Err(FormatError::BadConfig { field: "flags" });
        }
        let config = Config {
            architecture: code!(architecture, 16),
            input: code!(input, 17),
            position: code!(position, 18),
            norm: code!(norm, 19),
            norm_order: code!(norm_order, 20),
            activation: code!(activation, 21),
            head: code!(head, 22),
            pooling: code!(pooling, 23),
            weight_layout: code!(weight_layout, 24),
            gated: flags & 1 != 0,
            qkv_bias: flags & 2 != 0,
            output_bias: flags & 4 != 0,
            up_bias: flags & 8 != 0,
            down_bias: flags & 16 != 0,
            head_bias: flags & 32 != 0,
            embedding_norm: flags & 64 != 0,
            final_norm: flags & 128 != 0,
            pooler: flags & 256 != 0,
            separate_embedding: flags & 512 != 0,
            vocab_size: size!(0),
            frame_len: size!(1),
            d_model: size!(2),
            n_layers: size!(3),
            n_heads: size!(4),
            n_kv_heads: size!(5),
            head_dim: size!(6),
            d_ff: size!(7),
            context: size!(8),
            window: size!(9),
            n_labels: size!(10),
            tile_rows: size!(11),
            decoder_layers: read_u16(blob, 100) as usize,
            beams: read_u16(blob, 102) as usize,
            target_context: read_u32(blob, 104) as usize,
            relative_distance: read_u32(blob, 108) as usize,
            start_token: read_u32(blob, 112) as usize,
            end_token: read_u32(blob, 116) as usize,
            suppressed_token: read_u32(blob, 120) as usize,
            forced_token: read_u32(blob, 124) as usize,
        };
        if let Err(error) = config.validate() {
            return Err(FormatError::BadConfig { field: error.0 });
        }
        let header = Self {
            config,
            total_bytes: read_u32(blob, 8) as usize,
            checksum: read_u32(blob, CHECKSUM_OFFSET),
            epsilon_mantissa: read_u16(blob, 88),
            epsilon_exponent: read_i16(blob, 90),
            frame_exponent: read_i16(blob, 92),
            tokenizer_bytes: size!(12),
            labels_bytes: size!(13),
            parameters: read_u32(blob, 96),
        };
        if header.tokenizer_bytes > 1 << 28 {
            return Err(FormatError::BadConfig { field: "tokenizer_bytes" });
        }
        if header.labels_bytes > 1 << 24 {
            return Err(FormatError::BadConfig { field: "labels_bytes" });
        }
        if header.epsilon_exponent < -64 || header.epsilon_exponent > 0 {
            return Err(FormatError::BadConfig { field: "epsilon_exponent" });
        }
        if header.frame_exponent < -64 || header.frame_exponent > 64 {
            return Err(FormatError::BadConfig { field: "frame_exponent" });
        }
        let layout = match Layout::new(&config, header.tokenizer_bytes, header.labels_bytes) {
            Some(layout) => layout,
            None => return Err(FormatError::BadConfig { field: "total_bytes" }),
        };
        if header.total_bytes != layout.bytes || blob.len() != layout.bytes {
            let needed = if blob.len() != layout.bytes { layout.bytes } else { header.total_bytes };
            return Err(FormatError::WrongLength { needed, given: blob.len() });
        }
        let mut reserved = 25;
        while reserved < HEADER_BYTES {
            if blob[reserved] != 0 && (reserved < 28 || (reserved >= 94 && reserved < 96)) {
                return Err(FormatError::BadPadding { offset: reserved });
            }
            reserved += 1;
        }
        Ok((header, layout))
    }
}

/// CRC-32 (ISO-HDLC, the one of zlib and PNG) of a blob, its own checksum field left out.
pub const fn checksum(blob: &[u8]) -> u32 {
    // A table of 16 entries: 64 bytes of flash, four times faster than bit by bit.
    const TABLE: [u32; 16] = {
        let mut table = [0u32; 16];
        let mut i = 0;
        while i < 16 {
            let mut c = i as u32;
            let mut bit = 0;
            while bit < 4 {
                c = if c & 1 != 0 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 };
                bit += 1;
            }
            table[i] = c;
            i += 1;
        }
        table
    };
    let mut crc = !0u32;
    let mut i = 0;
    while i < blob.len() {
        if i < CHECKSUM_OFFSET || i >= CHECKSUM_OFFSET + 4 {
            crc ^= blob[i] as u32;
            crc = TABLE[(crc & 15) as usize] ^ (crc >> 4);
            crc = TABLE[(crc & 15) as usize] ^ (crc >> 4);
        }
        i += 1;
    }
    !crc
}
