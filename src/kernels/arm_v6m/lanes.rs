//! Lanes in 32 bits, as the products read them.

use core::arch::naked_asm;

/// Lanes of one row as 32-bit numbers; from word to word of four lanes are `8 + skip` bytes.
///
/// # Safety
/// `words` ≥ 1; `from` holds as many words of lanes, `to` four numbers for each. All are multiples of
/// four.
#[unsafe(naked)]
pub unsafe extern "C" fn expand(from: *const i16, to: *mut i32, words: usize, skip: usize) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "2:",
        "ldmia r0!, {{r5, r7}}",
        "sxth r4, r5",
        "asrs r5, r5, #16",
        "sxth r6, r7",
        "asrs r7, r7, #16",
        "stmia r1!, {{r4-r7}}",
        "adds r0, r0, r3",
        "subs r2, #1",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}

/// 8-bit lanes of two rows as `x_a + 2¹⁶ x_b`, in the order of the inputs.
///
/// # Safety
/// `to` < `end` by a multiple of sixteen bytes; `from` holds two numbers for each of `to`. All are
/// multiples of four.
#[unsafe(naked)]
pub unsafe extern "C" fn pack(from: *const i16, to: *mut i32, end: *mut i32) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r12, r2",
        "2:",
        // Row b. The sum of both words is 256 x0 and 256 x2 in its halves, but for a carry.
        "ldr r6, [r0, #8]",
        "ldr r7, [r0, #12]",
        "adds r7, r7, r6",
        "lsls r3, r6, #16",
        "lsrs r5, r6, #16",
        "lsls r5, r5, #16",
        "lsls r2, r7, #16",
        "asrs r2, r2, #24",
        "lsls r2, r2, #16",
        "asrs r4, r7, #24",
        "lsls r4, r4, #16",
        // Row a.
        "ldmia r0!, {{r6, r7}}",
        "mov lr, r0",
        "adds r7, r7, r6",
        "sxth r0, r6",
        "adds r3, r3, r0",
        "asrs r6, r6, #16",
        "adds r5, r5, r6",
        "asrs r0, r7, #24",
        "adds r4, r4, r0",
        "lsls r7, r7, #16",
        "asrs r7, r7, #24",
        "adds r2, r2, r7",
        "mov r0, lr",
        "adds r0, #8",
        "stmia r1!, {{r2-r5}}",
        "cmp r1, r12",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}
