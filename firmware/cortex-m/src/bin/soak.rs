//! Works through mutated blobs. See `picoformer_board::soak`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_board::soak::soak);
