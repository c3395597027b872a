//! Why a signed blob is refused.

use crate::error::FormatError;
use core::fmt;

/// Most bytes of a product's name.
pub const PRODUCT_BYTES: usize = 32;

/// Why a signed blob is refused. Returned by [`Model::parse_signed`](crate::Model::parse_signed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SignedError {
    /// Fewer bytes than the envelope, or than the envelope says that the blob has.
    Cut {
        /// Bytes of the envelope, or of the blob.
        needed: usize,
        /// Bytes found.
        given: usize,
    },
    /// No envelope: the first four bytes are not `PSIG`.
    NotSigned {
        /// The bytes found.
        found: [u8; 4],
    },
    /// An envelope of another version.
    OtherEnvelope {
        /// The version this engine reads.
        supported: u16,
        /// The version found.
        found: u16,
    },
    /// A byte of the envelope that must be zero is not.
    BadPadding {
        /// Offset of the byte.
        offset: usize,
    },
    /// Signed for another product.
    OtherProduct {
        /// Its name in UTF-8, then zeros.
        found: [u8; PRODUCT_BYTES],
    },
    /// Signed with another key.
    WrongKey {
        /// The first bytes of the key that this firmware believes.
        expected: [u8; 8],
        /// The first bytes of the key that the envelope names.
        found: [u8; 8],
    },
    /// The key of this firmware is none: no point of the curve, or one of small order, for which anybody can
    /// make signatures.
    WeakKey,
    /// The envelope is not what was signed, or the signature is not strictly valid.
    BadSignature,
    /// A blob of another version of the format.
    OtherFormat {
        /// The version this engine reads.
        supported: u16,
        /// The version found.
        found: u16,
    },
    /// An older release than the oldest that is still allowed.
    Older {
        /// The oldest version allowed.
        at_least: u32,
        /// The version found.
        found: u32,
    },
    /// The blob is not the one that was signed: its SHA-512 differs.
    Altered,
    /// The blob is the one that was signed, and is no model for this build.
    Blob(FormatError),
}

impl From<FormatError> for SignedError {
    fn from(error: FormatError) -> Self {
        Self::Blob(error)
    }
}

impl fmt::Display for SignedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Cut { needed, given } => {
                write!(f, "cut: {needed} bytes were signed, given are {given}")
            }
            Self::NotSigned { found } => {
                write!(f, "not a signed blob: it begins with {found:02x?}, expected `PSIG`")
            }
            Self::OtherEnvelope { supported, found } => {
                write!(f, "envelope of version {found}, this engine reads version {supported}")
            }
            Self::BadPadding { offset } => {
                write!(f, "byte {offset} of the envelope must be zero")
            }
            Self::OtherProduct { found } => {
                let name = found.split(|&byte| byte == 0).next().unwrap_or_default();
                write!(f, "signed for another product, `{}`", name.escape_ascii())
            }
            Self::WrongKey { expected, found } => {
                write!(f, "signed with another key: it begins with {found:02x?}, ")?;
                write!(f, "expected {expected:02x?}")
            }
            Self::WeakKey => f.write_str("the public key is none: no signature proves anything"),
            Self::BadSignature => {
                f.write_str("bad signature: the envelope is not what was signed with this key")
            }
            Self::OtherFormat { supported, found } => {
                write!(f, "a blob of format version {found}, this engine reads {supported}")
            }
            Self::Older { at_least, found } => {
                write!(f, "version {found} is older than {at_least}, the oldest allowed")
            }
            Self::Altered => f.write_str("the blob is not the one that was signed"),
            Self::Blob(error) => write!(f, "signed, but {error}"),
        }
    }
}

impl core::error::Error for SignedError {}
