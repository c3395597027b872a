//! Cortex-M4, M7, M33, M55: two 16-bit products an instruction (SMLAD).
//!
//! Each function checks what its assembly assumes (lengths, alignment, ranges) and hands everything
//! else to [`Portable`], so it is as total as that.
#![allow(unsafe_code)]

/// Code by hand for the Cortex-M4 and every core after it. It names its core, because the linker
/// reads it once more knowing only the target, and Armv8-M alone does not say that there is DSP.
macro_rules! naked_asm {
    ($($line:tt)*) => { core::arch::naked_asm!(".cpu cortex-m4", $($line)*) };
}

mod attention;
mod linear;
mod pointwise;
mod rescale;
mod rows;

use super::{Activate, Kernels, KeyBlock, Portable, Quantizer, Softmax, defaults};
use crate::config::KEY_BLOCK;
use crate::fixed::{EXP2, requantize, saturate_16, shift_by};
use core::mem::MaybeUninit;

/// The backend for cores with the DSP extension.
#[derive(Clone, Copy, Debug)]
pub struct ArmDsp;

/// Whether a slice begins at a multiple of four bytes.
fn aligned<T>(x: &[T]) -> bool {
    x.as_ptr().addr().is_multiple_of(4)
}

/// The shape of a product, if the assembly can take it: words of four inputs.
fn words(
    lanes: &[i16],
    rows: usize,
    weights: &[u8],
    group_bytes: usize,
    accumulators: &[i32],
) -> Option<usize> {
    let rows = if rows == 2 { 2 } else { 1 };
    let words = lanes.len() / (4 * rows);
    let groups = accumulators.len() / (4 * rows);
    let needed = groups.checked_sub(1)?.checked_mul(group_bytes)?.checked_add(16 * words)?;
    let fits = lanes.len().is_multiple_of(4 * rows)
        && accumulators.len().is_multiple_of(4 * rows)
        && words > 0
        && weights.len() >= needed
        && group_bytes.is_multiple_of(4);
    (fits && aligned(lanes) && aligned(weights)).then_some(words)
}

/// Number of keys if the visible ones are the first ones.
fn prefix(visible: u32) -> Option<usize> {
    let ones = visible.trailing_ones();
    (visible.checked_shr(ones).unwrap_or(0) == 0 && ones as usize <= KEY_BLOCK)
        .then_some(ones as usize)
}

/// Outputs that the assembly leaves: a shift below 33, the odd one at the end.
#[inline(never)]
fn rescale_one(
    accumulator: i32,
    multiplier: &[u8],
    bias: &[u8],
    (scale, shift, bias_shift): (u16, u32, i32),
) -> i32 {
    let half =
        |bytes: &[u8]| bytes.first_chunk().map_or(0, |&pair| i16::from_le_bytes(pair) as i32);
    let value = requantize(accumulator, half(multiplier) * scale as i32, shift);
    value.saturating_add(shift_by(half(bias), bias_shift))
}

/// What the assembly of a rescaling takes, and how many of `n` outputs it can do.
#[allow(clippy::too_many_arguments)] // two callers
fn rescaling(
    accumulators: &[i32],
    rows: usize,
    multipliers: &[u8],
    biases: &[u8],
    scale: u16,
    shift: u32,
    bias_shift: i32,
    n: usize,
) -> Option<rescale::Rescale> {
    let held = (accumulators.len() / rows).min(multipliers.len() / 2);
    let held = if biases.is_empty() { held } else { held.min(biases.len() / 2) };
    // A scale of 2^15 is one of 2^14 with a shift less.
    let over = (scale >> 15) as u32;
    let shift = shift.wrapping_sub(over);
    let bias_shift = if biases.is_empty() { 0 } else { bias_shift };
    let fits = (33..64).contains(&shift) && bias_shift >= -13 && (rows == 1 || rows == 2);
    (fits && held.min(n) >= 2).then(|| rescale::Rescale {
        pairs: held.min(n) / 2,
        out: 0,
        scale: (scale >> over) as u32,
        half: 1 << (shift - 33),
        shift: shift - 32,
        bias: 1 << (17 - bias_shift.min(17)),
        one: 1,
    })
}

impl Kernels for ArmDsp {
    const NAME: &'static str = "arm-dsp";

    fn largest(x: &[i16]) -> u32 {
        if x.is_empty() {
            return 0;
        }
        let (low, high) = Self::range(x);
        low.unsigned_abs().max(high.unsigned_abs()) as u32
    }

    fn moments(x: &[i16]) -> (i32, u64) {
        let mut sum = 0;
        // SAFETY: pointer and length of a slice.
        let squares = unsafe { rows::moments(x.as_ptr(), x.len(), &mut sum) };
        (sum, squares)
    }

    fn range(x: &[i16]) -> (i16, i16) {
        if x.is_empty() {
            return (i16::MAX, i16::MIN);
        }
        // SAFETY: pointer and length of a slice that is not empty.
        let packed = unsafe { rows::range(x.as_ptr(), x.len()) };
        (packed as i16, (packed >> 16) as i16)
    }

    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        let rows = rows.max(1);
        let room = (lanes.len() / 4).saturating_sub(row).div_ceil(rows);
        let fours = (x.len() / 4).min(room);
        // A shift to the left can be part of the factor, whose product wraps alike.
        let inverse = if by.shift < 0 { by.inverse << (-by.shift & 31) } else { by.inverse };
        let mut params = rows::Quantize {
            stride: 8 * rows,
            fours,
            multiply: by.multiply,
            offset: by.subtract.wrapping_neg(),
            shift: by.shift.max(0) as u32,
            inverse,
            half: 1 << (30 - by.bits),
            up: 15 - by.bits,
        };
        let plain = by.shift <= 0 && by.bits == 8 && by.multiply == 1 && by.subtract == 0;
        if fours > 0 {
            let at = lanes.as_mut_ptr().wrapping_add(4 * row);
            // SAFETY: `fours` of them lie in both slices.
            unsafe {
                if plain && inverse < 1 << 22 && aligned(lanes) {
                    params.inverse <<= 9;
                    rows::quantize_plain(x.as_ptr(), at, &params);
                } else {
                    rows::quantize(x.as_ptr(), at, &params);
                }
            }
        }
        if let Some(rest) = x.get(4 * fours..).filter(|rest| !rest.is_empty()) {
            let mut four = [0; 4];
            for (q, &x) in four.iter_mut().zip(rest) {
                let product = by.shifted(x).wrapping_mul(by.inverse);
                *q = (product.wrapping_add(params.half) >> (31 - by.bits)) as i16;
            }
            if let Some(lane) = lanes.as_chunks_mut::<4>().0.get_mut(fours * rows + row) {
                let [x0, x1, x2, x3] = four;
                *lane = match by.bits {
                    8 => [x1, x3, (x0 << 8).wrapping_sub(x1), (x2 << 8).wrapping_sub(x3)],
                    _ => [x1, x3, x0, x2],
                };
            }
        }
    }

    fn matmul(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let Some(words) = words(lanes, rows, weights, group_bytes, accumulators) else {
            return Portable::matmul(lanes, rows, weights, group_bytes, accumulators);
        };
        let sums = accumulators.as_mut_ptr_range();
        // SAFETY: `words` has checked every length and alignment.
        unsafe {
            if rows == 2 {
                let (w, x) = (weights.as_ptr(), lanes.as_ptr());
                linear::paired_2(w, x, words, group_bytes, sums.start, sums.end);
            } else {
                let skip = group_bytes as isize - 16 * words as isize;
                let (w, x) = (weights.as_ptr(), lanes.as_ptr());
                linear::paired_1(w, x, words, skip, sums.start, sums.end);
            }
        }
    }

    fn matmul_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        let Some(words) = words(lanes, rows, weights, group_bytes, accumulators) else {
            return Portable::matmul_wide(lanes, rows, weights, group_bytes, accumulators);
        };
        let sums = accumulators.as_mut_ptr_range();
        // SAFETY: `words` has checked every length and alignment.
        unsafe {
            if rows == 2 {
                let (w, x) = (weights.as_ptr(), lanes.as_ptr());
                linear::wide_2(w, x, words, group_bytes, sums.start, sums.end);
            } else {
                let skip = group_bytes as isize - 16 * words as isize;
                let (w, x) = (weights.as_ptr(), lanes.as_ptr());
                linear::wide_1(w, x, words, skip, sums.start, sums.end);
            }
        }
    }

    fn scores(
        accumulators: &[i32],
        rows: usize,
        row: usize,
        scales: &[u16; KEY_BLOCK],
        visible: u32,
        scores: &mut [i32; KEY_BLOCK],
    ) -> i32 {
        Portable::scores(accumulators, rows, row, scales, visible, scores)
    }

    fn weigh(
        scores: &[i32; KEY_BLOCK],
        maximum: i32,
        factor: u32,
        scales: &[u16; KEY_BLOCK],
        visible: u32,
        shift: u32,
        rows: usize,
        row: usize,
        lanes: &mut [i16],
    ) -> u32 {
        Portable::weigh(scores, maximum, factor, scales, visible, shift, rows, row, lanes)
    }

    fn weighted_sum(lanes: &[i16], rows: usize, values: &[u8], accumulators: &mut [i32]) {
        let rows = if rows == 2 { 2 } else { 1 };
        let fits = lanes.len() == KEY_BLOCK * rows
            && accumulators.len().is_multiple_of(4)
            && !accumulators.is_empty()
            && values.len() >= accumulators.len() / rows * KEY_BLOCK
            && aligned(lanes)
            && aligned(values);
        if !fits {
            return Portable::weighted_sum(lanes, rows, values, accumulators);
        }
        let sums = accumulators.as_mut_ptr_range();
        // SAFETY: every length and alignment was checked.
        unsafe {
            if rows == 2 {
                attention::weighted_2(values.as_ptr(), sums.start, lanes.as_ptr(), sums.end, 4);
            } else {
                attention::weighted_1(values.as_ptr(), sums.start, lanes.as_ptr(), sums.end);
            }
        }
    }

    fn rescale(
        accumulators: &[i32],
        rows: usize,
        row: usize,
        multipliers: &[u8],
        biases: &[u8],
        scale: u16,
        shift: u32,
        bias_shift: u32,
        out: &mut [i16],
    ) {
        let n = out.len();
        let params =
            rescaling(accumulators, rows, multipliers, biases, scale, shift, bias_shift as i32, n);
        let mut done = 0;
        if let Some(mut by) = params {
            by.out = out.as_mut_ptr().addr();
            done = 2 * by.pairs;
            let at = accumulators.as_ptr().wrapping_add(row);
            let (multipliers, bias) = (multipliers.as_ptr(), biases.as_ptr());
            // SAFETY: `rescaling` has measured the slices.
            unsafe {
                match (rows, biases.is_empty()) {
                    (1, true) => rescale::halves_1(at, multipliers, bias, &by),
                    (1, false) => rescale::biased_halves_1(at, multipliers, bias, &by),
                    (_, true) => rescale::halves_2(at, multipliers, bias, &by),
                    (_, false) => rescale::biased_halves_2(at, multipliers, bias, &by),
                }
            }
        }
        let accumulators = accumulators.chunks_exact(rows.max(1)).filter_map(|a| a.get(row));
        for (i, (out, &accumulator)) in out.iter_mut().zip(accumulators).enumerate().skip(done) {
            let Some(multiplier) = multipliers.get(2 * i..2 * i + 2) else { break };
            let bias = biases.get(2 * i..).unwrap_or_default();
            let by = (scale, shift, bias_shift as i32);
            *out = saturate_16(rescale_one(accumulator, multiplier, bias, by));
        }
    }

    fn rescale_wide(
        accumulators: &[i32],
        rows: usize,
        row: usize,
        multipliers: &[u8],
        biases: &[u8],
        scale: u16,
        shift: u32,
        bias_shift: i32,
        out: &mut [i32],
    ) {
        let n = out.len();
        let params =
            rescaling(accumulators, rows, multipliers, biases, scale, shift, bias_shift, n);
        let mut done = 0;
        if let Some(mut by) = params {
            by.out = out.as_mut_ptr().addr();
            done = 2 * by.pairs;
            let at = accumulators.as_ptr().wrapping_add(row);
            let (multipliers, bias) = (multipliers.as_ptr(), biases.as_ptr());
            // SAFETY: `rescaling` has measured the slices.
            unsafe {
                match (rows, biases.is_empty()) {
                    (1, true) => rescale::words_1(at, multipliers, bias, &by),
                    (1, false) => rescale::biased_words_1(at, multipliers, bias, &by),
                    (_, true) => rescale::words_2(at, multipliers, bias, &by),
                    (_, false) => rescale::biased_words_2(at, multipliers, bias, &by),
                }
            }
        }
        let accumulators = accumulators.chunks_exact(rows.max(1)).filter_map(|a| a.get(row));
        for (i, (out, &accumulator)) in out.iter_mut().zip(accumulators).enumerate().skip(done) {
            let Some(multiplier) = multipliers.get(2 * i..2 * i + 2) else { break };
            let bias = biases.get(2 * i..).unwrap_or_default();
            *out = rescale_one(accumulator, multiplier, bias, (scale, shift, bias_shift));
        }
    }

    fn gain(
        x: &[i16],
        by: &Quantizer,
        gains: &[u8],
        biases: &[u8],
        mantissa: u16,
        shift: u32,
        bias_shift: i32,
        sums: &mut [i32],
    ) {
        let n = x.len().min(sums.len()).min(gains.len() / 2);
        let left = by.shift.min(0).unsigned_abs();
        let multiply = by.multiply.checked_shl(left).unwrap_or(i32::MAX);
        let fits = n >= 2 && n.is_multiple_of(2) && shift == 15 && (0..1 << 15).contains(&multiply);
        if !fits || by.shift > 31 || left > 15 || !(biases.is_empty() || biases.len() >= 2 * n) {
            return defaults::gain(x, by, gains, biases, mantissa, shift, bias_shift, sums);
        }
        let over = (mantissa >> 15) as u32;
        let params = pointwise::Gain {
            pairs: n / 2,
            multiply,
            offset: by.subtract.wrapping_neg() << left,
            shift: by.shift.max(0) as u32,
            mantissa: (mantissa >> over) as u32,
            up: 1 + over,
        };
        // SAFETY: all slices hold `n` numbers.
        unsafe { pointwise::gain(x.as_ptr(), gains.as_ptr(), sums.as_mut_ptr(), &params) };
        let mut sums = sums.iter_mut();
        for (sum, &bias) in sums.by_ref().zip(biases.as_chunks::<2>().0).take(n) {
            *sum = sum.saturating_add(shift_by(i16::from_le_bytes(bias) as i32, bias_shift));
        }
    }

    fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
        if shift < -14 {
            return defaults::add(x, shift, sums);
        }
        // Beyond 17, all is rounded to 0.
        let down = shift.clamp(0, 17);
        let by = [1 << -shift.min(0), (1 << down) >> 1, down];
        let n = x.len().min(sums.len());
        // SAFETY: both slices hold `n` numbers.
        unsafe { rows::add(x.as_ptr(), sums.as_mut_ptr(), n, &by) };
    }

    fn magnitude(sums: &[i32]) -> u32 {
        // SAFETY: pointer and length of a slice.
        unsafe { rows::magnitude(sums.as_ptr(), sums.len()) }
    }

    fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
        let n = sums.len().min(out.len());
        if n > 0 {
            // SAFETY: both slices hold `n` numbers. Shifts beyond the limits give the same.
            unsafe { rows::narrow(sums.as_ptr(), out.as_mut_ptr(), n, shift.clamp(-15, 33)) };
        }
    }

    fn activate(by: &Activate, x: &mut [i16]) {
        let curve = curve(by);
        if !x.is_empty() {
            // SAFETY: pointer and length of a slice.
            unsafe { pointwise::activate(x.as_mut_ptr(), x.len(), &curve) };
        }
    }

    fn activate_gated(by: &Activate, factors: &[i16], x: &mut [i16]) {
        let curve = curve(by);
        let n = x.len().min(factors.len());
        if n > 0 {
            // SAFETY: both slices hold `n` numbers.
            unsafe { pointwise::activate_gated(x.as_mut_ptr(), n, &curve, factors.as_ptr()) };
        }
    }

    fn rotate(row: &mut [i16], table: &[i16]) {
        let pairs = table.len() / 2;
        let heads = row.len().checked_div(2 * pairs).unwrap_or(0);
        if heads > 0 {
            let at = row.as_mut_ptr();
            let end = at.wrapping_add(heads * 2 * pairs);
            // SAFETY: whole heads of the row.
            unsafe { pointwise::rotate(at, end, table.as_ptr(), pairs) };
        }
    }

    fn write_key(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
        let words = (x.len() / 4).min((out.len() + 12) / 16);
        if words > 0 {
            let (x, out) = (x.as_ptr(), out.as_mut_ptr());
            // SAFETY: `out` holds a word at every step.
            unsafe { pointwise::write_key(x, inverse as u32, shift, out, words) };
        }
    }

    fn write_value(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
        let n = x.len().min(out.len().div_ceil(KEY_BLOCK));
        if n > 0 {
            let (x, out) = (x.as_ptr(), out.as_mut_ptr());
            // SAFETY: `out` holds a byte at every step.
            unsafe { pointwise::write_value(x, inverse as u32, shift, out, n) };
        }
    }

    fn divide(sums: &[i32], rows: usize, row: usize, factor: u32, shift: u32, out: &mut [i16]) {
        let n = out.len().min(sums.len() / rows.max(1));
        if !(18..48).contains(&shift) || factor >= 1 << 16 || row >= rows || n == 0 {
            return defaults::divide(sums, rows, row, factor, shift, out);
        }
        let at = sums.as_ptr().wrapping_add(row);
        // SAFETY: `n` whole groups of rows lie in `sums`.
        unsafe { rescale::divide(at, 4 * rows, out.as_mut_ptr(), n, factor << 15, shift - 17) };
    }

    fn attend(
        lanes: &[i16],
        block: &KeyBlock,
        visible: [u32; 2],
        shift: u32,
        queries: &mut [Softmax],
        sums: &mut [i32],
    ) {
        let Some(shape) = Shape::new(lanes, block, visible, shift, queries, sums) else {
            return defaults::attend::<Self>(lanes, block, visible, shift, queries, sums);
        };
        let Shape { rows, words, keys } = shape;
        let most = keys[0].max(keys[1]);
        let fours = most.div_ceil(4);
        let mut products = MaybeUninit::<[i32; 2 * KEY_BLOCK]>::uninit();
        let mut weights = MaybeUninit::<[i16; 2 * KEY_BLOCK]>::uninit();
        let (products, weights) =
            (products.as_mut_ptr().cast::<i32>(), weights.as_mut_ptr().cast::<i16>());
        let (k, x) = (block.keys.as_ptr(), lanes.as_ptr());
        let codes = block.key_codes.as_ptr();
        let table = attention::SCALE.as_ptr();
        let mut maxima = [i32::MIN; 2];
        // SAFETY: `Shape` has checked every length and alignment; what is read was written before.
        unsafe {
            let end = products.add(4 * rows * fours);
            if rows == 2 {
                linear::paired_2(k, x, words, 16 * words, products, end);
                let least = keys[0].min(keys[1]);
                let packed = attention::scores_2(products, codes, least, table);
                maxima = [packed as i32, (packed >> 32) as i32];
                if least < most {
                    // One row sees more: neighbours in a tile.
                    let row = (keys[1] > keys[0]) as usize;
                    for key in least..most {
                        let at = products.add(2 * key + row);
                        let scale = *table.add(*codes.add(key) as usize);
                        at.write(((at.read() as i64 * scale as i64) >> 17) as i32);
                        maxima[row] = maxima[row].max(at.read());
                    }
                    weights.write_bytes(0, 2 * KEY_BLOCK);
                }
            } else {
                linear::paired_1(k, x, words, 0, products, end);
                maxima[0] = attention::scores_1(products, codes, most, table);
                weights.write_bytes(0, KEY_BLOCK);
            }
        }
        let mut by = attention::Weigh {
            keys: 0,
            maximum: 0,
            factor: 0,
            exponentials: EXP2.as_ptr(),
            scales: table,
            shift,
            half: 1 << (shift - 1),
        };
        let codes = block.value_codes.as_ptr();
        for (row, query) in queries.iter_mut().enumerate() {
            if maxima[row & 1] > query.maximum {
                query.raise(maxima[row & 1], rows, row, sums);
            }
            (by.keys, by.maximum, by.factor) = (keys[row & 1], query.maximum, query.factor);
            // SAFETY: as above.
            let sum = unsafe {
                let (scores, lanes) = (products.add(row), weights.add(4 * row));
                match rows {
                    2 => attention::weigh_2(scores, codes, lanes, &by),
                    _ => attention::weigh_1(scores, codes, lanes, &by),
                }
            };
            query.sum = query.sum.saturating_add(sum);
        }
        let (v, sums) = (block.values.as_ptr(), sums.as_mut_ptr_range());
        // SAFETY: as above.
        unsafe {
            match rows {
                2 => attention::weighted_2(v, sums.start, weights, sums.end, fours),
                _ => attention::weighted_1(v, sums.start, weights, sums.end),
            }
        }
    }
}

/// A block of attention that the assembly can do.
struct Shape {
    rows: usize,
    /// Words of four dimensions.
    words: usize,
    /// Keys that each row sees, the first ones, at least one.
    keys: [usize; 2],
}

impl Shape {
    fn new(
        lanes: &[i16],
        block: &KeyBlock,
        visible: [u32; 2],
        shift: u32,
        queries: &[Softmax],
        sums: &[i32],
    ) -> Option<Self> {
        let rows = queries.len();
        let visible = if rows == 1 { [visible[0]; 2] } else { visible };
        let keys = [prefix(visible[0])?, prefix(visible[1])?];
        let words = lanes.len() / 4 / rows.max(1);
        let bytes = 4 * words * KEY_BLOCK;
        let fits = (rows == 1 || rows == 2)
            && keys[0].min(keys[1]) > 0
            && words > 0
            && lanes.len() == 4 * words * rows
            && sums.len() == lanes.len()
            && block.keys.len() >= bytes
            && block.values.len() >= bytes
            && block.key_codes.len() >= KEY_BLOCK
            && block.value_codes.len() >= KEY_BLOCK
            && queries.iter().all(|query| query.factor < 1 << 31)
            && (1..32).contains(&shift)
            && aligned(lanes)
            && aligned(block.keys)
            && aligned(block.values);
        fits.then_some(Self { rows, words, keys })
    }
}

/// An activation as the assembly wants it.
fn curve(by: &Activate) -> pointwise::Curve {
    let (position, value) = (by.position_shift, by.value_shift);
    let limit = match (by.table, position) {
        (None, _) => 0,
        (_, 16..) => 1,
        (_, 0..) => 1 << (20 - position),
        _ => u32::MAX,
    };
    // A shift that leaves nothing, or less than half, may be larger.
    let down = value.clamp(0, 17) as u32;
    pointwise::Curve {
        table: by.table.map_or(core::ptr::null(), |table| table.as_ptr()),
        limit,
        position: if position < -11 { 32 } else { (position + 11) as u32 },
        up: 1 << (-value).clamp(0, 16),
        half: (1 << down) >> 1,
        down,
    }
}
