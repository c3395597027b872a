//! Listens for wake words. See `picoformer_demo::wake`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_demo::wake);
