//! Passes over one row of 16-bit numbers, four at a time: range, moments, quantisation.

use super::backend::RiscV;
use crate::kernels::{LanesMut, Quantizer, RowCount};
use crate::matrix::Packing;
use core::arch::asm;

/// Smallest and largest of numbers that `$load` fetches, `$size` bytes each, four at a time.
macro_rules! range {
    ($(#[$doc:meta])* $name:ident, $type:ty, $load:literal, $size:literal) => {
        $(#[$doc])*
        pub fn $name(x: &[[$type; 4]], low: i32, high: i32) -> (i32, i32) {
            let (mut low, mut high) = (low, high);
            let ends = x.as_ptr_range();
            if !x.is_empty() {
                // SAFETY: reads from the first four to the end of the last.
                unsafe {
                    asm!(
                        "2:",
                        ".irp i, 0, 1, 2, 3",
                        concat!($load, " {x}, ", $size, "*\\i({at})"),
                        "bge {x}, {low}, 3f",
                        "mv {low}, {x}",
                        "3:",
                        "ble {x}, {high}, 4f",
                        "mv {high}, {x}",
                        "4:",
                        ".endr",
                        concat!("addi {at}, {at}, 4*", $size),
                        "bne {at}, {end}, 2b",
                        at = inout(reg) ends.start => _,
                        end = in(reg) ends.end,
                        low = inout(reg) low,
                        high = inout(reg) high,
                        x = out(reg) _,
                        options(readonly, nostack),
                    );
                }
            }
            (low, high)
        }
    };
}
range! {
    /// The range of `low`, `high` and the numbers.
    range_16, i16, "lh", "2"
}
range! {
    /// The range of `low`, `high` and the numbers.
    range_32, i32, "lw", "4"
}

/// Sum and sum of squares.
pub fn moments(x: &[[i16; 4]]) -> (i32, u64) {
    let (mut sum, mut squares) = (0i32, 0u64);
    for &[a, b, c, d] in x {
        let [a, b, c, d] = [a, b, c, d].map(i32::from);
        sum = sum.wrapping_add(a).wrapping_add(b).wrapping_add(c).wrapping_add(d);
        // Two squares are at most 2^31.
        squares += ((a * a) as u32 + (b * b) as u32) as u64;
        squares += ((c * c) as u32 + (d * d) as u32) as u64;
    }
    (sum, squares)
}

/// Quantises fours: `$step` is done for each of the four numbers in `\x`, `$store` writes them.
macro_rules! fours {
    ($fours:expr, $to:expr, $stride:expr, [$($step:literal)*], [$($store:literal)*], $($operands:tt)*) => {{
        let ends = $fours.as_ptr_range();
        // SAFETY: the caller sees to it that there is a lane, `$stride` bytes from the last, for each
        // of one or more fours.
        unsafe {
            asm!(
                "2:",
                "lh {a}, 0({at})",
                "lh {b}, 2({at})",
                "lh {c}, 4({at})",
                "lh {d}, 6({at})",
                "addi {at}, {at}, 8",
                $(".irp x, {a}, {b}, {c}, {d}", $step, ".endr",)*
                $($store,)*
                "add {to}, {to}, {stride}",
                "bne {at}, {end}, 2b",
                at = inout(reg) ends.start => _,
                end = in(reg) ends.end,
                to = inout(reg) $to => _,
                stride = in(reg) $stride,
                a = out(reg) _,
                b = out(reg) _,
                c = out(reg) _,
                d = out(reg) _,
                out("t0") _,
                $($operands)*
                options(nostack),
            );
        }
    }};
}

/// A function that quantises fours; `$store` writes them into the lanes at `to`, the next ones' lanes
/// lying `stride` bytes further.
macro_rules! quantizer {
    ($(#[$doc:meta])* $name:ident, [$($store:literal)*]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// There are one or more fours, and lanes for all of them.
        #[inline(never)] // together they would save every register
        unsafe fn $name(x: &[[i16; 4]], quantizer: &Quantizer, to: *mut i16, stride: usize) {
            let half = 1i32 << 22;
            if quantizer.shift <= 0 {
                // All but the last shift is one product, modulo 2^32 as the definition.
                let inverse = quantizer.inverse << (quantizer.shift.wrapping_neg() & 31);
                fours!(
                    x, to, stride,
                    ["mul \\x, \\x, {factor}" "add \\x, \\x, {half}" "srai \\x, \\x, 23"],
                    [$($store)*],
                    factor = in(reg) quantizer.multiply.wrapping_mul(inverse),
                    half = in(reg) half.wrapping_sub(quantizer.subtract.wrapping_mul(inverse)),
                );
            } else {
                fours!(
                    x, to, stride,
                    [
                        "mul \\x, \\x, {multiply}"
                        "sub \\x, \\x, {subtract}"
                        "sra \\x, \\x, {right}"
                        "mul \\x, \\x, {inverse}"
                        "add \\x, \\x, {half}"
                        "srai \\x, \\x, 23"
                    ],
                    [$($store)*],
                    multiply = in(reg) quantizer.multiply,
                    subtract = in(reg) quantizer.subtract,
                    right = in(reg) quantizer.shift,
                    inverse = in(reg) quantizer.inverse,
                    half = in(reg) half,
                );
            }
        }
    };
}

quantizer! {
    /// Lanes for paired weights.
    paired,
    [
        "slli {a}, {a}, 8"
        "slli {c}, {c}, 8"
        "sub {a}, {a}, {b}"
        "sub {c}, {c}, {d}"
        "sh {b}, 0({to})"
        "sh {d}, 2({to})"
        "sh {a}, 4({to})"
        "sh {c}, 6({to})"
    ]
}

quantizer! {
    /// Lanes of one row for plain weights.
    plain_single,
    [
        ".irp x, {a}, {b}, {c}, {d}" "slli \\x, \\x, 8" ".endr"
        "sh {a}, 0({to})"
        "sh {b}, 2({to})"
        "sh {c}, 4({to})"
        "sh {d}, 6({to})"
    ]
}

quantizer! {
    /// Lanes of the first of two rows for plain weights.
    plain_first,
    ["sw {a}, 0({to})" "sw {b}, 4({to})" "sw {c}, 8({to})" "sw {d}, 12({to})"]
}

quantizer! {
    /// Lanes of the second of two rows for plain weights, added to those of the first.
    plain_second,
    [
        ".irp x, {a}, {b}, {c}, {d}" "slli \\x, \\x, 16" ".endr"
        "lw t0, 0({to})" "add {a}, {a}, t0" "sw {a}, 0({to})"
        "lw t0, 4({to})" "add {b}, {b}, t0" "sw {b}, 4({to})"
        "lw t0, 8({to})" "add {c}, {c}, t0" "sw {c}, 8({to})"
        "lw t0, 12({to})" "add {d}, {d}, t0" "sw {d}, 12({to})"
    ]
}

/// See [`Kernels::quantize`](crate::kernels::Kernels::quantize): no more fours than the lanes have words, 8
/// bits.
pub fn quantize(x: &[[i16; 4]], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<RiscV>) {
    if x.is_empty() {
        return;
    }
    let (rows, to) = (lanes.rows, lanes.data.as_mut_ptr());
    // SAFETY: `LanesMut`: there are lanes of all rows for each four; those of one row alternate with the
    // other's, but in one word where weights are plain.
    unsafe {
        match (lanes.packing, rows, row) {
            (Packing::Paired, ..) => paired(x, quantizer, to.add(4 * row), 8 * rows.get()),
            (_, RowCount::One, _) => plain_single(x, quantizer, to, 8),
            (_, _, 0) => plain_first(x, quantizer, to, 16),
            _ => plain_second(x, quantizer, to, 16),
        }
    }
}
