//! Weights of four bits, two products a multiplication (see [`pairs`](crate::kernels::pairs)): 90 instructions for
//! 32 products. Two rows are computed one after the other.

use super::backend::ArmV6m;
use super::linear::{restore, save};
use crate::kernels::asm::lines;
use crate::kernels::{Nibbles, Product};
use core::arch::naked_asm;

/// `sums[o · rows + r] = 256 Σ w x` from `sums` to `end`, for groups of four outputs.
///
/// # Safety
/// `weights` holds a group of the product's matrix for every four outputs, and there is one at least.
pub unsafe fn multiply(
    product: &Product<Nibbles<ArmV6m>>,
    weights: *const u8,
    sums: *mut i32,
    end: *mut i32,
) {
    let Product { lanes, matrix } = product;
    let (rows, inputs) = (lanes.rows.get(), 4 * matrix.words);
    let first = lanes.data.as_ptr();
    for row in 0..rows {
        let (x, offset) = (first.wrapping_add(row * inputs), rows * inputs + 2 * row);
        let (sums, end) = (sums.wrapping_add(row), end.wrapping_add(row));
        // SAFETY: `Lanes`: a number for every input of each row, then a word for each; the caller's promise.
        unsafe {
            let offset = first.add(offset).cast::<i32>().read();
            one_row(weights, x.cast(), matrix.words, matrix.stride, sums, end, 4 * rows, offset);
        }
    }
}

/// Weights j and j + 4 of two outputs times a lane; `$first` and `$second` bring them into place.
macro_rules! products {
    ($first:literal, $second:literal) => {
        lines!(
            "ldmia r1!, {{r2}}";
            $first;
            "ands r6, r5";
            "muls r6, r2, r6";
            "add r8, r6";
            $second;
            "ands r6, r5";
            "muls r6, r2, r6";
            "add r9, r6";
        )
    };
}

/// Eight inputs of two outputs.
macro_rules! word {
    () => {
        concat!(
            "ldmia r0!, {{r3, r4}}\n",
            "adds r0, #8\n",
            "eors r3, r7\n",
            "eors r4, r7\n",
            products!("movs r6, r3", "movs r6, r4"),
            products!("lsrs r6, r3, #4", "lsrs r6, r4, #4"),
            products!("lsrs r6, r3, #8", "lsrs r6, r4, #8"),
            products!("lsrs r6, r3, #12", "lsrs r6, r4, #12"),
        )
    };
}

/// Takes the upper half of `$products` out, and begins anew.
macro_rules! take {
    ($products:literal, $sum:literal) => {
        lines!(
            "mov r6, " $products;
            "asrs r6, r6, #16";
            "add " $sum ", r6";
            "mov " $products ", r12";
        )
    };
}

/// Stores a sum at r2 and moves on by r3.
macro_rules! store {
    ($sum:literal) => {
        lines!(
            "mov r6, " $sum;
            "lsls r6, r6, #8";
            "str r6, [r2]";
            "adds r2, r2, r3";
        )
    };
}

/// Outputs 0 and 1 of a group, then 2 and 3.
///
/// ```text
/// sp + 0   lanes, step to the next two outputs, step after it, their weights, where the loop is entered
///     20   saved registers
///     56   sums, their end, their step, offset
/// ```
///
/// # Safety
/// `words` is even and at least 2; `lanes` holds `2 · words` words, and `weights` `8 · words` bytes for each group,
/// groups `stride` apart. From `sums` to `end` there is room for four numbers a group, `step` bytes apart.
#[unsafe(naked)]
#[allow(clippy::too_many_arguments)] // a function in assembly
unsafe extern "C" fn one_row(
    weights: *const u8,
    lanes: *const i32,
    words: usize,
    stride: usize,
    sums: *mut i32,
    end: *mut i32,
    step: usize,
    offset: i32,
) {
    naked_asm!(
        save!(),
        "lsls r4, r2, #3",
        "adds r4, r1, r4",
        "mov lr, r4",
        // Of an odd number of words of eight inputs, the first round does one.
        "adr r6, 2f",
        "lsls r5, r2, #30",
        "bpl 5f",
        "adr r6, 3f",
        "5:",
        "adds r6, #1", // Thumb
        "movs r4, #8",
        "subs r5, r3, r4",
        "push {{r6}}",
        "push {{r0}}",
        "push {{r5}}",
        "push {{r4}}",
        "push {{r1}}",
        "movs r5, #15",
        "lsls r6, r5, #16",
        "adds r5, r5, r6",
        "movs r7, #1",
        "lsls r7, r7, #15",
        "mov r12, r7",
        "lsls r6, r7, #16",
        "adds r7, r7, r6",
        "6:",
        "ldr r1, [sp]",
        "ldr r6, [sp, #68]",
        "mov r10, r6",
        "mov r11, r6",
        "mov r8, r12",
        "mov r9, r12",
        "ldr r6, [sp, #16]",
        "bx r6",
        ".p2align 2",
        "2:",
        word!(),
        ".p2align 2",
        "3:",
        word!(),
        take!("r8", "r10"),
        take!("r9", "r11"),
        "cmp r1, lr",
        "bne 2b",
        "ldr r2, [sp, #56]",
        "ldr r3, [sp, #64]",
        store!("r10"),
        store!("r11"),
        "str r2, [sp, #56]",
        "ldr r3, [sp, #60]",
        "cmp r2, r3",
        "beq 4f",
        "ldr r3, [sp, #4]",
        "ldr r4, [sp, #8]",
        "str r4, [sp, #4]",
        "str r3, [sp, #8]",
        "ldr r0, [sp, #12]",
        "adds r0, r0, r3",
        "str r0, [sp, #12]",
        "b 6b",
        "4:",
        "add sp, #20",
        restore!(),
    )
}
