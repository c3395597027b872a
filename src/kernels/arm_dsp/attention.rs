//! Scores, softmax numerators and weighted values of one block of keys, of which the first ones are
//! visible.

use crate::fixed::decode_scale;
use crate::kernels::asm::unrolled;

/// The scale of every code, see [`decode_scale`]. (Codes from 192 on are never written, but memory
/// that was never written may hold them.)
pub static SCALE: [u16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = decode_scale(code as u8) as u16;
        code += 1;
    }
    table
};

/// The larger of two registers into the first.
macro_rules! raise {
    ($maximum:literal, $x:literal) => {
        concat!("cmp ", $x, ", ", $maximum, "\n", "it gt\n", "movgt ", $maximum, ", ", $x, "\n",)
    };
}

/// Scores of two rows in place: `products[2 j + r] · scales[j] / 2^17`. r10 and r11 hold the largest of
/// either row before and after.
///
/// # Safety
/// Only for [`stream`](super::stream), as no other function may leave r10 and r11 changed. `products` holds
/// `2 · keys` numbers, `codes` `keys` ≥ 1; `table` is [`SCALE`].
#[unsafe(naked)]
pub unsafe extern "C" fn scores_2(
    products: *mut i32,
    codes: *const u8,
    keys: usize,
    table: *const u16,
) {
    naked_asm!(
        "push {{r4-r9, lr}}",
        "subs r2, #2",
        "blo 3f",
        // Two keys; a new maximum is rare: the way without one falls through.
        "2:",
        "ldrb r4, [r1], #1",
        "ldrb r5, [r1], #1",
        "ldm r0, {{r6-r9}}",
        "ldrh r4, [r3, r4, lsl #1]",
        "ldrh r5, [r3, r5, lsl #1]",
        "lsls r4, r4, #15", // a · s / 2^17 is the high word of a · (s · 2^15)
        "lsls r5, r5, #15",
        "smmul r6, r6, r4",
        "smmul r7, r7, r4",
        "smmul r8, r8, r5",
        "smmul r9, r9, r5",
        "stm r0!, {{r6-r9}}",
        "cmp r6, r10",
        "ittt le",
        "cmple r8, r10",
        "cmple r7, r11",
        "cmple r9, r11",
        "bgt 5f",
        "6:",
        "subs r2, #2",
        "bhs 2b",
        "3:",
        "adds r2, #2",
        "beq 4f",
        "ldrb r4, [r1]",
        "ldm r0, {{r6, r7}}",
        "ldrh r4, [r3, r4, lsl #1]",
        "lsls r4, r4, #15",
        "smmul r6, r6, r4",
        "smmul r7, r7, r4",
        "stm r0, {{r6, r7}}",
        raise!("r10", "r6"),
        raise!("r11", "r7"),
        "4:",
        "pop {{r4-r9, pc}}",
        "5:",
        raise!("r10", "r6"),
        raise!("r10", "r8"),
        raise!("r11", "r7"),
        raise!("r11", "r9"),
        "b 6b",
    )
}

/// As [`scores_2`] for one row; r11 is not used.
///
/// # Safety
/// As for [`scores_2`], with `keys` products.
#[unsafe(naked)]
pub unsafe extern "C" fn scores_1(
    products: *mut i32,
    codes: *const u8,
    keys: usize,
    table: *const u16,
) {
    naked_asm!(
        "push {{r4, lr}}",
        "2:",
        "ldrb r4, [r1], #1",
        "ldr r12, [r0]",
        "ldrh r4, [r3, r4, lsl #1]",
        "lsls r4, r4, #15",
        "smmul r12, r12, r4",
        "str r12, [r0], #4",
        raise!("r10", "r12"),
        "subs r2, #1",
        "bne 2b",
        "pop {{r4, pc}}",
    )
}

/// Parameters of [`weigh_1`] and [`weigh_2`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Weigh {
    /// Largest score so far.
    pub maximum: i32,
    /// Score units to 1/256 octaves, Q0.32.
    pub factor: u32,
    /// [`EXP2`](crate::fixed::EXP2).
    pub exponentials: *const u16,
    /// [`SCALE`].
    pub scales: *const u16,
    /// Shift of the products, below 32.
    pub shift: u32,
    /// Half of the last place: added before the shift.
    pub half: u32,
    /// Sum of the numerators so far.
    pub sum: u32,
}

/// One key: the one before the keys that are done.
macro_rules! weigh_step {
    ($step:literal, $at:expr) => {
        concat!(
            "ldr.w r12, [r0, #-",
            $step,
            "]!\n",
            "ldrb.w lr, [r1, #-1]!\n",
            "sub.w r12, r4, r12\n",
            "umull r11, r12, r12, r5\n",
            "usat r11, #5, r12, asr #8\n",
            "uxtb.w r12, r12\n",
            "ldrh.w r12, [r6, r12, lsl #1]\n",
            "ldrh.w lr, [r7, lr, lsl #1]\n",
            "lsr.w r12, r12, r11\n",
            "add.w r10, r10, r12\n",
            "mla r12, r12, lr, r9\n",
            "lsr.w r12, r12, r8\n",
            "strh.w r12, [r2",
            $at,
            "\n",
        )
    };
}

/// Keys are taken from the last to the first, so that the loop over fours is entered in the middle
/// when their number is not a multiple of four (Duff's device).
macro_rules! weigh {
    ($(#[$doc:meta])* $name:ident, $row:literal, $step:literal, $four:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Only for [`stream`](super::stream), as no other function has these registers filled: r1 are the
        /// codes, r5 says how many keys are visible (1 to 16), r7 is the row's first weight, with room for
        /// a four for every four keys, r8 its [`Weigh`] and r9 its first score, one every step. Weights of
        /// keys missing to a four are left as they are.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            naked_asm!(
                "push {{r4-r11, lr}}",
                "mov r3, r5",
                "add r1, r3",
                concat!("add.w r0, r9, r3, lsl #", $row, " + 1"),
                "subs r3, #1",
                "bic r12, r3, #3",
                concat!("add.w r2, r7, r12, lsl #", $row), // the last four
                "ldm r8, {{r4-r10}}",
                "and r11, r3, #3",
                "tbb [pc, r11]",
                "4:",
                ".byte (8f - 4b) / 2, (7f - 4b) / 2, (6f - 4b) / 2, (2f - 4b) / 2",
                "2:",
                weigh_step!($step, ", #6]"),
                "6:",
                weigh_step!($step, ", #2]"),
                "7:",
                weigh_step!($step, ", #4]"),
                "8:",
                weigh_step!($step, concat!("], #-", $four)),
                "subs r3, #4",
                "bpl 2b",
                "mov r0, r10",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

weigh! {
    /// Softmax numerators of one row: the weights; the sum so far with them in r0.
    weigh_1, "1", "4", "8"
}
weigh! {
    /// As [`weigh_1`] for one row of two.
    weigh_2, "2", "8", "16"
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
/// numbers (the number of fours is not looked at). All addresses are multiples of four.
#[unsafe(naked)]
pub unsafe extern "C" fn weighted_1(
    values: *const u8,
    sums: *mut i32,
    lanes: *const i16,
    end: *mut i32,
    _fours: usize,
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

/// Four keys of two rows, two dimensions: 60 bytes.
macro_rules! four_keys {
    ($second:literal, $first:literal) => {
        concat!(
            "ldr.w r9, ",
            $second,
            "\n",
            "ldr.w r8, ",
            $first,
            "\n",
            "ldmdb.w r1!, {{r4-r7}}\n",
            "sxtb16 r12, r8\n",
            "smlad r2, r12, r4, r2\n",
            "smlad r3, r12, r6, r3\n",
            "sxtb16 r8, r8, ror #8\n",
            "smlad r2, r8, r5, r2\n",
            "smlad r3, r8, r7, r3\n",
            "sxtb16 r12, r9\n",
            "smlad r10, r12, r4, r10\n",
            "smlad r11, r12, r6, r11\n",
            "sxtb16 r9, r9, ror #8\n",
            "smlad r10, r9, r5, r10\n",
            "smlad r11, r9, r7, r11\n",
        )
    };
}

/// `sums[2 d + r] += Σ lanes_r · values[d]` for two rows, two dimensions at a time, `fours` times four
/// keys.
///
/// # Safety
/// `sums` < `end` by a multiple of four; `values` holds sixteen bytes for every two sums, `lanes`
/// `8 · fours` numbers; `fours` is 1 to 4. All addresses are multiples of four.
#[unsafe(naked)]
pub unsafe extern "C" fn weighted_2(
    values: *const u8,
    sums: *mut i32,
    lanes: *const i16,
    end: *mut i32,
    fours: usize,
) {
    naked_asm!(
        "push {{r3-r11, lr}}",
        "mov lr, r1",
        "ldr r4, [sp, #40]",
        "adr.w r5, 3f",
        "mov.w r6, #60",
        "mls r5, r4, r6, r5",
        "orr r5, r5, #1",
        "add.w r4, r2, r4, lsl #4", // end of the lanes
        "push {{r4, r5}}",
        "2:",
        "ldm.w lr, {{r2, r3, r10, r11}}",
        "ldm.w sp, {{r1, r12}}",
        "bx r12",
        ".p2align 2",
        // From the last four keys to the first.
        "6:",
        four_keys!("[r0, #28]", "[r0, #12]"),
        four_keys!("[r0, #24]", "[r0, #8]"),
        four_keys!("[r0, #20]", "[r0, #4]"),
        four_keys!("[r0, #16]", "[r0], #32"),
        "3:",
        unrolled!("6b", "3b", "4 * 60"),
        "stm.w lr!, {{r2, r3, r10, r11}}",
        "ldr r7, [sp, #8]",
        "cmp lr, r7",
        "bne 2b",
        "add sp, #8",
        "pop {{r3-r11, pc}}",
    )
}

/// `sums[i · step] = round(sums[i · step] · factor / 2^15)`: below a half by one multiplication, above it
/// by taking the rest off. Both are SMMLSR, by a negative factor in the first case.
///
/// # Safety
/// There are `n` ≥ 2 sums, an even number, `step` bytes apart; `factor` is at most 2¹⁵.
#[unsafe(naked)]
pub unsafe extern "C" fn shrink(sums: *mut i32, step: usize, n: usize, factor: u32) {
    naked_asm!(
        "push {{r4, r5, lr}}",
        "rsb r4, r3, #0x8000",
        "cmp r3, #0x4000",
        "bhi 4f",
        "rsbs r3, r3, #0",
        "lsls r3, r3, #17",
        "movs r4, #0",
        "3:",
        "ldr r12, [r0]",
        "ldr r5, [r0, r1]",
        "smmlsr r12, r12, r3, r4",
        "smmlsr r5, r5, r3, r4",
        "str r12, [r0]",
        "str r5, [r0, r1]",
        "add r0, r0, r1, lsl #1",
        "subs r2, #2",
        "bne 3b",
        "pop {{r4, r5, pc}}",
        "4:",
        "lsls r4, r4, #17",
        "5:",
        "ldr r12, [r0]",
        "ldr r5, [r0, r1]",
        "smmlsr r12, r12, r4, r12",
        "smmlsr r5, r5, r4, r5",
        "str r12, [r0]",
        "str r5, [r0, r1]",
        "add r0, r0, r1, lsl #1",
        "subs r2, #2",
        "bne 5b",
        "pop {{r4, r5, pc}}",
    )
}
