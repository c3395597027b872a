//! What the boards with a Cortex-M share: the stack, and what happens when nothing can be done.
#![no_std]

use picoformer_shell::Stack;

unsafe extern "C" {
    static _stack_start: u32;
    static __euninit: u32;
}

/// Bytes between the end of the statics and the beginning of the stack.
fn room() -> usize {
    (&raw const _stack_start).addr() - (&raw const __euninit).addr()
}

/// Paints the stack. To be called first, with interrupts off.
pub fn paint() {
    picoformer_stack::paint(room());
}

/// How far the stack went since [`paint`].
pub fn stack() -> Stack {
    Stack { used: picoformer_stack::high_water(room()), room: room() }
}

/// Where nothing can be done any more. The watchdog, if it runs, starts the board again.
pub fn halt() -> ! {
    loop {
        cortex_m::asm::nop();
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    halt()
}
