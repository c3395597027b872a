//! Attention over the blocks of one head, one after another, for one or two queries.

use super::backend::ArmDsp;
use super::{attention, linear, product};
use crate::Aligned;
use crate::config::KEY_BLOCK;
use crate::fixed::{EXP2, exp2_negative};
use crate::kernels::{Attend, Queries, Softmax, portable};
use core::mem::{MaybeUninit, offset_of};

/// The state of one query.
#[repr(C)]
struct Query {
    /// Parameters of its softmax.
    weigh: attention::Weigh,
    /// Its first sum.
    sums: *mut i32,
}

impl Query {
    #[inline(always)]
    fn new(query: &Softmax, shift: u32, sums: *mut i32) -> Self {
        let weigh = attention::Weigh {
            maximum: query.maximum,
            factor: query.factor,
            exponentials: EXP2.as_ptr(),
            scales: attention::SCALE.as_ptr(),
            shift,
            half: 1 << (shift - 1),
            sum: query.sum,
        };
        Self { weigh, sums }
    }
}

/// Operands of [`blocks`]. Addresses are those of the present block.
#[repr(C)]
struct Walk {
    // The arguments of `multiply`.
    keys: *const u8,
    lanes: *const i16,
    words: usize,
    /// Bytes from one group to the next; of one query, the bytes between two groups.
    group_bytes: usize,
    // The arguments of `sum_up`.
    values: *const u8,
    sums: *mut i32,
    weights: *mut i16,
    sums_end: *mut i32,
    // The scales of keys and values.
    key_codes: *const u8,
    value_codes: *const u8,
    weigh: unsafe extern "C" fn(),
    // Bytes and codes from one block to the next.
    stride: usize,
    code_stride: usize,
    /// Keys that each query sees from here on; the second sees no fewer than the first.
    left: [usize; 2],
    rows: usize,
    /// Room for a block.
    products: *mut i32,
    store: linear::Tail,
    // The functions for that many rows.
    multiply: linear::Multiply,
    score: unsafe extern "C" fn(*mut i32, *const u8, usize, *const u16),
    sum_up: unsafe extern "C" fn(*const u8, *mut i32, *const i16, *mut i32, usize),
    /// The first product of the last query.
    last: *const i32,
    queries: [Query; 2],
}

/// Number of keys whose 15-bit numerators add up to less than 2³¹.
pub const MAX_KEYS: usize = (1 << 16) - 1;

/// See [`Kernels::attend`](crate::kernels::Kernels::attend): the first `left` keys of the run.
#[inline(never)]
pub fn stream(attend: Attend<ArmDsp>, left: [usize; 2]) {
    let Attend { queries, run, shift, blocks: 1.., .. } = attend else { return };
    let Queries { lanes, states, sums } = queries;
    let (words, rows) = (lanes.words, lanes.rows.get());
    let two = rows == 2;
    let mut products = MaybeUninit::<[i32; 2 * KEY_BLOCK]>::uninit();
    let products = products.as_mut_ptr().cast::<i32>();
    let mut weights = MaybeUninit::<[i16; 2 * KEY_BLOCK]>::uninit();
    let core::ops::Range { start, end } = sums.as_mut_ptr_range();
    let [a, b] = &*states;
    let mut walk = Walk {
        keys: run.keys.as_ptr(),
        lanes: lanes.data.as_ptr(),
        words,
        group_bytes: if two { 16 * words } else { 0 },
        values: run.values.as_ptr(),
        sums: start,
        weights: weights.as_mut_ptr().cast(),
        sums_end: end,
        key_codes: run.key_codes.as_ptr(),
        value_codes: run.value_codes.as_ptr(),
        weigh: if two { attention::weigh_2 } else { attention::weigh_1 },
        stride: run.stride,
        code_stride: run.code_stride,
        left,
        rows,
        products,
        store: linear::store,
        multiply: if two { linear::paired_2 } else { linear::paired_1 },
        score: if two { attention::scores_2 } else { attention::scores_1 },
        sum_up: if two { attention::weighted_2 } else { attention::weighted_1 },
        last: products.wrapping_add(rows - 1),
        queries: [Query::new(a, shift, start), Query::new(b, shift, start.wrapping_add(1))],
    };
    // SAFETY: `Attend`: the blocks that are seen lie in the run, aligned to four bytes, and the first query
    // sees no more than the second; `Queries`: lanes and sums are as long as a head. Products and weights
    // have room for a block, and are written before they are read.
    unsafe { blocks(&mut walk) };
    for (state, found) in states.iter_mut().zip(&walk.queries) {
        (state.maximum, state.sum) = (found.weigh.maximum, found.weigh.sum);
    }
}

/// One block of any mask or with biases, see [`Kernels::attend`](crate::kernels::Kernels::attend).
#[inline(never)]
pub fn masked(attend: Attend<ArmDsp>) {
    let shift = attend.shift;
    attend.by_blocks(|queries, block, seen, biases| {
        let numerators = portable::numerators(queries, block, seen, shift, biases, product::matmul);
        // In the order of the assembly: 0 2 1 3 of every four; fours of two queries alternate.
        let rows = queries.lanes.rows.get();
        let mut lanes = Aligned([0; 2 * KEY_BLOCK]);
        for (row, numerators) in numerators.iter().enumerate().take(rows) {
            let fours = lanes.0.as_chunks_mut::<4>().0.iter_mut().skip(row).step_by(rows);
            for (lane, &[a, b, c, d]) in fours.zip(numerators.as_chunks().0) {
                *lane = [a, c, b, d];
            }
        }
        let core::ops::Range { start, end } = queries.sums.as_mut_ptr_range();
        let (values, lanes) = (block.values.as_ptr(), lanes.0.as_ptr());
        // SAFETY: `Queries` and `KeyBlock`: a sum for each query and each dimension, which are a multiple
        // of four and not 0, and sixteen values for every dimension, at a multiple of four bytes.
        unsafe {
            match rows {
                1 => attention::weighted_1(values, start, lanes, end, 4),
                _ => attention::weighted_2(values, start, lanes, end, 4),
            }
        }
    });
}

/// Block after block: products, scores, new maxima, numerators, weighted values.
///
/// # Safety
/// Everything in `walk` is as its fields say, for all blocks; there is at least one key.
#[unsafe(naked)]
unsafe extern "C" fn blocks(walk: &mut Walk) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "sub sp, #20",
        "mov r4, r0",
        "ldr r0, [r4, #{store}]",
        "str r0, [sp, #8]",
        "2:",
        "ldrd r5, r6, [r4, #{left}]", // keys that either query sees here
        "cmp r5, #16",
        "it hs",
        "movhs r5, #16",
        "cmp r6, #16",
        "it hs",
        "movhs r6, #16",
        "ldrd r0, r9, [r4, #{rows}]",
        "adds r1, r6, #3",
        "lsrs r1, r1, #2",
        "str r1, [sp, #16]", // fours of keys
        "lsls r1, r1, #4",
        "mla r0, r0, r1, r9",
        "strd r9, r0, [sp]",
        "ldr.w r12, [r4, #{multiply}]",
        "ldm r4, {{r0-r3}}",
        "blx r12",
        // Scores of the keys that both see, then of those that only the second sees.
        "ldr.w r10, [r4, #{first_maximum}]",
        "ldr.w r11, [r4, #{second_maximum}]",
        "ldr.w r12, [r4, #{score}]",
        "ldr.w r3, [r4, #{scales}]",
        "ldr r1, [r4, #{key_codes}]",
        "mov r0, r9",
        "movs r2, r5",
        "beq 3f",
        "blx r12",
        "3:",
        "subs r2, r6, r5",
        "bne 10f",
        "4:",
        "ldr r7, [r4, #{weights}]",
        "cmp r5, #16",
        "bne 11f",
        "5:",
        "add.w r8, r4, #{queries}",
        "6:",
        "cbz r5, 8f",
        "ldr r1, [r8, #{maximum}]",
        "cmp r10, r1",
        "bgt 12f",
        "7:",
        "ldrd r1, r12, [r4, #{value_codes}]",
        "blx r12",
        "str r0, [r8, #{sum}]",
        "8:",
        "ldr r1, [r4, #{last}]",
        "cmp r9, r1",
        "bne 13f",
        "ldr r0, [sp, #16]",
        "str r0, [sp]",
        "ldr.w r12, [r4, #{sum_up}]",
        "add.w r0, r4, #{values}",
        "ldm r0, {{r0-r3}}",
        "blx r12",
        "ldrd r0, r1, [r4, #{left}]",
        "subs r1, #16",
        "bls 9f",
        "subs r0, #16",
        "usat r0, #31, r0",
        "strd r0, r1, [r4, #{left}]",
        "ldrd r0, r1, [r4, #{stride}]",
        "ldrd r2, r3, [r4, #{key_codes}]",
        "add r2, r1",
        "add r3, r1",
        "strd r2, r3, [r4, #{key_codes}]",
        "ldr r2, [r4]",
        "ldr r3, [r4, #{values}]",
        "add r2, r0",
        "add r3, r0",
        "str r2, [r4]",
        "str r3, [r4, #{values}]",
        "b 2b",
        "9:",
        "add sp, #20",
        "pop {{r4-r11, pc}}",
        // Keys that only the second sees.
        "10:",
        "ldr r1, [r4, #{key_codes}]",
        "add r1, r5",
        "add.w r0, r9, r5, lsl #3",
        "ldr.w r3, [r4, #{scales}]",
        "ldr.w r12, [r4, #{score}]",
        "mov r5, r10",
        "blx r12",
        "mov r10, r5",
        "ldr r5, [r4, #{left}]",
        "b 4b",
        // Weights of keys that are not seen are 0.
        "11:",
        "movs r0, #0",
        "movs r1, #64",
        "14:",
        "subs r1, #4",
        "str r0, [r7, r1]",
        "bne 14b",
        "b 5b",
        // A larger maximum.
        "12:",
        "mov r0, r8",
        "mov r1, r10",
        "ldr r2, [r4, #{rows}]",
        "ldr r3, [r4, #{words}]",
        "bl {raise}",
        "b 7b",
        // The second query.
        "13:",
        "add r8, #{query}",
        "mov r5, r6",
        "mov r10, r11",
        "add r9, #4",
        "adds r7, #8",
        "b 6b",
        left = const offset_of!(Walk, left),
        rows = const offset_of!(Walk, rows),
        multiply = const offset_of!(Walk, multiply),
        store = const offset_of!(Walk, store),
        score = const offset_of!(Walk, score),
        scales = const offset_of!(Walk, queries) + offset_of!(attention::Weigh, scales),
        key_codes = const offset_of!(Walk, key_codes),
        value_codes = const offset_of!(Walk, value_codes),
        weights = const offset_of!(Walk, weights),
        queries = const offset_of!(Walk, queries),
        maximum = const offset_of!(attention::Weigh, maximum),
        first_maximum = const offset_of!(Walk, queries) + offset_of!(attention::Weigh, maximum),
        second_maximum = const offset_of!(Walk, queries)
            + size_of::<Query>()
            + offset_of!(attention::Weigh, maximum),
        sum = const offset_of!(attention::Weigh, sum),
        last = const offset_of!(Walk, last),
        sum_up = const offset_of!(Walk, sum_up),
        values = const offset_of!(Walk, values),
        stride = const offset_of!(Walk, stride),
        words = const offset_of!(Walk, words),
        query = const size_of::<Query>(),
        raise = sym raise,
    )
}

/// Takes a larger maximum, see [`portable::raise`](crate::kernels::portable::raise); `words` is a quarter of the head's dimensions.
///
/// # Safety
/// `query.sums` begins with the row's first sum, of which every `rows`th is its own.
unsafe extern "C" fn raise(query: &mut Query, maximum: i32, rows: usize, words: usize) {
    let weigh = &mut query.weigh;
    if weigh.sum > 0 {
        let distance = maximum.wrapping_sub(weigh.maximum) as u32;
        let shrink = exp2_negative(((distance as u64 * weigh.factor as u64) >> 32) as u32);
        weigh.sum = ((weigh.sum as u64 * shrink as u64 + (1 << 14)) >> 15) as u32;
        // SAFETY: as promised by the caller.
        unsafe { attention::shrink(query.sums, 4 * rows, 4 * words, shrink) };
    }
    weigh.maximum = maximum;
}
