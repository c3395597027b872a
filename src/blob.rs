//! The blob: header and section layout, shared by the engine (which reads) and the converter
//! (which writes). `docs/FORMAT.md` describes every byte.
//!
//! A blob is a header of [`HEADER_BYTES`], then sections in one fixed order computed from the
//! [`Config`](crate::Config) by [`Layout::new`], without names, a table of contents or holes. Optional
//! sections with a [`Tag`] may follow up to the length that the header tells. Every section begins at a
//! multiple of 16 bytes; the padding is zero and checked. All numbers are little-endian.

mod bytes;
mod expected;
mod header;
mod layout;
mod section;

pub use bytes::*;
pub use expected::Expected;
pub use header::Header;
pub use layout::*;
pub use section::*;
