//! Firmware for Cortex-M boards: boot, faults and panics around the demos.
#![no_std]

/// Defines a program that runs one demo: entry point, panic handler, fault handler.
#[macro_export]
macro_rules! program {
    ($demo:path) => {
        #[::cortex_m_rt::entry]
        fn main() -> ! {
            ::picoformer_board::run($demo)
        }

        #[::cortex_m_rt::exception]
        unsafe fn HardFault(_: &::cortex_m_rt::ExceptionFrame) -> ! {
            ::picoformer_board::report::faulted()
        }

        #[panic_handler]
        fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            ::picoformer_board::report::panicked(info)
        }
    };
}
