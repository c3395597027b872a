//! Checks the instruments. See `picoformer_board::selfcheck`.
#![no_std]
#![no_main]

picoformer_cortex_m::program!(picoformer_board::selfcheck::selfcheck);
