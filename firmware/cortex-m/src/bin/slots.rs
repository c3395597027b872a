//! Finds what commands name. See `picoformer_demo::slots`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_demo::slots);
