//! Compares this board's kernels with the portable ones, bit for bit.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_board::selfcheck::kernels);
