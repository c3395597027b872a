//! Hashes every layer of the shipped models. See `picoformer_demo::layers`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_demo::layers);
