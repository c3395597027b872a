//! Matrix products with SMLAD.
//!
//! One word of four weights times four inputs is two SMLAD and one SXTB16 (see the module on lanes):
//! 4 outputs × 1 row cost 27 instructions per 32 products, 2 outputs × 2 rows cost 12. The loop over
//! the words is unrolled eight times and entered in the middle when their number is not a multiple
//! of eight (Duff's device), so no length has a slow tail. The loop over the outputs is inside too:
//! the blocks of keys of a small head are so short that a call per group would double their cost.
//!
//! The stack frame is laid out in the order of the registers that a new group needs, so that one LDM
//! clears the sums and rewinds the lanes.

/// How often the loop over words is unrolled; the entry address is computed from it.
macro_rules! unrolled {
    ($times:literal, $($line:literal)*) => {
        concat!(".rept ", $times, "\n", $($line, "\n",)* ".endr\n")
    };
}

/// Four outputs of one row: `sums`, then the next group, until `end`.
///
/// `bytes` is the size of one unrolled step; each instruction in it takes four bytes.
macro_rules! one_row {
    ($(#[$doc:meta])* $name:ident, $times:literal, $bytes:literal, $($step:literal)*) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// `words` ≥ 1 and `sums` < `end` by a multiple of four; `lanes` holds `4 · words` numbers;
        /// `weights` holds `16 · words` bytes for each group, groups being `16 · words + skip` bytes
        /// apart. All addresses and `skip` are multiples of four.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            weights: *const u8,
            lanes: *const i16,
            words: usize,
            skip: usize,
            sums: *mut i32,
            end: *mut i32,
        ) {
            naked_asm!(
                "push {{r4-r11, lr}}",
                "ldr lr, [sp, #36]",
                "ldr r8, [sp, #40]",
                "add r12, r1, r2, lsl #3",
                // Entry: as many steps before the end of the unrolled loop as words are left over.
                "subs r2, #1",
                "and r2, r2, #({times} - 1)",
                "movs r4, #{bytes}",
                "adr.w r7, 3f",
                "mls r7, r2, r4, r7",
                "sub.w r7, r7, #({bytes} - 1)", // bit 0: Thumb
                "mov r4, r3",
                "movs r2, #0",
                "movs r3, #0",
                "movs r5, #0",
                "movs r6, #0",
                "mov.w r9, #0x00010001",
                // lanes, 0, 0, skip, 0, 0, entry, end
                "push {{r1-r8}}",
                "mov r10, r2",
                "mov r11, r2",
                "bx r7",
                ".p2align 2",
                "2:",
                unrolled!($times, $($step)*),
                "3:",
                "cmp r1, r12",
                "bne 2b",
                "stm lr!, {{r2, r3, r10, r11}}",
                "ldr r4, [sp, #28]",
                "cmp lr, r4",
                "beq 4f",
                "ldm sp, {{r1, r2, r3, r4, r10, r11}}",
                "add r0, r4",
                "ldr pc, [sp, #24]",
                "4:",
                "add sp, #32",
                "pop {{r4-r11, pc}}",
                bytes = const $bytes,
                times = const $times,
            )
        }
    };
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

/// `sums[o] = 256 Σ w x` of one row of 8-bit lanes, two words at a time: 27 instructions for 32
/// products. Every register is taken, so the ends and the sums' address wait on the stack.
///
/// # Safety
/// As for [`wide_1`].
#[unsafe(naked)]
pub unsafe extern "C" fn paired_1(
    weights: *const u8,
    lanes: *const i16,
    words: usize,
    skip: usize,
    sums: *mut i32,
    end: *mut i32,
) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "ldr r8, [sp, #36]",
        "ldr r9, [sp, #40]",
        "add r12, r1, r2, lsl #3",
        // Entry: as many pairs of words before the end of the unrolled loop as the first round does.
        "lsrs r4, r2, #1",
        "sub.w r5, r4, #1",
        "and r5, r5, #3",
        "add.w r5, r5, #1",
        "cmp r4, #0",
        "it eq",
        "moveq r5, #0",
        "adr.w r7, 3f",
        "mov.w r6, #108",
        "mls r7, r5, r6, r7",
        "add.w r7, r7, #1", // bit 0: Thumb
        // An odd word comes first.
        "adr.w r6, 6f",
        "add.w r6, r6, #1",
        "tst r2, #1",
        "it eq",
        "moveq r6, r7",
        // lanes, 0, 0, skip, 0, 0, first entry, entry, end of the lanes, sums, end
        "push {{r8, r9}}",
        "push.w {{r6, r7, r12}}",
        "mov r12, r6",
        "mov r4, r3",
        "movs r2, #0",
        "movs r3, #0",
        "movs r5, #0",
        "movs r6, #0",
        "push {{r1-r6}}",
        "mov r10, r2",
        "mov r11, r2",
        "bx r12",
        ".p2align 2",
        "6:",
        "ldrd r4, r5, [r1], #8",
        word!("r4", "r5"),
        "ldr pc, [sp, #28]",
        ".p2align 2",
        "2:",
        ".rept 4",
        "ldm.w r1!, {{r4, r5, r12, lr}}",
        word!("r4", "r5"),
        word!("r12", "lr"),
        ".endr",
        "3:",
        "ldr r4, [sp, #32]",
        "cmp r1, r4",
        "bne.w 2b",
        "ldr lr, [sp, #36]",
        "stm lr!, {{r2, r3, r10, r11}}",
        "str lr, [sp, #36]",
        "ldr r4, [sp, #40]",
        "cmp lr, r4",
        "beq 4f",
        "ldm sp, {{r1, r2, r3, r4, r10, r11}}",
        "add r0, r4",
        "ldr pc, [sp, #24]",
        "4:",
        "add sp, #44",
        "pop {{r4-r11, pc}}",
    )
}

one_row! {
    /// `sums[o] = Σ w x` of one row of 12-bit lanes. The high byte of a halfword lacks the borrow of
    /// a negative low byte: bit 7 is added to it (SXTAB16), which is exact for forged halfwords too.
    wide_1, 1, 92,
    "ldrd r4, r5, [r1], #8"
    "ldrd r6, r7, [r0], #8"
    "and r8, r9, r6, lsr #7"
    "sxtab16 r8, r8, r6, ror #8"
    "sxtb16 r6, r6"
    "smlad r2, r8, r4, r2"
    "smlad r2, r6, r5, r2"
    "and r8, r9, r7, lsr #7"
    "sxtab16 r8, r8, r7, ror #8"
    "sxtb16 r7, r7"
    "smlad r3, r8, r4, r3"
    "smlad r3, r7, r5, r3"
    "ldrd r6, r7, [r0], #8"
    "and r8, r9, r6, lsr #7"
    "sxtab16 r8, r8, r6, ror #8"
    "sxtb16 r6, r6"
    "smlad r10, r8, r4, r10"
    "smlad r10, r6, r5, r10"
    "and r8, r9, r7, lsr #7"
    "sxtab16 r8, r8, r7, ror #8"
    "sxtb16 r7, r7"
    "smlad r11, r8, r4, r11"
    "smlad r11, r7, r5, r11"
}

/// `sums[2 o + r] = 256 Σ w x` of two rows of 8-bit lanes: outputs 0 and 1 of a group, then 2 and 3,
/// both by steps of sixteen bytes through the same words.
///
/// # Safety
/// As for one row, with `8 · words` lanes, `sums` < `end` by a multiple of eight and groups
/// `group_bytes` apart.
#[unsafe(naked)]
pub unsafe extern "C" fn paired_2(
    weights: *const u8,
    lanes: *const i16,
    words: usize,
    group_bytes: usize,
    sums: *mut i32,
    end: *mut i32,
) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "ldr lr, [sp, #36]",
        "ldr r9, [sp, #40]",
        "add r12, r1, r2, lsl #4",
        "rsb r4, r2, #0",
        "lsls r4, r4, #4",
        "subs r5, r3, #8",
        "adds r5, r5, r4", // from the end of outputs 2, 3 to the next group
        "adds r4, #8",     // from the end of outputs 0, 1 to outputs 2, 3
        "subs r2, #1",
        "and r2, r2, #7",
        "add r2, r2, r2, lsl #1",
        "adr.w r8, 3f",
        "sub.w r8, r8, r2, lsl #4",
        "sub.w r8, r8, #47", // one step of 48 bytes; bit 0: Thumb
        "movs r2, #0",
        "movs r3, #0",
        "movs r6, #0",
        "movs r7, #0",
        // lanes, 0, 0, this step, next step, 0, 0, entry, end
        "push {{r1-r9}}",
        "mov r10, r2",
        "mov r11, r2",
        "bx r8",
        ".p2align 2",
        "2:",
        unrolled!(
            8,
            "ldrd r8, r9, [r0], #16"
            "ldm.w r1!, {{r4-r7}}"
            "smlad r2, r8, r4, r2"
            "smlad r3, r8, r6, r3"
            "sxtb16 r8, r8"
            "smlad r10, r9, r4, r10"
            "smlad r11, r9, r6, r11"
            "sxtb16 r9, r9"
            "smlad r2, r8, r5, r2"
            "smlad r3, r8, r7, r3"
            "smlad r10, r9, r5, r10"
            "smlad r11, r9, r7, r11"
        ),
        "3:",
        "cmp r1, r12",
        "bne 2b",
        "stm lr!, {{r2, r3, r10, r11}}",
        "ldr r4, [sp, #32]",
        "cmp lr, r4",
        "beq 4f",
        "ldm sp, {{r1, r2, r3, r4, r5, r10, r11}}",
        "add r0, r4",
        "strd r5, r4, [sp, #12]",
        "ldr pc, [sp, #28]",
        "4:",
        "add sp, #36",
        "pop {{r4-r11, pc}}",
    )
}

/// `sums[2 o + r] = Σ w x` of two rows of 12-bit lanes.
///
/// # Safety
/// As for [`paired_2`].
#[unsafe(naked)]
pub unsafe extern "C" fn wide_2(
    weights: *const u8,
    lanes: *const i16,
    words: usize,
    group_bytes: usize,
    sums: *mut i32,
    end: *mut i32,
) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "rsb r4, r2, #0",
        "lsls r4, r4, #4",
        "subs r5, r3, #8",
        "adds r5, r5, r4",
        "adds r4, #8",
        "add r8, r1, r2, lsl #4",
        "movs r2, #0",
        "movs r3, #0",
        "movs r6, #0",
        "movs r7, #0",
        // lanes, 0, 0, this step, next step, 0, 0, end of the lanes
        "push {{r1-r8}}",
        "mov r10, r2",
        "mov r11, r2",
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
        "ldrd r4, r5, [sp, #68]", // sums, end
        "stm r4!, {{r2, r3, r10, r11}}",
        "str r4, [sp, #68]",
        "cmp r4, r5",
        "beq 4f",
        "ldm sp, {{r1, r2, r3, r4, r5, r10, r11}}",
        "add r0, r4",
        "strd r5, r4, [sp, #12]",
        "b 2b",
        "4:",
        "add sp, #32",
        "pop {{r4-r11, pc}}",
    )
}
