//! Hears digits. See `picoformer_demo::digits`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_demo::digits);
