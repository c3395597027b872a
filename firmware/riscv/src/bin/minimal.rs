//! The smallest program: parses the blob in its slot, runs it, in a loop. See `picoformer_demo::minimal`.
#![no_std]
#![no_main]

#[riscv_rt::entry]
fn main() -> ! {
    picoformer_demo::minimal(picoformer_board::report::slot())
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
