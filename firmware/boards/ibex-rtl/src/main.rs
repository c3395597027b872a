//! The shell on lowRISC's Ibex, simulated from its RTL: a port of the testbench, the core's own counter.
#![no_std]
#![no_main]

use core::arch::asm;

use picoformer_demo::lend::Lend;
use picoformer_shell::{About, Board, Ram, Shell, Stack};

/// A byte written here is printed; read, it is the next key, or this if there is none.
const PORT: *mut u32 = 0x2000_0000 as *mut u32;
const NO_KEY: u32 = u32::MAX;
/// Bytes of the stack that are painted.
const STACK_BYTES: usize = 64 * 1024;

static RAM: Lend<Ram> = Lend::new(Ram::new());

struct Ibex;

impl Board for Ibex {
    const TICK_BITS: u32 = 32;

    fn about(&self) -> About {
        About {
            name: "Ibex (RTL)",
            core: "RV32IMC",
            clock: "as an example",
            hertz: 100_000_000,
            counter: "mcycle",
            weights: "in the testbench's flash, read in place",
        }
    }

    fn read(&mut self) -> Option<u8> {
        // SAFETY: a register of the testbench.
        let key = unsafe { PORT.read_volatile() };
        if key == NO_KEY { None } else { Some(key as u8) }
    }

    fn lost(&mut self) -> u32 {
        0
    }

    fn write(&mut self, byte: u8) -> bool {
        // SAFETY: a register of the testbench.
        unsafe { PORT.write_volatile(byte.into()) };
        true
    }

    fn ticks(&mut self) -> u32 {
        let cycles: u32;
        // SAFETY: reads a register.
        unsafe { asm!("csrr {}, mcycle", out(reg) cycles, options(nomem, nostack)) };
        cycles
    }

    fn led(&mut self, _: bool) {}

    fn feed(&mut self) {}

    fn stack(&self) -> Option<Stack> {
        Some(Stack { used: picoformer_stack::high_water(STACK_BYTES), room: STACK_BYTES })
    }
}

#[riscv_rt::entry]
fn main() -> ! {
    picoformer_stack::paint(STACK_BYTES);
    match RAM.take() {
        Some(ram) => Shell::new(Ibex, ram).run(),
        None => halt(),
    }
}

fn halt() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    halt()
}
