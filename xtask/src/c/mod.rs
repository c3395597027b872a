//! `cargo xtask c` and `cargo xtask dist`: the C library, its examples and tests, its packages.

pub mod archive;
pub mod attributes;
pub mod check;
pub mod target;
