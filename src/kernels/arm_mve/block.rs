//! One block of keys: writing into it and attending to it.

use super::attention::{self, Weigh};
use super::product::{Inputs, Weights, multiply};
use super::{Kernels, KeyBlock, Portable, Softmax};
use crate::config::{KEY_BLOCK, WeightLayout};
use crate::fixed::EXP2;

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

/// Scores of row `row` from products without the factor 256; the largest of the visible ones.
fn scores(
    products: &[i32; 2 * KEY_BLOCK],
    rows: usize,
    row: usize,
    scales: &[u16; KEY_BLOCK],
    visible: u32,
    scores: &mut [i32; KEY_BLOCK],
) -> i32 {
    match prefix(visible) {
        // SAFETY: at most 16 keys, two rows of which are in `products`.
        Some(keys) => unsafe {
            let to = scores.as_mut_ptr();
            match rows {
                1 => attention::scores_1(products.as_ptr(), scales.as_ptr(), to, keys),
                _ => attention::scores_2(products.as_ptr().add(row & 1), scales.as_ptr(), to, keys),
            }
        },
        None => {
            let products = products.map(|product| product << 8);
            Portable::scores(&products, rows, row, scales, visible, scores)
        }
    }
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
    let head_dim = 4 * x.words;
    let fits = queries.len() == x.rows
        && head_dim > 0
        && sums.len() == head_dim * x.rows
        && block.values.len() >= head_dim * KEY_BLOCK;
    if !fits {
        return;
    }
    let mut products = [0; 2 * KEY_BLOCK];
    let keys =
        Weights { layout: WeightLayout::Plain, bytes: block.keys, group_bytes: 4 * head_dim };
    multiply(x, &keys, products.get_mut(..KEY_BLOCK * x.rows).unwrap_or_default());
    let (key_scales, value_scales) = (block.key_scales(), block.value_scales());
    let mut weights = [[0i16; KEY_BLOCK]; 2];
    let mut numbers = [0; KEY_BLOCK];
    let rows = queries.iter_mut().zip(visible).zip(weights.iter_mut());
    for (row, ((query, visible), weights)) in rows.enumerate() {
        if visible == 0 {
            continue;
        }
        let maximum = scores(&products, x.rows, row, &key_scales, visible, &mut numbers);
        if maximum > query.maximum {
            query.raise(maximum, x.rows, row, sums);
        }
        let by = Weigh {
            maximum: query.maximum,
            factor: query.factor,
            mask: if visible == 0xffff { u32::MAX } else { twice(visible) },
            shift: 15 - shift as i32,
            table: EXP2.as_ptr(),
        };
        let kernel = if shift == 15 { attention::weigh_15 } else { attention::weigh_more };
        // SAFETY: there are sixteen of everything, and 256 in the table.
        let sum =
            unsafe { kernel(numbers.as_ptr(), value_scales.as_ptr(), weights.as_mut_ptr(), &by) };
        query.sum = query.sum.saturating_add(sum);
    }
    let sums = sums.as_mut_ptr_range();
    let weights = weights.as_ptr().cast();
    // SAFETY: there are `head_dim` times sixteen values, `head_dim` sums for each row.
    unsafe {
        match x.rows {
            1 => attention::weighted_1(block.values.as_ptr(), sums.start, weights, sums.end),
            _ => attention::weighted_2(block.values.as_ptr(), sums.start, weights, sums.end),
        }
    }
}
