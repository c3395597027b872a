//! Scores, softmax numerators and weighted values of one block of keys, in assembly.

use super::linear::{restore, save};
use crate::kernels::asm::lines;
use core::arch::naked_asm;

/// The scale in `$x` from its code, see [`decode_scale`](crate::fixed::decode_scale); `$t` is scratch.
macro_rules! decode {
    ($x:literal, $t:literal) => {
        concat!(
            "lsrs ", $t, ", ", $x, ", #4\n", "lsls ", $x, ", ", $x, ", #28\n", "lsrs ", $x, ", ",
            $x, ", #28\n", "adds ", $x, ", #16\n", "lsls ", $x, ", ", $t, "\n",
        )
    };
}

/// Scores of the first `keys` keys and the largest of them; sums are `stride` bytes apart.
///
/// # Safety
/// `keys` ≥ 1; `codes` and `scores` hold as many, `sums` one every `stride` bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn scores(
    sums: *const i32,
    codes: *const u8,
    scores: *mut i32,
    keys: usize,
    stride: usize,
) -> i32 {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "ldr r7, [sp, #20]",
        "mov r12, r7",
        "movs r7, #1",
        "lsls r7, r7, #31",
        "2:",
        "ldr r4, [r0]",
        "add r0, r12",
        "ldrb r5, [r1]",
        "adds r1, #1",
        decode!("r5", "r6"),
        // a · s / 2^17 of a = 2^16 h + l is (h · s + l · s / 2^16) / 2, floors all along.
        "uxth r6, r4",
        "asrs r4, r4, #16",
        "muls r4, r5, r4",
        "muls r5, r6, r5",
        "lsrs r5, r5, #16",
        "adds r4, r4, r5",
        "asrs r4, r4, #1",
        "stmia r2!, {{r4}}",
        "cmp r4, r7",
        "ble 3f",
        "mov r7, r4",
        "3:",
        "subs r3, #1",
        "bne 2b",
        "mov r0, r7",
        "pop {{r4-r7, pc}}",
    )
}

/// A key that counts: its index in the block, and its numerator times the scale of its value.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Weighed {
    pub key: usize,
    pub weight: i32,
}

/// Parameters of [`weigh`].
#[repr(C)]
pub struct Weigh {
    /// The end of the scores; then that of what is written.
    pub end: *const i32,
    /// Largest score so far.
    pub maximum: i32,
    /// Low half of the factor from scores to 1/256 octaves, Q0.32.
    pub factor_low: u32,
    /// Its high half.
    pub factor_high: u32,
    /// [`EXP2`](crate::fixed::EXP2).
    pub table: *const u16,
    /// Keys so far below the maximum, or further, have a numerator of 0; so may nearer ones.
    pub limit: u32,
    /// Shift of the products.
    pub shift: u32,
}

/// Softmax numerators times the values' scales of all keys that count; returns the sum of the
/// numerators.
///
/// # Safety
/// `scores` < `by.end`; `codes` holds as many, and so does `weighed` at most; `by.table` has 256 entries. The
/// scores may be the upper half of `weighed`, if that has room for twice as many words.
#[unsafe(naked)]
pub unsafe extern "C" fn weigh(
    scores: *const i32,
    codes: *const u8,
    weighed: *mut Weighed,
    by: *mut Weigh,
) -> u32 {
    naked_asm!(
        save!(),
        "mov r9, r1",
        "mov lr, r3",
        "ldmia r3!, {{r4-r7}}",
        "push {{r4, r5}}",
        "ldmia r3!, {{r1, r4, r5}}",
        "mov r8, r1",
        "mov r11, r4",
        "mov r12, r5",
        "mov r1, lr",
        "push {{r1}}",
        "movs r1, #0",
        "mov r10, r1",
        "2:",
        "ldmia r0!, {{r4}}",
        "ldr r5, [sp, #8]",
        "subs r4, r5, r4",
        "cmp r4, r11",
        "bhs 3f",
        // The high word of distance (r4) times factor (r6, r7).
        "uxth r5, r4",
        "lsrs r4, r4, #16",
        "mov r3, r5",
        "muls r3, r6, r3",
        "lsrs r3, r3, #16",
        "muls r5, r7, r5",
        "mov lr, r4",
        "muls r4, r6, r4",
        "adds r4, r4, r3",
        "uxth r3, r4",
        "adds r5, r5, r3",
        "lsrs r4, r4, #16",
        "lsrs r5, r5, #16",
        "adds r4, r4, r5",
        "mov r5, lr",
        "muls r5, r7, r5",
        "adds r4, r4, r5",
        // 2^-(that / 256)
        "lsrs r5, r4, #8",
        "cmp r5, #15",
        "bhs 3f",
        "uxtb r4, r4",
        "lsls r4, r4, #1",
        "add r4, r8",
        "ldrh r4, [r4]",
        "lsrs r4, r5",
        "add r10, r4",
        "mov r5, r9",
        "ldrb r5, [r5, r1]",
        decode!("r5", "r3"),
        "muls r4, r5, r4",
        // Rounded: the last bit that is shifted out is the carry.
        "mov r5, r12",
        "lsrs r4, r5",
        "movs r5, #0",
        "adcs r4, r5",
        "stmia r2!, {{r1, r4}}",
        "3:",
        "adds r1, #1",
        "ldr r5, [sp, #4]",
        "cmp r0, r5",
        "bne 2b",
        "pop {{r3-r5}}",
        "str r2, [r3]",
        "mov r0, r10",
        restore!(),
    )
}

/// Adds `$sum` to the number at r2 and steps on by the stride in r3.
macro_rules! add_sum {
    ($sum:literal) => {
        concat!("ldr r4, [r2]\n", "add r4, ", $sum, "\nstr r4, [r2]\n", "adds r2, r2, r3\n")
    };
}

/// Parameters of [`weighted`].
#[repr(C)]
pub struct Weighted {
    /// The end of the keys.
    pub end: *const Weighed,
    /// Bytes from one sum to the next.
    pub stride: usize,
    /// The end of the values.
    pub values_end: *const u8,
}

/// The value of the key in r2 in the dimension at `$at`, times its weight in r3, into `$sum`.
macro_rules! value {
    ($at:literal, $sum:literal) => {
        lines!("ldrsb r7, [" $at ", r2]"; "muls r7, r3, r7"; "add " $sum ", r7";)
    };
}

/// `sums[d] += Σ weight · values[d][key]`, four dimensions at a time.
///
/// # Safety
/// `values` < `by.values_end` by a multiple of 64 bytes, one sum for every sixteen of them;
/// `weighed` < `by.end`, and its keys are below 16.
#[unsafe(naked)]
pub unsafe extern "C" fn weighted(
    values: *const u8,
    weighed: *const Weighed,
    sums: *mut i32,
    by: *const Weighted,
) {
    naked_asm!(
        save!(),
        "ldmia r3!, {{r4-r6}}",
        "mov r12, r4",
        "push {{r1, r2, r5, r6}}", // keys, sums, stride, end of the values
        "2:",
        "ldr r1, [sp]",
        "movs r2, #0",
        "mov r8, r2",
        "mov r9, r2",
        "mov r10, r2",
        "mov r11, r2",
        "movs r2, #16",
        "adds r4, r0, r2",
        "adds r5, r4, r2",
        "adds r6, r5, r2",
        "3:",
        "ldmia r1!, {{r2, r3}}",
        value!("r0", "r8"),
        value!("r4", "r9"),
        value!("r5", "r10"),
        value!("r6", "r11"),
        "cmp r1, r12",
        "bne 3b",
        "ldr r2, [sp, #4]",
        "ldr r3, [sp, #8]",
        add_sum!("r8"),
        add_sum!("r9"),
        add_sum!("r10"),
        add_sum!("r11"),
        "str r2, [sp, #4]",
        "adds r0, #64",
        "ldr r4, [sp, #12]",
        "cmp r0, r4",
        "bne 2b",
        "add sp, #16",
        restore!(),
    )
}
