//! The envelope byte by byte, as `docs/UPDATES.md` describes it.

use super::error::{PRODUCT_BYTES, SignedError};
use crate::blob::{VERSION, read_u16, read_u32};
use sha2::{Digest, Sha512};

/// Length of the envelope in front of a blob: a multiple of 16, so that the blob stays aligned.
pub const ENVELOPE_BYTES: usize = 192;
/// Bytes of the envelope that are signed; the signature follows them.
pub const SIGNED_BYTES: usize = 128;

/// The first four bytes of an envelope.
const MAGIC: [u8; 4] = *b"PSIG";
/// Version of the envelope itself.
const ENVELOPE_VERSION: u16 = 1;
/// Offset of the product's name.
const PRODUCT: usize = 16;
/// Offset of the key's first bytes.
const KEY: usize = 48;
/// Offset of bytes that are zero.
const ZERO: usize = 56;
/// Offset of the digest.
const DIGEST: usize = 64;

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Content {
    /// Name of the product in UTF-8, then zeros.
    pub product: [u8; PRODUCT_BYTES],
    /// Version of the blob's format, [`VERSION`].
    pub format: u16,
    /// Number of the release: a greater one is newer.
    pub version: u32,
    /// Length of the blob in bytes, the envelope not counted.
    pub length: u32,
    /// The first 8 bytes of the public key, so that a wrong key can be told from a wrong signature.
    pub key: [u8; 8],
    /// SHA-512 of the blob.
    pub digest: [u8; 64],
}

/// An envelope that was read, or that is about to be written. Nothing of it can be believed before
/// [`Envelope::verify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Envelope {
    /// What it says.
    pub content: Content,
    /// Ed25519 over [`Content::to_bytes`].
    pub signature: [u8; 64],
}

/// `N` bytes from `offset`; zeros beyond the end.
fn copy<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let part = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    part.copied().unwrap_or([0; N])
}

/// SHA-512 of a blob, as in [`Content::digest`].
pub fn digest(blob: &[u8]) -> [u8; 64] {
    Sha512::digest(blob).into()
}

/// A name as it stands in an envelope; `None` for an empty one, one that is too long, or one with a zero.
pub(super) fn padded(name: &str) -> Option<[u8; PRODUCT_BYTES]> {
    let mut bytes = [0; PRODUCT_BYTES];
    let fits = !name.is_empty() && !name.contains('\0');
    bytes.get_mut(..name.len()).filter(|_| fits)?.copy_from_slice(name.as_bytes());
    Some(bytes)
}

impl Content {
    /// What the envelope of a blob of this engine's format says; `None` if the product's name is empty,
    /// longer than [`PRODUCT_BYTES`] or holds a zero, or if the blob has 2³² bytes or more.
    pub fn new(product: &str, version: u32, blob: &[u8], public: &[u8; 32]) -> Option<Self> {
        let (product, length) = (padded(product)?, u32::try_from(blob.len()).ok()?);
        let (key, digest) = (copy(public, 0), digest(blob));
        Some(Self { product, format: VERSION, version, length, key, digest })
    }

    /// The bytes that are signed. Their beginning is that of no other message that such a key signs.
    pub fn to_bytes(&self) -> [u8; SIGNED_BYTES] {
        let mut bytes = [0; SIGNED_BYTES];
        let parts: [(usize, &[u8]); 8] = [
            (0, &MAGIC),
            (4, &ENVELOPE_VERSION.to_le_bytes()),
            (6, &self.format.to_le_bytes()),
            (8, &self.version.to_le_bytes()),
            (12, &self.length.to_le_bytes()),
            (PRODUCT, &self.product),
            (KEY, &self.key),
            (DIGEST, &self.digest),
        ];
        for (offset, part) in parts {
            for (to, from) in bytes.iter_mut().skip(offset).zip(part) {
                *to = *from;
            }
        }
        bytes
    }

    /// The product's name; what is not UTF-8 is left out.
    pub fn product(&self) -> &str {
        let name = self.product.split(|&byte| byte == 0).next().unwrap_or_default();
        name.utf8_chunks().next().map_or("", |chunk| chunk.valid())
    }
}

impl Envelope {
    /// Reads the first [`ENVELOPE_BYTES`] of a file.
    ///
    /// # Errors
    /// [`SignedError::Cut`], [`SignedError::NotSigned`], [`SignedError::OtherEnvelope`],
    /// [`SignedError::BadPadding`].
    pub fn read(file: &[u8]) -> Result<Self, SignedError> {
        if file.len() < ENVELOPE_BYTES {
            return Err(SignedError::Cut { needed: ENVELOPE_BYTES, given: file.len() });
        }
        let found = copy(file, 0);
        if found != MAGIC {
            return Err(SignedError::NotSigned { found });
        }
        let (supported, found) = (ENVELOPE_VERSION, read_u16(file, 4));
        if found != supported {
            return Err(SignedError::OtherEnvelope { supported, found });
        }
        if let Some(offset) = (ZERO..DIGEST).find(|&at| file.get(at) != Some(&0)) {
            return Err(SignedError::BadPadding { offset });
        }
        let content = Content {
            product: copy(file, PRODUCT),
            format: read_u16(file, 6),
            version: read_u32(file, 8),
            length: read_u32(file, 12),
            key: copy(file, KEY),
            digest: copy(file, DIGEST),
        };
        Ok(Self { content, signature: copy(file, SIGNED_BYTES) })
    }

    /// The envelope's bytes. Written by the converter.
    pub fn to_bytes(&self) -> [u8; ENVELOPE_BYTES] {
        let mut bytes = [0; ENVELOPE_BYTES];
        let content = self.content.to_bytes();
        for (to, from) in bytes.iter_mut().zip(content.iter().chain(&self.signature)) {
            *to = *from;
        }
        bytes
    }
}
