//! A signed file in flash: verified, then parsed.

use super::check::Check;
use super::envelope::{Content, ENVELOPE_BYTES, Envelope, padded};
use super::error::SignedError;
use super::strict::verify;
use crate::blob::VERSION;
use crate::kernels::Native;
use crate::model::Model;
use crate::target::Build;

/// Whom a device believes, and which product it is.
#[derive(Clone, Copy, Debug)]
pub struct Key<'k> {
    /// Name of the product, 1 to 32 bytes. One of another length is that of no blob.
    pub product: &'k str,
    /// Public key of Ed25519 (RFC 8032), as `picoformer keygen` writes it to `NAME.pub`.
    pub public: &'k [u8; 32],
}

/// A file that was verified.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// What was signed.
    pub content: Content,
    /// The blob.
    pub blob: &'a [u8],
}

impl Envelope {
    /// Believes the envelope, or says why not. The blob need not be there yet.
    ///
    /// `at_least` is the oldest version that is still allowed: the counter against a replay of old releases.
    ///
    /// # Errors
    /// [`SignedError::OtherProduct`], [`SignedError::WrongKey`], [`SignedError::WeakKey`],
    /// [`SignedError::BadSignature`], [`SignedError::OtherFormat`], [`SignedError::Older`], in this order.
    #[inline(never)] // its frame is gone when the blob is hashed
    pub fn verify(&self, key: &Key, at_least: u32) -> Result<(), SignedError> {
        let content = &self.content;
        if padded(key.product) != Some(content.product) {
            return Err(SignedError::OtherProduct { found: content.product });
        }
        let expected = key.public.first_chunk().copied().unwrap_or_default();
        if content.key != expected {
            return Err(SignedError::WrongKey { expected, found: content.key });
        }
        verify(key.public, &content.to_bytes(), &self.signature)?;
        let (supported, found) = (VERSION, content.format);
        if found != supported {
            return Err(SignedError::OtherFormat { supported, found });
        }
        if content.version < at_least {
            return Err(SignedError::Older { at_least, found: content.version });
        }
        Ok(())
    }
}

/// Verifies a signed file in flash: the envelope, then every byte of the blob behind it. Flash beyond the
/// blob's end is not read.
///
/// # Errors
/// Every [`SignedError`] except `Blob`.
pub fn open<'a>(flash: &'a [u8], key: &Key, at_least: u32) -> Result<Signed<'a>, SignedError> {
    let envelope = Envelope::read(flash)?;
    envelope.verify(key, at_least)?;
    let rest = flash.get(ENVELOPE_BYTES..).unwrap_or_default();
    let (needed, given) = (envelope.content.length as usize, rest.len());
    let blob = rest.get(..needed).ok_or(SignedError::Cut { needed, given })?;
    let mut check = Check::new(&envelope.content);
    check.update(blob);
    check.finish()?;
    Ok(Signed { content: envelope.content, blob })
}

impl<'a> Model<'a> {
    /// Verifies a signed file in flash with [`open`], then parses the blob as [`Model::parse_checked`] does.
    /// `flash` may be longer than the file, such as a whole slot.
    ///
    /// # Errors
    /// Every [`SignedError`].
    pub fn parse_signed(flash: &'a [u8], key: &Key, at_least: u32) -> Result<Self, SignedError> {
        Self::parse_signed_for::<Native>(flash, key, at_least)
    }

    /// [`Model::parse_signed`] for firmware that runs a single model, see [`Model::parse_for`].
    ///
    /// # Errors
    /// Every [`SignedError`].
    pub fn parse_signed_for<B: Build>(
        flash: &'a [u8],
        key: &Key,
        at_least: u32,
    ) -> Result<Self, SignedError> {
        let signed = open(flash, key, at_least)?;
        Ok(Self::parse_for::<B>(signed.blob)?)
    }
}
