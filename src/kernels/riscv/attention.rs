//! One block of attention: products by [`paired_2`] of the keys that are visible, scores and
//! numerators key by key, weighted values with sixteen weights in registers.

use super::backend::RiscV;
use super::linear::{extensions, forget, paired_1, paired_2, restore, save};
use crate::config::KEY_BLOCK;
use crate::fixed::EXP2;
use crate::kernels::streams::prefix;
use crate::kernels::{KeyBlock, Queries, Softmax, portable};
use core::arch::{asm, naked_asm};
use core::mem::MaybeUninit;
use core::slice;

/// The data of one key besides its products, in one place so that one pointer suffices.
#[repr(C)]
struct Key {
    /// Scale · 2^15: the upper half of its product with a sum is the score.
    scale: u32,
    value_scale: u32,
    score: i32,
}

/// The mantissa of a scale's code: 16 … 31.
#[inline(always)]
fn mantissa(code: u8) -> u32 {
    16 | (code & 15) as u32
}

/// Scores of the keys, the first product's at `products`, the next `stride` bytes further; returns
/// the largest.
///
/// # Safety
/// There are as many products as keys, and at least one.
#[inline(always)]
unsafe fn scores(products: *const i32, stride: usize, keys: &mut [Key]) -> i32 {
    let ends = keys.as_mut_ptr_range();
    let mut maximum = i32::MIN;
    // SAFETY: reads the products and keys, writes the keys' scores.
    unsafe {
        asm!(
            "2:",
            "lw {x}, 0({products})",
            "lw {scale}, 0({key})",
            "add {products}, {products}, {stride}",
            "mulhsu {x}, {x}, {scale}",
            "sw {x}, 8({key})",
            "addi {key}, {key}, 12",
            "ble {x}, {maximum}, 3f",
            "mv {maximum}, {x}",
            "3:",
            "bne {key}, {end}, 2b",
            products = inout(reg) products => _,
            key = inout(reg) ends.start => _,
            end = in(reg) ends.end,
            stride = in(reg) stride,
            maximum = inout(reg) maximum,
            x = out(reg) _,
            scale = out(reg) _,
            options(nostack),
        );
    }
    maximum
}

/// Weights of the keys; returns the sum of their numerators. The factor is below 2^31.
///
/// # Safety
/// There are as many weights as keys, and at least one.
#[inline(always)]
unsafe fn weigh(keys: &[Key], query: &Softmax, shift: u32, weights: *mut i16) -> u32 {
    let ends = keys.as_ptr_range();
    let mut sum = 0;
    // SAFETY: reads the keys and the table (offsets are even and at most 510), writes the weights.
    unsafe {
        asm!(
            "2:",
            "lw {t}, 8({key})",
            "lw {scale}, 4({key})",
            "addi {key}, {key}, 12",
            "sub {t}, {maximum}, {t}",
            // Twice the distance in 1/256, so that its low bits are an offset into the table.
            "mulhu {t}, {t}, {factor}",
            "srli {octaves}, {t}, 9",
            "andi {t}, {t}, 510",
            "bgeu {octaves}, {limit}, 4f",
            "add {t}, {t}, {table}",
            "lhu {t}, 0({t})",
            "srl {t}, {t}, {octaves}",
            "add {sum}, {sum}, {t}",
            "mul {t}, {t}, {scale}",
            "add {t}, {t}, {half}",
            "srl {t}, {t}, {shift}",
            "3:",
            "sh {t}, 0({weights})",
            "addi {weights}, {weights}, 2",
            "bne {key}, {end}, 2b",
            "j 5f",
            "4:", // too far to count
            "li {t}, 0",
            "j 3b",
            "5:",
            key = inout(reg) ends.start => _,
            end = in(reg) ends.end,
            maximum = in(reg) query.maximum,
            factor = in(reg) query.factor << 1,
            limit = in(reg) 16,
            table = in(reg) EXP2.as_ptr(),
            half = in(reg) 1u32 << (shift - 1),
            shift = in(reg) shift,
            weights = inout(reg) weights => _,
            sum = inout(reg) sum,
            t = out(reg) _,
            scale = out(reg) _,
            octaves = out(reg) _,
            options(nostack),
        );
    }
    sum
}

/// Sixteen weights at a2; the second eight lie `$gap` bytes further than they would.
macro_rules! load_weights {
    ($gap:literal) => {
        concat!(
            ".irp i, 0, 1, 2, 3, 4, 5, 6, 7\nlh s\\i, 2*\\i(a2)\n.endr\n",
            concat!(".irp i, 8, 9, 10, 11\nlh s\\i, 2*\\i+", $gap, "(a2)\n.endr\n"),
            concat!(".irp i, 3, 4, 5, 6\nlh t\\i, 2*\\i+18+", $gap, "(a2)\n.endr\n"),
        )
    };
}

/// `sums[2 d + r] += Σ weights[r][j] · values[d][j]` over eight keys.
///
/// # Safety
/// `sums` < `end` by a multiple of sixteen bytes; `values` holds sixteen bytes for every two sums (but
/// eight after the last), `weights` eight numbers and, 32 bytes further, eight more.
#[unsafe(naked)]
unsafe extern "C" fn weighted_2(
    values: *const i8,
    sums: *mut i32,
    weights: *const i16,
    end: *mut i32,
) {
    naked_asm!(
        extensions!(),
        // Two keys of one dimension: their weights in both rows.
        ".macro two at, a, b, c, d
        lb a4, \\at(a0)
        lb a5, \\at+1(a0)
        mul t0, a4, \\a
        mul a4, a4, \\b
        add a6, a6, t0
        mul t0, a5, \\c
        add a7, a7, a4
        mul a5, a5, \\d
        add a6, a6, t0
        add a7, a7, a5
        .endm",
        ".macro dimension at, sum
        lw a6, \\sum(a1)
        lw a7, \\sum+4(a1)
        two \\at, s0, s8, s1, s9
        two \\at+2, s2, s10, s3, s11
        two \\at+4, s4, t3, s5, t4
        two \\at+6, s6, t5, s7, t6
        sw a6, \\sum(a1)
        sw a7, \\sum+4(a1)
        .endm",
        save!("64"),
        load_weights!("16"),
        "2:",
        "dimension 0, 0",
        "dimension 16, 8",
        "addi a0, a0, 32",
        "addi a1, a1, 16",
        "bne a1, a3, 2b",
        restore!("64"),
        forget!("two, dimension"),
    )
}

/// `sums[d] += Σ weights[j] · values[d][j]` over sixteen keys.
///
/// # Safety
/// `sums` < `end` by a multiple of eight bytes; `values` holds sixteen bytes for every sum, `weights`
/// sixteen numbers.
#[unsafe(naked)]
unsafe extern "C" fn weighted_1(
    values: *const i8,
    sums: *mut i32,
    weights: *const i16,
    end: *mut i32,
) {
    naked_asm!(
        extensions!(),
        ".macro two at, a, b
        lb a4, \\at(a0)
        lb a5, \\at+1(a0)
        mul a4, a4, \\a
        mul a5, a5, \\b
        add a6, a6, a4
        add a6, a6, a5
        .endm",
        ".macro dimension at, sum
        lw a6, \\sum(a1)
        two \\at, s0, s1
        two \\at+2, s2, s3
        two \\at+4, s4, s5
        two \\at+6, s6, s7
        two \\at+8, s8, s9
        two \\at+10, s10, s11
        two \\at+12, t3, t4
        two \\at+14, t5, t6
        sw a6, \\sum(a1)
        .endm",
        save!("64"),
        load_weights!("0"),
        "2:",
        "dimension 0, 0",
        "dimension 16, 4",
        "addi a0, a0, 32",
        "addi a1, a1, 8",
        "bne a1, a3, 2b",
        restore!("64"),
        forget!("two, dimension"),
    )
}

/// One block for [`Kernels::attend`](crate::kernels::Kernels::attend). Returns `None`, nothing done, where
/// something is out of the ordinary: keys that are not the first ones, an extreme factor.
#[inline(always)]
pub fn attend(
    queries: &mut Queries<RiscV>,
    block: &KeyBlock,
    seen: [u16; 2],
    shift: u32,
) -> Option<()> {
    let Queries { lanes, states, sums } = queries;
    let (rows, words) = (lanes.rows.get(), lanes.words);
    let counts = [prefix(seen[0])?, prefix(seen[1])?];
    let count = counts[0].max(counts[1]);
    if count == 0 || states.iter().any(|state| state.factor >= 1 << 31) {
        return None;
    }
    // Only what the visible keys need is written, so nothing is cleared first.
    let mut products = MaybeUninit::<[i32; 2 * KEY_BLOCK]>::uninit();
    let mut keys = [const { MaybeUninit::uninit() }; KEY_BLOCK];
    let codes = block.key_codes.iter().zip(block.value_codes).take(count);
    for (key, (&code, &value_code)) in keys.iter_mut().zip(codes) {
        let scale = mantissa(code) << 15 << (code >> 4);
        let value_scale = mantissa(value_code) << (value_code >> 4);
        key.write(Key { scale, value_scale, score: 0 });
    }
    // SAFETY: `count` keys are written.
    let keys = unsafe { slice::from_raw_parts_mut(keys.as_mut_ptr().cast::<Key>(), count) };
    let product = if rows == 2 { paired_2 } else { paired_1 };
    let (w, x) = (block.keys.as_ptr(), lanes.data.as_ptr());
    let to = products.as_mut_ptr().cast::<i32>();
    // SAFETY: `Lanes` and `KeyBlock`: `words` words for each row and each of sixteen keys, whose products
    // have room.
    unsafe { product(w, x, words, 16 * words, to, count.div_ceil(4)) };
    let mut weights = [[0i16; KEY_BLOCK]; 2];
    for (row, (state, count)) in states.iter_mut().zip(counts).enumerate().take(rows) {
        let Some(keys) = keys.get_mut(..count).filter(|keys| !keys.is_empty()) else { continue };
        // SAFETY: `count` products of this row are there.
        let maximum = unsafe { scores(to.add(row), 4 * rows, keys) };
        if maximum > state.maximum {
            portable::raise(state, maximum, rows, row, sums);
        }
        // SAFETY: a row has room for sixteen weights.
        let sum = unsafe { weigh(keys, state, shift, weights.get_mut(row)?.as_mut_ptr()) };
        state.sum = state.sum.saturating_add(sum);
    }
    let (values, weights, to) =
        (block.values.as_ptr().cast(), weights.as_ptr(), sums.as_mut_ptr_range());
    // SAFETY: `KeyBlock` and `Queries`: sixteen bytes for every dimension, and sums of four or more.
    unsafe {
        if rows == 2 {
            weighted_2(values, to.start, weights.cast(), to.end);
            if count > 8 {
                weighted_2(values.add(8), to.start, weights.cast::<i16>().add(8), to.end);
            }
        } else {
            weighted_1(values, to.start, weights.cast(), to.end);
        }
    }
    Some(())
}
