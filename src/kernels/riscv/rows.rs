//! Passes over one row. Each does four numbers at a time and says how many it has done; ends of rows
//! and results that would saturate are left to the portable code.
//!
//! Without a saturating instruction, clamping costs more than the sum itself. So results are only
//! checked, four at a time by OR, and what does not fit ends the fast pass.

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
        let [a, b, c, d] = four.map(|x| one(x as i32));
        let lane = if bits == 8 { [b, d, (a << 8) - b, (c << 8) - d] } else { [b, d, a, c] };
        // SAFETY: `count` lanes begin `rows` apart, the last of them within the slice.
        unsafe { *to = lane.map(|q| q as i16) };
        to = to.wrapping_add(rows);
    }
}

/// Whether all four numbers have 16 bits.
#[inline(always)]
fn fit(x: [i32; 4]) -> bool {
    let [a, b, c, d] = x.map(|x| x.wrapping_add(1 << 15) as u32);
    (a | b | c | d) >> 16 == 0
}

/// One row of sums beside what belongs to its outputs, as pointers: a compiler that has to keep four
/// slices at hand keeps them on the stack.
#[derive(Clone, Copy)]
pub struct Outputs {
    sums: *const i32,
    stride: usize,
    multipliers: *const u16,
    biases: Option<*const i16>,
    count: usize,
}

impl Outputs {
    /// Row `row` of `rows`; `None` if the sections are not aligned.
    pub fn new(
        sums: &[i32],
        rows: usize,
        row: usize,
        multipliers: &[u8],
        biases: &[u8],
    ) -> Option<Self> {
        let even = |bytes: &[u8]| bytes.as_ptr().addr().is_multiple_of(2);
        if row >= rows || !even(multipliers) || !even(biases) {
            return None;
        }
        let mut count = (sums.len() / rows).min(multipliers.len() / 2);
        if !biases.is_empty() {
            count = count.min(biases.len() / 2);
        }
        Some(Self {
            sums: sums.get(row..)?.as_ptr(),
            stride: rows,
            multipliers: multipliers.as_ptr().cast(),
            biases: (!biases.is_empty()).then_some(biases.as_ptr().cast()),
            count,
        })
    }

    /// Writes `one(sum, multiplier)` plus `bias(bias)` four at a time as far as `narrow` takes them.
    #[inline(always)]
    fn each<T>(
        mut self,
        out: &mut [T],
        one: impl Fn(i32, u16) -> i32,
        bias: impl Fn(i16) -> i32,
        narrow: impl Fn([i32; 4]) -> Option<[T; 4]>,
    ) -> usize {
        let mut done = 0;
        for out in out.as_chunks_mut::<4>().0.iter_mut().take(self.count / 4) {
            // SAFETY: `count` of each; a section has two bytes for each output at even addresses.
            let values = unsafe {
                let mut values = [0, 1, 2, 3]
                    .map(|i| one(*self.sums.add(i * self.stride), *self.multipliers.add(i)));
                if let Some(biases) = &mut self.biases {
                    for (i, value) in values.iter_mut().enumerate() {
                        *value = value.wrapping_add(bias(*biases.add(i)));
                    }
                    *biases = biases.wrapping_add(4);
                }
                values
            };
            let Some(values) = narrow(values) else { break };
            *out = values;
            self.sums = self.sums.wrapping_add(4 * self.stride);
            self.multipliers = self.multipliers.wrapping_add(4);
            done += 4;
        }
        done
    }

    /// See [`Kernels::rescale`](crate::kernels::Kernels::rescale), for shifts from 33 on and scales
    /// up to 2^15: half a unit and the shift then reach only the upper half of the product. Returns how
    /// many outputs are done.
    #[inline(never)]
    pub fn rescale(self, scale: u16, shift: u32, bias_shift: u32, out: &mut [i16]) -> usize {
        let (scale, half, shift) = (scale as i32, 1 << (shift - 33), shift - 32);
        let bias_shift = bias_shift.min(16);
        let bias_half = (1 << bias_shift) >> 1;
        self.each(
            out,
            |sum, multiplier| {
                let factor = (multiplier as i32).wrapping_mul(scale);
                (((sum as i64 * factor as i64) >> 32) as i32 + half) >> shift
            },
            |bias| (bias as i32 + bias_half) >> bias_shift,
            |x| fit(x).then(|| x.map(|x| x as i16)),
        )
    }
}
