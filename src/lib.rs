//! picoformer runs transformers on microcontrollers: integers only, no heap, weights read in place
//! from flash, the same bits on every core.
//!
//! ## Data flow
//! `tokens → nn::embedding → nn::layer × n → nn::head → logits`, driven by [`Encoder`], [`Decoder`] or
//! both in [`Seq2Seq`].
//!
//! ## Floors
//! A module imports only from floors below it (`cargo xtask floors` checks):
//!
//! ```text
//! 6  task    5  encoder decoder seq2seq    4  nn sampler    3  arena model    2  tokenizer kernels blob
//! 1  fixed matrix    0  config error
//! ```
#![no_std]
#![deny(unsafe_code)]

pub mod arena;
pub mod blob;
pub mod config;
pub mod decoder;
pub mod encoder;
pub mod error;
pub mod fixed;
pub mod kernels;
pub mod matrix;
pub mod model;
pub mod nn;
pub mod sampler;
pub mod seq2seq;
pub mod task;
pub mod tokenizer;

pub use arena::{Arena, ArenaParts, ArenaSize};
pub use config::Config;
pub use decoder::{Decoder, Progress};
pub use encoder::Encoder;
pub use error::{FormatError, RunError};
pub use model::Model;
pub use sampler::{Sampler, Sampling};
pub use seq2seq::Seq2Seq;
pub use task::{Classifier, Event, Generator, Translator};
pub use tokenizer::Tokenizer;

/// A value that begins at a multiple of 16 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);

/// The bytes of a file as `&'static [u8]`, aligned so that kernels can read words in place.
///
/// ```ignore
/// static BLOB: &[u8] = picoformer::include_blob!("model.pico");
/// ```
#[macro_export]
macro_rules! include_blob {
    ($path:expr) => {{
        static BLOB: &$crate::Aligned<[u8]> = &$crate::Aligned(*include_bytes!($path));
        &BLOB.0
    }};
}
