//! Hashes every layer of the shipped models. See `picoformer_demo::layers`.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_demo::layers);
