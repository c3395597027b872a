//! Products of plain weights. The 8-bit lanes are `256 · x0 … 256 · x3` for one row, and `x_a + 2¹⁶ · x_b`
//! (32 bits each) for two rows.
//!
//! So two rows share a multiplication: even the sum `Q` of two products (|2 · 127 · 127| < 2¹⁵) keeps
//! its halves apart. `A += Q` ends as `a + 2¹⁶ b`, and `B += (Q + 2¹⁵) >> 16` is exactly `b`: two loads,
//! two multiplications and five additions and shifts for four products, 2.31 instructions each with the
//! loads of the lanes.

use super::backend::RiscV;
use super::linear::{extensions, forget, restore, save};
use crate::kernels::{LanesMut, Quantizer};
use core::arch::naked_asm;

/// `sums[2 o + r] = 256 Σ w x` of two rows: eight outputs at a time, then four.
///
/// The loop takes two words and is entered in its middle when their number is odd.
///
/// # Safety
/// `words` and `groups` ≥ 1; `lanes` (a multiple of four) holds `8 · words` numbers, `weights`
/// `16 · words` bytes for each group, groups being `stride` apart, `sums` `8 · groups` numbers.
#[unsafe(naked)]
pub unsafe extern "C" fn plain_2(
    weights: *const u8,
    lanes: *const i16,
    words: usize,
    stride: usize,
    sums: *mut i32,
    groups: usize,
) {
    naked_asm!(
        extensions!(),
        // Two weights of one output: a4 and a5 are the inputs, ra is half.
        ".macro two at, w, a, b
        lb a6, \\at(\\w)
        lb a7, \\at+1(\\w)
        mul a6, a6, a4
        mul a7, a7, a5
        add a6, a6, a7
        add \\a, \\a, a6
        add a6, a6, ra
        srai a6, a6, 16
        add \\b, \\b, a6
        .endm",
        ".macro four at, lane
        lw a4, \\lane(a1)
        lw a5, \\lane+4(a1)
        two \\at, a0, s0, s1
        two \\at+4, a0, s2, s3
        two \\at+8, a0, s4, s5
        two \\at+12, a0, s6, s7
        .endm",
        ".macro eight at, lane
        four \\at, \\lane
        two \\at, a2, s8, s9
        two \\at+4, a2, s10, s11
        two \\at+8, a2, t3, t4
        two \\at+12, a2, t5, t6
        .endm",
        ".macro word outputs, at
        \\outputs \\at, \\at
        \\outputs \\at+2, \\at+8
        .endm",
        ".macro clear first:vararg
        .irp sum, \\first
        li \\sum, 0
        .endr
        .endm",
        // 256 times the sums of one output.
        ".macro store at, a, b
        slli \\b, \\b, 8
        slli \\a, \\a, 8
        slli a6, \\b, 16
        sub \\a, \\a, a6
        sw \\a, \\at(t1)
        sw \\b, \\at+4(t1)
        .endm",
        ".macro store_four
        store 0, s0, s1
        store 8, s2, s3
        store 16, s4, s5
        store 24, s6, s7
        .endm",
        save!("80"),
        "sw a3, 64(sp)",
        "mv t1, a4",
        "addi t2, a5, -2",
        "slli a4, a2, 4",
        "andi a2, a2, 1",
        "slli a2, a2, 4", // 16 bytes to step back if the number of words is odd
        "slli a7, a3, 1",
        "add a3, a1, a4", // end of the lanes
        "sub a1, a1, a2",
        "sub a7, a7, a4",
        "sub a7, a7, a2", // from the end of two groups to the next
        "sub a0, a0, a2",
        "sw a1, 52(sp)",
        "sw a7, 56(sp)",
        "sw a2, 60(sp)",
        "lui ra, 8", // 2^15
        "bltz t2, 5f",
        "2:",
        "lw a1, 52(sp)",
        "lw a7, 60(sp)",
        "lw a2, 64(sp)",
        "clear s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6",
        "add a2, a2, a0",
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
        "store_four",
        "store 32, s8, s9",
        "store 40, s10, s11",
        "store 48, t3, t4",
        "store 56, t5, t6",
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
        "store_four",
        "7:",
        restore!("80"),
        forget!("two, four, eight, word, clear, store, store_four"),
    )
}

/// One word of 8-bit lanes from up to four inputs (the missing ones are 0), the assembly's counterpart for
/// the end of a row.
pub fn quantize_word(
    x: &[i16],
    quantizer: &Quantizer,
    row: usize,
    lanes: &mut LanesMut<RiscV>,
    word: usize,
) {
    let rows = lanes.rows.get();
    let words = lanes.data.chunks_exact_mut(4 * rows).skip(word).take(1);
    for (i, lane) in words.flat_map(|word| word.chunks_exact_mut(rows)).enumerate() {
        let q = x.get(i).map_or(0, |&x| quantizer.quantize(x) as i32);
        match lane {
            [low, high] if row == 1 => {
                let packed = (*low as i32) + (q << 16);
                [*low, *high] = [packed as i16, (packed >> 16) as i16];
            }
            [low, high] => [*low, *high] = [q as i16, (q >> 16) as i16],
            [lane, ..] => *lane = (256 * q) as i16,
            [] => {}
        }
    }
}
