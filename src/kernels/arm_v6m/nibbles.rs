//! Weights of four bits, two products a multiplication (see [`pairs`](crate::kernels::pairs)): 90 instructions for
//! 32 products. Two rows are computed one after the other.

use super::backend::ArmV6m;
use super::lanes::Quantize;
use super::linear::{restore, save};
use crate::kernels::asm::lines;
use crate::kernels::{LanesMut, Nibbles, Product, Quantizer, pairs};
use core::arch::naked_asm;

/// See [`Kernels::quantize_nibbles`](crate::kernels::Kernels::quantize_nibbles).
#[inline(never)]
pub fn quantize(
    x: &[i16],
    quantizer: &Quantizer,
    row: usize,
    lanes: &mut LanesMut<Nibbles<ArmV6m>>,
) {
    let Quantizer { multiply, subtract, shift, inverse, bits } = *quantizer;
    pairs::quantize(x, quantizer, row, lanes, |x, lanes| {
        let eights = x.len().min(lanes.len());
        if eights == 0 || bits != 8 || !x.as_ptr().addr().is_multiple_of(4) {
            return (0, 0);
        }
        let by = Quantize {
            multiply,
            shift: shift.max(0) as u32,
            // Wrapping products do not mind which factor was shifted.
            inverse: inverse << shift.min(0).unsigned_abs(),
            end: x.as_ptr().wrapping_add(eights).cast(),
            add: subtract.wrapping_neg(),
        };
        let plain = (by.multiply, by.shift, by.add) == (1, 0, 0);
        let run = if plain { uncentred_eights } else { centred_eights };
        // SAFETY: so many eights lie in both, aligned to four bytes (`LanesMut`).
        (eights, unsafe { run(x.as_ptr().cast(), lanes.as_mut_ptr().cast(), &by) })
    });
}

/// Quantises `$x`: r2 multiplies, r8 is added, r3 shifts, r4 multiplies, r9 is half.
macro_rules! centred {
    ($x:literal) => {
        lines!(
            "muls " $x ", r2, " $x;
            "add " $x ", r8";
            "asrs " $x ", r3";
            "muls " $x ", r4, " $x;
            "add " $x ", r9";
            "asrs " $x ", " $x ", #23";
        )
    };
}

/// Quantises `$x`: r4 multiplies, r9 is half.
macro_rules! uncentred {
    ($x:literal) => {
        lines!(
            "muls " $x ", r4, " $x;
            "add " $x ", r9";
            "asrs " $x ", " $x ", #23";
        )
    };
}

/// Inputs j, j + 1, j + 4 and j + 5 from r0 + `$at` on, to two words at r1 + `$to`.
macro_rules! two_pairs {
    ($quantize:ident, $at:literal, $upper:literal, $to:literal, $next:literal) => {
        concat!(
            lines!("ldr r5, [r0, #" $upper "]"; "asrs r6, r5, #16"; "sxth r5, r5";),
            $quantize!("r5"),
            $quantize!("r6"),
            lines!("ldr r7, [r0, #" $at "]"; "sxth r7, r7";),
            $quantize!("r7"),
            lines!("lsls r7, r7, #16"; "adds r5, r5, r7"; "str r5, [r1, #" $to "]"; "add r10, r5";),
            lines!("ldr r7, [r0, #" $at "]"; "asrs r7, r7, #16";),
            $quantize!("r7"),
            lines!("lsls r7, r7, #16"; "adds r6, r6, r7"; "str r6, [r1, #" $next "]"; "add r10, r6";),
        )
    };
}

macro_rules! eights {
    ($(#[$doc:meta])* $name:ident, $quantize:ident) => {
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "C" fn $name(x: *const i16, lanes: *mut i32, by: &Quantize) -> i32 {
            naked_asm!(
                save!(),
                "ldr r4, [r2, #12]",
                "mov lr, r4",
                "ldr r4, [r2, #16]",
                "mov r8, r4",
                "movs r4, #1",
                "lsls r4, r4, #22",
                "mov r9, r4",
                "movs r4, #0",
                "mov r10, r4",
                "ldr r4, [r2, #8]",
                "ldr r3, [r2, #4]",
                "ldr r2, [r2]",
                "2:",
                two_pairs!($quantize, "0", "8", "0", "4"),
                two_pairs!($quantize, "4", "12", "8", "12"),
                "adds r0, #16",
                "adds r1, #16",
                "cmp r0, lr",
                "bne 2b",
                "mov r0, r10",
                restore!(),
            )
        }
    };
}

eights! {
    /// Lanes of eights of inputs; returns their sum as words.
    ///
    /// # Safety
    /// `x` holds eights up to the end, at least one, and `lanes` four words for each; both are aligned.
    centred_eights, centred
}

eights! {
    /// As [`centred_eights`], for a quantiser that only multiplies once.
    ///
    /// # Safety
    /// As there.
    uncentred_eights, uncentred
}

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
/// sp + 0   lanes, step from the end of two outputs to the next two, step after it, where the loop is entered
///     16   saved registers
///     52   sums, their end, their step, offset
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
        // Outputs 2 and 3 lie eight bytes behind 0 and 1.
        "lsls r4, r2, #3",
        "subs r5, r3, r4",
        "subs r5, #8",
        "rsbs r4, r4, #0",
        "adds r4, #8",
        "push {{r6}}",
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
        "ldr r6, [sp, #64]",
        "mov r10, r6",
        "mov r11, r6",
        "mov r8, r12",
        "mov r9, r12",
        "ldr r6, [sp, #12]",
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
        "ldr r2, [sp, #52]",
        "ldr r3, [sp, #60]",
        store!("r10"),
        store!("r11"),
        "str r2, [sp, #52]",
        "ldr r3, [sp, #56]",
        "cmp r2, r3",
        "beq 4f",
        "ldr r3, [sp, #4]",
        "ldr r4, [sp, #8]",
        "str r4, [sp, #4]",
        "str r3, [sp, #8]",
        "adds r0, r0, r3",
        "b 6b",
        "4:",
        "add sp, #16",
        restore!(),
    )
}
