//! Portable Rust: the definition of every result. Each function is the default body of the method
//! of the same name in [`Kernels`](super::Kernels), or part of one.

mod attention;
mod linear;
mod nibbles;
mod rows;

pub use attention::{
    attend, attend_block, largest_seen, numerators, raise, scores, weigh, write_key, write_value,
};
pub use linear::{CHUNK, lane, linear, matmul, quantize, rescale, rescale_32};
pub use nibbles::matmul_nibbles;
pub use rows::{
    activate, activate_gated, add, divide, gain, largest, magnitude, moments, narrow, range,
    rotate, statistics,
};
