//! Listens for wake words. See `picoformer_demo::wake`.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_demo::wake);
