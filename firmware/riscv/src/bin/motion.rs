//! Feels motions. See `picoformer_demo::motion`.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_demo::motion);
