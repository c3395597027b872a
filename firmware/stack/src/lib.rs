//! How deep the stack went: paint it before, look for the paint after.
#![no_std]

/// What untouched stack holds.
const PAINT: u32 = 0xA5C3_5A3C;
/// What lies below the caller's frame may be in use by `paint` itself.
const MARGIN_BYTES: usize = 64;

unsafe extern "C" {
    static _stack_start: u32;
}

/// The address where the stack begins; it grows down from here.
fn top() -> usize {
    (&raw const _stack_start).addr()
}

/// The words that `paint` and `high_water` agree on.
fn lowest(bytes: usize) -> *mut u32 {
    core::ptr::with_exposed_provenance_mut(top() - bytes)
}

/// Paints the stack below the caller, down to `bytes` (a multiple of 4) below its beginning. The linker
/// script must leave the stack at least as much.
#[inline(never)]
pub fn paint(bytes: usize) {
    let here = 0u32;
    let end = (&raw const here).addr() - MARGIN_BYTES;
    let mut at = lowest(bytes);
    while at.addr() < end {
        // SAFETY: between the end of the statics and this frame there is only unused stack; the
        // linker scripts assert that the statics end below `lowest`.
        unsafe {
            at.write_volatile(PAINT);
            at = at.add(1);
        }
    }
}

/// Bytes between the beginning of the stack and the deepest word that was overwritten since
/// [`paint`] of as many bytes, interrupt frames included.
#[inline(never)]
pub fn high_water(bytes: usize) -> usize {
    let mut at = lowest(bytes);
    // SAFETY: reads the words that `paint` wrote, and at the latest stops at the live stack.
    while at.addr() < top() && unsafe { at.read_volatile() } == PAINT {
        at = unsafe { at.add(1) };
    }
    top() - at.addr()
}
