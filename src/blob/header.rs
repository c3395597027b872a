//! The header: every field stands in one table, which writing and reading follow.

use super::bytes::*;
use super::layout::Layout;
use crate::config::*;
use crate::error::FormatError;
use crate::matrix::Packing;

/// The header's fields beside the [`Config`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The hyperparameters.
    pub config: Config,
    /// Length of the whole blob.
    pub total_bytes: usize,
    /// CRC-32 (ISO-HDLC) of every byte except the four of this field.
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
    /// Parameters of the checkpoint, for display only.
    pub parameters: u32,
}

/// Enums by their code: a function per enum, with the name of the field that holds the code.
macro_rules! codes {
    ($($name:ident: $type:ident { $($variant:ident),* })*) => {$(
        const fn $name(code: u8) -> Option<$type> {
            $(if code == $type::$variant as u8 { return Some($type::$variant); })*
            None
        }
    )*};
}

codes! {
    architecture: Architecture { Encoder, Decoder, EncoderDecoder }
    input: Input { Tokens, Frames }
    position: Position { None, Learned, Sinusoidal, Rotary, Relative }
    norm: Norm { Layer, Rms }
    norm_order: NormOrder { Pre, Post }
    activation: Activation { Relu, GeluErf, GeluTanh, Silu }
    head: Head { None, TiedVocabulary, Vocabulary, Classifier, TokenLabels, Embedding }
    pooling: Pooling { First, Mean, Last, Max }
}

const fn packing(code: u8) -> Option<Packing> {
    Packing::of_code(code)
}

macro_rules! read {
    (u16, $blob:ident, $at:literal) => {
        read_u16($blob, $at)
    };
    (i16, $blob:ident, $at:literal) => {
        read_i16($blob, $at)
    };
    (u32, $blob:ident, $at:literal) => {
        read_u32($blob, $at)
    };
}

macro_rules! fields {
    (
        codes { $($code_at:literal $code:ident)* }
        flags { $($bit:literal $flag:ident)* }
        sizes { $($size_at:literal $size:ident $size_type:ident)* }
        others { $($at:literal $field:ident $type:ident)* }
    ) => {
        impl Header {
            /// The header's bytes. Written by the converter.
            pub const fn to_bytes(&self) -> [u8; HEADER_BYTES] {
                let c = &self.config;
                let mut bytes = [0; HEADER_BYTES];
                put(&mut bytes, 0, u32::from_le_bytes(MAGIC), 4);
                put(&mut bytes, 4, VERSION as u32, 2);
                put(&mut bytes, 6, HEADER_BYTES as u32, 2);
                put(&mut bytes, FOUR_BITS, c.four_bits.0 as u32, 2);
                put(&mut bytes, FLAGS, 0 $(| (c.$flag as u32) << $bit)*, 4);
                $(put(&mut bytes, $code_at, c.$code as u32, 1);)*
                $(put(&mut bytes, $size_at, c.$size as u32, size_of::<$size_type>());)*
                $(put(&mut bytes, $at, self.$field as u32, size_of::<$type>());)*
                bytes
            }

            /// The hyperparameters; only their codes and flags are checked.
            #[inline(always)]
            const fn config(blob: &[u8]) -> Result<Config, FormatError> {
                let flags = read_u32(blob, FLAGS);
                if flags >> [$($bit),*].len() != 0 {
                    return Err(FormatError::BadConfig { field: "flags" });
                }
                Ok(Config {
                    four_bits: Roles(read_u16(blob, FOUR_BITS)),
                    $($code: match $code(read_u8(blob, $code_at)) {
                        Some(value) => value,
                        None => return Err(FormatError::BadConfig { field: stringify!($code) }),
                    },)*
                    $($flag: flags & 1 << $bit != 0,)*
                    $($size: read!($size_type, blob, $size_at) as usize,)*
                })
            }

            /// The fields beside the configuration.
            pub const fn read(blob: &[u8], config: Config) -> Self {
                Self { config, $($field: read!($type, blob, $at) as _,)* }
            }
        }
    };
}

/// Offset of the flags.
const FLAGS: usize = 28;
/// Offsets of the bytes that no field uses.
const RESERVED: [usize; 3] = [25, 94, 95];
/// Offset of the roles of weights of four bits.
const FOUR_BITS: usize = 26;

// Offset (of a flag: its bit), name, type.
fields! {
    codes {
        16 architecture  17 input       18 position  19 norm     20 norm_order
        21 activation    22 head        23 pooling   24 packing
    }
    flags {
        0 gated          1 qkv_bias     2 output_bias     3 up_bias     4 down_bias
        5 head_bias      6 embedding_norm                 7 final_norm  8 pooler
        9 separate_embedding         10 causal       11 head_tanh
        12 own_length
    }
    sizes {
        32 vocab_size u32       36 frame_len u32        40 d_model u32
        44 n_layers u32         48 n_heads u32          52 n_kv_heads u32
        56 head_dim u32         60 d_ff u32             64 context u32
        68 window u32           72 n_labels u32         76 tile_rows u32
        100 decoder_layers u16  102 beams u16           104 target_context u32
        108 relative_distance u32                       112 start_token u32
        116 end_token u32       120 suppressed_token u32
        124 forced_token u32
    }
    others {
        8 total_bytes u32       12 checksum u32
        80 tokenizer_bytes u32  84 labels_bytes u32     88 epsilon_mantissa u16
        90 epsilon_exponent i16 92 frame_exponent i16   96 parameters u32
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

impl Header {
    /// Reads and checks a header: magic, version, every code, every range, the total length, and
    /// that reserved bytes are zero. Returns the layout that follows from it.
    ///
    /// # Errors
    /// [`FormatError::TooShort`], [`FormatError::BadMagic`], [`FormatError::UnsupportedVersion`],
    /// [`FormatError::BadConfig`], [`FormatError::BadPadding`], [`FormatError::WrongLength`].
    #[inline(never)]
    pub const fn parse(blob: &[u8]) -> Result<(Self, Layout), FormatError> {
        if blob.len() < HEADER_BYTES {
            return Err(FormatError::TooShort { needed: HEADER_BYTES, given: blob.len() });
        }
        let magic = read_u32(blob, 0).to_le_bytes();
        if u32::from_le_bytes(magic) != u32::from_le_bytes(MAGIC) {
            return Err(FormatError::BadMagic { found: magic });
        }
        let found = read_u16(blob, 4);
        if found != VERSION {
            return Err(FormatError::UnsupportedVersion { supported: VERSION, found });
        }
        if read_u16(blob, 6) as usize != HEADER_BYTES {
            return Err(FormatError::BadConfig { field: "header_bytes" });
        }
        let config = match Self::config(blob) {
            Ok(config) => config,
            Err(error) => return Err(error),
        };
        if let Err(error) = config.validate() {
            return Err(FormatError::BadConfig { field: error.0 });
        }
        let mut i = 0;
        while i < RESERVED.len() {
            if read_u8(blob, RESERVED[i]) != 0 {
                return Err(FormatError::BadPadding { offset: RESERVED[i] });
            }
            i += 1;
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

    /// Checks the fields beside the configuration, and gives tokenizer and labels their places in a
    /// layout that knows none of them yet. `given`: the blob's length.
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
        } else if given != self.total_bytes {
            return Err(FormatError::WrongLength { needed: self.total_bytes, given });
        } else if given < layout.end {
            return Err(FormatError::WrongLength { needed: layout.end, given });
        } else {
            return Ok(());
        };
        Err(FormatError::BadConfig { field })
    }
}
