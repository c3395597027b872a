//! Finds what commands name. See `picoformer_demo::slots`.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_demo::slots);
