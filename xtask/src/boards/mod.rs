//! `cargo xtask boards`: the shell for the boards on a desk, built, checked, packed, and run where there
//! is an emulator.

mod board;
mod check;
mod command;
mod esp;
mod esp_image;
mod flash;
mod hex;
mod ibex;
mod ports;
mod record;
mod refuse;
mod release;
mod row;
mod run;
mod session;
mod transcript;
pub mod uf2;

pub use command::{Options, boards};
pub use record::table;
pub use refuse::refusal;
