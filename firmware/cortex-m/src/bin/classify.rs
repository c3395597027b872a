//! Classifies sentences. See `picoformer_demo::classify`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_demo::classify);
