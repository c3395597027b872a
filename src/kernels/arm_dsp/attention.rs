//! Scores, softmax numerators and weighted values of one block of keys.

use core::arch::naked_asm;

/// Scores of `fours` times four keys; `load` fetches four accumulators into r4–r7.
macro_rules! scores {
    ($(#[$doc:meta])* $name:ident, $($load:literal)*) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// `fours` ≥ 1; `scales` and `scores` hold `4 · fours` numbers, `accumulators` as many for
        /// each row, beginning with the row wanted. Addresses are aligned for their types.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            accumulators: *const i32,
            scales: *const u16,
            scores: *mut i32,
            fours: usize,
        ) -> i32 {
            naked_asm!(
                "push {{r4-r9, lr}}",
                "mov.w lr, #0x80000000",
                "2:",
                $($load,)*
                // a · s / 2^17 is the high word of a · (s · 2^15).
                "ldrh r8, [r1], #2",
                "ldrh r9, [r1], #2",
                "ldrh r12, [r1], #2",
                "lsls r8, r8, #15",
                "lsls r9, r9, #15",
                "lsls r12, r12, #15",
                "smmul r4, r4, r8",
                "ldrh r8, [r1], #2",
                "smmul r5, r5, r9",
                "lsls r8, r8, #15",
                "smmul r6, r6, r12",
                "smmul r7, r7, r8",
                // A new maximum is rare: the way without one falls through.
                "cmp r4, lr",
                "bgt 4f",
                "3:",
                "cmp r5, lr",
                "bgt 6f",
                "5:",
                "cmp r6, lr",
                "bgt 8f",
                "7:",
                "cmp r7, lr",
                "bgt 22f",
                "9:",
                "stm r2!, {{r4-r7}}",
                "subs r3, #1",
                "bne 2b",
                "mov r0, lr",
                "pop {{r4-r9, pc}}",
                "4:",
                "mov lr, r4",
                "b 3b",
                "6:",
                "mov lr, r5",
                "b 5b",
                "8:",
                "mov lr, r6",
                "b 7b",
                "22:",
                "mov lr, r7",
                "b 9b",
            )
        }
    };
}

scores! {
    /// Scores of one row's keys and the largest of them.
    scores_1,
    "ldm r0!, {{r4-r7}}"
}

scores! {
    /// Scores of one row of two and the largest of them.
    scores_2,
    "ldr r4, [r0], #8"
    "ldr r5, [r0], #8"
    "ldr r6, [r0], #8"
    "ldr r7, [r0], #8"
}

/// What [`weigh`] needs besides pointers.
#[repr(C)]
pub struct Weigh {
    /// Largest score so far.
    pub maximum: i32,
    /// Score units to 1/256 octaves, Q0.32, below 2³¹.
    pub factor: u32,
    /// Bytes from one four of lanes to the next.
    pub stride: usize,
    /// Shift of the products, below 32, plus 256 for every four keys but the first.
    pub shift_and_fours: u32,
    /// What is added before the shift.
    pub half: u32,
    /// [`EXP2`](crate::fixed::EXP2).
    pub table: *const u16,
}

/// One softmax numerator: score in `$s` becomes weight. r9 is scratch.
macro_rules! numerator {
    ($s:literal) => {
        concat!(
            "sub ",
            $s,
            ", r1, ",
            $s,
            "\n",
            "umull r9, ",
            $s,
            ", ",
            $s,
            ", r2\n",
            "usat r9, #5, ",
            $s,
            ", asr #8\n",
            "uxtb ",
            $s,
            ", ",
            $s,
            "\n",
            "ldrh ",
            $s,
            ", [r12, ",
            $s,
            ", lsl #1]\n",
            "lsr ",
            $s,
            ", ",
            $s,
            ", r9\n",
            "add lr, lr, ",
            $s,
            "\n",
            "ldrh r9, [r3], #2\n",
            "mla ",
            $s,
            ", ",
            $s,
            ", r9, r11\n",
            "lsr ",
            $s,
            ", ",
            $s,
            ", r10\n",
        )
    };
}

/// Softmax numerators, their sum and the weights of as many visible keys as `by` says.
///
/// # Safety
/// `scores` and `scales` hold four numbers for every four keys, `lanes` four at every stride; scores
/// and lanes are aligned to four bytes; `by.table` has 256 entries.
#[unsafe(naked)]
pub unsafe extern "C" fn weigh(
    scores: *const i32,
    scales: *const u16,
    lanes: *mut i16,
    by: *const Weigh,
) -> u32 {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "mov r4, r2",
        "ldm r3, {{r7-r12}}",
        "mov r3, r1",
        "mov r1, r7",
        "mov r2, r8",
        "push {{r9}}",
        "movs.w lr, #0",
        "2:",
        "ldm r0!, {{r5-r8}}",
        numerator!("r5"),
        numerator!("r6"),
        numerator!("r7"),
        numerator!("r8"),
        "ldr r9, [sp]",
        "pkhbt r5, r5, r7, lsl #16",
        "pkhbt r6, r6, r8, lsl #16",
        "strd r5, r6, [r4]",
        "add r4, r9",
        "subs.w r10, r10, #256", // the shift uses only the low byte
        "bpl 2b",
        "mov r0, lr",
        "add sp, #4",
        "pop {{r4-r11, pc}}",
    )
}

/// Sixteen values of one dimension, with the weights in r2–r9; r10, r11 and r12 are scratch.
macro_rules! dimension {
    () => {
        concat!(
            "ldrd r10, r11, [r0], #8\n",
            "ldr lr, [r1]\n",
            "sxtb16 r12, r10\n",
            "smlad lr, r12, r2, lr\n",
            "sxtb16 r10, r10, ror #8\n",
            "smlad lr, r10, r3, lr\n",
            "sxtb16 r12, r11\n",
            "smlad lr, r12, r4, lr\n",
            "sxtb16 r11, r11, ror #8\n",
            "smlad lr, r11, r5, lr\n",
            "ldrd r10, r11, [r0], #8\n",
            "sxtb16 r12, r10\n",
            "smlad lr, r12, r6, lr\n",
            "sxtb16 r10, r10, ror #8\n",
            "smlad lr, r10, r7, lr\n",
            "sxtb16 r12, r11\n",
            "smlad lr, r12, r8, lr\n",
            "sxtb16 r11, r11, ror #8\n",
            "smlad lr, r11, r9, lr\n",
            "str lr, [r1], #4\n",
        )
    };
}

/// `sums[d] += Σ lanes · values[d]` for one row; all sixteen weights stay in registers.
///
/// # Safety
/// `sums` < `end` by a multiple of four; `values` holds sixteen bytes for each sum, `lanes` sixteen
/// numbers. All addresses are multiples of four.
#[unsafe(naked)]
pub unsafe extern "C" fn weighted_1(
    values: *const u8,
    sums: *mut i32,
    lanes: *const i16,
    end: *mut i32,
) {
    naked_asm!(
        "push {{r3-r11, lr}}",
        "ldm r2, {{r2-r9}}",
        "2:",
        dimension!(),
        dimension!(),
        dimension!(),
        dimension!(),
        "ldr r10, [sp]",
        "cmp r1, r10",
        "bne 2b",
        "pop {{r3-r11, pc}}",
    )
}

/// `sums[2 d + r] += Σ lanes_r · values[d]` for two rows, two dimensions at a time.
///
/// # Safety
/// `sums` < `end` by a multiple of four; `values` holds sixteen bytes for every two sums, `lanes` 32
/// numbers. All addresses are multiples of four.
#[unsafe(naked)]
pub unsafe extern "C" fn weighted_2(
    values: *const u8,
    sums: *mut i32,
    lanes: *const i16,
    end: *mut i32,
) {
    naked_asm!(
        "push {{r3-r11, lr}}",
        "mov lr, r1",
        "mov r1, r2",
        "2:",
        "ldm lr, {{r2, r3, r10, r11}}",
        ".rept 4",
        "ldr r9, [r0, #16]",
        "ldr r8, [r0], #4",
        "ldm r1!, {{r4-r7}}",
        "sxtb16 r12, r8",
        "smlad r2, r12, r4, r2",
        "smlad r3, r12, r6, r3",
        "sxtb16 r8, r8, ror #8",
        "smlad r2, r8, r5, r2",
        "smlad r3, r8, r7, r3",
        "sxtb16 r12, r9",
        "smlad r10, r12, r4, r10",
        "smlad r11, r12, r6, r11",
        "sxtb16 r9, r9, ror #8",
        "smlad r10, r9, r5, r10",
        "smlad r11, r9, r7, r11",
        ".endr",
        "ldr r4, [sp]",
        "stm lr!, {{r2, r3, r10, r11}}",
        "subs r1, #64",
        "adds r0, #16",
        "cmp lr, r4",
        "bne 2b",
        "pop {{r3-r11, pc}}",
    )
}
