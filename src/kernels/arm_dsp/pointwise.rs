//! Rotations, explicit norms, and vectors on their way into the cache.

/// Rotates pairs: `pairs` of one head, then the next, until `end`.
///
/// # Safety
/// `pairs` ≥ 1; `table` holds that many pairs; `row` < `end` by a multiple of their bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn rotate(row: *mut i16, end: *mut i16, table: *const i16, pairs: usize) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov.w r7, #0x2000",
        "2:",
        "mov r4, r2",
        "mov r5, r3",
        "3:",
        "ldr r6, [r4], #4",
        "ldr r12, [r0]",
        "smlsd lr, r12, r6, r7",
        "smladx r6, r12, r6, r7",
        "ssat lr, #16, lr, asr #14",
        "ssat r6, #16, r6, asr #14",
        "pkhbt r6, lr, r6, lsl #16",
        "str r6, [r0], #4",
        "subs r5, #1",
        "bne 3b",
        "cmp r0, r1",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}

/// A key of `words` ≥ 1 words, 16 bytes apart; `half` is half of the last place.
///
/// # Safety
/// `x` holds `4 · words` numbers; every word at `out` may be written.
#[unsafe(naked)]
pub unsafe extern "C" fn write_key(
    x: *const i16,
    inverse: u32,
    shift: u32,
    out: *mut u8,
    words: usize,
) {
    naked_asm!(
        "push {{r4-r9, lr}}",
        "ldr r8, [sp, #28]",
        "movs r9, #1",
        "lsl r9, r2",
        "lsr r9, r9, #1",
        "2:",
        "ldr r5, [r0], #4",
        "ldr r7, [r0], #4",
        "smlabb r4, r5, r1, r9",
        "smlatb r5, r5, r1, r9",
        "smlabb r6, r7, r1, r9",
        "smlatb r7, r7, r1, r9",
        "asrs r4, r2",
        "asrs r5, r2",
        "asrs r6, r2",
        "asrs r7, r2",
        "add r4, r4, r5, lsl #8",
        "add r6, r6, r7, lsl #8",
        "pkhbt r4, r4, r6, lsl #16",
        "str r4, [r3], #16",
        "subs.w r8, r8, #1",
        "bne 2b",
        "pop {{r4-r9, pc}}",
    )
}

/// A value of `n` ≥ 1 numbers, 16 bytes apart.
///
/// # Safety
/// `x` holds `n` numbers; every byte at `out` may be written.
#[unsafe(naked)]
pub unsafe extern "C" fn write_value(
    x: *const i16,
    inverse: u32,
    shift: u32,
    out: *mut u8,
    n: usize,
) {
    naked_asm!(
        "push {{r4-r6, lr}}",
        "ldr r6, [sp, #16]",
        "movs r5, #1",
        "lsls r5, r2",
        "lsrs r5, r5, #1",
        "2:",
        "ldrsh r4, [r0], #2",
        "smlabb r4, r4, r1, r5",
        "asrs r4, r2",
        "strb r4, [r3], #16",
        "subs r6, #1",
        "bne 2b",
        "pop {{r4-r6, pc}}",
    )
}

/// Parameters of [`gain`].
#[repr(C)]
pub struct Gain {
    /// Pairs of elements, at least 1.
    pub pairs: usize,
    /// See [`Quantizer`](crate::kernels::Quantizer); below 2¹⁵.
    pub multiply: i32,
    /// `−subtract`.
    pub offset: i32,
    /// Shift right of the centred number.
    pub shift: u32,
    /// Below 2¹⁵.
    pub scale: u32,
    /// Two biases a word.
    pub biases: *const u8,
    /// `2^(17 − t)`, `t` being the biases' shift, −13 … 17; or 0 without biases.
    pub bias: i32,
}

/// `sums[i] = saturate(round(shifted(x[i]) · gains[i] · scale / 2^15) + round(biases[i] / 2^t))`.
///
/// # Safety
/// All slices hold `2 · parameters.pairs` numbers.
#[unsafe(naked)]
pub unsafe extern "C" fn gain(x: *const i16, gains: *const u8, sums: *mut i32, parameters: &Gain) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "ldm r3, {{r3-r9}}",
        "2:",
        "ldr r11, [r0], #4",
        "ldr lr, [r1], #4",
        "smlabb r10, r11, r4, r5",
        "smlatb r11, r11, r4, r5",
        "smulbb r12, lr, r7",
        "smultb lr, lr, r7",
        "asr r10, r10, r6",
        "asr r11, r11, r6",
        "lsl r10, r10, #16",
        "lsl r11, r11, #16",
        "lsl r12, r12, #1",
        "lsl lr, lr, #1",
        "smmulr r10, r10, r12",
        "smmulr r11, r11, lr",
        "ldr r12, [r8], #4",
        "smulwt lr, r9, r12",
        "smulwb r12, r9, r12",
        "add lr, lr, #1",
        "add r12, r12, #1",
        "asr lr, lr, #1",
        "asr r12, r12, #1",
        "qadd r10, r10, r12",
        "qadd r11, r11, lr",
        "strd r10, r11, [r2], #8",
        "subs r3, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
