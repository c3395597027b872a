//! The engine behind a C interface. `include/picoformer.h` is its documentation; this crate makes the
//! archive for it.
//!
//! Every function takes what C gives: pointers that may be null, memory that may be too small or
//! misaligned, bytes that may not be UTF-8, calls in any order. All of it is checked; what cannot be is in
//! the header's section "What the caller promises". Each task has a file of its own, and no function
//! calls another task's, so that a program links only what it calls.
#![no_std]
#![deny(unsafe_op_in_unsafe_fn)]

mod bill;
mod classifier;
mod code;
mod encoder;
mod engine;
mod error;
mod generator;
mod handle;
mod listener;
#[cfg(target_arch = "arm")]
mod memory;
mod model;
mod motion;
mod scorer;
mod stream;
mod text;
mod tokenizer;
mod translator;

/// The version of the header, `PICOFORMER_VERSION`: major, minor and patch, 8 bits each.
pub const VERSION: u32 = 0x00_01_00;

/// The version of the library.
#[unsafe(no_mangle)]
pub extern "C" fn picoformer_version() -> u32 {
    VERSION
}

/// Never called: nothing in the archive panics, which `cargo xtask c` checks. The compiler wants one.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
