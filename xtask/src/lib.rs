//! What the project's own commands are made of: building for the emulated boards and running on them,
//! counting, comparing with the records, checking the source. The commands are in `main.rs`;
//! `tools/profile` uses the same boards.

pub mod bench;
pub mod board;
pub mod boards;
pub mod c;
pub mod cards;
pub mod chips;
pub mod demo;
pub mod elf;
pub mod endure;
pub mod engine;
pub mod examples;
pub mod figures;
pub mod image;
pub mod layers;
pub mod markers;
pub mod models;
pub mod progress;
pub mod python;
pub mod qemu;
pub mod readme;
pub mod release;
pub mod safety;
pub mod source;
pub mod steps;
pub mod test;
pub mod update;
