//! What every file of this backend knows.

/// Code by hand for the Cortex-M4 and every core after it. It names its core, because the linker
/// reads it once more knowing only the target, and Armv8-M alone does not say that there is DSP.
macro_rules! naked_asm {
    ($($line:tt)*) => { core::arch::naked_asm!(".cpu cortex-m4", $($line)*) };
}

/// The backend for cores with the DSP extension.
#[derive(Clone, Copy, Debug)]
pub struct ArmDsp;
