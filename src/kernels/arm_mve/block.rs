//! One block of keys: writing into it and attending to it.

use core::mem::MaybeUninit;

use super::attention::{self, Weigh, decode};
use super::product::{Inputs, Weights, fits, products};
use super::{Kernels, KeyBlock, Portable, Softmax};
use crate::config::{KEY_BLOCK, WeightLayout};
use crate::fixed::{EXP2, exp2_negative};

/// Writes a head's vector, four numbers at a time; `$store` writes q0.
macro_rules! write {
    ($name:ident, $prepare:literal, $($store:literal)*) => {
        /// # Safety
        /// There are `len` numbers, and every one has its place after `out`.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            x: *const i16,
            len: usize,
            out: *mut u8,
            inverse: u32,
            left: i32,
        ) {
            helium!(
                "push {{r4, lr}}",
                "ldr r12, [sp, #8]",
                $prepare,
                "dlstp.32 lr, r1",
                "2:",
                "vldrh.s32 q0, [r0], #8",
                "vmul.i32 q0, q0, r3",
                "vrshl.s32 q0, r12",
                $($store,)*
                "letp lr, 2b",
                "pop {{r4, pc}}",
            )
        }
    };
}
// A word of four every 16 bytes.
write!(key, "", "vstrb.32 q0, [r2], #16");
// A byte every 16 bytes.
write!(value, "movs r4, #0\nvidup.u32 q1, r4, #8\nvshl.i32 q1, q1, #1", "vstrb.32 q0, [r2, q1]" "adds r2, #64");

/// See [`Kernels::write_key`]; the words are plain.
pub fn write_key(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
    let words = out.len().saturating_add(12) / 16;
    let len = x.len().min(4 * words) & !3;
    // SAFETY: a word of every 16 bytes lies in `out`.
    unsafe { key(x.as_ptr(), len, out.as_mut_ptr(), inverse as u32, -(shift as i32)) }
}

/// See [`Kernels::write_value`].
pub fn write_value(x: &[i16], inverse: u16, shift: u32, out: &mut [u8]) {
    let len = x.len().min(out.len().div_ceil(KEY_BLOCK));
    // SAFETY: a byte of every 16 lies in `out`.
    unsafe { value(x.as_ptr(), len, out.as_mut_ptr(), inverse as u32, -(shift as i32)) }
}

/// Number of keys if the visible ones are the first ones.
fn prefix(visible: u32) -> Option<usize> {
    (visible & visible.wrapping_add(1) == 0).then_some(visible.trailing_ones() as usize)
}

/// Every bit of 16 twice (Morton 1966).
fn twice(bits: u32) -> u32 {
    let mut bits = bits & 0xffff;
    for (shift, mask) in [(8, 0x00ff_00ff), (4, 0x0f0f_0f0f), (2, 0x3333_3333), (1, 0x5555_5555)] {
        bits = (bits | bits << shift) & mask;
    }
    bits * 3
}

/// Takes a larger maximum, as [`Softmax::raise`] does.
fn raise(query: &mut Softmax, maximum: i32, rows: usize, row: usize, sums: &mut [i32]) {
    if query.sum > 0 {
        let distance = maximum.wrapping_sub(query.maximum) as u32;
        let shrink = exp2_negative(((distance as u64 * query.factor as u64) >> 32) as u32);
        query.sum = ((query.sum as u64 * shrink as u64 + (1 << 14)) >> 15) as u32;
        let mask = match (rows, row) {
            (1, _) => 0xffff,
            (_, 0) => 0x0f0f,
            _ => 0xf0f0,
        };
        // SAFETY: the sums of rows of a multiple of four.
        unsafe { attention::shrink(sums.as_mut_ptr(), sums.len() / 4, shrink, mask) }
    }
    query.maximum = maximum;
}

/// What stands between keys and values of one block; every part is written before it is read.
struct Scratch {
    products: MaybeUninit<[i32; 2 * KEY_BLOCK]>,
    scales: MaybeUninit<[[u16; KEY_BLOCK]; 2]>,
    scores: MaybeUninit<[i32; KEY_BLOCK]>,
    weights: MaybeUninit<[[i16; KEY_BLOCK]; 2]>,
}

/// See [`Kernels::attend`]. Shapes that no model has are left alone.
pub fn attend(
    x: &Inputs,
    block: &KeyBlock,
    visible: [u32; 2],
    shift: u32,
    queries: &mut [Softmax],
    sums: &mut [i32],
) {
    let (rows, head_dim) = (x.rows, 4 * x.words);
    let layout = WeightLayout::Plain;
    let keys = Weights { layout, bytes: block.keys, group_bytes: 4 * head_dim };
    let codes = (block.key_codes.first_chunk::<16>(), block.value_codes.first_chunk::<16>());
    let (Some(key_codes), Some(value_codes)) = codes else { return };
    let fits = queries.len() == rows
        && head_dim > 0
        && sums.len() == head_dim * rows
        && block.values.len() >= head_dim * KEY_BLOCK
        && fits(x, &keys, KEY_BLOCK / 4);
    if !fits {
        return;
    }
    let mut scratch = Scratch {
        products: MaybeUninit::uninit(),
        scales: MaybeUninit::uninit(),
        scores: MaybeUninit::uninit(),
        weights: MaybeUninit::uninit(),
    };
    let weights = scratch.weights.as_mut_ptr().cast::<i16>();
    // SAFETY: the product fits; there are sixteen of everything for each row.
    unsafe {
        products(x, &keys, KEY_BLOCK / 4, scratch.products.as_mut_ptr().cast());
        decode(key_codes.as_ptr(), value_codes.as_ptr(), scratch.scales.as_mut_ptr());
    }
    let scales = scratch.scales.as_ptr().cast::<u16>();
    for (row, (query, visible)) in queries.iter_mut().zip(visible).enumerate() {
        // SAFETY: as above; rows are one or two.
        let weights = unsafe { weights.add(KEY_BLOCK * row) };
        if visible == 0 {
            // SAFETY: there is room for a row's weights.
            unsafe { weights.write_bytes(0, KEY_BLOCK) };
            continue;
        }
        let scores = scratch.scores.as_mut_ptr().cast::<i32>();
        // SAFETY: as above; products and scales are written.
        let maximum = unsafe {
            let from = scratch.products.as_ptr().cast::<i32>().add(row);
            match prefix(visible) {
                Some(keys) if rows == 1 => attention::scores_1(from, scales, scores, keys),
                Some(keys) => attention::scores_2(from, scales, scores, keys),
                None => {
                    let products = scratch.products.assume_init_ref().map(|product| product << 8);
                    let scales = scratch.scales.assume_init_ref();
                    let scores = scratch.scores.write([0; KEY_BLOCK]);
                    Portable::scores(&products, rows, row, &scales[0], visible, scores)
                }
            }
        };
        if maximum > query.maximum {
            raise(query, maximum, rows, row, sums);
        }
        let by = Weigh {
            maximum: query.maximum,
            factor: query.factor,
            mask: if visible == 0xffff { u32::MAX } else { twice(visible) },
            shift: 15 - shift as i32,
            table: EXP2.as_ptr(),
        };
        let kernel = if shift == 15 { attention::weigh_15 } else { attention::weigh_more };
        // SAFETY: there are sixteen of everything, and 256 in the table; scores of keys that are not
        // visible, written or not, are not used.
        let sum = unsafe { kernel(scores, scales.add(KEY_BLOCK), weights, &by) };
        query.sum = query.sum.saturating_add(sum);
    }
    let sums = sums.as_mut_ptr_range();
    let kernel = if rows == 1 { attention::weighted_1 } else { attention::weighted_2 };
    // SAFETY: there are `head_dim` times sixteen values, `head_dim` sums for each row.
    unsafe { kernel(block.values.as_ptr(), sums.start, weights, sums.end) }
}
