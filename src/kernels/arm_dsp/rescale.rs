//! From the accumulators of a linear layer to rows.
//!
//! `round(a · f / 2^s)` with `s` ≥ 33 is `(high(a · f) + 2^(s−33)) >> (s − 32)`, exactly: an SMMLA and a
//! shift. A rounded bias costs two more: with SMLAW, `(2 v + 1 + floor(b / 2^(t−1))) >> 1` is
//! `v + round(b / 2^t)`, and the last shift is part of the saturation. `v` is below 2²⁸.

/// What all functions here need besides pointers to accumulators, multipliers and biases.
#[repr(C)]
pub struct Rescale {
    /// Pairs of outputs, at least 1.
    pub pairs: usize,
    /// 16 or 32-bit numbers.
    pub out: usize,
    /// Below 2¹⁵.
    pub scale: u32,
    /// `2^(s − 33)`.
    pub half: i32,
    /// `s − 32`.
    pub shift: u32,
    /// `2^(17 − t)`, `t` being the bias's shift, −13 … 17.
    pub bias: i32,
    /// 1.
    pub one: i32,
    /// 32 bits only: accumulators are shifted left by this first.
    pub up: u32,
}

/// Two outputs in r12 and lr: accumulators are `$step` bytes apart.
macro_rules! scaled {
    ($step:literal, $up:expr) => {
        concat!(
            "ldr r10, [r1], #4\n",
            "ldr r12, [r0], #",
            $step,
            "\n",
            "ldr lr, [r0], #",
            $step,
            "\n",
            $up,
            "smulbb r11, r10, r5\n",
            "smultb r10, r10, r5\n",
            "smmla r12, r12, r11, r6\n",
            "smmla lr, lr, r10, r6\n",
            "asr r12, r12, r7\n",
            "asr lr, lr, r7\n",
        )
    };
}

macro_rules! rescale {
    ($(#[$doc:meta])* $name:ident, $step:literal, $up:expr, $rest:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// `multipliers`, `biases` (if read) and `by.out` hold `2 · by.pairs` numbers, `accumulators`
        /// as many at the step of this function.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            accumulators: *const i32,
            multipliers: *const u8,
            biases: *const u8,
            by: &Rescale,
        ) {
            naked_asm!(
                "push {{r4-r11, lr}}",
                "ldr r10, [r3, #28]",
                "ldm r3, {{r3-r9}}",
                "push {{r10}}",
                "2:",
                scaled!($step, $up),
                $rest,
                "subs r3, #1",
                "bne 2b",
                "add sp, #4",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

/// Shifts the accumulators left.
macro_rules! up {
    () => {
        "ldr r11, [sp]
        lsl r12, r12, r11
        lsl lr, lr, r11
        "
    };
}

/// Adds biases: twice the sum.
macro_rules! biased {
    () => {
        "ldr r10, [r2], #4
        add r12, r9, r12, lsl #1
        add lr, r9, lr, lsl #1
        smlawb r12, r8, r10, r12
        smlawt lr, r8, r10, lr
        "
    };
}

/// Stores two outputs in 16 bits.
macro_rules! halves {
    ($shift:literal) => {
        concat!(
            "ssat r12, #16, r12",
            $shift,
            "\n",
            "ssat lr, #16, lr",
            $shift,
            "\n",
            "pkhbt r12, r12, lr, lsl #16\n",
            "str r12, [r4], #4\n",
        )
    };
}

rescale! {
    /// 16 bits, one row, no biases.
    halves_1, "4", "", halves!("")
}
rescale! {
    /// 16 bits, one row.
    biased_halves_1, "4", "", concat!(biased!(), halves!(", asr #1"))
}
rescale! {
    /// 16 bits, one row of two, no biases.
    halves_2, "8", "", halves!("")
}
rescale! {
    /// 16 bits, one row of two.
    biased_halves_2, "8", "", concat!(biased!(), halves!(", asr #1"))
}
rescale! {
    /// 32 bits, one row, no biases.
    words_1, "4", up!(), "strd r12, lr, [r4], #8"
}
rescale! {
    /// 32 bits, one row.
    biased_words_1, "4", up!(),
    concat!(biased!(), "asr r12, r12, #1\nasr lr, lr, #1\nstrd r12, lr, [r4], #8")
}
rescale! {
    /// 32 bits, one row of two, no biases.
    words_2, "8", up!(), "strd r12, lr, [r4], #8"
}
rescale! {
    /// 32 bits, one row of two.
    biased_words_2, "8", up!(),
    concat!(biased!(), "asr r12, r12, #1\nasr lr, lr, #1\nstrd r12, lr, [r4], #8")
}

/// `out[i] = saturate(round(sums[i · step] · factor / 2^33 / 2^(shift − 1)))`.
///
/// # Safety
/// `out` holds `n` ≥ 1 numbers, `sums` as many `step` bytes apart.
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
        "push {{r4-r6, lr}}",
        "ldrd r4, r5, [sp, #16]",
        "movs r6, #1",
        "lsls r6, r5",
        "lsrs r6, r6, #1",
        "2:",
        "ldr r12, [r0]",
        "add r0, r1",
        "smmla r12, r12, r4, r6",
        "asr r12, r12, r5",
        "ssat r12, #16, r12",
        "strh r12, [r2], #2",
        "subs r3, #1",
        "bne 2b",
        "pop {{r4-r6, pc}}",
    )
}
