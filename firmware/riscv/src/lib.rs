//! Firmware for RISC-V boards: boot, faults and panics around the demos.
#![no_std]

/// Defines a program that runs one demo: entry point, panic handler, trap handler.
#[macro_export]
macro_rules! program {
    ($demo:path) => {
        #[::riscv_rt::entry]
        fn main() -> ! {
            ::picoformer_board::run($demo)
        }

        #[unsafe(no_mangle)]
        extern "C" fn ExceptionHandler(_: &::riscv_rt::TrapFrame) -> ! {
            ::picoformer_board::report::faulted()
        }

        #[panic_handler]
        fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            ::picoformer_board::report::panicked(info)
        }
    };
}
