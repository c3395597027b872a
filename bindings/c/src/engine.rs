//! What the library is compiled for: the kernels of a core, and one model or any.

include!(concat!(env!("OUT_DIR"), "/engine.rs"));

/// The name of the kernels, with a NUL at the end.
#[cfg(feature = "arm-dsp")]
const KERNELS: &core::ffi::CStr = c"arm-dsp";
#[cfg(feature = "arm-mve")]
const KERNELS: &core::ffi::CStr = c"arm-mve";
#[cfg(feature = "arm-v6m")]
const KERNELS: &core::ffi::CStr = c"arm-v6m";
#[cfg(not(any(feature = "arm-dsp", feature = "arm-mve", feature = "arm-v6m")))]
const KERNELS: &core::ffi::CStr = c"native";

/// The name of the kernels that the library was built with.
#[unsafe(no_mangle)]
pub extern "C" fn picoformer_kernels() -> *const core::ffi::c_char {
    KERNELS.as_ptr()
}

/// Whether the core lets the kernels run: those for Helium need CP10 and CP11 switched on in the
/// coprocessor access control register (Armv8-M Architecture Reference Manual, D1.2.35).
#[cfg(all(target_arch = "arm", feature = "arm-mve"))]
pub fn can_run() -> bool {
    const CPACR: *const u32 = 0xE000_ED88 as *const u32;
    // SAFETY: a register that every such core has and that may be read at any time in privileged mode;
    // unprivileged code cannot tell, and the firmware's start-up has to.
    unsafe { CPACR.read_volatile() >> 20 & 0b1111 == 0b1111 }
}

/// Whether the core lets the kernels run.
#[cfg(not(all(target_arch = "arm", feature = "arm-mve")))]
pub const fn can_run() -> bool {
    true
}
