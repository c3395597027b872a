//! Writes a story with a model flashed on its own. See `picoformer_demo::stories`.
#![no_std]
#![no_main]

picoformer_riscv::program!(picoformer_board::report::stories);
