//! Runs all kinds of models in turn, for long. See `picoformer_demo::endure`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_board::report::endure);
