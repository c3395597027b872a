//! Pronounces words. See `picoformer_demo::g2p`.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_demo::g2p);
