//! Lanes are 32-bit numbers; only 12-bit lanes of two rows are those of [`portable`]:
//!
//! ```text
//! one row, 8 bits      x1  x3  256·x0 − x1  256·x2 − x3
//! one row, 12 bits     x1  x3  x0           x2
//! two rows, 8 bits     x0  x1  x2  x3, each x_a + 2¹⁶ x_b
//! ```

use super::backend::{ArmV6m, aligned};
use super::linear::{restore, save};
use crate::kernels::{LanesMut, Quantizer, RowCount, portable};
use core::arch::naked_asm;

/// See [`Kernels::quantize`](super::Kernels::quantize).
pub fn quantize(x: &[i16], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<ArmV6m>) {
    let (rows, row, bits) = (lanes.rows, lanes.row(row), quantizer.bits);
    if matches!((rows, bits), (RowCount::Two, 12)) {
        return portable::quantize(x, quantizer, row, lanes);
    }
    let whole = (x.len() / 4).min(lanes.words);
    let whole = if aligned(x) { whole } else { 0 };
    if whole > 0 {
        let start = x.as_ptr();
        let quantize = Quantize {
            multiply: quantizer.multiply,
            shift: quantizer.shift.max(0) as u32,
            // Wrapping products do not mind which factor was shifted.
            inverse: quantizer.inverse << quantizer.shift.min(0).unsigned_abs(),
            end: start.wrapping_add(4 * whole),
            add: quantizer.subtract.wrapping_neg(),
        };
        let uncentred = (quantize.multiply, quantize.shift, quantize.add) == (1, 0, 0);
        let to = lanes.data.as_mut_ptr();
        // SAFETY: `4 · whole` numbers of the row exist, aligned, and (`LanesMut`) lanes for as many.
        unsafe {
            match (rows, row, bits) {
                (RowCount::Two, 0, _) if uncentred => uncentred_first(start, to, &quantize),
                (RowCount::Two, _, _) if uncentred => uncentred_second(start, to, &quantize),
                (RowCount::Two, 0, _) => quantize_first(start, to, &quantize),
                (RowCount::Two, _, _) => quantize_second(start, to, &quantize),
                (RowCount::One, _, 8) if uncentred => uncentred_single(start, to, &quantize),
                (RowCount::One, _, 8) => quantize_centred(start, to, &quantize),
                (RowCount::One, ..) => quantize_wide(start, to, &quantize),
            }
        }
    }
    let rest = x.get(4 * whole..).unwrap_or_default();
    let words = lanes.data.as_chunks_mut::<8>().0.iter_mut().take(lanes.words).skip(whole);
    for (x, lanes) in rest.chunks(4).zip(words) {
        let lane = portable::lane(x, quantizer);
        let numbers = match rows {
            RowCount::One => lane.map(i32::from),
            RowCount::Two => {
                let [x1, x3, z0, z2] = lane.map(i32::from);
                [(z0 + x1) >> 8, x1, (z2 + x3) >> 8, x3]
            }
        };
        for (pair, number) in lanes.as_chunks_mut::<2>().0.iter_mut().zip(numbers) {
            let [low, high] = *pair;
            let sum = match row {
                0 => number,
                _ => (number << 16).wrapping_add(low as u16 as i32 | (high as i32) << 16),
            };
            *pair = [sum as i16, (sum >> 16) as i16];
        }
    }
}

/// 12-bit lanes of one of two rows as 32-bit numbers; from word to word they are `2 · 8` bytes apart.
///
/// # Safety
/// `words` ≥ 1; `from` holds as many words of lanes, `to` four numbers for each. All are multiples of
/// four.
#[unsafe(naked)]
pub unsafe extern "C" fn expand(from: *const i16, to: *mut i32, words: usize) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "2:",
        "ldmia r0!, {{r5, r7}}",
        "sxth r4, r5",
        "asrs r5, r5, #16",
        "sxth r6, r7",
        "asrs r7, r7, #16",
        "stmia r1!, {{r4-r7}}",
        "adds r0, #8",
        "subs r2, #1",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}

/// Parameters of the assembly.
#[repr(C)]
pub struct Quantize {
    /// See [`Quantizer`].
    pub multiply: i32,
    /// Shift to the right; a shift to the left is part of `inverse`.
    pub shift: u32,
    /// See [`Quantizer`].
    pub inverse: i32,
    /// The end of the row.
    pub end: *const i16,
    /// Minus what is subtracted.
    pub add: i32,
}

/// Quantises `$x`: r2 multiplies, r8 is added, r3 shifts, r4 multiplies, r9 is half, `$bits` shifts.
macro_rules! centred {
    ($x:literal, $bits:literal) => {
        concat!(
            "muls ",
            $x,
            ", r2, ",
            $x,
            "\nadd ",
            $x,
            ", r8\nasrs ",
            $x,
            ", r3\nmuls ",
            $x,
            ", r4, ",
            $x,
            "\nadd ",
            $x,
            ", r9\nasrs ",
            $x,
            ", ",
            $x,
            $bits,
            "\n"
        )
    };
}

/// Two quantised numbers (r6, r5) of the word at r0 + `$from`; `$combine` makes lanes of them, which go to
/// r1 + `$even` and r1 + `$odd`.
macro_rules! pair {
    ($one:ident, $bits:literal, $from:literal, $combine:literal, $even:literal, $odd:literal) => {
        concat!(
            "ldr r5, [r0, #",
            $from,
            "]\n",
            "sxth r6, r5\n",
            "asrs r5, r5, #16\n",
            $one!("r5", $bits),
            $one!("r6", $bits),
            $combine,
            "str r6, [r1, #",
            $even,
            "]\nstr r5, [r1, #",
            $odd,
            "]\n",
        )
    };
}

/// A row: `$low` and `$high` quantise the two words of four inputs; `$half` is the logarithm of a half.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident, $half:literal, $low:expr, $high:expr) => {
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
                $half,
                "mov r9, r5",
                "2:",
                $low,
                $high,
                "adds r0, #8",
                "adds r1, #16",
                "cmp r0, r11",
                "bne 2b",
                restore!(),
            )
        }
    };
}

row! {
    /// 8-bit lanes of a row.
    quantize_centred, "lsls r5, r5, #22",
    pair!(centred, ", #23", "0", "lsls r6, r6, #8\nsubs r6, r6, r5\n", "8", "0"),
    pair!(centred, ", #23", "4", "lsls r6, r6, #8\nsubs r6, r6, r5\n", "12", "4")
}

row! {
    /// 12-bit lanes of a row.
    quantize_wide, "lsls r5, r5, #18",
    pair!(centred, ", #19", "0", "", "8", "0"),
    pair!(centred, ", #19", "4", "", "12", "4")
}

row! {
    /// 8-bit lanes of the first of two rows.
    quantize_first, "lsls r5, r5, #22",
    pair!(centred, ", #23", "0", "", "0", "4"),
    pair!(centred, ", #23", "4", "", "8", "12")
}

row! {
    /// 8-bit lanes of the second of two rows, added to those of the first.
    quantize_second, "lsls r5, r5, #22",
    pair!(
        centred,
        ", #23",
        "0",
        "lsls r5, r5, #16\nlsls r6, r6, #16\nldr r7, [r1]\nadds r6, r6, r7
        ldr r7, [r1, #4]\nadds r5, r5, r7\n",
        "0",
        "4"
    ),
    pair!(
        centred,
        ", #23",
        "4",
        "lsls r5, r5, #16\nlsls r6, r6, #16\nldr r7, [r1, #8]\nadds r6, r6, r7
        ldr r7, [r1, #12]\nadds r5, r5, r7\n",
        "8",
        "12"
    )
}

/// A row from which nothing is subtracted and which needs no shift to the right, as most are: `$unpack`
/// makes of the words in r5 and r6 (or r3 and r6) four numbers in r2, r3, r5, r6; `$combine` makes lanes
/// of them.
macro_rules! plain_row {
    ($(#[$doc:meta])* $name:ident, $unpack:expr, $combine:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// `x` < `by.end` by a multiple of eight bytes; `lanes` has room for twice as many. Addresses
        /// are multiples of four.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(x: *const i16, lanes: *mut i16, by: *const Quantize) {
            naked_asm!(
                "push {{r4-r7, lr}}",
                "ldr r4, [r2, #8]",
                "ldr r3, [r2, #12]",
                "mov r12, r3",
                "movs r3, #1",
                "lsls r3, r3, #22",
                "mov lr, r3",
                "2:",
                $unpack,
                quantized!("r2"),
                quantized!("r3"),
                quantized!("r5"),
                quantized!("r6"),
                $combine,
                "stmia r1!, {{r2, r3, r5, r6}}",
                "cmp r0, r12",
                "bne 2b",
                "pop {{r4-r7, pc}}",
            )
        }
    };
}

/// Quantises `$x`: r4 multiplies, lr is half.
macro_rules! quantized {
    ($x:literal) => {
        concat!("muls ", $x, ", r4, ", $x, "\nadd ", $x, ", lr\nasrs ", $x, ", ", $x, ", #23\n")
    };
}

/// Adds the number at r1 + `$at` to `$x` · 2¹⁶.
macro_rules! above {
    ($x:literal, $at:literal) => {
        concat!(
            "lsls ",
            $x,
            ", ",
            $x,
            ", #16\nldr r7, [r1, #",
            $at,
            "]\nadds ",
            $x,
            ", ",
            $x,
            ", r7\n"
        )
    };
}

plain_row! {
    /// 8-bit lanes of one row.
    uncentred_single,
    "ldmia r0!, {{r5, r6}}
    asrs r2, r5, #16
    sxth r5, r5
    asrs r3, r6, #16
    sxth r6, r6",
    "lsls r5, r5, #8
    subs r5, r5, r2
    lsls r6, r6, #8
    subs r6, r6, r3"
}

plain_row! {
    /// 8-bit lanes of the first of two rows.
    uncentred_first,
    "ldmia r0!, {{r3, r6}}
    sxth r2, r3
    asrs r3, r3, #16
    sxth r5, r6
    asrs r6, r6, #16",
    ""
}

plain_row! {
    /// 8-bit lanes of the second of two rows, added to those of the first.
    uncentred_second,
    "ldmia r0!, {{r3, r6}}
    sxth r2, r3
    asrs r3, r3, #16
    sxth r5, r6
    asrs r6, r6, #16",
    concat!(above!("r2", "0"), above!("r3", "4"), above!("r5", "8"), above!("r6", "12"))
}
