//! Matrix products with MUL, in assembly because a compiler spills half of the sums.
//!
//! A weight costs one load (LH for a whole halfword, LB for its low byte; see the module on lanes), one
//! multiplication and one addition; only loads and loop overhead can be saved. Sixteen sums fill sixteen
//! of the 31 registers: 8 outputs × 2 rows load 10 numbers for 16 products (2.66 instructions per
//! product), 16 outputs × 1 row load 17 for 16 (3.16). Loads come in pairs, so that no multiplication
//! waits for the load before it.

use core::arch::naked_asm;

/// The assembler of a naked function knows the base instruction set only.
#[cfg(target_feature = "c")]
macro_rules! extensions {
    () => {
        ".option push
        .option arch, +m, +c"
    };
}
/// The assembler of a naked function knows the base instruction set only.
#[cfg(not(target_feature = "c"))]
macro_rules! extensions {
    () => {
        ".option push
        .option arch, +m"
    };
}

/// Takes `$bytes` of the stack, the first 52 for the registers that a function must leave as they were.
macro_rules! save {
    ($bytes:literal) => {
        concat!(
            concat!("addi sp, sp, -", $bytes, "\n"),
            "sw ra, 0(sp)
            .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
            sw s\\i, 4*\\i+4(sp)
            .endr",
        )
    };
}

/// The counterpart of [`save`], and the return.
macro_rules! restore {
    ($bytes:literal) => {
        concat!(
            "lw ra, 0(sp)
            .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
            lw s\\i, 4*\\i+4(sp)
            .endr\n",
            concat!("addi sp, sp, ", $bytes, "\nret"),
        )
    };
}

/// Forgets macros of the assembler: their names are not a function's own.
macro_rules! forget {
    ($names:literal) => {
        concat!(".irp name, ", $names, "\n.purgem \\name\n.endr\n.option pop")
    };
}

/// Stores eight or sixteen sums, from s0 on, at t1.
macro_rules! store {
    (8) => {
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7
        sw s\\i, 4*\\i(t1)
        .endr"
    };
    (16) => {
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
        sw s\\i, 4*\\i(t1)
        .endr
        .irp i, 3, 4, 5, 6
        sw t\\i, 4*\\i+36(t1)
        .endr"
    };
}
pub(super) use {extensions, forget, restore, save};

/// `sums[2 o + r] = 256 Σ w x` of two rows of 8-bit lanes: eight outputs at a time, then four.
///
/// The loop takes two words and is entered in its middle when their number is odd.
///
/// # Safety
/// `words` and `groups` ≥ 1; `lanes` holds `8 · words` numbers, `weights` `16 · words` bytes for each
/// group, groups being `stride` apart, `sums` `8 · groups` numbers. `weights` and `stride` are
/// multiples of two.
#[unsafe(naked)]
pub unsafe extern "C" fn paired_2(
    weights: *const u8,
    lanes: *const i16,
    words: usize,
    stride: usize,
    sums: *mut i32,
    groups: usize,
) {
    naked_asm!(
        extensions!(),
        // Two outputs of one input: a4 and a5 are the rows' numbers.
        ".macro two load, at, w, a, b, c, d
        \\load a6, \\at(\\w)
        \\load a7, \\at+4(\\w)
        mul t0, a6, a4
        mul a6, a6, a5
        add \\a, \\a, t0
        mul t0, a7, a4
        add \\b, \\b, a6
        mul a7, a7, a5
        add \\c, \\c, t0
        add \\d, \\d, a7
        .endm",
        ".macro four load, at, lane
        lh a4, \\lane(a1)
        lh a5, \\lane+8(a1)
        two \\load, \\at, a0, s0, s1, s2, s3
        two \\load, \\at+8, a0, s4, s5, s6, s7
        .endm",
        ".macro eight load, at, lane
        four \\load, \\at, \\lane
        two \\load, \\at, a2, s8, s9, s10, s11
        two \\load, \\at+8, a2, t3, t4, t5, t6
        .endm",
        ".macro word outputs, at
        \\outputs lh, \\at, \\at
        \\outputs lh, \\at+2, \\at+2
        \\outputs lb, \\at, \\at+4
        \\outputs lb, \\at+2, \\at+6
        .endm",
        ".macro clear first:vararg
        .irp sum, \\first
        li \\sum, 0
        .endr
        .endm",
        save!("64"),
        "mv ra, a3",
        "mv t1, a4",
        "addi t2, a5, -2",
        "slli a3, a2, 4",
        "andi a2, a2, 1",
        "slli a2, a2, 4", // 16 bytes to step back if the number of words is odd
        "add a6, a1, a3",
        "sub a1, a1, a2",
        "slli a7, ra, 1",
        "sub a7, a7, a3",
        "sub a7, a7, a2", // from the end of two groups to the next
        "sub a0, a0, a2",
        "sw a1, 52(sp)",
        "sw a7, 56(sp)",
        "sw a2, 60(sp)",
        "mv a3, a6", // end of the lanes
        "bltz t2, 5f",
        "2:",
        "lw a1, 52(sp)",
        "lw a7, 60(sp)",
        "add a2, a0, ra",
        "clear s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6",
        "bnez a7, 4f",
        "3:",
        "word eight, 0",
        "4:",
        "word eight, 16",
        "addi a0, a0, 32",
        "addi a1, a1, 32",
        "addi a2, a2, 32",
        "bne a1, a3, 3b",
        "lw a7, 56(sp)",
        store!(16),
        "add a0, a0, a7",
        "addi t1, t1, 64",
        "addi t2, t2, -2",
        "bgez t2, 2b",
        "5:",
        "addi t2, t2, 1",
        "bnez t2, 7f",
        "lw a1, 52(sp)",
        "lw a7, 60(sp)",
        "clear s0, s1, s2, s3, s4, s5, s6, s7",
        "add a0, a0, a7",
        "add a1, a1, a7",
        "6:",
        "word four, 0",
        "addi a0, a0, 16",
        "addi a1, a1, 16",
        "bne a1, a3, 6b",
        store!(8),
        "7:",
        restore!("64"),
        forget!("two, four, eight, word, clear"),
    )
}

/// One row: sixteen outputs at a time, then four. `$word` defines `word groups`: which number of a word of
/// weights (how it is loaded, where it lies) is multiplied with which lane.
macro_rules! one_row {
    ($(#[$doc:meta])* $name:ident, $word:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// As for [`paired_2`], with `4 · words` lanes and `4 · groups` sums.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            weights: *const u8,
            lanes: *const i16,
            words: usize,
            stride: usize,
            sums: *mut i32,
            groups: usize,
        ) {
            naked_asm!(
                extensions!(),
                // Four outputs of one input: t0 is the row's number.
                ".macro group load, at, w, a, b, c, d
                \\load a6, \\at(\\w)
                \\load a7, \\at+4(\\w)
                mul a6, a6, t0
                mul a7, a7, t0
                add \\a, \\a, a6
                add \\b, \\b, a7
                \\load a6, \\at+8(\\w)
                \\load a7, \\at+12(\\w)
                mul a6, a6, t0
                mul a7, a7, t0
                add \\c, \\c, a6
                add \\d, \\d, a7
                .endm",
                ".macro one load, at, lane
                lh t0, \\lane(a1)
                group \\load, \\at, a0, s0, s1, s2, s3
                .endm",
                ".macro all load, at, lane
                one \\load, \\at, \\lane
                group \\load, \\at, a2, s4, s5, s6, s7
                group \\load, \\at, a3, s8, s9, s10, s11
                group \\load, \\at, a4, t3, t4, t5, t6
                .endm",
                $word,
                ".macro clear first:vararg
                .irp sum, \\first
                li \\sum, 0
                .endr
                .endm",
                save!("64"),
                "sw a1, 52(sp)",
                "mv ra, a3",
                "mv t1, a4",
                "addi t2, a5, -4",
                "slli a5, a2, 3",
                "slli a2, a2, 4",
                "sub a7, ra, a2", // from the end of a group to the next
                "add a5, a1, a5", // end of the lanes
                "sw a7, 56(sp)",
                "bltz t2, 4f",
                "2:",
                "lw a1, 52(sp)",
                "add a2, a0, ra",
                "add a3, a2, ra",
                "add a4, a3, ra",
                "clear s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6",
                "3:",
                "word all",
                "addi a1, a1, 8",
                "addi a0, a0, 16",
                "addi a2, a2, 16",
                "addi a3, a3, 16",
                "addi a4, a4, 16",
                "bne a1, a5, 3b",
                "lw a7, 56(sp)",
                store!(16),
                "add a0, a4, a7",
                "addi t1, t1, 64",
                "addi t2, t2, -4",
                "bgez t2, 2b",
                "4:",
                "addi t2, t2, 4",
                "beqz t2, 7f",
                "5:",
                "lw a1, 52(sp)",
                "clear s0, s1, s2, s3",
                "6:",
                "word one",
                "addi a1, a1, 8",
                "addi a0, a0, 16",
                "bne a1, a5, 6b",
                "lw a7, 56(sp)",
                "sw s0, 0(t1)",
                "sw s1, 4(t1)",
                "sw s2, 8(t1)",
                "sw s3, 12(t1)",
                "add a0, a0, a7",
                "addi t1, t1, 16",
                "addi t2, t2, -1",
                "bnez t2, 5b",
                "7:",
                restore!("64"),
                forget!("group, one, all, word, clear"),
            )
        }
    };
}

one_row! {
    /// `sums[o] = 256 Σ w x` of one row of 8-bit lanes.
    paired_1,
    ".macro word groups
    \\groups lh, 0, 0
    \\groups lh, 2, 2
    \\groups lb, 0, 4
    \\groups lb, 2, 6
    .endm"
}

one_row! {
    /// `sums[o] = 256 Σ w x` of one row of 8-bit lanes (see [`plain`](super::plain)) and plain weights.
    plain_1,
    ".macro word groups
    \\groups lb, 0, 0
    \\groups lb, 1, 2
    \\groups lb, 2, 4
    \\groups lb, 3, 6
    .endm"
}
