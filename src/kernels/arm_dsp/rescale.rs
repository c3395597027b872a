//! Rescaling the sums of a linear layer to rows.
//!
//! `round(a · f / 2^s)` with `s` ≥ 33 is `(high(a · f) + 2^(s−33)) >> (s − 32)`, exactly: an SMMLA and a
//! shift. A rounded bias costs two more: with SMLAW, `(2 v + 1 + floor(b / 2^(t−1))) >> 1` is
//! `v + round(b / 2^t)`, and the last shift is part of the saturation. `v` is below 2²⁸.
//!
//! All functions except [`divide`] are tails of a product (see [`linear`](super::linear)): their cursor
//! moves through the multipliers, and biases and outputs are at a fixed distance from it.

use super::linear::next_group;
use crate::kernels::asm::lines;

/// How one row's sums become outputs.
#[repr(C)]
pub struct Row {
    /// Below 2¹⁵.
    pub scale: u32,
    /// `2^(s − 33)`.
    pub half: i32,
    /// `s − 32`.
    pub shift: u32,
    /// 32 bits only: sums are shifted left by this first.
    pub up: u32,
    /// `2^(17 − t)`, `t` being the biases' shift, −13 … 17; of 16 bits, the same for both rows.
    pub bias: i32,
    /// Of 16 bits, the outputs' address less the moved cursor's; of 32 bits, less twice that.
    pub out: *mut u8,
}

/// Parameters of a tail: tails of two rows with biases are given the whole, others only the rows.
#[repr(C)]
pub struct Rescale {
    /// The biases' address less the moved cursor's.
    pub biases: *const u8,
    /// Of 16 bits, the first row's [`Row::bias`].
    pub bias: i32,
    /// 1.
    pub one: i32,
    /// Of one row, the second is not read.
    pub rows: [Row; 2],
}

/// Outputs `$a` and `$b` of one row of two: multipliers in r9, biases for `$add` in r4 and r8.
macro_rules! row_of_two {
    ($a:literal, $b:literal, $up:expr, $add:expr, $write:expr) => {
        lines!(
            "ldm r12!, {{r1, r5, r6, r7}}",
            $up,
            "smulbb r7, r9, r1",
            concat!("smmla ", $a, ", ", $a, ", r7, r5"),
            "smultb r7, r9, r1",
            concat!("smmla ", $b, ", ", $b, ", r7, r5"),
            concat!("asr ", $a, ", ", $a, ", r6"),
            concat!("asr ", $b, ", ", $b, ", r6"),
            "ldm r12!, {{r1, r7}}",
            $add,
            $write,
        )
    };
}

/// Adds the biases, which are the same for both rows: twice the sum.
macro_rules! add_same {
    ($a:literal, $b:literal) => {
        lines!(
            concat!("add ", $a, ", r8, ", $a, ", lsl #1"),
            concat!("add ", $b, ", r4, ", $b, ", lsl #1"),
        )
    };
}

/// Adds the biases in the row's own unit: twice the sum.
macro_rules! add_own {
    ($a:literal, $b:literal) => {
        lines!(
            concat!("add ", $a, ", r8, ", $a, ", lsl #1"),
            concat!("add ", $b, ", r8, ", $b, ", lsl #1"),
            concat!("smlawb ", $a, ", r1, r4, ", $a),
            concat!("smlawt ", $b, ", r1, r4, ", $b),
        )
    };
}

/// Stores two outputs in 16 bits.
macro_rules! halves_of_two {
    ($a:literal, $b:literal, $shift:literal) => {
        lines!(
            concat!("ssat ", $a, ", #16, ", $a, $shift),
            concat!("ssat ", $b, ", #16, ", $b, $shift),
            concat!("pkhbt ", $a, ", ", $a, ", ", $b, ", lsl #16"),
            concat!("str ", $a, ", [lr, r7]"),
        )
    };
}

/// Shifts the sums left.
macro_rules! up_two {
    ($a:literal, $b:literal) => {
        lines!(concat!("lsl ", $a, ", ", $a, ", r7"), concat!("lsl ", $b, ", ", $b, ", r7"),)
    };
}

/// Stores two outputs in 32 bits.
macro_rules! words_of_two {
    ($a:literal, $b:literal, $halve:expr) => {
        lines!($halve, "add.w r7, r7, lr, lsl #1", concat!("strd ", $a, ", ", $b, ", [r7]"),)
    };
}

/// Halves the sums of [`add_own`].
macro_rules! halve_two {
    ($a:literal, $b:literal) => {
        lines!(concat!("asr ", $a, ", ", $a, ", #1"), concat!("asr ", $b, ", ", $b, ", #1"),)
    };
}

/// Two outputs of two rows.
macro_rules! two_rows {
    ($(#[$doc:meta])* $name:ident, $biases:expr, $first:expr, $second:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Only as the tail of a product of two rows, with a [`Rescale`] as its fields say, or its rows.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            naked_asm!(
                "ldr.w r12, [sp, #92]",
                "ldr r9, [lr], #4",
                $biases,
                $first,
                $second,
                next_group!(),
            )
        }
    };
}

/// The biases of two outputs, and 1.
macro_rules! own_biases {
    () => {
        "ldm r12!, {{r4, r5, r8}}
        ldr.w r4, [lr, r4]"
    };
}

/// The biases of two outputs in the unit of both rows.
macro_rules! same_biases {
    () => {
        "ldm r12!, {{r4, r5, r6}}
        ldr.w r4, [lr, r4]
        smlawb r8, r5, r4, r6
        smlawt r4, r5, r4, r6"
    };
}

two_rows! {
    /// 16 bits, two rows, no biases.
    halves_2, "",
    row_of_two!("r2", "r10", "", "", halves_of_two!("r2", "r10", "")),
    row_of_two!("r3", "r11", "", "", halves_of_two!("r3", "r11", ""))
}
two_rows! {
    /// 16 bits, two rows.
    biased_halves_2, same_biases!(),
    row_of_two!("r2", "r10", "", add_same!("r2", "r10"), halves_of_two!("r2", "r10", ", asr #1")),
    row_of_two!("r3", "r11", "", add_same!("r3", "r11"), halves_of_two!("r3", "r11", ", asr #1"))
}
two_rows! {
    /// 32 bits, two rows, no biases.
    words_2, "",
    row_of_two!("r2", "r10", up_two!("r2", "r10"), "", words_of_two!("r2", "r10", "")),
    row_of_two!("r3", "r11", up_two!("r3", "r11"), "", words_of_two!("r3", "r11", ""))
}
two_rows! {
    /// 32 bits, two rows.
    biased_words_2, own_biases!(),
    row_of_two!("r2", "r10", up_two!("r2", "r10"), add_own!("r2", "r10"),
        words_of_two!("r2", "r10", halve_two!("r2", "r10"))),
    row_of_two!("r3", "r11", up_two!("r3", "r11"), add_own!("r3", "r11"),
        words_of_two!("r3", "r11", halve_two!("r3", "r11")))
}

/// Four outputs of one row.
macro_rules! one_row {
    ($(#[$doc:meta])* $name:ident, $up:expr, $add:expr, $write:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Only as the tail of a product of one row, with the rows of a [`Rescale`]; multipliers,
        /// biases and outputs of 32 bits are aligned to four bytes.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            naked_asm!(
                "ldr.w r12, [sp, #92]",
                "ldrd r4, r5, [lr], #8",
                "ldm r12!, {{r1, r6, r7, r8}}",
                $up,
                "smulbb r8, r4, r1",
                "smultb r4, r4, r1",
                "smmla r2, r2, r8, r6",
                "smmla r3, r3, r4, r6",
                "smulbb r8, r5, r1",
                "smultb r5, r5, r1",
                "smmla r10, r10, r8, r6",
                "smmla r11, r11, r5, r6",
                "asrs r2, r7",
                "asrs r3, r7",
                "asr r10, r10, r7",
                "asr r11, r11, r7",
                "ldrd r5, r1, [r12]",
                $add,
                $write,
                next_group!(),
            )
        }
    };
}

/// Shifts the sums left.
macro_rules! up_four {
    () => {
        "lsl.w r2, r2, r8
        lsl.w r3, r3, r8
        lsl.w r10, r10, r8
        lsl.w r11, r11, r8"
    };
}

/// Adds biases: twice the sum.
macro_rules! add_four {
    () => {
        "ldr r4, [r12, #-28]
        mov.w r8, #1
        add r4, lr
        ldm r4, {{r6, r7}}
        add r2, r8, r2, lsl #1
        add r3, r8, r3, lsl #1
        add r10, r8, r10, lsl #1
        add r11, r8, r11, lsl #1
        smlawb r2, r5, r6, r2
        smlawt r3, r5, r6, r3
        smlawb r10, r5, r7, r10
        smlawt r11, r5, r7, r11"
    };
}

/// Stores four outputs in 16 bits.
macro_rules! halves_of_four {
    ($shift:literal) => {
        lines!(
            concat!("ssat r2, #16, r2", $shift),
            concat!("ssat r3, #16, r3", $shift),
            concat!("ssat r10, #16, r10", $shift),
            concat!("ssat r11, #16, r11", $shift),
            "pkhbt r2, r2, r3, lsl #16",
            "pkhbt r10, r10, r11, lsl #16",
            "add r1, lr",
            "str r2, [r1]",
            "str r10, [r1, #4]",
        )
    };
}

/// Stores four outputs in 32 bits.
macro_rules! words_of_four {
    () => {
        "add.w r1, r1, lr, lsl #1
        stm r1, {{r2, r3, r10, r11}}"
    };
}

one_row! {
    /// 16 bits, one row, no biases.
    halves_1, "", "", halves_of_four!("")
}
one_row! {
    /// 16 bits, one row.
    biased_halves_1, "", add_four!(), halves_of_four!(", asr #1")
}
one_row! {
    /// 32 bits, one row, no biases.
    words_1, up_four!(), "", words_of_four!()
}
one_row! {
    /// 32 bits, one row.
    biased_words_1, up_four!(), add_four!(),
    lines!("asrs r2, r2, #1", "asrs r3, r3, #1", "asr r10, r10, #1", "asr r11, r11, #1", words_of_four!(),)
}

/// `out[i] = saturate(round(sums[i · step] · factor / 2^33 / 2^(shift − 1)))`.
///
/// # Safety
/// `out` holds `n` ≥ 2 numbers (`n` is even), `sums` as many, `step` bytes apart.
#[unsafe(naked)]
pub unsafe extern "C" fn divide(
    sums: *const i32,
    step: usize,
    out: *mut i16,
    n: usize,
    factor: u32,
    shift: u32,
) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "ldrd r4, r5, [sp, #20]",
        "movs r6, #1",
        "lsls r6, r5",
        "lsrs r6, r6, #1",
        "2:",
        "ldr r12, [r0]",
        "ldr r7, [r0, r1]",
        "add r0, r0, r1, lsl #1",
        "smmla r12, r12, r4, r6",
        "smmla r7, r7, r4, r6",
        "asr r12, r12, r5",
        "asrs r7, r5",
        "ssat r12, #16, r12",
        "ssat r7, #16, r7",
        "pkhbt r12, r12, r7, lsl #16",
        "str r12, [r2], #4",
        "subs r3, #2",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}
