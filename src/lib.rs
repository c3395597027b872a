//! picoformer runs transformers on microcontrollers.
#![no_std]
#![deny(unsafe_code)]

pub mod blob;
pub mod config;
pub mod error;
pub mod fixed;
pub mod kernels;
pub mod matrix;
