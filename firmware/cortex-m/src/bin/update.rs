//! Updates its own model. See `picoformer_demo::update`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_board::update::updating);
