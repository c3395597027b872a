//! Classifies sentences by an engine for every model. See `picoformer_demo::classify_any`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_demo::classify_any);
