//! Static memory, lent once.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A value that lies in `.bss` or flash and can be borrowed mutably by whoever asks first.
#[derive(Debug)]
pub struct Lend<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `take` hands out the value once, so nothing is shared.
unsafe impl<T: Send> Sync for Lend<T> {}

impl<T> Lend<T> {
    /// Not lent yet.
    pub const fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The value, the first time.
    #[allow(clippy::mut_from_ref)] // once, so nothing is shared
    pub fn take(&'static self) -> Option<&'static mut T> {
        // Cores without atomic swaps (ARMv6-M) have one hart, and demos run outside interrupts.
        #[cfg(not(target_has_atomic = "8"))]
        let taken = {
            let taken = self.taken.load(Ordering::Acquire);
            self.taken.store(true, Ordering::Release);
            taken
        };
        #[cfg(target_has_atomic = "8")]
        let taken = self.taken.swap(true, Ordering::AcqRel);
        if taken {
            return None;
        }
        // SAFETY: this is the only time.
        Some(unsafe { &mut *self.value.get() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lends_once() {
        static VALUE: Lend<u32> = Lend::new(7);
        assert_eq!(VALUE.take(), Some(&mut 7));
        assert_eq!(VALUE.take(), None);
    }
}
