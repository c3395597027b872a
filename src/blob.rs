//! The blob: header and section layout, shared by the engine (which reads) and the converter
//! (which writes). `docs/FORMAT.md` describes every byte.
//!
//! A blob is a header of [`HEADER_BYTES`], then sections in one fixed order computed from the
//! [`Config`] by [`Layout::new`]: no names, no table of contents, no holes. Every section begins at a
//! multiple of 16 bytes; the padding is zero and checked. All numbers are little-endian.

mod expected;
mod layout;

pub use expected::Expected;
pub use layout::*;

use crate::config::*;
use crate::error::FormatError;
use crate::matrix::Packing;

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

/// Everything of `bytes` from `offset`, at most `len` bytes; empty beyond the end.
pub const fn part(bytes: &[u8], offset: usize, len: usize) -> &[u8] {
    match bytes.split_at_checked(offset) {
        Some((_, rest)) => match rest.split_at_checked(len) {
            Some((part, _)) => part,
            None => rest,
        },
        None => &[],
    }
}

/// Reads a byte; 0 beyond the end.
pub const fn read_u8(bytes: &[u8], offset: usize) -> u8 {
    if offset < bytes.len() { bytes[offset] } else { 0 }
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

const fn packing(code: u8) -> Option<Packing> {
    Packing::of_code(code)
}

impl Header {
    /// The header's bytes, checksum included. Written by the converter.
    pub const fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let c = &self.config;
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
        let codes = [
            c.architecture as u8,
            c.input as u8,
            c.position as u8,
            c.norm as u8,
            c.norm_order as u8,
            c.activation as u8,
            c.head as u8,
            c.pooling as u8,
            c.packing as u8,
        ];
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
        let rest = [
            (0, u32::from_le_bytes(MAGIC), 4),
            (4, VERSION as u32, 2),
            (6, HEADER_BYTES as u32, 2),
            (8, self.total_bytes as u32, 4),
            (CHECKSUM_OFFSET, self.checksum, 4),
            (88, self.epsilon_mantissa as u32, 2),
            (90, self.epsilon_exponent as u16 as u32, 2),
            (92, self.frame_exponent as u16 as u32, 2),
            (96, self.parameters, 4),
            (100, c.decoder_layers as u32, 2),
            (102, c.beams as u32, 2),
            (104, c.target_context as u32, 4),
            (108, c.relative_distance as u32, 4),
            (112, c.start_token as u32, 4),
            (116, c.end_token as u32, 4),
            (120, c.suppressed_token as u32, 4),
            (124, c.forced_token as u32, 4),
        ];
        let mut bytes = [0u8; HEADER_BYTES];
        let (mut i, mut bits) = (0, 0);
        while i < flags.len() {
            bits |= (flags[i] as u32) << i;
            i += 1;
        }
        put(&mut bytes, 28, bits, 4);
        i = 0;
        while i < codes.len() {
            bytes[16 + i] = codes[i];
            i += 1;
        }
        i = 0;
        while i < sizes.len() {
            put(&mut bytes, 32 + 4 * i, sizes[i] as u32, 4);
            i += 1;
        }
        i = 0;
        while i < rest.len() {
            let (offset, value, width) = rest[i];
            put(&mut bytes, offset, value, width);
            i += 1;
        }
        bytes
    }

    /// Reads and checks a header: magic, version, every code, every range, the total length, and
    /// that reserved bytes are zero. Returns the layout that follows from it.
    ///
    /// # Errors
    /// Every [`FormatError`] but `BadChecksum`, `BadSection` and `Misaligned`.
    #[inline(never)]
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
            packing: code!(packing, 24),
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
        let mut reserved = 25;
        while reserved < 96 {
            let here = reserved < 28 || reserved >= 94;
            if here && read_u8(blob, reserved) != 0 {
                return Err(FormatError::BadPadding { offset: reserved });
            }
            reserved += 1;
        }
        let Some(mut layout) = Layout::new(&config, 0, 0) else {
            return Err(FormatError::BadConfig { field: "total_bytes" });
        };
        let header = Self::read(blob, config);
        match header.place(blob.len(), &mut layout) {
            Ok(()) => Ok((header, layout)),
            Err(error) => Err(error),
        }
    }

    /// The fields beside the configuration.
    pub const fn read(blob: &[u8], config: Config) -> Self {
        Self {
            config,
            total_bytes: read_u32(blob, 8) as usize,
            checksum: read_u32(blob, CHECKSUM_OFFSET),
            epsilon_mantissa: read_u16(blob, 88),
            epsilon_exponent: read_i16(blob, 90),
            frame_exponent: read_i16(blob, 92),
            tokenizer_bytes: read_u32(blob, 80) as usize,
            labels_bytes: read_u32(blob, 84) as usize,
            parameters: read_u32(blob, 96),
        }
    }

    /// Checks those fields, and gives tokenizer and labels their places in a layout that knows none of
    /// them yet. `given`: the blob's length.
    ///
    /// # Errors
    /// [`FormatError::BadConfig`], [`FormatError::WrongLength`].
    pub const fn place(&self, given: usize, layout: &mut Layout) -> Result<(), FormatError> {
        let field = if self.tokenizer_bytes > 1 << 28 {
            "tokenizer_bytes"
        } else if self.labels_bytes > 1 << 24 {
            "labels_bytes"
        } else if self.epsilon_exponent < -64 || self.epsilon_exponent > 0 {
            "epsilon_exponent"
        } else if self.frame_exponent < -64 || self.frame_exponent > 64 {
            "frame_exponent"
        } else if !layout.place(self.tokenizer_bytes, self.labels_bytes) {
            "total_bytes"
        } else if self.total_bytes != layout.bytes || given != layout.bytes {
            let needed = if given != layout.bytes { layout.bytes } else { self.total_bytes };
            return Err(FormatError::WrongLength { needed, given });
        } else {
            return Ok(());
        };
        Err(FormatError::BadConfig { field })
    }
}

/// Writes `width` bytes.
const fn put(bytes: &mut [u8; HEADER_BYTES], offset: usize, value: u32, width: usize) {
    let value = value.to_le_bytes();
    let mut i = 0;
    while i < width {
        bytes[offset + i] = value[i];
        i += 1;
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
