//! Matrix products without SIMD and without a long multiply.
//!
//! MULS gives 32 bits, destroys an operand and reaches only r0–r7; ADD reaches r8–r12, so the sums are
//! there. Lanes are unpacked once per call, not once per output.
//!
//! **One row**: the halfwords of weights are multiplied as they are (see the module on lanes), so a
//! word of four weights times four inputs is one load, three extensions, one shift, four MULS and four
//! ADD: 13 instructions for 4 products.
//!
//! **Two rows** share a multiplication: with `X = x_a + 2¹⁶ x_b`, `w·X` holds both products, and even
//! the sum `Q` of two such (|2 · 127 · 127| < 2¹⁵) keeps its halves apart. `Q >> 16` is row b's sum
//! rounded down; ASRS leaves the bit that rounds it, the sign of row a's half, in the carry, and ADCS
//! picks it up. So `B += Q >> 16` is exact, and `A += Q` ends as `a + 2¹⁶ B`. With the extraction of
//! the weights that is 11 instructions for 4 products, 10 with plain weights.

use crate::kernels::asm::{lines, unrolled};
use core::arch::naked_asm;

/// Saves r4–r11 and lr: 36 bytes.
macro_rules! save {
    () => {
        "push {{r4-r7, lr}}
        mov r4, r8
        mov r5, r9
        mov r6, r10
        mov r7, r11
        push {{r4-r7}}"
    };
}
pub(super) use save;

/// Undoes `save` and returns.
macro_rules! restore {
    () => {
        "pop {{r4-r7}}
        mov r8, r4
        mov r9, r5
        mov r10, r6
        mov r11, r7
        pop {{r4-r7, pc}}"
    };
}
pub(super) use restore;

/// Four products of the word of weights at r0 into `$sum`; lanes x1 x3 z0 z2 are in r2–r5.
macro_rules! paired {
    ($sum:literal) => {
        lines!(
            "ldmia r0!, {{r6}}";
            "sxth r7, r6";
            "muls r7, r2, r7";
            "add " $sum ", r7";
            "sxtb r7, r6";
            "muls r7, r4, r7";
            "add " $sum ", r7";
            "asrs r6, r6, #16";
            "sxtb r7, r6";
            "muls r7, r5, r7";
            "add " $sum ", r7";
            "muls r6, r3, r6";
            "add " $sum ", r6";
        )
    };
}

/// As `paired` for lanes x1 x3 x0 x2; the odd weights are separated from the even ones.
macro_rules! wide {
    ($sum:literal) => {
        lines!(
            "ldr r6, [r0]";
            "sxth r6, r6";
            "sxtb r7, r6";
            "subs r6, r6, r7";
            "asrs r6, r6, #8";
            "muls r7, r4, r7";
            "muls r6, r2, r6";
            "adds r6, r6, r7";
            "add " $sum ", r6";
            "ldmia r0!, {{r6}}";
            "asrs r6, r6, #16";
            "sxtb r7, r6";
            "subs r6, r6, r7";
            "asrs r6, r6, #8";
            "muls r7, r5, r7";
            "muls r6, r3, r6";
            "adds r6, r6, r7";
            "add " $sum ", r6";
        )
    };
}

/// As `paired` for plain weights and lanes x1 x3 x0 x2.
macro_rules! plain {
    ($sum:literal) => {
        lines!(
            "ldmia r0!, {{r6}}";
            "sxtb r7, r6";
            "muls r7, r4, r7";
            "add " $sum ", r7";
            "lsls r7, r6, #16";
            "asrs r7, r7, #24";
            "muls r7, r2, r7";
            "add " $sum ", r7";
            "lsls r7, r6, #8";
            "asrs r7, r7, #24";
            "muls r7, r5, r7";
            "add " $sum ", r7";
            "asrs r6, r6, #24";
            "muls r6, r3, r6";
            "add " $sum ", r6";
        )
    };
}

/// Four outputs of one row, then the next group, until `end`. A round is a word for every `$product`;
/// `$odd` says where an odd number of words begins, in a round of
/// `$bytes`. `$prepare` makes of the lanes in r2–r5 what the
/// product reads.
macro_rules! one_row {
    ($(#[$doc:meta])* $name:ident, [$($odd:literal $bytes:literal)?] $prepare:literal,
        $($product:ident)*) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// `words` ≥ 1 and `sums` < `end` by a multiple of sixteen bytes; `inputs` (see
        /// [`lanes`](super::lanes)) holds `4 · words` numbers; `weights` holds `16 · words` bytes for
        /// each group, groups being `stride` apart. All are multiples of four.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            weights: *const u8,
            inputs: *const i32,
            words: usize,
            stride: usize,
            sums: *mut i32,
            end: *mut i32,
        ) {
            naked_asm!(
                save!(),
                "adr r7, 3f",
                "adds r7, #1", // bit 0: Thumb
                "lsls r4, r2, #31",
                $($odd,)?
                "2:",
                "lsls r2, r2, #4",
                "subs r3, r3, r2", // from the end of a group to the next
                "adds r2, r2, r1",
                "mov r12, r2",
                "push {{r1, r3, r7}}",
                "ldr r3, [sp, #48]",
                "6:",
                "mov lr, r3",
                "movs r4, #0",
                "mov r8, r4",
                "mov r9, r4",
                "mov r10, r4",
                "mov r11, r4",
                "ldr r7, [sp, #8]",
                "bx r7",
                ".p2align 2",
                "3:",
                $(
                    "ldmia r1!, {{r2-r5}}",
                    $prepare,
                    $product!("r8"),
                    $product!("r9"),
                    $product!("r10"),
                    $product!("r11"),
                )*
                "5:",
                $(unrolled!("3b", "5b", $bytes),)?
                "cmp r1, r12",
                "bne 3b",
                "mov r3, lr",
                "mov r4, r8",
                "mov r5, r9",
                "mov r6, r10",
                "mov r7, r11",
                "stmia r3!, {{r4-r7}}",
                "ldr r4, [sp, #52]",
                "cmp r3, r4",
                "beq 4f",
                "ldr r1, [sp]",
                "ldr r4, [sp, #4]",
                "adds r0, r0, r4",
                "b 6b",
                "4:",
                "add sp, #12",
                restore!(),
            )
        }
    };
}

one_row! {
    /// `sums[o] = 256 Σ w x` of one row of 8-bit lanes.
    paired_1,
    // The second half of the round.
    ["beq 2f
    adds r7, #106" "2 * 106"]
    "",
    paired paired
}

one_row! {
    /// `sums[o] = Σ w x` of one row of 12-bit lanes.
    paired_wide_1, [] "", wide
}

one_row! {
    /// `sums[o] = 256 Σ w x` of one row of 8-bit lanes and plain weights.
    plain_1, []
    // 256 times the inputs x1 x3 x0 x2
    "adds r4, r4, r2
    adds r5, r5, r3
    lsls r2, r2, #8
    lsls r3, r3, #8",
    plain
}

one_row! {
    /// `sums[o] = Σ w x` of one row of 12-bit lanes and plain weights.
    plain_wide_1, [] "", plain
}

/// Two products of two rows, of one half of the word at r0 + `$at`: the even input times r2, the odd one
/// times r3.
macro_rules! two_rows {
    ($at:literal, $extract:literal, $a:literal, $b:literal) => {
        lines!(
            "ldr r6, [r0, #" $at "]";
            $extract "muls r7, r2, r7";
            "muls r6, r3, r6";
            "adds r6, r6, r7";
            "add " $a ", r6";
            "asrs r6, r6, #16";
            "adcs " $b ", r6";
        )
    };
}

/// The words of two outputs at r0 + `$first` and r0 + `$second`.
macro_rules! two_outputs {
    ($first:literal, $second:literal, $low:literal, $high:literal) => {
        concat!(
            "ldmia r1!, {{r2, r3}}\n",
            two_rows!($first, $low, "r8", "r4"),
            two_rows!($second, $low, "r9", "r5"),
            "ldmia r1!, {{r2, r3}}\n",
            two_rows!($first, $high, "r8", "r4"),
            two_rows!($second, $high, "r9", "r5"),
        )
    };
}

/// Stores the sums of one output: `$a` holds a + 2¹⁶ b, `$b` holds b.
macro_rules! store_sums {
    ($a:literal, $b:literal) => {
        lines!(
            "mov r6, " $a "\nlsls r7, " $b ", #16";
            "subs r6, r6, r7";
            "lsls r6, r6, #8";
            "lsls r7, " $b ", #8";
            "stmia r3!, {{r6, r7}}";
        )
    };
}

/// Two rows: outputs 0 and 1 of a group, then 2 and 3, two words a round (an odd number begins in the
/// middle, `$step` bytes of code further). `$low` and `$high` take the two weights of a half of r6 apart:
/// the even one into r7, the odd one into r6.
macro_rules! two_rows_of {
    ($(#[$doc:meta])* $name:ident, $step:literal, $low:literal, $high:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// As for one row, `inputs` being those of [`lanes`](super::lanes), groups `stride` apart
        /// and `sums` < `end` by a multiple of 32 bytes. Inputs beyond −128 … 127 give wrong sums,
        /// nothing worse.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            weights: *const u8,
            inputs: *const i32,
            words: usize,
            stride: usize,
            sums: *mut i32,
            end: *mut i32,
        ) {
            naked_asm!(
                save!(),
                "lsls r4, r2, #4",
                "adds r5, r1, r4",
                "mov r10, r5",
                "adr r7, 3f",
                "adds r7, #1", // bit 0: Thumb
                "lsls r5, r2, #31",
                "beq 2f",
                // An odd number: skip the first half of the round.
                "subs r0, #16",
                "adds r4, #16",
                "adds r7, #{step}",
                "2:",
                "movs r5, #8",
                "subs r5, r5, r4", // from the end of outputs 0, 1 to outputs 2, 3
                "subs r6, r3, r4",
                "subs r6, #8", // from the end of outputs 2, 3 to the next group
                "push {{r1, r5-r7}}",
                "6:",
                "ldr r1, [sp]",
                "movs r4, #0",
                "movs r5, #0",
                "mov r8, r4",
                "mov r9, r4",
                "ldr r7, [sp, #12]",
                "bx r7",
                ".p2align 2",
                "3:",
                two_outputs!("0", "4", $low, $high),
                "5:",
                unrolled!("3b", "5b", "{step}"),
                two_outputs!("16", "20", $low, $high),
                "adds r0, #32",
                "cmp r1, r10",
                "bne 3b",
                "ldr r3, [sp, #52]",
                store_sums!("r8", "r4"),
                store_sums!("r9", "r5"),
                "str r3, [sp, #52]",
                "ldr r4, [sp, #56]",
                "cmp r3, r4",
                "beq 4f",
                "ldr r4, [sp, #4]",
                "ldr r5, [sp, #8]",
                "str r4, [sp, #8]",
                "str r5, [sp, #4]",
                "adds r0, r0, r4",
                "b 6b",
                "4:",
                "add sp, #16",
                restore!(),
                step = const $step,
            )
        }
    };
}

two_rows_of! {
    /// `sums[2 o + r] = 256 Σ w x` of two rows.
    paired_2, 92,
    "sxth r6, r6
    sxtb r7, r6
    subs r6, r6, r7
    asrs r6, r6, #8
    ",
    "asrs r6, r6, #16
    sxtb r7, r6
    subs r6, r6, r7
    asrs r6, r6, #8
    "
}

two_rows_of! {
    /// `sums[2 o + r] = 256 Σ w x` of two rows and plain weights.
    plain_2, 84,
    "sxtb r7, r6
    lsls r6, r6, #16
    asrs r6, r6, #24
    ",
    "lsls r7, r6, #8
    asrs r7, r7, #24
    asrs r6, r6, #24
    "
}
