//! Weights of four bits, two products a multiplication (see [`pairs`](crate::kernels::pairs)): of one row four
//! outputs at a time, 78 instructions for 32 products; of two rows two outputs, 64.

use super::backend::RiscV;
use super::linear::{extensions, forget, restore, save};
use crate::kernels::{Nibbles, Product, RowCount};
use core::arch::naked_asm;

/// `sums[o · rows + r] = 256 Σ w x` of `groups` groups, one at least.
///
/// # Safety
/// `weights` is a group of the product's matrix that has so many after it, itself included, and `sums` has room
/// for four numbers each a row.
pub unsafe fn multiply(
    product: &Product<Nibbles<RiscV>>,
    weights: *const u8,
    sums: *mut i32,
    groups: usize,
) {
    let Product { lanes, matrix } = product;
    let (words, stride) = (matrix.words, matrix.stride);
    let x = lanes.data.as_ptr();
    let run = match lanes.rows {
        RowCount::One => one_row,
        RowCount::Two => two_rows,
    };
    let offsets = x.wrapping_add(4 * words * lanes.rows.get());
    // SAFETY: `Product`: lanes and weights hold `words` words for each row and group, behind the lanes an offset
    // for each row; the caller's promise.
    unsafe { run(weights, x.cast(), words, stride, sums, groups, offsets.cast()) };
}

/// One row: four outputs of a group at a time.
///
/// # Safety
/// `words` is even, `words` and `groups` are not 0; `lanes` holds `2 · words` words, `weights` `8 · words` bytes for
/// each group, groups being `stride` apart, `sums` `4 · groups` numbers, `offsets` one.
#[unsafe(naked)]
unsafe extern "C" fn one_row(
    weights: *const u8,
    lanes: *const i32,
    words: usize,
    stride: usize,
    sums: *mut i32,
    groups: usize,
    offsets: *const i32,
) {
    naked_asm!(
        extensions!(),
        // Weights j and j + 4 of two outputs times a7.
        ".macro two j, a, b, p, q
        .if \\j
        srli t0, \\a, 4*\\j
        srli t1, \\b, 4*\\j
        and t0, t0, t4
        and t1, t1, t4
        .else
        and t0, \\a, t4
        and t1, \\b, t4
        .endif
        mul t0, t0, a7
        mul t1, t1, a7
        add \\p, \\p, t0
        add \\q, \\q, t1
        .endm",
        ".macro word
        lw s8, 0(a0)
        lw s9, 4(a0)
        lw s10, 8(a0)
        lw s11, 12(a0)
        addi a0, a0, 16
        .irp i, 8, 9, 10, 11
        xor s\\i, s\\i, t5
        .endr
        .irp j, 0, 1, 2, 3
        lw a7, 4*\\j(a1)
        two \\j, s8, s9, s0, s1
        two \\j, s10, s11, s2, s3
        .endr
        addi a1, a1, 16
        .endm",
        save!("64"),
        "lw a6, 0(a6)",
        "mv ra, a1",
        "slli t0, a2, 3",
        "andi t2, a2, 2", // an odd number of words of eight inputs
        "sub a3, a3, t0",
        "add a2, a1, t0",
        "li t4, 0x000f000f",
        "li t5, 0x80008000",
        "li t6, 0x8000",
        "2:",
        "mv a1, ra",
        ".irp i, 0, 1, 2, 3
        mv s\\i, t6
        .endr
        .irp i, 4, 5, 6, 7
        mv s\\i, a6
        .endr",
        "bnez t2, 4f",
        "3:",
        "word",
        "4:",
        "word",
        ".macro take p, sum
        srai t0, \\p, 16
        mv \\p, t6
        add \\sum, \\sum, t0
        .endm",
        "take s0, s4",
        "take s1, s5",
        "take s2, s6",
        "take s3, s7",
        "bne a1, a2, 3b",
        ".irp i, 4, 5, 6, 7
        slli s\\i, s\\i, 8
        sw s\\i, 4*\\i-16(a4)
        .endr",
        "addi a4, a4, 16",
        "add a0, a0, a3",
        "addi a5, a5, -1",
        "bnez a5, 2b",
        restore!("64"),
        forget!("two, word, take"),
    )
}

/// Two rows: outputs 0 and 1 of a group, then 2 and 3.
///
/// # Safety
/// As for [`one_row`], with the lanes of the second row behind those of the first, `8 · groups` sums and two
/// offsets.
#[unsafe(naked)]
unsafe extern "C" fn two_rows(
    weights: *const u8,
    lanes: *const i32,
    words: usize,
    stride: usize,
    sums: *mut i32,
    groups: usize,
    offsets: *const i32,
) {
    naked_asm!(
        extensions!(),
        // Weights j and j + 4 of an output times a7 and s10.
        ".macro both j, w, p, q
        .if \\j
        srli t0, \\w, 4*\\j
        and t0, t0, t4
        .else
        and t0, \\w, t4
        .endif
        mul t1, t0, a7
        mul t0, t0, s10
        add \\p, \\p, t1
        add \\q, \\q, t0
        .endm",
        ".macro word
        lw s8, 0(a0)
        lw s9, 4(a0)
        addi a0, a0, 16
        xor s8, s8, t5
        xor s9, s9, t5
        .irp j, 0, 1, 2, 3
        lw a7, 4*\\j(a1)
        lw s10, 4*\\j(s11)
        both \\j, s8, s0, s1
        both \\j, s9, s2, s3
        .endr
        addi a1, a1, 16
        addi s11, s11, 16
        .endm",
        ".macro take p, sum
        srai t0, \\p, 16
        mv \\p, t6
        add \\sum, \\sum, t0
        .endm",
        save!("64"),
        "lw t3, 0(a6)",
        "lw a6, 4(a6)",
        "mv ra, a1",
        "slli t0, a2, 3",
        "andi t2, a2, 2", // an odd number of words of eight inputs
        "add a2, a1, t0",
        "li t1, 8",
        "sub t1, t1, t0", // from the end of outputs 0, 1 to outputs 2, 3
        "sw t1, 56(sp)",
        "addi a3, a3, -8",
        "sub a3, a3, t0", // from the end of outputs 2, 3 to the next group
        "slli a5, a5, 1",
        "li t4, 0x000f000f",
        "li t5, 0x80008000",
        "li t6, 0x8000",
        "2:",
        "mv a1, ra",
        "mv s11, a2",
        ".irp i, 0, 1, 2, 3
        mv s\\i, t6
        .endr",
        "mv s4, t3",
        "mv s5, a6",
        "mv s6, t3",
        "mv s7, a6",
        "bnez t2, 4f",
        "3:",
        "word",
        "4:",
        "word",
        "take s0, s4",
        "take s1, s5",
        "take s2, s6",
        "take s3, s7",
        "bne a1, a2, 3b",
        ".irp i, 4, 5, 6, 7
        slli s\\i, s\\i, 8
        sw s\\i, 4*\\i-16(a4)
        .endr",
        "addi a4, a4, 16",
        "addi a5, a5, -1",
        "andi t0, a5, 1",
        "mv t1, a3",
        "beqz t0, 5f",
        "lw t1, 56(sp)",
        "5:",
        "add a0, a0, t1",
        "bnez a5, 2b",
        restore!("64"),
        forget!("both, word, take"),
    )
}
