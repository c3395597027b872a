//! Hears digits. See `picoformer_demo::digits`.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_demo::digits);
