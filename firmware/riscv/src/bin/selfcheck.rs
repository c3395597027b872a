//! Checks the instruments. See `picoformer_board::selfcheck`.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_board::selfcheck::selfcheck);
