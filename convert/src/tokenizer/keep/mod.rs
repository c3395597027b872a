//! Which pieces of a vocabulary a text needs, so that the others can be dropped: a text made of kept pieces
//! gets the tokens that the original gives it.
//!
//! Why that holds is said where each kind of model chooses its pieces: `merge_path.rs`, `words.rs` and
//! `unigram.rs`. All of them keep what the original makes of the text, whole and line by line.

mod merge_path;
mod pieces;
mod renumber;
mod select;
mod unigram;
mod words;

pub use super::section::id as id_of;
pub use renumber::renumber;
pub use select::{ends_in_bytes, select};
