//! Passes over one row of 16-bit numbers: extremes, moments, quantisation.

use crate::kernels::Quantizer;

/// Largest magnitude of a row.
///
/// # Safety
/// `x` holds `len` numbers.
#[unsafe(naked)]
pub unsafe extern "C" fn largest(x: *const i16, len: usize) -> u32 {
    helium!(
        "push {{r7, lr}}",
        "movs r2, #0",
        "dlstp.16 lr, r1",
        "2:",
        "vldrh.u16 q0, [r0], #16",
        "vmaxav.s16 r2, q0",
        "letp lr, 2b",
        "uxth r0, r2",
        "pop {{r7, pc}}",
    )
}

/// Sum and sum of squares of a row; the former is returned.
///
/// # Safety
/// `x` holds `len` numbers; `squares` can be written.
#[unsafe(naked)]
pub unsafe extern "C" fn moments(x: *const i16, len: usize, squares: *mut u64) -> i32 {
    helium!(
        "push {{r4, r5, r6, lr}}",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "dlstp.16 lr, r1",
        "2:",
        "vldrh.u16 q0, [r0], #16",
        "vaddva.s16 r6, q0",
        "vmlaldava.s16 r4, r5, q0, q0",
        "letp lr, 2b",
        "strd r4, r5, [r2]",
        "mov r0, r6",
        "pop {{r4, r5, r6, pc}}",
    )
}

/// Largest number of a row; the smallest to `low`.
///
/// # Safety
/// `x` holds `len` numbers; `low` can be written.
#[unsafe(naked)]
pub unsafe extern "C" fn range(x: *const i16, len: usize, low: *mut i16) -> i32 {
    helium!(
        "push {{r4, lr}}",
        "movw r3, #0x7fff",
        "mvn r4, r3",
        "dlstp.16 lr, r1",
        "2:",
        "vldrh.u16 q0, [r0], #16",
        "vminv.s16 r3, q0",
        "vmaxv.s16 r4, q0",
        "letp lr, 2b",
        "strh r3, [r2]",
        "mov r0, r4",
        "pop {{r4, pc}}",
    )
}

/// Quantises a row that needs no centring to 8 bits. The inverse has 16 bits without a sign, VMULH
/// takes it for a signed number: where that is 2¹⁶ too small, `x` itself is added to the high half.
///
/// # Safety
/// `x` holds `len` numbers, `out` as many bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn quantize(x: *const i16, len: usize, out: *mut i8, by: *const Quantizer) {
    helium!(
        "push {{r4, r5, r6, lr}}",
        "ldrd r4, r5, [r3, #8]",
        "vdup.16 q2, r5",
        "lsrs r5, r5, #15",
        "rsbs r4, r4, #0", // to the left
        "bne 3f",
        // Thirty-two at a time, even and odd ones apart, where there is nothing to shift.
        "lsrs r4, r1, #5",
        "and r1, r1, #31",
        "wls lr, r4, 4f",
        "2:",
        ".rept 2",
        "vld20.16 {{q0, q1}}, [r0]",
        "vld21.16 {{q0, q1}}, [r0]!",
        "vmulh.s16 q3, q0, q2",
        "vmla.i16 q3, q0, r5",
        "vrshrnb.i16 q3, q3, #7",
        "vmulh.s16 q0, q1, q2",
        "vmla.i16 q0, q1, r5",
        "vrshrnt.i16 q3, q0, #7",
        "vstrb.8 q3, [r2], #16",
        ".endr",
        "le lr, 2b",
        "4:",
        "movs r4, #0",
        "cbz r1, 5f",
        "3:",
        "dlstp.16 lr, r1",
        "2:",
        "vldrh.u16 q0, [r0], #16",
        "vshl.s16 q0, r4",
        "vmulh.s16 q1, q0, q2",
        "vmla.i16 q1, q0, r5",
        "vrshr.s16 q1, q1, #7",
        "vstrb.16 q1, [r2], #8",
        "letp lr, 2b",
        "5:",
        "pop {{r4, r5, r6, pc}}",
    )
}

/// Quantises a row in 32 bits; `$store` brings q0 to its bits and writes it.
macro_rules! quantize {
    ($(#[$doc:meta])* $name:ident, $($store:literal)*) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            x: *const i16,
            len: usize,
            out: *mut i8,
            by: *const Quantizer,
            low: *mut i8,
        ) {
            helium!(
                "push {{r4-r7, lr}}",
                "ldr r7, [sp, #20]",
                "ldm r3, {{r3, r4, r5, r6}}",
                "rsbs r5, r5, #0", // to the left
                "dlstp.32 lr, r1",
                "2:",
                "vldrh.s32 q0, [r0], #8",
                "vmul.i32 q0, q0, r3",
                "vsub.i32 q0, q0, r4",
                "vshl.s32 q0, r5",
                "vmul.i32 q0, q0, r6",
                $($store,)*
                "letp lr, 2b",
                "pop {{r4-r7, pc}}",
            )
        }
    };
}

quantize! {
    /// Quantises a row to 8 bits; `low` is not used.
    ///
    /// # Safety
    /// `x` holds `len` numbers, `out` as many bytes.
    quantize_centred,
    "vrshr.s32 q0, q0, #23"
    "vstrb.32 q0, [r2], #4"
}

quantize! {
    /// Quantises a row to 12 bits, written as two 8-bit rows: `128 · out + low`.
    ///
    /// # Safety
    /// `x` holds `len` numbers, `out` and `low` as many bytes.
    quantize_wide,
    "vrshr.s32 q0, q0, #19"
    "vrshr.s32 q1, q0, #7"
    "vstrb.32 q1, [r2], #4"
    "vshl.i32 q1, q1, #7"
    "vsub.i32 q0, q0, q1"
    "vstrb.32 q0, [r7], #4"
}
