//! One block of keys: writing into it and attending to it.

use core::mem::MaybeUninit;

use super::attention::{self, Weigh, decode};
use super::linear::{Frame, Kernel};
use super::product::{Inputs, kernel};
use super::{Kernels, KeyBlock, KeyRun, Portable, Softmax, aligned};
use crate::config::KEY_BLOCK;
use crate::fixed::{EXP2, exp2_negative};
use crate::matrix::Packing;

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

/// One or two queries on their way over blocks of keys.
struct Walk {
    rows: usize,
    product: Kernel,
    frame: Frame,
    group_bytes: usize,
    weigh: unsafe extern "C" fn(*const i32, *const u16, *mut i16, *const Weigh) -> u32,
    by: Weigh,
    weighted: unsafe extern "C" fn(*const u8, *mut i32, *const i16, *mut i32),
    scratch: Scratch,
}

impl Walk {
    /// Prepares for the queries in the lanes, as many as `rows`. The frame's end is still to be set.
    fn new(x: &Inputs, shift: u32) -> Self {
        let group_bytes = 16 * x.words;
        let starts = x.starts.map(|start| x.lanes.as_ptr().wrapping_add(start));
        let (step, weighted) = match x.rows {
            1 => (2 * group_bytes, attention::weighted_1 as _),
            _ => (group_bytes, attention::weighted_2 as _),
        };
        Self {
            rows: x.rows,
            product: kernel(x.rows, Packing::Plain),
            frame: Frame::new(starts, x.words, step, core::ptr::null_mut()),
            group_bytes,
            weigh: if shift == 15 { attention::weigh_15 } else { attention::weigh_more },
            by: Weigh {
                maximum: 0,
                factor: 0,
                mask: 0,
                shift: 15 - shift as i32,
                table: EXP2.as_ptr(),
            },
            weighted,
            scratch: Scratch {
                products: MaybeUninit::uninit(),
                scales: MaybeUninit::uninit(),
                scores: MaybeUninit::uninit(),
                weights: MaybeUninit::uninit(),
            },
        }
    }

    /// One block.
    ///
    /// # Safety
    /// The lanes still hold `rows` (as many as queries) of at least one word, at multiples of four.
    /// Keys and values are sixteen bytes, at multiples of four, for every dimension, codes sixteen; sums
    /// are `rows` for every dimension.
    #[inline(always)]
    unsafe fn block(
        &mut self,
        [keys, values, key_codes, value_codes]: [*const u8; 4],
        visible: [u32; 2],
        queries: &mut [Softmax],
        sums: &mut [i32],
    ) {
        let scratch = &mut self.scratch;
        let products = scratch.products.as_mut_ptr().cast::<i32>();
        let weights = scratch.weights.as_mut_ptr().cast::<i16>();
        let scales = scratch.scales.as_ptr().cast::<u16>();
        let scores = scratch.scores.as_mut_ptr().cast::<i32>();
        self.frame.end = products.wrapping_add(KEY_BLOCK * self.rows);
        // SAFETY: the caller's promise; there is room for sixteen of everything for each row.
        unsafe {
            (self.product)(keys, keys.add(self.group_bytes), products, &mut self.frame);
            decode(key_codes, value_codes, scratch.scales.as_mut_ptr());
        }
        for (row, (query, visible)) in queries.iter_mut().zip(visible).enumerate() {
            // SAFETY: as above; rows are one or two.
            let weights = unsafe { weights.add(KEY_BLOCK * row) };
            if visible == 0 {
                // SAFETY: there is room for a row's weights.
                unsafe { weights.write_bytes(0, KEY_BLOCK) };
                continue;
            }
            // SAFETY: as above; products and scales are written.
            let maximum = unsafe {
                let from = products.add(row);
                match prefix(visible) {
                    Some(keys) if self.rows == 1 => attention::scores_1(from, scales, scores, keys),
                    Some(keys) => attention::scores_2(from, scales, scores, keys),
                    None => some_scores(&mut self.scratch, self.rows, row, visible),
                }
            };
            if maximum > query.maximum {
                raise(query, maximum, self.rows, row, sums);
            }
            self.by.maximum = query.maximum;
            self.by.factor = query.factor;
            self.by.mask = if visible == 0xffff { u32::MAX } else { twice(visible) };
            // SAFETY: there are sixteen of everything, and 256 in the table; scores of keys that are
            // not visible, written or not, are not used.
            let sum = unsafe { (self.weigh)(scores, scales.add(KEY_BLOCK), weights, &self.by) };
            query.sum = query.sum.saturating_add(sum);
        }
        let sums = sums.as_mut_ptr_range();
        // SAFETY: there are `head_dim` times sixteen values, `head_dim` sums for each row.
        unsafe { (self.weighted)(values, sums.start, weights, sums.end) }
    }
}

/// Scores where others than the first keys are visible, and the largest of them.
///
/// # Safety
/// Products and scales are written.
#[inline(never)]
unsafe fn some_scores(scratch: &mut Scratch, rows: usize, row: usize, visible: u32) -> i32 {
    // SAFETY: the caller's promise.
    let (products, scales) =
        unsafe { (scratch.products.assume_init_ref(), scratch.scales.assume_init_ref()) };
    let products = products.map(|product| product << 8);
    let scores = scratch.scores.write([0; KEY_BLOCK]);
    Portable::scores(&products, rows, row, &scales[0], visible, scores)
}

/// Whether rows, queries, sums and addresses are what [`Walk::block`] needs.
fn fits(x: &Inputs, data: [&[u8]; 2], queries: &[Softmax], sums: &[i32]) -> bool {
    x.words > 0
        && queries.len() == x.rows
        && sums.len() == 4 * x.words * x.rows
        && aligned(x.lanes, 4)
        && data.iter().all(|data| aligned(data, 4))
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
    let bytes = 4 * x.words * KEY_BLOCK;
    let KeyBlock { keys, values, key_codes, value_codes } = *block;
    let codes = key_codes.len().min(value_codes.len());
    if !fits(x, [keys, values], queries, sums)
        || keys.len().min(values.len()) < bytes
        || codes < KEY_BLOCK
    {
        return;
    }
    let block = [keys, values, key_codes, value_codes].map(|part| part.as_ptr());
    // SAFETY: all lengths and alignments were checked.
    unsafe { Walk::new(x, shift).block(block, visible, queries, sums) }
}

/// See [`Kernels::stream`]; false if this cannot, and nothing has changed.
pub fn stream(
    x: &Inputs,
    run: &KeyRun,
    visible: [usize; 2],
    shift: u32,
    queries: &mut [Softmax],
    sums: &mut [i32],
) -> bool {
    let [first, second] = visible;
    let mut left = if x.rows == 1 { [first; 2] } else { [first, second] };
    let blocks = left[0].max(left[1]).div_ceil(KEY_BLOCK);
    let Some(before) = blocks.checked_sub(1) else { return true };
    let KeyRun { keys, values, key_codes, value_codes, stride, code_stride } = *run;
    let data = before.saturating_mul(stride).saturating_add(4 * x.words * KEY_BLOCK);
    let codes = before.saturating_mul(code_stride).saturating_add(KEY_BLOCK);
    if !fits(x, [keys, values], queries, sums)
        || !stride.is_multiple_of(4)
        || keys.len().min(values.len()) < data
        || key_codes.len().min(value_codes.len()) < codes
    {
        return false;
    }
    let mut walk = Walk::new(x, shift);
    let mut block = [keys, values, key_codes, value_codes].map(|part| part.as_ptr());
    for _ in 0..blocks {
        let bits = left.map(|keys| if keys >= KEY_BLOCK { 0xffff } else { (1u32 << keys) - 1 });
        // SAFETY: lengths and alignments of all blocks were checked.
        unsafe { walk.block(block, bits, queries, sums) }
        left = left.map(|keys| keys.saturating_sub(KEY_BLOCK));
        let steps = [stride, stride, code_stride, code_stride];
        for (part, step) in block.iter_mut().zip(steps) {
            *part = part.wrapping_add(step);
        }
    }
    true
}
