//! One block of keys: writing into it and attending to it.

use core::mem::MaybeUninit;

use super::attention::{self, Weigh, decode};
use super::backend::ArmMve;
use super::linear::{Frame, Kernel};
use super::product::{self, kernel, starts};
use crate::config::KEY_BLOCK;
use crate::fixed::{EXP2, exp2_negative};
use crate::kernels::streams::prefix;
use crate::kernels::{
    Attend, HeadScale, Lanes, Queries, RowCount, Softmax, Sums, Visible, portable,
};
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
pub fn write_key(x: &[i16], scale: HeadScale, out: &mut [u8]) {
    let (inverse, left) = (scale.inverse as u32, -(scale.shift() as i32));
    let words = out.len().saturating_add(12) / 16;
    let len = x.len().min(4 * words) & !3;
    // SAFETY: a word of every 16 bytes lies in `out`.
    unsafe { key(x.as_ptr(), len, out.as_mut_ptr(), inverse, left) }
}

/// See [`Kernels::write_value`].
pub fn write_value(x: &[i16], scale: HeadScale, out: &mut [u8]) {
    let (inverse, left) = (scale.inverse as u32, -(scale.shift() as i32));
    let len = x.len().min(out.len().div_ceil(KEY_BLOCK));
    // SAFETY: a byte of every 16 lies in `out`.
    unsafe { value(x.as_ptr(), len, out.as_mut_ptr(), inverse, left) }
}

/// Every bit of 16 twice (Morton 1966).
fn twice(bits: u32) -> u32 {
    let mut bits = bits;
    for (shift, mask) in [(8, 0x00ff_00ff), (4, 0x0f0f_0f0f), (2, 0x3333_3333), (1, 0x5555_5555)] {
        bits = (bits | bits << shift) & mask;
    }
    bits * 3
}

/// Takes a larger maximum, as [`portable::raise`] does.
fn raise(query: &mut Softmax, maximum: i32, rows: RowCount, row: usize, sums: &mut [i32]) {
    if query.sum > 0 {
        let distance = maximum.wrapping_sub(query.maximum) as u32;
        let shrink = exp2_negative(((distance as u64 * query.factor as u64) >> 32) as u32);
        query.sum = ((query.sum as u64 * shrink as u64 + (1 << 14)) >> 15) as u32;
        let mask = match (rows, row) {
            (RowCount::One, _) => 0xffff,
            (_, 0) => 0x0f0f,
            _ => 0xf0f0,
        };
        // SAFETY: `Queries`: a multiple of four sums, at least four.
        unsafe { attention::shrink(sums.as_mut_ptr(), sums.len() / 4, shrink, mask) }
    }
    query.maximum = maximum;
}

/// Intermediate results for one block; every part is written before it is read.
struct Scratch {
    products: MaybeUninit<[i32; 2 * KEY_BLOCK]>,
    scales: MaybeUninit<[[u16; KEY_BLOCK]; 2]>,
    scores: MaybeUninit<[i32; KEY_BLOCK]>,
    weights: MaybeUninit<[[i16; KEY_BLOCK]; 2]>,
}

/// The state of one or two queries.
struct Walk {
    rows: RowCount,
    product: Kernel,
    frame: Frame,
    stride: usize,
    weigh: unsafe extern "C" fn(*const i32, *const u16, *mut i16, *const Weigh) -> u32,
    by: Weigh,
    weighted: unsafe extern "C" fn(*const u8, *mut i32, *const i16, *mut i32),
    scratch: Scratch,
}

impl Walk {
    /// Prepares for the queries in the lanes. The frame's end is still to be set.
    fn new(lanes: &Lanes<ArmMve>, shift: u32) -> Self {
        let (rows, stride) = (lanes.rows, 16 * lanes.words);
        let step = 2 * stride / rows.get();
        Self {
            rows,
            product: kernel(rows, Packing::Plain),
            frame: Frame::new(starts(lanes), lanes.words, step, core::ptr::null_mut()),
            stride,
            weigh: if shift == 15 { attention::weigh_15 } else { attention::weigh_more },
            by: Weigh {
                maximum: 0,
                factor: 0,
                mask: 0,
                shift: 15 - shift as i32,
                table: EXP2.as_ptr(),
            },
            weighted: weighted(rows),
            scratch: Scratch {
                products: MaybeUninit::uninit(),
                scales: MaybeUninit::uninit(),
                scores: MaybeUninit::uninit(),
                weights: MaybeUninit::uninit(),
            },
        }
    }

    /// One block of keys, values and their codes.
    ///
    /// # Safety
    /// The block is one of those that an [`Attend`] of these queries has, whose lanes are those of
    /// [`Walk::new`].
    #[inline(always)]
    unsafe fn block(
        &mut self,
        [keys, values, key_codes, value_codes]: [*const u8; 4],
        seen: [u32; 2],
        states: &mut [Softmax],
        sums: &mut [i32],
    ) {
        let scratch = &mut self.scratch;
        let products = scratch.products.as_mut_ptr().cast::<i32>();
        let weights = scratch.weights.as_mut_ptr().cast::<i16>();
        let scales = scratch.scales.as_ptr().cast::<u16>();
        let scores = scratch.scores.as_mut_ptr().cast::<i32>();
        self.frame.end = products.wrapping_add(KEY_BLOCK * self.rows.get());
        // SAFETY: the caller's promise; there is room for sixteen of everything for each row.
        unsafe {
            (self.product)(keys, keys.add(self.stride), products, &mut self.frame);
            decode(key_codes, value_codes, scratch.scales.as_mut_ptr());
        }
        for (row, (query, seen)) in states.iter_mut().zip(seen).enumerate() {
            // SAFETY: as above; rows are one or two.
            let weights = unsafe { weights.add(KEY_BLOCK * row) };
            if seen == 0 {
                // SAFETY: there is room for a row's weights.
                unsafe { weights.write_bytes(0, KEY_BLOCK) };
                continue;
            }
            // SAFETY: as above; products and scales are written.
            let maximum = unsafe {
                let from = products.add(row);
                match prefix(seen as u16) {
                    Some(keys) if matches!(self.rows, RowCount::One) => {
                        attention::scores_1(from, scales, scores, keys)
                    }
                    Some(keys) => attention::scores_2(from, scales, scores, keys),
                    None => some_scores(&mut self.scratch, self.rows, row, seen),
                }
            };
            if maximum > query.maximum {
                raise(query, maximum, self.rows, row, sums);
            }
            self.by.maximum = query.maximum;
            self.by.factor = query.factor;
            self.by.mask = if seen == 0xffff { u32::MAX } else { twice(seen) };
            // SAFETY: there are sixteen of everything, and 256 in the table; scores of keys that are
            // not seen, written or not, are not used.
            let sum = unsafe { (self.weigh)(scores, scales.add(KEY_BLOCK), weights, &self.by) };
            query.sum = query.sum.saturating_add(sum);
        }
        let sums = sums.as_mut_ptr_range();
        // SAFETY: there are `head_dim` times sixteen values, `head_dim` sums for each row.
        unsafe { (self.weighted)(values, sums.start, weights, sums.end) }
    }
}

/// Scores of visible keys that are not the first ones, and the largest of these scores.
///
/// # Safety
/// Products of `rows` rows and scales are written.
#[inline(never)]
unsafe fn some_scores(scratch: &mut Scratch, rows: RowCount, row: usize, seen: u32) -> i32 {
    let mut products = [0; KEY_BLOCK];
    let from = scratch.products.as_ptr().cast::<i32>();
    for (key, product) in products.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *product = unsafe { from.add(key * rows.get() + row).read() } << 8;
    }
    // SAFETY: the caller's promise.
    let scales = unsafe { scratch.scales.assume_init_ref() };
    let Some(products) = Sums::new(&products, RowCount::One, 0) else { return i32::MIN };
    let scores = scratch.scores.write(portable::scores(&products, &scales[0]));
    portable::largest_seen(scores, seen as u16)
}

/// Scores with biases are portable, the weighted values are not.
#[inline(never)]
fn biased(attend: Attend<ArmMve>) {
    let shift = attend.shift;
    attend.by_blocks(|queries, block, seen, biases| {
        let weights = portable::numerators(queries, block, seen, shift, biases, product::matmul);
        let (values, sums) = (block.values.as_ptr(), queries.sums.as_mut_ptr_range());
        // SAFETY: `Queries` and `KeyBlock`: there are `head_dim` sums for each row and `head_dim` times
        // sixteen values.
        unsafe {
            weighted(queries.lanes.rows)(values, sums.start, weights.as_ptr().cast(), sums.end)
        }
    });
}

/// The loop for the weighted values of so many rows.
fn weighted(rows: RowCount) -> unsafe extern "C" fn(*const u8, *mut i32, *const i16, *mut i32) {
    match rows {
        RowCount::One => attention::weighted_1,
        RowCount::Two => attention::weighted_2,
    }
}

/// See [`Kernels::attend`](crate::kernels::Kernels::attend).
pub fn attend(attend: Attend<ArmMve>) {
    let (shift, run) = (attend.shift, &attend.run);
    let mut left = match attend.visible {
        Visible::First(left) => left,
        Visible::Block { keys, biases: None } => {
            let Queries { lanes, states, sums } = attend.queries;
            let states = states.get_mut(..lanes.rows.get()).unwrap_or_default();
            let block = [run.keys, run.values, run.key_codes, run.value_codes].map(<[u8]>::as_ptr);
            // SAFETY: `Attend`: the block lies within the run.
            return unsafe {
                Walk::new(lanes, shift).block(block, keys.map(u32::from), states, sums)
            };
        }
        Visible::Block { biases: Some(_), .. } => return biased(attend),
    };
    let Queries { lanes, states, sums } = attend.queries;
    let states = states.get_mut(..lanes.rows.get()).unwrap_or_default();
    let mut walk = Walk::new(lanes, shift);
    let mut block = [run.keys, run.values, run.key_codes, run.value_codes].map(<[u8]>::as_ptr);
    let steps = [run.stride, run.stride, run.code_stride, run.code_stride];
    for _ in 0..attend.blocks {
        let seen = left.map(|keys| if keys >= KEY_BLOCK { 0xffff } else { (1u32 << keys) - 1 });
        // SAFETY: `Attend`: all blocks lie within the run.
        unsafe { walk.block(block, seen, states, sums) }
        left = left.map(|keys| keys.saturating_sub(KEY_BLOCK));
        for (part, step) in block.iter_mut().zip(steps) {
            *part = part.wrapping_add(step);
        }
    }
}
