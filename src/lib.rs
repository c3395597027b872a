//! picoformer
#![no_std]
