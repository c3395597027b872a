//! One block of attention: products by [`paired_2`] of the keys that are visible, scores and
//! numerators key by key, weighted values of two queries without the keys that count for neither, of one
//! with sixteen weights in registers.

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

/// Weights of the keys, `step` bytes apart; returns the sum of their numerators. The factor is below 2^31.
///
/// # Safety
/// There are as many weights as keys, and at least one.
#[inline(always)]
unsafe fn weigh(keys: &[Key], query: &Softmax, shift: u32, weights: *mut i16, step: usize) -> u32 {
    let ends = keys.as_ptr_range();
    let mut sum = 0;
    // SAFETY: reads the keys and the table (offsets are even and at most 510), writes the weights.
    unsafe {
        asm!(
            "2:",
            "lw {t}, 8({key})",
            "addi {key}, {key}, 12",
            "sub {t}, {maximum}, {t}",
            // Twice the distance in 1/256, so that its low bits are an offset into the table.
            "mulhu {t}, {t}, {factor}",
            "srli {octaves}, {t}, 9",
            "andi {t}, {t}, 510",
            "bgeu {octaves}, {limit}, 4f",
            "add {t}, {t}, {table}",
            "lhu {t}, 0({t})",
            "lw {scale}, -8({key})",
            "srl {t}, {t}, {octaves}",
            "add {sum}, {sum}, {t}",
            "mul {t}, {t}, {scale}",
            "add {t}, {t}, {half}",
            "srl {t}, {t}, {shift}",
            "3:",
            "sh {t}, 0({weights})",
            "add {weights}, {weights}, {step}",
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
            // The table is below 2^15.
            limit = in(reg) 15,
            table = in(reg) EXP2.as_ptr(),
            half = in(reg) 1u32 << (shift - 1),
            shift = in(reg) shift,
            weights = inout(reg) weights => _,
            step = in(reg) step,
            sum = inout(reg) sum,
            t = out(reg) _,
            scale = out(reg) _,
            octaves = out(reg) _,
            options(nostack),
        );
    }
    sum
}

/// `sums[2 d + r] += Σ weights[j][r] · values[d][j]`, eight dimensions at a time (four at last), without the
/// keys that have no weight in either row: four in ten of a text's first 128 tokens.
///
/// # Safety
/// `sums` < `end` by a multiple of 32 bytes; `values` holds sixteen bytes for every two sums; `weights` <
/// `weights_end` by as many pairs as there are keys, at most sixteen.
#[unsafe(naked)]
unsafe extern "C" fn weighted_2(
    values: *const i8,
    sums: *mut i32,
    weights: *const [i16; 2],
    end: *mut i32,
    weights_end: *const [i16; 2],
) {
    naked_asm!(
        extensions!(),
        ".macro dimension at, a, b
        lb a6, \\at(t2)
        mul a7, a6, a4
        mul a6, a6, a5
        add \\a, \\a, a7
        add \\b, \\b, a6
        .endm",
        ".macro four_sums op
        \\op s0, 0(a1)
        \\op s1, 4(a1)
        \\op s2, 8(a1)
        \\op s3, 12(a1)
        \\op s4, 16(a1)
        \\op s5, 20(a1)
        \\op s6, 24(a1)
        \\op s7, 28(a1)
        .endm",
        ".macro eight_sums op
        four_sums \\op
        \\op s8, 32(a1)
        \\op s9, 36(a1)
        \\op s10, 40(a1)
        \\op s11, 44(a1)
        \\op t3, 48(a1)
        \\op t4, 52(a1)
        \\op t5, 56(a1)
        \\op t6, 60(a1)
        .endm",
        ".macro four
        dimension 0, s0, s1
        dimension 16, s2, s3
        dimension 32, s4, s5
        dimension 48, s6, s7
        .endm",
        // The weights of the next key, or on to the one after it.
        ".macro key next
        lh a4, 0(t0)
        lh a5, 2(t0)
        addi t0, t0, 4
        or a6, a4, a5
        beqz a6, \\next
        .endm",
        save!("64"),
        "mv t1, a4",
        "2:",
        "mv t0, a2",
        "mv t2, a0",
        "addi a5, a1, 64",
        "bltu a3, a5, 5f",
        "eight_sums lw",
        "3:",
        "key 4f",
        "four",
        "dimension 64, s8, s9",
        "dimension 80, s10, s11",
        "dimension 96, t3, t4",
        "dimension 112, t5, t6",
        "4:",
        "addi t2, t2, 1",
        "bne t0, t1, 3b",
        "eight_sums sw",
        "addi a0, a0, 128",
        "addi a1, a1, 64",
        "bne a1, a3, 2b",
        "j 8f",
        "5:",
        "four_sums lw",
        "6:",
        "key 7f",
        "four",
        "7:",
        "addi t2, t2, 1",
        "bne t0, t1, 6b",
        "four_sums sw",
        "8:",
        restore!("64"),
        forget!("dimension, four_sums, eight_sums, four, key"),
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
        ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\nlh s\\i, 2*\\i(a2)\n.endr",
        ".irp i, 3, 4, 5, 6\nlh t\\i, 2*\\i+18(a2)\n.endr",
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
    // Those of two rows alternate.
    let mut weights = [[0i16; 2]; KEY_BLOCK];
    let weights = weights.as_mut_ptr();
    for (row, (state, count)) in states.iter_mut().zip(counts).enumerate().take(rows) {
        let Some(keys) = keys.get_mut(..count).filter(|keys| !keys.is_empty()) else { continue };
        // SAFETY: `count` products of this row are there.
        let maximum = unsafe { scores(to.add(row), 4 * rows, keys) };
        if maximum > state.maximum {
            portable::raise(state, maximum, rows, row, sums);
        }
        // SAFETY: there is room for sixteen weights of each row.
        let sum = unsafe { weigh(keys, state, shift, weights.cast::<i16>().add(row), 2 * rows) };
        state.sum = state.sum.saturating_add(sum);
    }
    let (values, to) = (block.values.as_ptr().cast(), sums.as_mut_ptr_range());
    // SAFETY: `KeyBlock` and `Queries`: sixteen bytes for every dimension, and sums of four or more. There are
    // `count` pairs of weights, or sixteen weights.
    unsafe {
        match rows {
            2 => weighted_2(values, to.start, weights, to.end, weights.add(count)),
            _ => weighted_1(values, to.start, weights.cast(), to.end),
        }
    }
    Some(())
}
