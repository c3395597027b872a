//! Passes over one row: sums and range, adding it to other sums, and narrowing sums to 16 bits.
//!
//! Rows may begin at any halfword. They are read with LDR, which accepts every address; LDM, LDRD and STRD
//! do not.

use crate::kernels::asm::lines;

/// Two words of two numbers each, which become the extremes of a row: the larger and the smaller numbers
/// of the two first, then each against one of the extremes.
macro_rules! extremes {
    ($low:literal, $high:literal, $a:literal, $b:literal, $scratch:literal) => {
        lines!(
            concat!("ssub16 ", $scratch, ", ", $a, ", ", $b),
            concat!("sel ", $scratch, ", ", $a, ", ", $b),
            concat!("sel ", $a, ", ", $b, ", ", $a),
            concat!("ssub16 ", $b, ", ", $scratch, ", ", $high),
            concat!("sel ", $high, ", ", $scratch, ", ", $high),
            concat!("ssub16 ", $b, ", ", $a, ", ", $low),
            concat!("sel ", $low, ", ", $low, ", ", $a),
        )
    };
}

/// The extremes of both halves of `low` and `high`, smallest in the low half of r0.
macro_rules! packed {
    ($low:literal, $high:literal) => {
        lines!(
            concat!("ror r0, ", $low, ", #16"),
            concat!("ssub16 r1, r0, ", $low),
            concat!("sel r2, ", $low, ", r0"),
            concat!("ror r0, ", $high, ", #16"),
            concat!("ssub16 r1, r0, ", $high),
            concat!("sel r3, r0, ", $high),
            "pkhbt r0, r2, r3, lsl #16",
        )
    };
}

/// The result of [`statistics`].
#[repr(C)]
pub struct Found {
    /// Sum of squares.
    pub squares: u64,
    /// Sum.
    pub sum: i32,
    /// Smallest number in the low half, largest in the high half.
    pub range: u32,
}

/// Sum, sum of squares and range of `n` numbers.
///
/// # Safety
/// `n` ≥ 1; `x` holds `n` numbers; `found` may be written.
#[unsafe(naked)]
pub unsafe extern "C" fn statistics(x: *const i16, n: usize, found: *mut Found) {
    naked_asm!(
        "push {{r2, r4-r11, lr}}",
        "ldrh r4, [r0]",
        "pkhbt r4, r4, r4, lsl #16", // minima of the even and of the odd elements
        "mov r5, r4",                // maxima
        "movs r3, #0",
        "mov r12, r3",
        "mov r6, r3",
        "mov.w r7, #0x00010001",
        "lsls r8, r0, #30",
        "bne 4f", // no word begins here: one at a time
        "subs r1, #8",
        "blo 3f",
        "2:",
        "ldm r0!, {{r8-r11}}",
        "smlad r6, r8, r7, r6",
        "smlald r3, r12, r8, r8",
        "smlad r6, r9, r7, r6",
        "smlald r3, r12, r9, r9",
        extremes!("r4", "r5", "r8", "r9", "lr"),
        "smlad r6, r10, r7, r6",
        "smlald r3, r12, r10, r10",
        "smlad r6, r11, r7, r6",
        "smlald r3, r12, r11, r11",
        extremes!("r4", "r5", "r10", "r11", "lr"),
        "subs r1, #8",
        "bhs 2b",
        "3:",
        "adds r1, #8",
        "beq 5f",
        "4:",
        "ldrsh r8, [r0], #2",
        "adds r6, r6, r8",
        "smlalbb r3, r12, r8, r8",
        "pkhbt r8, r8, r8, lsl #16",
        "mov r9, r8",
        extremes!("r4", "r5", "r8", "r9", "lr"),
        "subs r1, #1",
        "bne 4b",
        "5:",
        "mov r7, r3",
        packed!("r4", "r5"),
        "pop {{r2}}",
        "str r7, [r2]",
        "str r12, [r2, #4]",
        "strd r6, r0, [r2, #8]",
        "pop {{r4-r11, pc}}",
    )
}

/// Smallest (low half) and largest (high half) of `n` numbers.
///
/// # Safety
/// `n` ≥ 1; `x` holds `n` numbers.
#[unsafe(naked)]
pub unsafe extern "C" fn range(x: *const i16, n: usize) -> u32 {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "ldrh r4, [r0]",
        "pkhbt r4, r4, r4, lsl #16",
        "mov r5, r4",
        "lsls r2, r0, #30",
        "bne 4f", // no word begins here: one at a time
        "subs r1, #8",
        "blo 3f",
        "2:",
        "ldm r0!, {{r2, r3, r6, r7}}",
        extremes!("r4", "r5", "r2", "r3", "lr"),
        extremes!("r4", "r5", "r6", "r7", "lr"),
        "subs r1, #8",
        "bhs 2b",
        "3:",
        "adds r1, #8",
        "beq 5f",
        "4:",
        "ldrh r2, [r0], #2",
        "pkhbt r2, r2, r2, lsl #16",
        "mov r3, r2",
        extremes!("r4", "r5", "r2", "r3", "lr"),
        "subs r1, #1",
        "bne 4b",
        "5:",
        packed!("r4", "r5"),
        "pop {{r4-r7, pc}}",
    )
}

/// `sums[i] = saturate(sums[i] + (x[i] · up + half) / 2^down)`: `up` is a power of two below 2¹⁵.
///
/// # Safety
/// Both slices hold `n` numbers.
#[unsafe(naked)]
pub unsafe extern "C" fn add(x: *const i16, sums: *mut i32, n: usize, shifts: &[i32; 3]) {
    naked_asm!(
        "push {{r4-r8, lr}}",
        "ldm r3, {{r6-r8}}", // up, half, down
        "subs r2, #2",
        "blo 3f",
        "2:",
        "ldr r3, [r0], #4",
        "ldrd r4, r5, [r1]",
        "smlabb r12, r3, r6, r7",
        "smlatb r3, r3, r6, r7",
        "asr r12, r12, r8",
        "asr r3, r3, r8",
        "qadd r4, r4, r12",
        "qadd r5, r5, r3",
        "strd r4, r5, [r1], #8",
        "subs r2, #2",
        "bhs 2b",
        "3:",
        "adds r2, #2",
        "beq 4f",
        "ldrsh r3, [r0]",
        "ldr r4, [r1]",
        "smlabb r3, r3, r6, r7",
        "asrs r3, r8",
        "qadd r4, r4, r3",
        "str r4, [r1]",
        "4:",
        "pop {{r4-r8, pc}}",
    )
}

/// The magnitude of a register, into r2.
macro_rules! or_magnitude {
    ($x:literal) => {
        lines!(
            concat!("eor r12, ", $x, ", ", $x, ", asr #31"),
            concat!("sub r12, r12, ", $x, ", asr #31"),
            "orr r2, r2, r12",
        )
    };
}

/// The bitwise or of `n` magnitudes.
///
/// # Safety
/// `sums` holds `n` numbers.
#[unsafe(naked)]
pub unsafe extern "C" fn magnitude(sums: *const i32, n: usize) -> u32 {
    naked_asm!(
        "push {{r4-r10, lr}}",
        "movs r2, #0",
        "subs r1, #8",
        "blo 3f",
        "2:",
        "ldm.w r0!, {{r3-r10}}",
        or_magnitude!("r3"),
        or_magnitude!("r4"),
        or_magnitude!("r5"),
        or_magnitude!("r6"),
        or_magnitude!("r7"),
        or_magnitude!("r8"),
        or_magnitude!("r9"),
        or_magnitude!("r10"),
        "subs r1, #8",
        "bhs 2b",
        "3:",
        "adds r1, #8",
        "beq 5f",
        "4:",
        "ldr r3, [r0], #4",
        or_magnitude!("r3"),
        "subs r1, #1",
        "bne 4b",
        "5:",
        "mov r0, r2",
        "pop {{r4-r10, pc}}",
    )
}

/// `out[i] = saturate(sums[i] / 2^shift)`, rounded; a negative shift goes left. SMMLSR by a negative power
/// of two rounds a shift by 1 … 33 to the right.
///
/// # Safety
/// Both slices hold `n` numbers; `shift` is in −15 … 33.
#[unsafe(naked)]
pub unsafe extern "C" fn narrow(sums: *const i32, out: *mut i16, n: usize, shift: i32) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "cmp r3, #0",
        "bgt 3f",
        "negs r3, r3",
        "2:",
        "ldr r4, [r0], #4",
        "ssat r4, #16, r4",
        "lsls r4, r3",
        "ssat r4, #16, r4",
        "strh r4, [r1], #2",
        "subs r2, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
        "3:",
        "rsb r3, r3, #32",
        "mov.w r4, #-1",
        "lsl r3, r4, r3",
        "mov.w r12, #0",
        "subs r2, #8",
        "blo 5f",
        "4:",
        "ldm.w r0!, {{r4-r11}}",
        "smmlsr r4, r4, r3, r12",
        "smmlsr r5, r5, r3, r12",
        "smmlsr r6, r6, r3, r12",
        "smmlsr r7, r7, r3, r12",
        "smmlsr r8, r8, r3, r12",
        "smmlsr r9, r9, r3, r12",
        "smmlsr r10, r10, r3, r12",
        "smmlsr r11, r11, r3, r12",
        "ssat r4, #16, r4",
        "ssat r5, #16, r5",
        "ssat r6, #16, r6",
        "ssat r7, #16, r7",
        "ssat r8, #16, r8",
        "ssat r9, #16, r9",
        "ssat r10, #16, r10",
        "ssat r11, #16, r11",
        "pkhbt r4, r4, r5, lsl #16",
        "pkhbt r6, r6, r7, lsl #16",
        "pkhbt r8, r8, r9, lsl #16",
        "pkhbt r10, r10, r11, lsl #16",
        "str r4, [r1], #4",
        "str r6, [r1], #4",
        "str r8, [r1], #4",
        "str r10, [r1], #4",
        "subs r2, #8",
        "bhs 4b",
        "5:",
        "adds r2, #8",
        "beq 7f",
        "6:",
        "ldr r4, [r0], #4",
        "smmlsr r4, r4, r3, r12",
        "ssat r4, #16, r4",
        "strh r4, [r1], #2",
        "subs r2, #1",
        "bne 6b",
        "7:",
        "pop {{r4-r11, pc}}",
    )
}
