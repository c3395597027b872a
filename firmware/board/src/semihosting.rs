//! Semihosting: text to the emulator's console, and an exit status.
//!
//! The operations and the trap sequences are those of the "Semihosting for AArch32 and AArch64" and
//! "RISC-V Semihosting" specifications.

use core::arch::asm;
use core::fmt;

const SYS_WRITE0: usize = 0x04;
const SYS_EXIT_EXTENDED: usize = 0x20;
const ADP_STOPPED_APPLICATION_EXIT: usize = 0x20026;

#[cfg(target_arch = "arm")]
fn call(operation: usize, argument: usize) {
    // SAFETY: the host reads what `argument` points to and answers in r0; nothing else changes.
    unsafe {
        asm!("bkpt #0xAB", inout("r0") operation => _, in("r1") argument, options(nostack));
    }
}

#[cfg(target_arch = "riscv32")]
fn call(operation: usize, argument: usize) {
    // SAFETY: as on Arm, with a0 and a1. The three instructions mark the call only when they are
    // uncompressed and lie in one page.
    unsafe {
        asm!(
            ".balign 16", ".option push", ".option norvc",
            "slli x0, x0, 0x1f", "ebreak", "srai x0, x0, 7",
            ".option pop",
            inout("a0") operation => _, in("a1") argument, options(nostack)
        );
    }
}

/// The emulator's console.
#[derive(Debug)]
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut buffer = [0u8; 64];
        // The last byte stays zero: the host reads up to it.
        for piece in text.as_bytes().chunks(buffer.len() - 1) {
            for (to, from) in buffer.iter_mut().zip(piece.iter().chain([&0])) {
                *to = *from;
            }
            call(SYS_WRITE0, buffer.as_ptr().addr());
        }
        Ok(())
    }
}

/// Ends the emulation with an exit status. `SYS_EXIT` carries none on 32-bit cores.
pub fn exit(status: u32) -> ! {
    let block = [ADP_STOPPED_APPLICATION_EXIT, status as usize];
    loop {
        call(SYS_EXIT_EXTENDED, block.as_ptr().addr());
    }
}
