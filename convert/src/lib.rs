//! From trained checkpoints to picoformer blobs, and back to numbers that say what it cost.

pub mod checkpoint;
pub mod error;
pub mod float_model;
pub mod host;
pub mod import;
pub mod quantize;
pub mod writer;
