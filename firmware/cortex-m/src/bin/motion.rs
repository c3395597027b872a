//! Feels motions. See `picoformer_demo::motion`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_demo::motion);
