//! Lanes: those of one row are as [`Portable`]'s; 8-bit lanes of two rows are, for every input,
//! the 32-bit number `x_a + 2¹⁶ x_b`.

use super::aligned;
use super::linear::{restore, save};
use crate::kernels::{Kernels, Portable, Quantizer};
use core::arch::naked_asm;

/// See [`Kernels::quantize`].
pub fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
    if by.bits != 8 || row >= rows {
        return Portable::quantize(x, by, rows, row, lanes);
    }
    let two = rows == 2;
    let (room, _) = lanes.as_chunks::<4>();
    let whole = x.as_chunks::<4>().0.len().min(if two { room.len() / 2 } else { room.len() });
    let fits = whole > 0 && by.shift.unsigned_abs() < 32 && aligned(x) && aligned(lanes);
    let whole = if fits { 4 * whole } else { 0 };
    if fits {
        let start = x.as_ptr();
        let quantize = Quantize {
            multiply: by.multiply,
            shift: by.shift.max(0) as u32,
            // Wrapping products do not mind which factor was shifted.
            inverse: by.inverse << by.shift.min(0).unsigned_abs(),
            end: start.wrapping_add(whole),
            add: by.subtract.wrapping_neg(),
        };
        let plain = (quantize.multiply, quantize.shift, quantize.add) == (1, 0, 0);
        let to = lanes.as_mut_ptr();
        // SAFETY: `whole` numbers of the row and lanes for as many exist, aligned.
        unsafe {
            match (two, row, plain) {
                (true, 0, _) => quantize_first(start, to, &quantize),
                (true, _, _) => quantize_second(start, to, &quantize),
                (false, _, true) => quantize_plain(start, to, &quantize),
                (false, _, false) => quantize_centred(start, to, &quantize),
            }
        }
    }
    let rest = x.get(whole..).unwrap_or_default();
    let lanes = lanes.get_mut(whole * rows..).unwrap_or_default();
    if rest.is_empty() {
    } else if two {
        quantize_pair(rest, by, row, lanes);
    } else {
        Portable::quantize(rest, by, rows, row, lanes);
    }
}

/// Row `row` of two, in plain Rust; inputs missing to a multiple of four are 0.
fn quantize_pair(x: &[i16], by: &Quantizer, row: usize, lanes: &mut [i16]) {
    for (x, lanes) in x.chunks(4).zip(lanes.as_chunks_mut::<8>().0) {
        let mut quantized = [0i16; 4];
        Portable::quantize(x, by, 1, 0, &mut quantized);
        let [x1, x3, z0, z2] = quantized.map(i32::from);
        let inputs = [(z0 + x1) >> 8, x1, (z2 + x3) >> 8, x3];
        for (pair, x) in lanes.as_chunks_mut::<2>().0.iter_mut().zip(inputs) {
            let [low, high] = *pair;
            let sum = match row {
                0 => x,
                _ => (x << 16).wrapping_add(low as u16 as i32 | (high as i32) << 16),
            };
            *pair = [sum as i16, (sum >> 16) as i16];
        }
    }
}

/// The two numbers of a pair of lanes.
pub fn unpack(pair: [i16; 2]) -> [i32; 2] {
    let [low, high] = pair.map(i32::from);
    [low, high + (low < 0) as i32]
}

/// Lanes of one row as 32-bit numbers; from word to word of four lanes are `8 + skip` bytes.
///
/// # Safety
/// `words` ≥ 1; `from` holds as many words of lanes, `to` four numbers for each. All are multiples of
/// four.
#[unsafe(naked)]
pub unsafe extern "C" fn expand(from: *const i16, to: *mut i32, words: usize, skip: usize) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "2:",
        "ldmia r0!, {{r5, r7}}",
        "sxth r4, r5",
        "asrs r5, r5, #16",
        "sxth r6, r7",
        "asrs r7, r7, #16",
        "stmia r1!, {{r4-r7}}",
        "adds r0, r0, r3",
        "subs r2, #1",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}

/// 8-bit lanes of one row as `256 x1  256 x3  256 x0  256 x2` in 32 bits.
///
/// # Safety
/// As [`expand`], without anything to skip.
#[unsafe(naked)]
pub unsafe extern "C" fn expand_plain(from: *const i16, to: *mut i32, words: usize) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "2:",
        "ldmia r0!, {{r5, r7}}",
        "sxth r4, r5",
        "asrs r5, r5, #16",
        "sxth r6, r7",
        "asrs r7, r7, #16",
        "adds r6, r6, r4",
        "adds r7, r7, r5",
        "lsls r4, r4, #8",
        "lsls r5, r5, #8",
        "stmia r1!, {{r4-r7}}",
        "subs r2, #1",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}

/// What the assembly needs besides pointers.
#[repr(C)]
struct Quantize {
    /// See [`Quantizer`].
    multiply: i32,
    /// Shift to the right; a shift to the left is part of `inverse`.
    shift: u32,
    /// See [`Quantizer`].
    inverse: i32,
    /// The end of the row.
    end: *const i16,
    /// Minus what is subtracted.
    add: i32,
}

/// Quantises `$x`: r2 multiplies, r8 is added, r3 shifts, r4 multiplies, r9 is half.
macro_rules! centred {
    ($x:literal) => {
        concat!("muls ", $x, ", r2, ", $x, "\nadd ", $x, ", r8\nasrs ", $x, ", r3\n", plain!($x))
    };
}

/// Quantises `$x` as it is.
macro_rules! plain {
    ($x:literal) => {
        concat!("muls ", $x, ", r4, ", $x, "\nadd ", $x, ", r9\nasrs ", $x, ", ", $x, ", #23\n")
    };
}

macro_rules! one_row {
    ($(#[$doc:meta])* $name:ident, $one:ident) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// `x` < `by.end` by a multiple of eight bytes; `lanes` has room for as many. Addresses are multiples of four.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(x: *const i16, lanes: *mut i16, by: *const Quantize) {
            naked_asm!(
                save!(),
                "mov r7, r2",
                "ldmia r7!, {{r2-r5}}",
                "mov r11, r5",
                "ldr r5, [r7]",
                "mov r8, r5",
                "movs r5, #1",
                "lsls r5, r5, #22",
                "mov r9, r5",
                "2:",
                "ldmia r0!, {{r5, r7}}",
                "sxth r6, r5",
                "asrs r5, r5, #16",
                $one!("r5"),
                $one!("r6"),
                "lsls r6, r6, #8",
                "subs r6, r6, r5",
                "uxth r5, r5",
                "uxth r6, r6",
                "mov r12, r5",
                "mov lr, r6",
                "sxth r6, r7",
                "asrs r5, r7, #16",
                $one!("r5"),
                $one!("r6"),
                "lsls r6, r6, #8",
                "subs r6, r6, r5",
                "lsls r5, r5, #16",
                "lsls r6, r6, #16",
                "add r5, r12",
                "add r6, lr",
                "stmia r1!, {{r5, r6}}",
                "cmp r0, r11",
                "bne 2b",
                restore!(),
            )
        }
    };
}

one_row! {
    /// 8-bit lanes of a row.
    quantize_centred, centred
}

one_row! {
    /// 8-bit lanes of a row from which nothing is subtracted and which needs no shift to the right.
    quantize_plain, plain
}

/// Two quantised numbers (r6, r5) of the word in r5 to r1 + `$at`, by way of `$add`.
macro_rules! pair {
    ($at:literal, $next:literal, $add:literal) => {
        concat!(
            "sxth r6, r5\n",
            "asrs r5, r5, #16\n",
            centred!("r5"),
            centred!("r6"),
            $add,
            "str r6, [r1, #",
            $at,
            "]\nstr r5, [r1, #",
            $next,
            "]\n",
        )
    };
}

macro_rules! row_of_two {
    ($(#[$doc:meta])* $name:ident, $first:literal, $second:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// `x` < `by.end` by a multiple of eight bytes; `lanes` has room for twice as many. Addresses
        /// are multiples of four.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(x: *const i16, lanes: *mut i16, by: *const Quantize) {
            naked_asm!(
                save!(),
                "mov r7, r2",
                "ldmia r7!, {{r2-r5}}",
                "mov r11, r5",
                "ldr r5, [r7]",
                "mov r8, r5",
                "movs r5, #1",
                "lsls r5, r5, #22",
                "mov r9, r5",
                "2:",
                "ldr r5, [r0]",
                pair!("0", "4", $first),
                "ldr r5, [r0, #4]",
                pair!("8", "12", $second),
                "adds r0, #8",
                "adds r1, #16",
                "cmp r0, r11",
                "bne 2b",
                restore!(),
            )
        }
    };
}

row_of_two! {
    /// 8-bit lanes of the first of two rows.
    quantize_first, "", ""
}

row_of_two! {
    /// 8-bit lanes of the second of two rows, added to those of the first.
    quantize_second,
    "lsls r5, r5, #16
    lsls r6, r6, #16
    ldr r7, [r1]
    adds r6, r6, r7
    ldr r7, [r1, #4]
    adds r5, r5, r7
    ",
    "lsls r5, r5, #16
    lsls r6, r6, #16
    ldr r7, [r1, #8]
    adds r6, r6, r7
    ldr r7, [r1, #12]
    adds r5, r5, r7
    "
}
