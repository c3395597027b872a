//! Scores, softmax numerators and weighted values of one block of keys.

use crate::kernels::asm::lines;

/// The scales of sixteen keys and values: `(16 + code mod 16) · 2^(code / 16)`.
///
/// # Safety
/// There are sixteen codes of each, and room for all scales.
#[unsafe(naked)]
pub unsafe extern "C" fn decode(keys: *const u8, values: *const u8, scales: *mut [[u16; 16]; 2]) {
    helium!(
        ".irp codes, r0, r1",
        ".irp half, 0, 8",
        "vldrb.u16 q0, [\\codes, #\\half]",
        "vshr.u16 q1, q0, #4",
        "vbic.i16 q0, #0xf0",
        "vorr.i16 q0, #0x10",
        "vshl.u16 q0, q0, q1",
        "vstrh.16 q0, [r2], #16",
        ".endr",
        ".endr",
        "bx lr",
    )
}

/// `sums = round(sums · shrink / 2^15)` in the lanes of `mask`, four at a time.
///
/// # Safety
/// There are `4 · fours` sums, at least four.
#[unsafe(naked)]
pub unsafe extern "C" fn shrink(sums: *mut i32, fours: usize, shrink: u32, mask: u32) {
    helium!(
        "push {{r7, lr}}",
        "lsls r2, r2, #16",
        "vmsr p0, r3",
        "dls lr, r1",
        "2:",
        "vldrw.u32 q0, [r0]",
        "vpst",
        "vqrdmulht.s32 q0, q0, r2",
        "vstrw.32 q0, [r0], #16",
        "le lr, 2b",
        "pop {{r7, pc}}",
    )
}

/// Scores of one row's keys and the largest of them; `load` fetches four sums into q0.
macro_rules! scores {
    ($(#[$doc:meta])* $name:ident, $prepare:literal, $load:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// `scales` and `scores` hold `keys` numbers, `sums` as many for each row, beginning with
        /// the row wanted. Addresses are aligned for their types.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            sums: *const i32,
            scales: *const u16,
            scores: *mut i32,
            keys: usize,
        ) -> i32 {
            helium!(
                "push {{r4, lr}}",
                $prepare,
                "mov.w r4, #0x80000000",
                "dlstp.32 lr, r3",
                "2:",
                $load,
                // sum · scale / 2^9 is the high word of (sum · 2^8) · (scale · 2^15).
                "vldrh.u32 q1, [r1], #8",
                "vshl.i32 q0, q0, #8",
                "vshl.i32 q1, q1, #15",
                "vmulh.s32 q0, q0, q1",
                "vmaxv.s32 r4, q0",
                "vstrw.32 q0, [r2], #16",
                "letp lr, 2b",
                "mov r0, r4",
                "pop {{r4, pc}}",
            )
        }
    };
}

scores! {
    /// Scores where there is one row.
    scores_1, "", "vldrw.u32 q0, [r0], #16"
}

scores! {
    /// Scores of one row of two.
    scores_2, "subs r0, #32\nvidup.u32 q2, r0, #8", "vldrw.u32 q0, [q2, #32]!"
}

/// What [`weigh_15`] needs besides the rows.
#[repr(C)]
pub struct Weigh {
    /// Largest score so far.
    pub maximum: i32,
    /// Score units to 1/256 octaves, Q0.32.
    pub factor: u32,
    /// Two bits for each of 16 keys: whether it is visible.
    pub mask: u32,
    /// 15 less the shift of the products.
    pub shift: i32,
    /// [`EXP2`](crate::fixed::EXP2).
    pub table: *const u16,
}

/// Numerators of sixteen keys, their sum and their weights; `$round` divides the products.
macro_rules! weigh {
    ($(#[$doc:meta])* $name:ident, $($round:literal)*) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// There are sixteen scores, scales and lanes, aligned for their types; `by.table` has 256
        /// entries.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(
            scores: *const i32,
            scales: *const u16,
            lanes: *mut i16,
            by: *const Weigh,
        ) -> u32 {
            helium!(
                "push {{r4-r8, lr}}",
                "ldm r3, {{r3, r4, r5, r6, r7}}",
                "vpush {{d8-d15}}",
                "vdup.32 q7, r3",
                "vdup.32 q6, r4",
                "movw r4, #0x1fff", // beyond 31 octaves nothing is left
                "vdup.16 q5, r4",
                "movs.w r12, #0",
                ".rept 2",
                "vld20.32 {{q0, q1}}, [r0]", // even keys, odd keys
                "vld21.32 {{q0, q1}}, [r0]!",
                "vsub.i32 q0, q7, q0",
                "vsub.i32 q1, q7, q1",
                "vmulh.u32 q0, q0, q6",
                "vmulh.u32 q1, q1, q6",
                "vqmovnb.u32 q2, q0", // eight distances in 1/256 octaves
                "vqmovnt.u32 q2, q1",
                "vmin.u16 q2, q2, q5",
                "vmovlb.u8 q1, q2",
                "vmovlt.u8 q2, q2",
                "vmsr p0, r5",
                "lsrs r5, r5, #16",
                "vpst",
                "vldrht.u16 q0, [r7, q1, uxtw #1]",
                "vneg.s16 q2, q2",
                "vshl.u16 q1, q0, q2",
                "vldrh.u16 q0, [r1], #16",
                "vaddva.u16 r12, q1",
                // Twice the numerator, so that the high half is a shift by 15.
                "vshl.i16 q1, q1, #1",
                $($round,)*
                "vstrh.16 q1, [r2], #16",
                ".endr",
                "mov r0, r12",
                "vpop {{d8-d15}}",
                "pop {{r4-r8, pc}}",
            )
        }
    };
}

weigh! {
    /// Weights with 15 fraction bits dropped.
    weigh_15,
    "vrmulh.u16 q1, q1, q0"
}

weigh! {
    /// Weights with more than 15 fraction bits dropped, in two steps of which the first rounds down.
    weigh_more,
    "vmulh.u16 q1, q1, q0"
    "vrshl.u16 q1, r6"
}

/// `sums[d] += Σ lanes · values[d]` of one row.
///
/// # Safety
/// `sums` < `end` by a multiple of four; `values` holds sixteen bytes for each sum, `lanes` sixteen
/// numbers. Addresses are aligned for their types.
#[unsafe(naked)]
pub unsafe extern "C" fn weighted_1(
    values: *const u8,
    sums: *mut i32,
    lanes: *const i16,
    end: *mut i32,
) {
    helium!(
        "push {{r4-r9, lr}}",
        "vldrh.u16 q0, [r2]",
        "vldrh.u16 q1, [r2, #16]",
        "mov r7, r0",
        "2:",
        "ldm r1, {{r0, r2, r4, r6}}",
        ".irp sum, r0, r2, r4, r6",
        "vldrb.s16 q2, [r7], #8",
        "vmladava.s16 \\sum, q0, q2",
        "vldrb.s16 q3, [r7], #8",
        "vmladava.s16 \\sum, q1, q3",
        ".endr",
        "stm r1!, {{r0, r2, r4, r6}}",
        "cmp r1, r3",
        "bne 2b",
        "pop {{r4-r9, pc}}",
    )
}

/// Sixteen values of one dimension for two rows.
macro_rules! dimension {
    ($a:literal, $b:literal) => {
        lines!(
            "vldrb.s16 q4, [r7], #8";
            "vmladava.s16 " $a ", q0, q4";
            "vldrb.s16 q5, [r7], #8";
            "vmladava.s16 " $b ", q2, q4";
            "vmladava.s16 " $a ", q1, q5";
            "vmladava.s16 " $b ", q3, q5";
        )
    };
}

/// `sums[2 d + r] += Σ lanes_r · values[d]` of two rows.
///
/// # Safety
/// `sums` < `end` by a multiple of eight; `values` holds sixteen bytes for every two sums, `lanes`
/// sixteen numbers for each row. Addresses are aligned for their types.
#[unsafe(naked)]
pub unsafe extern "C" fn weighted_2(
    values: *const u8,
    sums: *mut i32,
    lanes: *const i16,
    end: *mut i32,
) {
    helium!(
        "push {{r4-r11, lr}}",
        "vpush {{d8-d11}}",
        "vldrh.u16 q0, [r2]",
        "vldrh.u16 q1, [r2, #16]",
        "vldrh.u16 q2, [r2, #32]",
        "vldrh.u16 q3, [r2, #48]",
        "mov r7, r0",
        "2:",
        "ldm r1, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
        dimension!("r0", "r2"),
        dimension!("r4", "r6"),
        dimension!("r8", "r10"),
        dimension!("r12", "lr"),
        "stm r1!, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
        "cmp r1, r3",
        "bne 2b",
        "vpop {{d8-d11}}",
        "pop {{r4-r11, pc}}",
    )
}
