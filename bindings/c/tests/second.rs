//! A second Rust library in the same program, built alone: it brings its own copies of what the compiler needs.
#![no_std]

/// Divides 64-bit numbers and copies memory, so that the compiler's helpers are needed.
#[unsafe(no_mangle)]
pub extern "C" fn second(a: u64, b: u64, to: &mut [u8; 100], from: &[u8; 100]) -> u64 {
    *to = *from;
    a.checked_div(b).unwrap_or(0)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
