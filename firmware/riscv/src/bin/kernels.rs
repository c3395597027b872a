//! Compares this board's kernels with the portable ones, bit for bit.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_board::selfcheck::kernels);
