//! Reads the same file without its signature. See `picoformer_demo::update`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_board::update::unverified);
