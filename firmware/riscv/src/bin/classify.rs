//! Classifies sentences. See `picoformer_demo::classify`.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_demo::classify);
