//! Weights of four bits.
//!
//! A halfword is the number `H = 4096 a + 256 b + 16 c + d` of four weights, `a` signed, the others with an
//! offset of 8 (see [`Packing::Nibbles`](crate::matrix::Packing::Nibbles)). With lanes made for it, three
//! extractions serve four SMLAD, and nothing is lost modulo 2³²:
//!
//! ```text
//! H · xa + 256 b · (16 xb − xa) + (16 c + d) · (256 xc − xa) + 256 d · (16 xd − xc)
//!     = 4096 (a xa + b xb + c xc + d xd)
//! ```
//!
//! Eight inputs x0 … x7 are two halfwords of a word; their lanes are `A (x3 x7)`, `B (16 x2 − x3, …)`,
//! `C (256 x1 − x3, …)` and `D (16 x0 − x1, …)`. Those of one row follow each other, those of two rows stand
//! as `A B A B C D C D`. The offsets are a number for each row, `−8 · 4096 · Σ (xb + xc + xd)`, which lies
//! behind the lanes and with which all sums of the row begin.

use super::backend::ArmDsp;
use super::linear::{Multiply, Tail, multiply};
use crate::kernels::asm::unrolled;
use crate::kernels::{LanesMut, Nibbles, Product, Quantizer, RowCount};

/// The loop for a product, and its parameter for the distance between groups.
#[inline(always)]
pub fn loops(product: &Product<Nibbles<ArmDsp>>) -> (Multiply, usize) {
    let stride = product.matrix.stride;
    match product.lanes.rows {
        RowCount::One => (nibbles_1, stride.wrapping_sub(8 * product.matrix.words)),
        RowCount::Two => (nibbles_2, stride),
    }
}

/// Two outputs of one row: weights at r0, mask in r9.
macro_rules! two_outputs {
    ($first:literal, $second:literal) => {
        concat!("ldrd r6, r7, [r0], #8\n", output!($first, "r6"), output!($second, "r7"),)
    };
}

/// Eight inputs of one output.
macro_rules! output {
    ($sum:literal, $w:literal) => {
        concat!(
            concat!("smlad ", $sum, ", ", $w, ", r4, ", $sum, "\n"),
            concat!("and r8, r9, ", $w, "\n"),
            concat!("smlad ", $sum, ", r8, r5, ", $sum, "\n"),
            concat!("uxtb16 r8, ", $w, "\n"),
            concat!("smlad ", $sum, ", r8, r12, ", $sum, "\n"),
            concat!("and r8, r9, ", $w, ", lsl #8\n"),
            concat!("smlad ", $sum, ", r8, lr, ", $sum, "\n"),
        )
    };
}

multiply! {
    /// `sums[o] = 4096 Σ w x` of one row: 31 instructions for 32 products.
    ///
    /// # Safety
    /// As for [`paired_1`](super::linear::paired_1), with an even number of `words`, `8 · words` bytes of
    /// weights for each group, and the row's first sum behind the lanes.
    nibbles_1,
    "push {{r4-r11, lr}}",
    "add r8, r1, r2, lsl #3",
    // Entry: as many pairs of words before the end of the unrolled loop as the first round does.
    "lsrs r4, r2, #1",
    "sub.w r5, r4, #1",
    "and r5, r5, #3",
    "add.w r5, r5, #1",
    "adr.w r10, 3f",
    "mov.w r6, #124",
    "mls r10, r5, r6, r10",
    "add.w r10, r10, #1", // bit 0: Thumb
    "adr.w r9, 5f",
    "add.w r9, r9, #1",
    "mov r4, r3",
    "mov r5, r3",
    "ldr r2, [r8]",
    "mov r3, r2",
    "mov r6, r2",
    "mov r7, r2",
    "push {{r1-r11}}",
    "mov r12, r10",
    "mov r10, r2",
    "mov r11, r2",
    "mov.w r9, #0x0f000f00",
    "bx r12",
    ".p2align 2",
    "5:",
    "str lr, [sp, #80]",
    "mov.w r9, #0x0f000f00",
    "ldr pc, [sp, #36]",
    ".p2align 2",
    "2:",
    ".rept 4",
    "ldm.w r1!, {{r4, r5, r12, lr}}",
    two_outputs!("r2", "r3"),
    two_outputs!("r10", "r11"),
    ".endr",
    "3:",
    unrolled!("2b", "3b", "4 * 124"),
    "ldr r4, [sp, #28]",
    "cmp r1, r4",
    "bne.w 2b",
    "ldr lr, [sp, #80]",
    "ldr pc, [sp, #88]",
}

/// What was extracted into lr, of weights in `$w`, times two lanes of each row.
macro_rules! both_rows {
    ($extract:literal, $a:literal, $b:literal, $x:literal, $y:literal) => {
        concat!(
            $extract,
            "\n",
            concat!("smlad ", $a, ", lr, ", $x, ", ", $a, "\n"),
            concat!("smlad ", $b, ", lr, ", $y, ", ", $b, "\n"),
        )
    };
}

multiply! {
    /// `sums[2 o + r] = 4096 Σ w x` of two rows: outputs 0 and 1 of a group, then 2 and 3, both by steps of
    /// sixteen bytes; 25 instructions for 32 products.
    ///
    /// # Safety
    /// As for [`nibbles_1`], with `8 · words` lanes, groups `step` bytes apart, a cursor that moves by half a
    /// group at a time, and the first sums of both rows behind the lanes.
    nibbles_2,
    "push {{r4-r11, lr}}",
    "add r8, r1, r2, lsl #4",
    "movs r4, #8",
    "sub.w r4, r4, r2, lsl #3", // from the end of outputs 0, 1 to outputs 2, 3
    "subs r5, r3, #16",
    "adds r5, r5, r4", // from the end of outputs 2, 3 to the next group
    "lsrs r2, r2, #1",
    "subs r2, #1",
    "and r2, r2, #3",
    "adds r2, #1",
    "adr.w r10, 3f",
    "mov.w r6, #100",
    "mls r10, r2, r6, r10",
    "add.w r10, r10, #1", // bit 0: Thumb
    "adr.w r9, 5f",
    "add.w r9, r9, #1",
    "ldrd r2, r3, [r8]",
    "mov r6, r2",
    "mov r7, r3",
    "push {{r1-r11}}",
    "mov r12, r10",
    "mov r10, r2",
    "mov r11, r3",
    "push {{r12}}",
    "mov.w r12, #0x0f000f00",
    "pop {{pc}}",
    ".p2align 2",
    "5:",
    "str lr, [sp, #80]",
    "mov.w r12, #0x0f000f00",
    "ldr pc, [sp, #36]",
    ".p2align 2",
    "2:",
    ".rept 4",
    "ldrd r8, r9, [r0], #16",
    "ldm.w r1!, {{r4-r7}}",
    "smlad r2, r8, r4, r2",
    "smlad r3, r8, r6, r3",
    "smlad r10, r9, r4, r10",
    "smlad r11, r9, r6, r11",
    both_rows!("and lr, r12, r8", "r2", "r3", "r5", "r7"),
    both_rows!("and lr, r12, r9", "r10", "r11", "r5", "r7"),
    "ldm.w r1!, {{r4-r7}}",
    both_rows!("uxtb16 lr, r8", "r2", "r3", "r4", "r6"),
    both_rows!("uxtb16 lr, r9", "r10", "r11", "r4", "r6"),
    both_rows!("and lr, r12, r8, lsl #8", "r2", "r3", "r5", "r7"),
    both_rows!("and lr, r12, r9, lsl #8", "r10", "r11", "r5", "r7"),
    ".endr",
    "3:",
    unrolled!("2b", "3b", "4 * 100"),
    "ldr r4, [sp, #28]",
    "cmp r1, r4",
    "bne.w 2b",
    "ldr lr, [sp, #80]",
    "ldr pc, [sp, #88]",
}

/// See [`Kernels::quantize_nibbles`](crate::kernels::Kernels::quantize_nibbles).
#[inline(never)]
pub fn quantize(
    x: &[i16],
    quantizer: &Quantizer,
    row: usize,
    lanes: &mut LanesMut<Nibbles<ArmDsp>>,
) {
    let (row, rows, eights) = (lanes.row(row), lanes.rows.get(), lanes.words / 2);
    let Quantizer { multiply, subtract, shift, inverse, bits } = *quantizer;
    // A shift to the left is part of the factor, as far as that has room, or of the first one.
    let up = bits + 1 + shift.min(0).unsigned_abs();
    let over = (up + 1).saturating_sub(quantizer.inverse().leading_zeros()).min(15);
    let first = multiply << over;
    let fits = first >> 15 == 0 && x.as_ptr().addr().is_multiple_of(4);
    let done = if fits { (x.len() / 8).min(eights) } else { 0 };
    let mut sum = 0;
    if done > 0 {
        let parameters = Parameters {
            multiply: first,
            offset: subtract.wrapping_neg() << over,
            shift: shift.max(0) as u32,
            inverse: inverse << (up - over),
            end: x.as_ptr().wrapping_add(8 * done),
        };
        let to = lanes.data.as_mut_ptr().wrapping_add(4 * row);
        // SAFETY: `done` eights lie in both; `LanesMut` begin at a multiple of four bytes, as `x` does.
        let plain = shift <= 0 && bits == 8 && first == 1 && subtract == 0;
        let run = if plain { scaled_eights } else { eights_of_row };
        sum = unsafe { run(x.as_ptr(), to, 16 * rows, &parameters) };
    }
    let fours = lanes.data.as_chunks_mut::<4>().0;
    for eight in done..eights {
        let q = |i: usize| x.get(8 * eight + i).map_or(0, |&x| quantizer.quantize(x));
        let [mut ab, mut cd] = [[0; 4]; 2];
        for half in 0..2 {
            let [d, c, b, a] = [0, 1, 2, 3].map(|i| q(4 * half + i));
            ab[half] = a;
            ab[2 + half] = (b << 4).wrapping_sub(a);
            cd[half] = (c << 8).wrapping_sub(a);
            cd[2 + half] = (d << 4).wrapping_sub(c);
            sum += (b as i32) + (c as i32) + (d as i32);
        }
        let at = 2 * rows * eight + row;
        for (at, lane) in [(at, ab), (at + rows, cd)] {
            if let Some(to) = fours.get_mut(at) {
                *to = lane;
            }
        }
    }
    // Behind the lanes: `LanesMut` has room for four numbers more than two a row and input.
    let first = sum.wrapping_mul(-8 * 4096).to_le_bytes();
    let first = [[first[0], first[1]], [first[2], first[3]]].map(i16::from_le_bytes);
    let at = 8 * rows * eights + 2 * row;
    if let Some(to) = lanes.data.get_mut(at..at + 2) {
        to.copy_from_slice(&first);
    }
}

/// Parameters of [`eights_of_row`].
#[repr(C)]
struct Parameters {
    /// See [`Quantizer`]; below 2¹⁵.
    multiply: i32,
    /// `−subtract`.
    offset: i32,
    /// Shift right.
    shift: u32,
    /// Multiplies the shifted number; the upper word of the product, rounded, is the result.
    inverse: i32,
    /// Where the inputs end.
    end: *const i16,
}

/// Four inputs of [`eights_of_row`], quantised, as two pairs.
macro_rules! four_inputs {
    ($a:literal, $b:literal) => {
        concat!(
            concat!("ldrd ", $a, ", ", $b, ", [r0], #8\n"),
            concat!("smlabb r2, ", $a, ", r8, r9\n"),
            concat!("smlatb ", $a, ", ", $a, ", r8, r9\n"),
            concat!("smlabb lr, ", $b, ", r8, r9\n"),
            concat!("smlatb ", $b, ", ", $b, ", r8, r9\n"),
            concat!("asr r2, r2, r10\n"),
            concat!("asr ", $a, ", ", $a, ", r10\n"),
            concat!("asr lr, lr, r10\n"),
            concat!("asr ", $b, ", ", $b, ", r10\n"),
            concat!("smmulr r2, r2, r11\n"),
            concat!("smmulr ", $a, ", ", $a, ", r11\n"),
            concat!("smmulr lr, lr, r11\n"),
            concat!("smmulr ", $b, ", ", $b, ", r11\n"),
            concat!("pkhbt ", $a, ", r2, ", $a, ", lsl #16\n"),
            concat!("pkhbt ", $b, ", lr, ", $b, ", lsl #16\n"),
        )
    };
}

/// Writes the lanes of x0 x4 (r2), x1 x5 (lr), x2 x6 (r4) and x3 x7 (r5), and goes on with the next eight.
macro_rules! lanes_of_eight {
    () => {
        "sadd16 r6, r2, lr
        sadd16 r6, r6, r4
        mov.w r7, #0x00010001
        smlad r12, r6, r7, r12
        lsl r6, r4, #4
        bic r6, r6, #0xf0000
        ssub16 r6, r6, r5
        strd r5, r6, [r1]
        uxtb16 r7, lr
        lsl r7, r7, #8
        ssub16 r7, r7, r5
        lsl r4, r2, #4
        bic r4, r4, #0xf0000
        ssub16 r4, r4, lr
        add.w r2, r1, r3, lsr #1
        strd r7, r4, [r2]
        add r1, r3
        ldr r4, [sp]
        cmp r0, r4
        bne 2b"
    };
}

/// As [`eights_of_row`] for `round(x · inverse / 2^32)`: SMLAW leaves the result in the upper halfword.
///
/// # Safety
/// As there.
#[unsafe(naked)]
unsafe extern "C" fn scaled_eights(
    x: *const i16,
    lanes: *mut i16,
    stride: usize,
    parameters: &Parameters,
) -> i32 {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "ldr r4, [r3, #16]",
        "push {{r4}}",
        "ldr r8, [r3, #12]",
        "mov.w r9, #0x8000",
        "mov r3, r2",
        "movs r2, #0",
        "mov r12, r2",
        "2:",
        "ldm r0!, {{r4-r7}}",
        "smlawb r2, r8, r4, r9",
        "smlawt r4, r8, r4, r9",
        "smlawb lr, r8, r6, r9",
        "smlawt r6, r8, r6, r9",
        "pkhtb r2, lr, r2, asr #16", // x0 x4
        "pkhtb lr, r6, r4, asr #16", // x1 x5
        "smlawb r4, r8, r5, r9",
        "smlawt r5, r8, r5, r9",
        "smlawb r6, r8, r7, r9",
        "smlawt r7, r8, r7, r9",
        "pkhtb r4, r6, r4, asr #16", // x2 x6
        "pkhtb r5, r7, r5, asr #16", // x3 x7
        lanes_of_eight!(),
        "mov r0, r12",
        "pop {{r4}}",
        "pop {{r4-r11, pc}}",
    )
}

/// The lanes of whole eights of a row; returns `Σ (xb + xc + xd)`.
///
/// # Safety
/// `x` holds eights up to the end, at least one, and `lanes` twice four numbers half a stride apart at every
/// stride for each, all aligned to four bytes.
#[unsafe(naked)]
unsafe extern "C" fn eights_of_row(
    x: *const i16,
    lanes: *mut i16,
    stride: usize,
    parameters: &Parameters,
) -> i32 {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "ldr r4, [r3, #16]",
        "push {{r4}}",
        "ldm r3, {{r8-r11}}",
        "mov r3, r2",
        "movs r2, #0",
        "mov r12, r2",
        "2:",
        four_inputs!("r4", "r5"),
        four_inputs!("r6", "r7"),
        "pkhbt r2, r4, r6, lsl #16", // x0 x4
        "pkhtb lr, r6, r4, asr #16", // x1 x5
        "pkhbt r4, r5, r7, lsl #16", // x2 x6
        "pkhtb r5, r7, r5, asr #16", // x3 x7
        lanes_of_eight!(),
        "mov r0, r12",
        "pop {{r4}}",
        "pop {{r4-r11, pc}}",
    )
}
