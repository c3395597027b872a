//! Counts every kernel, or the model in the slot. See `picoformer_board::bench`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_board::bench::bench);
