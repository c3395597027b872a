//! A shell over a board's serial port, on the stepwise API: between two steps of the engine the watchdog
//! is fed, the light changes and the port is served. The very same code runs on the host, against which
//! the boards are compared.
//!
//! | command | does |
//! | --- | --- |
//! | `classify TEXT` | what the sentence wants (feature `intent`) |
//! | `say WORDS` | how the words are pronounced (feature `g2p`) |
//! | `write PROMPT` | goes on with a tale until a key is pressed (feature `tales`) |
//! | `bench`, `selftest` | cycles; logits compared with the host's |
//! | `info`, `stack`, `help` | the board and the models; the stack; the commands |
//!
//! Nothing is lost without a word. A line that is too long, holds a control character, is not UTF-8 or
//! has a hole is refused as a whole. Output that no host fetches is dropped and counted, so a board
//! works on without a host; the count is written when a host is back.
#![no_std]

mod bench;
mod board;
#[cfg(feature = "intent")]
mod classify;
mod commands;
mod line;
mod macs;
mod memory;
mod meter;
mod ring;
#[cfg(feature = "g2p")]
mod say;
mod selftest;
mod shell;
mod terminal;
mod trouble;
#[cfg(feature = "tales")]
mod write;

pub use board::{About, Board, Stack};
pub use line::{LineError, ROOM};
pub use memory::{BLOB_BYTES, Ram};
pub use ring::{LOST, Ring};
pub use shell::Shell;
pub use terminal::PATIENCE;
