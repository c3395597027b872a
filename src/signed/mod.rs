//! Signed blobs: a file says which product it is for and how new it is, and nobody can change that.
//!
//! `picoformer sign` puts an [`Envelope`] of [`ENVELOPE_BYTES`] in front of a blob. It tells the product, the
//! format of the blob, a version number, the blob's length and its SHA-512, and all of that is signed with
//! Ed25519 (RFC 8032). [`Model::parse_signed`](crate::Model::parse_signed) reads such a file in flash; an
//! updater checks the envelope as soon as its first bytes are there ([`Envelope::verify`]), before it erases
//! anything, and the blob piece by piece ([`Check`]).
//!
//! Verification is strict, as `verify_strict` of the crate `ed25519-dalek`: keys and points R of small order,
//! S not below the group's order, and points in an encoding that is not the canonical one are refused.
//!
//! ```
//! use picoformer::signed::{Key, SignedError};
//! use picoformer::Model;
//!
//! // In firmware: `include_bytes!("door.pub")`, which `picoformer keygen` wrote.
//! const KEY: Key = Key { product: "door", public: &[7; 32] };
//!
//! let refused = Model::parse_signed(&[0; 1000], &KEY, 3);
//! assert_eq!(refused.err(), Some(SignedError::NotSigned { found: [0; 4] }));
//! ```

mod check;
mod envelope;
mod error;
mod open;
mod strict;

pub use check::Check;
pub use envelope::{Content, ENVELOPE_BYTES, Envelope, SIGNED_BYTES, digest};
pub use error::{PRODUCT_BYTES, SignedError};
pub use open::{Key, Signed, open};
