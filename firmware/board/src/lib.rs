//! What every emulated board shares: semihosting, instruction counting, the report.
//!
//! Nothing here is needed on a product; it turns a demo into a test that runs under an emulator and
//! tells what it cost.
#![no_std]

pub mod bench;
pub mod counter;
#[cfg(target_arch = "arm")]
mod memory;
pub mod report;
pub mod selfcheck;
pub mod semihosting;
#[cfg(feature = "update")]
pub mod update;

pub use counter::Meter;
pub use report::run;
pub use semihosting::{Console, exit};

/// How far down the stack is painted. The linker scripts leave at least as much.
const STACK_BYTES: usize = 48 * 1024;
