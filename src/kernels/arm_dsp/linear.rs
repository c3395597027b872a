//! Matrix products with SMLAD.
//!
//! One word of four weights times four inputs is two SMLAD and one SXTB16 (see the module on lanes):
//! 4 outputs × 1 row cost 27 instructions per 32 products, 2 outputs × 2 rows cost 12. The loop over
//! the words is unrolled and entered in the middle when their number is not a multiple (Duff's device),
//! so no length has a slow tail. The loop over the outputs is inside too: the blocks of keys of a small
//! head are so short that a call per group would double their cost.
//!
//! When four sums (r2, r3, r10, r11) are complete, the loops jump to a [`Tail`] with a cursor in lr:
//! [`store`] writes the sums, the tails of [`rescale`](super::rescale) turn them into outputs. A tail
//! then begins the next group or returns. For that, all functions here lay out their stack alike, in the
//! order of the registers that a new group needs, so that one LDM clears the sums and rewinds the lanes:
//!
//! ```text
//! sp + 0   r1 lanes, r2 0, r3 0, r4 step of the weights, r5 the step after it, r10 0, r11 0,
//!          r12 end of the lanes
//!     32   where a group begins; two more addresses of this kind
//!     44   saved registers
//!     80   cursor, its end, the tail, parameters of the tail
//! ```

use crate::kernels::asm::unrolled;

/// The code that follows four sums; not a function to be called.
pub type Tail = unsafe extern "C" fn();

/// The functions of this module: weights, lanes, words, step, cursor, its end, tail, parameters of
/// the tail.
pub type Multiply = unsafe extern "C" fn(
    *const u8,
    *const i16,
    usize,
    usize,
    *const u8,
    *const u8,
    Tail,
    *const u8,
);

/// A loop of this module, a [`Multiply`].
macro_rules! multiply {
    ($(#[$doc:meta])* $name:ident, $($line:tt)*) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            weights: *const u8,
            lanes: *const i16,
            words: usize,
            step: usize,
            cursor: *const u8,
            end: *const u8,
            tail: Tail,
            parameters: *const u8,
        ) {
            naked_asm!($($line)*)
        }
    };
}

/// The end of a tail: the next group, or back to the caller.
macro_rules! next_group {
    () => {
        "ldr r4, [sp, #84]
        cmp lr, r4
        beq 4f
        ldm.w sp, {{r1-r5, r10-r12}}
        add r0, r4
        strd r5, r4, [sp, #12]
        ldr.w pc, [sp, #32]
        4:
        add sp, #44
        pop {{r4-r11, pc}}"
    };
}
pub(super) use {multiply, next_group};

/// Writes the sums at the cursor.
///
/// # Safety
/// Only as the tail of a function here, with room for all sums from the cursor to its end.
#[unsafe(naked)]
pub unsafe extern "C" fn store() {
    naked_asm!("stm lr!, {{r2, r3, r10, r11}}", next_group!())
}

/// One word of four outputs: weights at r0, lanes in the two registers given; 12 instructions after the
/// load, 52 bytes.
macro_rules! word {
    ($y:literal, $z:literal) => {
        concat!(
            "ldm.w r0!, {{r6-r9}}\n",
            "smlad r2, r6, ",
            $y,
            ", r2\n",
            "sxtb16 r6, r6\n",
            "smlad r3, r7, ",
            $y,
            ", r3\n",
            "sxtb16 r7, r7\n",
            "smlad r10, r8, ",
            $y,
            ", r10\n",
            "sxtb16 r8, r8\n",
            "smlad r11, r9, ",
            $y,
            ", r11\n",
            "sxtb16 r9, r9\n",
            "smlad r2, r6, ",
            $z,
            ", r2\n",
            "smlad r3, r7, ",
            $z,
            ", r3\n",
            "smlad r10, r8, ",
            $z,
            ", r10\n",
            "smlad r11, r9, ",
            $z,
            ", r11\n",
        )
    };
}

multiply! {
    /// `sums[o] = 256 Σ w x` of one row of 8-bit lanes, two words at a time: 27 instructions for 32
    /// products. Every register is taken, so the end of the lanes and the cursor wait on the stack.
    ///
    /// # Safety
    /// `words` ≥ 1 and `cursor` reaches `end` in whole groups, as the tail moves it; `lanes` holds
    /// `4 · words` numbers; `weights` holds `16 · words` bytes for each group, groups being
    /// `16 · words + step` bytes apart. All addresses and `step` are multiples of four. The assumptions of
    /// the tail hold too.
    paired_1,
    "push {{r4-r11, lr}}",
    "add r8, r1, r2, lsl #3",
    // Entry: as many pairs of words before the end of the unrolled loop as the first round does.
    "lsrs r4, r2, #1",
    "sub.w r5, r4, #1",
    "and r5, r5, #3",
    "add.w r5, r5, #1",
    "cmp r4, #0",
    "it eq",
    "moveq r5, #0",
    "adr.w r11, 3f",
    "mov.w r6, #108",
    "mls r11, r5, r6, r11",
    "add.w r11, r11, #1", // bit 0: Thumb
    // An odd word comes first.
    "adr.w r10, 6f",
    "add.w r10, r10, #1",
    "tst r2, #1",
    "it eq",
    "moveq r10, r11",
    "adr.w r9, 5f",
    "add.w r9, r9, #1",
    "mov r4, r3",
    "mov r5, r3",
    "movs r2, #0",
    "movs r3, #0",
    "movs r6, #0",
    "movs r7, #0",
    "push {{r1-r11}}",
    "mov r12, r10",
    "mov r10, r2",
    "mov r11, r2",
    "bx r12",
    ".p2align 2",
    "5:",
    "str lr, [sp, #80]",
    "ldr pc, [sp, #36]",
    ".p2align 2",
    "6:",
    "ldrd r4, r5, [r1], #8",
    word!("r4", "r5"),
    "ldr pc, [sp, #40]",
    ".p2align 2",
    "2:",
    ".rept 4",
    "ldm.w r1!, {{r4, r5, r12, lr}}",
    word!("r4", "r5"),
    word!("r12", "lr"),
    ".endr",
    "3:",
    unrolled!("2b", "3b", "4 * 108"),
    "ldr r4, [sp, #28]",
    "cmp r1, r4",
    "bne.w 2b",
    "ldr lr, [sp, #80]",
    "ldr pc, [sp, #88]",
}

/// One word of one output of [`wide_1`].
macro_rules! wide_word {
    ($sum:literal) => {
        concat!(
            "ldr r6, [r0], #4\n",
            "and r8, r9, r6, lsr #7\n",
            "sxtab16 r8, r8, r6, ror #8\n",
            "sxtb16 r6, r6\n",
            "smlad ",
            $sum,
            ", r8, r4, ",
            $sum,
            "\n",
            "smlad ",
            $sum,
            ", r6, r5, ",
            $sum,
            "\n",
        )
    };
}
multiply! {
    /// `sums[o] = Σ w x` of one row of 12-bit lanes. The high byte of a halfword lacks the borrow of a
    /// negative low byte: bit 7 is added to it (SXTAB16), which is exact for forged halfwords too.
    ///
    /// # Safety
    /// As for [`paired_1`].
    wide_1,
    "push {{r4-r11, lr}}",
    "ldr lr, [sp, #36]",
    "add r8, r1, r2, lsl #3",
    "adr.w r9, 5f",
    "add.w r9, r9, #1", // bit 0: Thumb
    "mov r4, r3",
    "mov r5, r3",
    "movs r2, #0",
    "movs r3, #0",
    "movs r6, #0",
    "movs r7, #0",
    "push {{r1-r11}}",
    "mov r10, r2",
    "mov r11, r2",
    "mov r12, r8",
    ".p2align 2",
    "5:",
    "mov.w r9, #0x00010001",
    "2:",
    "ldrd r4, r5, [r1], #8",
    wide_word!("r2"),
    wide_word!("r3"),
    wide_word!("r10"),
    wide_word!("r11"),
    "cmp r1, r12",
    "bne 2b",
    "ldr pc, [sp, #88]",
}

multiply! {
    /// `sums[2 o + r] = 256 Σ w x` of two rows of 8-bit lanes: outputs 0 and 1 of a group, then 2 and 3,
    /// both by steps of sixteen bytes through the same words.
    ///
    /// # Safety
    /// As for [`paired_1`], with `8 · words` lanes, groups `step` bytes apart, and a cursor that moves by
    /// half a group at a time.
    paired_2,
    "push {{r4-r11, lr}}",
    "ldr lr, [sp, #36]",
    "add r8, r1, r2, lsl #4",
    "movs r4, #8",
    "sub.w r4, r4, r2, lsl #4", // from the end of outputs 0, 1 to outputs 2, 3
    "subs r5, r3, #16",
    "adds r5, r5, r4", // from the end of outputs 2, 3 to the next group
    "subs r2, #1",
    "and r2, r2, #15",
    "add r2, r2, r2, lsl #1",
    "adr.w r9, 3f",
    "sub.w r9, r9, r2, lsl #4",
    "sub.w r9, r9, #47", // one step of 48 bytes; bit 0: Thumb
    "movs r2, #0",
    "movs r3, #0",
    "movs r6, #0",
    "movs r7, #0",
    "push {{r1-r11}}",
    "mov r10, r2",
    "mov r11, r2",
    "mov r12, r8",
    "bx r9",
    ".p2align 2",
    "2:",
    ".rept 16",
    "ldrd r8, r9, [r0], #16",
    "ldm.w r1!, {{r4-r7}}",
    "smlad r2, r8, r4, r2",
    "smlad r3, r8, r6, r3",
    "sxtb16 r8, r8",
    "smlad r10, r9, r4, r10",
    "smlad r11, r9, r6, r11",
    "sxtb16 r9, r9",
    "smlad r2, r8, r5, r2",
    "smlad r3, r8, r7, r3",
    "smlad r10, r9, r5, r10",
    "smlad r11, r9, r7, r11",
    ".endr",
    "3:",
    unrolled!("2b", "3b", "16 * 48"),
    "cmp r1, r12",
    "bne 2b",
    "ldr pc, [sp, #88]",
}

multiply! {
    /// `sums[2 o + r] = Σ w x` of two rows of 12-bit lanes.
    ///
    /// # Safety
    /// As for [`paired_2`].
    wide_2,
    "push {{r4-r11, lr}}",
    "ldr lr, [sp, #36]",
    "add r8, r1, r2, lsl #4",
    "movs r4, #8",
    "sub.w r4, r4, r2, lsl #4",
    "subs r5, r3, #16",
    "adds r5, r5, r4",
    "adr.w r9, 5f",
    "add.w r9, r9, #1", // bit 0: Thumb
    "movs r2, #0",
    "movs r3, #0",
    "movs r6, #0",
    "movs r7, #0",
    "push {{r1-r11}}",
    "mov r10, r2",
    "mov r11, r2",
    ".p2align 2",
    "5:",
    "str lr, [sp, #80]",
    "mov.w lr, #0x00010001",
    "2:",
    "ldrd r8, r9, [r0], #16",
    "ldm r1!, {{r4-r7}}",
    "and r12, lr, r8, lsr #7",
    "sxtab16 r12, r12, r8, ror #8",
    "sxtb16 r8, r8",
    "smlad r2, r12, r4, r2",
    "smlad r3, r12, r6, r3",
    "smlad r2, r8, r5, r2",
    "smlad r3, r8, r7, r3",
    "and r12, lr, r9, lsr #7",
    "sxtab16 r12, r12, r9, ror #8",
    "sxtb16 r9, r9",
    "smlad r10, r12, r4, r10",
    "smlad r11, r12, r6, r11",
    "smlad r10, r9, r5, r10",
    "smlad r11, r9, r7, r11",
    "ldr r12, [sp, #28]",
    "cmp r1, r12",
    "bne 2b",
    "ldr lr, [sp, #80]",
    "ldr pc, [sp, #88]",
}
