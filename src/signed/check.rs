//! A signed blob that arrives piece by piece.

use super::envelope::{Content, Envelope};
use super::error::SignedError;
use sha2::{Digest, Sha512};

/// Hashes a blob as it arrives, and compares with what was signed. Not `Copy`: it is 200 bytes of state.
#[derive(Clone, Debug)]
pub struct Check {
    hash: Sha512,
    length: u32,
    given: usize,
    digest: [u8; 64],
}

impl Check {
    /// Of the blob behind an envelope. Only what [`Envelope::verify`] gave can be believed.
    pub fn new(content: &Content) -> Self {
        Self { hash: Sha512::new(), length: content.length, given: 0, digest: content.digest }
    }

    /// Takes the next bytes of the blob.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.given = self.given.saturating_add(bytes.len());
    }

    /// Whether the bytes were the blob that was signed.
    ///
    /// # Errors
    /// [`SignedError::Cut`] if there were fewer or more bytes, [`SignedError::Altered`] if there were others.
    pub fn finish(self) -> Result<(), SignedError> {
        let (needed, given) = (self.length as usize, self.given);
        if given != needed {
            return Err(SignedError::Cut { needed, given });
        }
        match <[u8; 64]>::from(self.hash.finalize()) == self.digest {
            true => Ok(()),
            false => Err(SignedError::Altered),
        }
    }
}

impl Envelope {
    /// [`Check::new`] of what this envelope says.
    pub fn check(&self) -> Check {
        Check::new(&self.content)
    }
}
