//! Rescaling of one row: products of up to 62 bits in 32-bit steps.

use super::linear::{restore, save};
use core::arch::naked_asm;

/// The high word (floor) of acc · f in r4, of acc in r4 and f in r5 below 2³⁰; r3, r5, r7 and lr are
/// scratch.
///
/// With halves `acc = 2¹⁶ a + b` and `f = 2¹⁶ c + d` (a signed):
/// `u = a·d + b·d / 2¹⁶`, `high = a·c + u / 2¹⁶ + (b·c + u mod 2¹⁶) / 2¹⁶`, floors all along.
macro_rules! high_word {
    () => {
        "uxth r3, r5
        lsrs r5, r5, #16
        uxth r7, r4
        asrs r4, r4, #16
        mov lr, r4
        muls r4, r3, r4
        muls r3, r7, r3
        lsrs r3, r3, #16
        adds r3, r3, r4
        muls r7, r5, r7
        mov r4, lr
        muls r4, r5, r4
        uxth r5, r3
        adds r7, r7, r5
        asrs r3, r3, #16
        adds r4, r4, r3
        lsrs r7, r7, #16
        adds r4, r4, r7
        "
    };
}

/// Parameters of the rescaling functions.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Rescale {
    /// Bytes from one sum to the next.
    pub stride: usize,
    /// The row's scale.
    pub scale: u32,
    /// The shift; less 32 in the functions that read only the high word.
    pub shift: u32,
    /// The end of the outputs.
    pub end: usize,
    /// Address of the biases (little-endian `i16`, one for each output), less that of the second
    /// multiplier.
    pub biases: usize,
    /// What is added to a bias before its shift.
    pub bias_half: i32,
    /// The shift of the biases.
    pub bias_shift: u32,
}

/// Loads one sum into r4 and its factor into r5; r6 is the scale, r8 the stride.
macro_rules! sum_and_factor {
    () => {
        "ldr r4, [r0]
        add r0, r8
        ldrh r5, [r1]
        adds r1, #2
        muls r5, r6, r5
        "
    };
}

/// The same, the scale being the whole factor.
macro_rules! sum_and_scale {
    () => {
        "ldr r4, [r0]
        add r0, r8
        mov r5, r6
        "
    };
}

/// Loads [`Rescale`] into r8 (stride), r6 (scale), r10 (shift), r11 (end), r12 (biases), the rest onto the
/// stack; half of the shift into r9.
macro_rules! load_rescale {
    () => {
        "ldmia r3!, {{r4-r7}}
        mov r8, r4
        mov r10, r6
        mov r11, r7
        movs r4, #1
        lsls r4, r6
        lsrs r4, r4, #1
        mov r9, r4
        ldmia r3!, {{r4, r6, r7}}
        mov r12, r4
        push {{r6, r7}}
        mov r6, r5
        "
    };
}

macro_rules! rescale_16 {
    ($(#[$doc:meta])* $name:ident, $factor:ident, $finish:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// `out` < `by.end` by a multiple of two bytes; `multipliers` holds as many, `sums` one every
        /// `by.stride` bytes; the shift (less 32) is in 1 … 30. Addresses are aligned.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            sums: *const i32,
            multipliers: *const u8,
            out: *mut i16,
            by: *const Rescale,
        ) {
            naked_asm!(
                save!(),
                load_rescale!(),
                "2:",
                $factor!(),
                high_word!(),
                $finish,
                "sxth r3, r4",
                "cmp r3, r4",
                "bne 4f",
                "3:",
                "strh r4, [r2]",
                "adds r2, #2",
                "cmp r2, r11",
                "bne 2b",
                "add sp, #8",
        restore!(),
                "4:", // 32767 or -32768
                "asrs r4, r4, #31",
                "movs r3, #1",
                "lsls r3, r3, #15",
                "subs r3, #1",
                "eors r4, r3",
                "b 3b",
            )
        }
    };
}

rescale_16! {
    /// `out[o] = saturate(round(sums · (multipliers[o] · scale) / 2^shift))`.
    rescale, sum_and_factor, "add r4, r9
    mov r3, r10
    asrs r4, r3"
}

rescale_16! {
    /// `out[o] = saturate(round(sums · scale / 2^shift))`.
    divide, sum_and_scale, "add r4, r9
    mov r3, r10
    asrs r4, r3"
}

rescale_16! {
    /// As `rescale`, plus `round(biases[o] / 2^bias_shift)`.
    rescale_biased, sum_and_factor, "mov r3, r12
    ldrsh r5, [r1, r3]
    ldr r3, [sp]
    adds r5, r5, r3
    ldr r3, [sp, #4]
    asrs r5, r3
    mov r3, r10
    asrs r4, r3
    adcs r4, r5" // the last bit shifted out rounds
}

/// `out[o] = round(sums · (multipliers[o] · scale) / 2^shift)` in 32 bits, of shifts above 32.
///
/// # Safety
/// As `rescale`.
#[unsafe(naked)]
pub unsafe extern "C" fn rescale_high(
    sums: *const i32,
    multipliers: *const u8,
    out: *mut i32,
    by: *const Rescale,
) {
    naked_asm!(
        save!(),
        load_rescale!(),
        "2:",
        sum_and_factor!(),
        high_word!(),
        "add r4, r9",
        "mov r3, r10",
        "asrs r4, r3",
        "stmia r2!, {{r4}}",
        "cmp r2, r11",
        "bne 2b",
        "add sp, #8",
        restore!(),
    )
}

/// `out[o] = saturate(round(sums · (multipliers[o] · scale) / 2^shift))` in 32 bits, of shifts from 1
/// to 32.
///
/// # Safety
/// As `rescale`, but for the shift.
#[unsafe(naked)]
pub unsafe extern "C" fn rescale_low(
    sums: *const i32,
    multipliers: *const u8,
    out: *mut i32,
    by: *const Rescale,
) {
    naked_asm!(
        save!(),
        load_rescale!(),
        "2:",
        sum_and_factor!(),
        "mov r9, r5",
        "mov r12, r4",
        high_word!(),
        // The low word; its last bit shifted out rounds.
        "mov r3, r9",
        "mov r5, r12",
        "muls r5, r3, r5",
        // Bits of the high word that are lost must all be copies of the sign.
        "mov r3, r10",
        "subs r3, #1",
        "mov r7, r4",
        "asrs r7, r3",
        "adds r7, #1",
        "cmp r7, #1",
        "bhi 4f",
        "movs r7, #31",
        "subs r7, r7, r3",
        "mov lr, r4",
        "lsls r4, r7",
        "adds r3, #1",
        "lsrs r5, r3",
        "adcs r4, r5",
        "bvs 5f",
        "3:",
        "stmia r2!, {{r4}}",
        "cmp r2, r11",
        "bne 2b",
        "add sp, #8",
        restore!(),
        "5:",
        "mov r4, lr",
        "4:", // i32::MAX or i32::MIN
        "asrs r4, r4, #31",
        "movs r3, #1",
        "lsls r3, r3, #31",
        "mvns r3, r3",
        "eors r4, r3",
        "b 3b",
    )
}
