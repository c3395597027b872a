//! `cargo xtask c` and `cargo xtask dist`: the C library, its examples and tests, its packages.

mod archive;
mod attributes;
mod check;
mod command;
mod map;
mod program;
mod target;
mod tests;

pub use command::{Options, c};
