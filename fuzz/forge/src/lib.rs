//! Forged blobs: a seed or a fuzzer's bytes say how a good blob is changed, the checksum is made right again,
//! and whatever [`picoformer::Model::parse_checked`] accepts is put through every task.
//!
//! Everything here is integers without a heap, so that a host of 64 bits, one of 32 and a board do the very same
//! with the very same blobs, and can compare what came out.
#![no_std]

pub mod mutate;
pub mod random;
pub mod run;
pub mod set;

pub use mutate::{Script, edge, edges, mutate, sign};
pub use random::Random;
pub use run::{Outcome, Room, tasks, try_blob};
