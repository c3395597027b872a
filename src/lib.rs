//! picoformer runs transformers on microcontrollers.
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

pub use arena::{Arena, ArenaParts, ArenaSize};
pub use config::Config;
pub use decoder::{Decoder, Progress};
pub use encoder::Encoder;
pub use error::{FormatError, RunError};
pub use model::Model;
