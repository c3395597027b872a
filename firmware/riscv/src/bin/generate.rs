//! Writes a story. See `picoformer_demo::generate`.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_demo::generate);
