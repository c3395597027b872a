//! `cargo xtask c` and `cargo xtask dist`: the C library, its examples and tests, its packages.

mod archive;
mod attributes;
mod check;
mod command;
mod dist;
mod map;
mod program;
mod riscv;
mod row;
mod size;
mod table;
mod target;
mod tasks;
mod tests;
mod watchdog;

pub use command::{Options, c};
pub use dist::{Options as DistOptions, dist};
