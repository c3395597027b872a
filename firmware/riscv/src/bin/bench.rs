//! Counts every kernel, or the model in the slot. See `picoformer_board::bench`.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_board::bench::bench);
