//! Works through mutated blobs. See `picoformer_board::soak`.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_board::soak::soak);
