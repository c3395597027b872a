//! `cargo xtask boards`: the shell for the boards on a desk, built, checked, packed, and run where there
//! is an emulator.

pub mod uf2;
