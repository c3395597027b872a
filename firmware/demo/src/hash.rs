//! FNV-1a, 64 bits: two runs with the same hash computed the same logits.

use core::fmt::Write;

use crate::{Failure, text};

/// A running hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(u64);

impl Hash {
    /// The hash of nothing.
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds numbers, little-endian, in order.
    pub fn add(&mut self, logits: &[i32]) {
        for byte in logits.iter().flat_map(|logit| logit.to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Writes a line that `xtask` knows.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(self, out: &mut dyn Write) -> Result<(), Failure> {
        out.write_str("\nlogits ")?;
        text::hexadecimal(out, self.0)?;
        Ok(out.write_str("\n")?)
    }

    /// The hash so far.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_value() {
        let mut hash = Hash::new();
        hash.add(&[i32::from_le_bytes(*b"foob")]);
        // FNV-1a of "foob", from the reference test suite.
        assert_eq!(hash.value(), 0xdd12_0e79_0c25_12af);
    }
}
