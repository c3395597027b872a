//! What every file of this backend knows.

/// The body of a function in assembly. Module-level assembly does not know the compiler's
/// `target-cpu`, so the core is named in each.
macro_rules! helium {
    ($($line:tt)*) => { core::arch::naked_asm!(".cpu cortex-m55", $($line)*) };
}

/// The backend for cores with Helium.
#[derive(Clone, Copy, Debug)]
pub struct ArmMve;
