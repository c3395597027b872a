//! `cargo xtask c` and `cargo xtask dist`: the C library, its examples and tests, its packages.

mod archive;
mod attributes;
mod check;
mod command;
mod dist;
mod map;
mod program;
mod table;
mod target;
mod tests;

pub use command::{Options, c};
pub use dist::{Options as DistOptions, dist};
