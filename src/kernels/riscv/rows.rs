//! Passes over one row of 16-bit numbers, four at a time: range, moments, quantisation.

use crate::kernels::Quantizer;
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

/// See [`Kernels::quantize`](crate::kernels::Kernels::quantize); as many fours as there are lanes for.
pub fn quantize(x: &[[i16; 4]], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
    let (multiply, subtract, inverse) = (by.multiply, by.subtract, by.inverse);
    let shift = 31u32.wrapping_sub(by.bits) & 31;
    let half = 1i32 << (shift - 1);
    if by.shift <= 0 {
        // All but the last shift is one product, modulo 2^32 as the definition.
        let inverse = inverse << (by.shift.wrapping_neg() & 31);
        let factor = multiply.wrapping_mul(inverse);
        let half = half.wrapping_sub(subtract.wrapping_mul(inverse));
        fours(x, by.bits, rows, row, lanes, |x| x.wrapping_mul(factor).wrapping_add(half) >> shift);
    } else if multiply == 1 && subtract == 0 {
        let right = by.shift & 31;
        let one = |x: i32| (x >> right).wrapping_mul(inverse).wrapping_add(half) >> shift;
        fours(x, by.bits, rows, row, lanes, one);
    } else {
        let right = by.shift & 31;
        let one = |x: i32| {
            let centred = x.wrapping_mul(multiply).wrapping_sub(subtract);
            (centred >> right).wrapping_mul(inverse).wrapping_add(half) >> shift
        };
        fours(x, by.bits, rows, row, lanes, one);
    }
}

/// Writes what `one` makes of each number as lanes.
#[inline(always)]
fn fours(
    x: &[[i16; 4]],
    bits: u32,
    rows: usize,
    row: usize,
    lanes: &mut [i16],
    one: impl Fn(i32) -> i32,
) {
    let (lanes, _) = lanes.as_chunks_mut::<4>();
    let lanes = lanes.get_mut(row..).unwrap_or_default();
    let count = x.len().min(lanes.len().div_ceil(rows));
    let mut to = lanes.as_mut_ptr();
    for four in x.iter().take(count) {
        let [a, b, c, d] = load_16(four).map(&one);
        let lane = if bits == 8 { [b, d, (a << 8) - b, (c << 8) - d] } else { [b, d, a, c] };
        // SAFETY: `count` lanes begin `rows` apart, the last of them within the slice.
        unsafe { *to = lane.map(|q| q as i16) };
        to = to.wrapping_add(rows);
    }
}

/// Four numbers, each by one LH. (The compiler would load each without its sign and extend it again.)
#[inline(always)]
pub fn load_16(x: &[i16; 4]) -> [i32; 4] {
    let (a, b, c, d);
    // SAFETY: reads four numbers.
    unsafe {
        asm!(
            "lh {a}, 0({x})",
            "lh {b}, 2({x})",
            "lh {c}, 4({x})",
            "lh {d}, 6({x})",
            x = in(reg) x,
            a = out(reg) a,
            b = out(reg) b,
            c = out(reg) c,
            d = lateout(reg) d,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    [a, b, c, d]
}
