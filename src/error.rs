//! Errors: small `Copy` enums, one per operation; each states what was needed and what was given.

use core::fmt;

/// What is wrong with a blob. Returned by [`Model::parse`](crate::Model::parse).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FormatError {
    /// Fewer bytes than a header.
    TooShort {
        /// Bytes of a header.
        needed: usize,
        /// Bytes found.
        given: usize,
    },
    /// The first four bytes are not `PICO`.
    BadMagic {
        /// The bytes found.
        found: [u8; 4],
    },
    /// Written for another version of the format.
    UnsupportedVersion {
        /// The version this engine reads.
        supported: u16,
        /// The version found.
        found: u16,
    },
    /// A field of the header is out of range or does not fit the others.
    BadConfig {
        /// The name of the field.
        field: &'static str,
    },
    /// The header is not that of the model which the build is for.
    OtherModel {
        /// The first byte that differs.
        offset: usize,
    },
    /// The blob is shorter or longer than its header says.
    WrongLength {
        /// The length in the header, or that of the sections which the header asks for.
        needed: usize,
        /// Bytes found.
        given: usize,
    },
    /// A byte that must be zero is not.
    BadPadding {
        /// Offset of the byte.
        offset: usize,
    },
    /// A number in a section is outside its range.
    BadSection {
        /// The section's name.
        section: &'static str,
        /// Where it begins.
        offset: usize,
    },
    /// An optional section that this engine does not know and must not skip (see
    /// [`Tag`](crate::blob::Tag)): the blob needs a newer engine.
    UnknownSection {
        /// Its tag.
        tag: [u8; 4],
        /// Where it begins.
        offset: usize,
    },
    /// An optional section that breaks the ascending order of tags, or occurs twice.
    MisplacedSection {
        /// Its tag.
        tag: [u8; 4],
        /// Where it begins.
        offset: usize,
    },
    /// An optional section that ends beyond the blob.
    CutSection {
        /// Its tag.
        tag: [u8; 4],
        /// Where it begins.
        offset: usize,
    },
    /// A field of the tokenizer section is out of range.
    BadTokenizer {
        /// The name of the field.
        field: &'static str,
    },
    /// A section is not for such a model.
    Contradiction {
        /// The section's name.
        section: &'static str,
        /// The field of the header that it does not fit.
        field: &'static str,
    },
    /// The bytes are not the ones that were written.
    BadChecksum {
        /// CRC-32 that the header promises.
        expected: u32,
        /// CRC-32 of the bytes.
        found: u32,
    },
    /// The blob does not begin at a multiple of 4 bytes, so words cannot be read in place.
    /// [`include_blob!`](crate::include_blob) aligns.
    Misaligned,
}

impl FormatError {
    /// The error in a few words, without numbers, so that [`model!`](crate::model!) can print it at
    /// compile time.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "bad blob: too short for a header",
            Self::BadMagic { .. } => "bad blob: wrong magic, it does not begin with `PICO`",
            Self::UnsupportedVersion { .. } => "bad blob: unsupported version of the format",
            Self::BadConfig { .. } => "bad blob: a field of the header is out of range",
            Self::OtherModel { .. } => "bad blob: not the model that this build is for",
            Self::WrongLength { .. } => "bad blob: wrong length, not what the header says",
            Self::BadPadding { .. } => "bad blob: a byte of padding is not zero",
            Self::BadSection { .. } => "bad blob: a section holds a value outside its range",
            Self::UnknownSection { .. } => "bad blob: a section needs a newer engine",
            Self::MisplacedSection { .. } => "bad blob: sections out of order",
            Self::CutSection { .. } => "bad blob: a section ends beyond the blob",
            Self::BadTokenizer { .. } => "bad blob: a field of the tokenizer is out of range",
            Self::Contradiction { .. } => "bad blob: a section does not fit the header",
            Self::BadChecksum { .. } => "bad blob: wrong checksum",
            Self::Misaligned => "bad blob: misaligned, it must begin at a multiple of 4 bytes",
        }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { needed, given } => {
                write!(f, "the blob is too short: a header has {needed} bytes, given are {given}")
            }
            Self::BadMagic { found } => {
                write!(f, "not a picoformer blob: it begins with {found:02x?}, expected `PICO`")
            }
            Self::UnsupportedVersion { supported, found } => {
                write!(f, "blob of format version {found}, this engine reads version {supported}")
            }
            Self::BadConfig { field } => write!(f, "bad header: field `{field}` is out of range"),
            Self::OtherModel { offset } => {
                write!(f, "not the model that this build is for: header byte {offset} differs")
            }
            Self::WrongLength { needed, given } => {
                write!(f, "wrong length: the header asks for {needed} bytes, given are {given}")
            }
            Self::BadPadding { offset } => {
                write!(f, "byte {offset} is padding and must be zero")
            }
            Self::BadSection { section, offset } => {
                write!(f, "section `{section}` at byte {offset} holds a value outside its range")
            }
            Self::UnknownSection { tag, offset } => {
                section(f, tag, offset, "needs a newer engine, or a build for models with it")
            }
            Self::MisplacedSection { tag, offset } => {
                section(f, tag, offset, "is out of order or a duplicate")
            }
            Self::CutSection { tag, offset } => section(f, tag, offset, "ends beyond the blob"),
            Self::BadTokenizer { field } => {
                write!(f, "the tokenizer section's `{field}` is out of range")
            }
            Self::Contradiction { section, field } => {
                write!(f, "the section `{section}` does not fit the header's `{field}`")
            }
            Self::BadChecksum { expected, found } => {
                write!(f, "checksum mismatch: header says {expected:#010x}, found {found:#010x}")
            }
            Self::Misaligned => {
                write!(f, "the blob must begin at a multiple of 4 bytes (see `include_blob!`)")
            }
        }
    }
}

/// What is wrong with an optional section.
fn section(f: &mut fmt::Formatter<'_>, tag: [u8; 4], offset: usize, what: &str) -> fmt::Result {
    write!(f, "the section `{}` at byte {offset} {what}", tag.escape_ascii())
}

impl core::error::Error for FormatError {}

/// Why a model cannot run on an arena, or why an input is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunError {
    /// The arena is smaller than [`Model::arena`](crate::Model::arena) says.
    ArenaTooSmall {
        /// The part of the arena: `bytes`, `halves`, `words` or `tokens`.
        part: &'static str,
        /// Elements needed.
        needed: usize,
        /// Elements given.
        given: usize,
    },
    /// A part of the arena does not begin at a multiple of four bytes: kernels load whole words.
    /// The parts of an [`Arena`](crate::Arena) always do.
    MisalignedArena {
        /// The part: `bytes` or `halves`.
        part: &'static str,
    },
    /// The blob does not begin at a multiple of four bytes: kernels load whole words.
    /// [`include_blob!`](crate::include_blob) aligns.
    MisalignedModel {
        /// Bytes beyond a multiple of four.
        given: usize,
    },
    /// The model is of another kind than the operation asked for.
    WrongModel {
        /// What the operation needs, for example `a decoder with a vocabulary head`.
        needed: &'static str,
    },
    /// The kernels of this build do not multiply weights in this packing: convert the model again
    /// with another `--layout`.
    UnsupportedPacking {
        /// The packing of the weights.
        layout: &'static str,
        /// The kernels of this build.
        kernels: &'static str,
    },
    /// A query of the model would see more keys than the kernels of this build can attend to.
    TooManyKeys {
        /// Keys needed.
        needed: usize,
        /// Keys that the kernels attend to at most.
        given: usize,
    },
    /// The model has a wider beam than a search, or than the [`Known`](crate::Known) model of the build, for which
    /// the buffers are sized; or none.
    BeamTooWide {
        /// Hypotheses needed.
        needed: usize,
        /// Hypotheses at most.
        given: usize,
    },
    /// No token or frame was given.
    EmptyInput,
    /// More rows than the model's context holds.
    TooLong {
        /// Rows needed.
        needed: usize,
        /// Rows that the context holds (or has left).
        given: usize,
    },
    /// No target has so few tokens, or so many.
    LimitOutOfRange {
        /// Tokens that a target has at most; it has one at least.
        greatest: usize,
        /// The limit given.
        given: usize,
    },
    /// The positions of a prefix must be fed together, in one tile, and first.
    SplitPrefix {
        /// Positions of the prefix.
        needed: usize,
        /// Positions that a tile holds, or that were given; 0 if a text without it has begun.
        given: usize,
    },
    /// Steps of the input before are left: call `step` until it is done.
    InFlight,
    /// No row that predicts the next token is known: nothing was fed, or
    /// [`Decoder::truncate`](crate::Decoder::truncate) went back beyond the tile fed last.
    NoLogits,
    /// A token id outside the vocabulary.
    TokenOutOfRange {
        /// The token.
        token: u32,
        /// Tokens of the vocabulary.
        vocab_size: usize,
    },
    /// A label that the model does not have.
    NoSuchLabel {
        /// Labels of the model.
        labels: usize,
        /// The index given.
        given: usize,
    },
    /// More samples in one call than a stream takes: the work of a call is bounded.
    TooManySamples {
        /// Values that one call takes.
        limit: usize,
        /// Values given.
        given: usize,
    },
    /// Features do not make whole frames.
    WrongFrameLength {
        /// Features per frame.
        needed: usize,
        /// Features given.
        given: usize,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ArenaTooSmall { part, needed, given } => {
                write!(f, "arena too small: {needed} {part} needed, {given} given")
            }
            Self::MisalignedArena { part } => {
                write!(f, "the arena's {part} must begin at a multiple of four bytes")
            }
            Self::MisalignedModel { given } => {
                write!(
                    f,
                    "the blob begins {given} bytes behind a multiple of four: `include_blob!`"
                )
            }
            Self::UnsupportedPacking { layout, kernels } => write!(
                f,
                "weights packed `{layout}` are not for the kernels `{kernels}`: convert with another --layout"
            ),
            Self::WrongModel { needed } => write!(f, "this model cannot do that: needed {needed}"),
            Self::TooManyKeys { needed, given } => {
                write!(f, "the model attends to {needed} keys, the kernels to {given} at most")
            }
            Self::BeamTooWide { needed, given } => {
                write!(f, "a beam of {needed}, but it may be 1 to {given}")
            }
            Self::EmptyInput => write!(f, "the input is empty"),
            Self::TooLong { needed, given } => {
                write!(f, "the input needs {needed} positions, the context has {given}")
            }
            Self::LimitOutOfRange { greatest, given } => {
                write!(f, "a limit of {given} tokens, but it may be 1 to {greatest}")
            }
            Self::SplitPrefix { needed, given } => {
                write!(f, "a prefix of {needed} positions must be fed at once, given are {given}")
            }
            Self::InFlight => write!(f, "the steps of the input before are not done"),
            Self::NoLogits => write!(f, "no row predicts the next token: feed one first"),
            Self::TokenOutOfRange { token, vocab_size } => {
                write!(f, "token {token} is outside the vocabulary of {vocab_size}")
            }
            Self::NoSuchLabel { labels, given } => {
                write!(f, "label {given} of a model with {labels}")
            }
            Self::TooManySamples { limit, given } => {
                write!(f, "{given} samples in one call, which takes {limit} at most")
            }
            Self::WrongFrameLength { needed, given } => {
                write!(f, "{given} features are not whole frames of {needed}")
            }
        }
    }
}

impl core::error::Error for RunError {}
