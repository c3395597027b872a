//! The blocks of one head, one after another, for one or two queries.

use super::{aligned, attention, linear};
use crate::config::KEY_BLOCK;
use crate::fixed::{EXP2, exp2_negative};
use crate::kernels::{KeyRun, Softmax};
use core::mem::MaybeUninit;

/// See [`Kernels::stream`](crate::kernels::Kernels::stream). Returns whether the assembly can do it;
/// nothing has changed if not.
#[inline(never)]
pub fn stream(
    lanes: &[i16],
    run: &KeyRun,
    visible: [usize; 2],
    shift: u32,
    queries: &mut [Softmax],
    sums: &mut [i32],
) -> bool {
    let rows = queries.len();
    let words = lanes.len() / 4 / rows.max(1);
    let bytes = 4 * words * KEY_BLOCK;
    let [first, second] = visible;
    let visible = if rows == 1 { [first; 2] } else { [first, second] };
    let most = visible[0].max(visible[1]);
    let blocks = most.div_ceil(KEY_BLOCK);
    let Some(before) = blocks.checked_sub(1) else { return true };
    let data = before.saturating_mul(run.stride).saturating_add(bytes);
    let codes = before.saturating_mul(run.code_stride).saturating_add(KEY_BLOCK);
    let fits = (rows == 1 || rows == 2)
        && words > 0
        && lanes.len() == 4 * words * rows
        && sums.len() == lanes.len()
        && run.keys.len().min(run.values.len()) >= data
        && run.key_codes.len().min(run.value_codes.len()) >= codes
        && run.stride.is_multiple_of(4)
        && queries.iter().all(|query| query.factor < 1 << 31)
        && (1..32).contains(&shift)
        && aligned(lanes)
        && aligned(run.keys)
        && aligned(run.values);
    if !fits {
        return false;
    }
    let mut products = MaybeUninit::<[i32; 2 * KEY_BLOCK]>::uninit();
    let mut weights = [0i16; 2 * KEY_BLOCK];
    let (products, weights) = (products.as_mut_ptr().cast::<i32>(), weights.as_mut_ptr());
    let table = attention::SCALE.as_ptr();
    let mut by = attention::Weigh {
        keys: 0,
        maximum: 0,
        factor: 0,
        exponentials: EXP2.as_ptr(),
        scales: table,
        shift,
        half: 1 << (shift - 1),
    };
    let sums = sums.as_mut_ptr_range();
    let (mut k, mut key_codes) = (run.keys.as_ptr(), run.key_codes.as_ptr());
    let (mut v, mut value_codes) = (run.values.as_ptr(), run.value_codes.as_ptr());
    for block in 0..blocks {
        let here = visible.map(|keys| keys.saturating_sub(block * KEY_BLOCK).min(KEY_BLOCK));
        let (least, most) = (here[0].min(here[1]), here[0].max(here[1]));
        let fours = most.div_ceil(4);
        // SAFETY: the lengths and alignments of all blocks were checked above; products and weights
        // have room for a block, and what is read of them was written before.
        unsafe {
            let end = products.add(4 * rows * fours);
            let maxima = if rows == 2 {
                linear::paired_2(k, lanes.as_ptr(), words, 16 * words, products, end);
                scores(products, key_codes, here)
            } else {
                linear::paired_1(k, lanes.as_ptr(), words, 0, products, end);
                [attention::scores_1(products, key_codes, most, table), 0]
            };
            if least < most || most < KEY_BLOCK {
                weights.write_bytes(0, rows * KEY_BLOCK);
            }
            for (row, ((query, &maximum), &keys)) in
                queries.iter_mut().zip(&maxima).zip(&here).enumerate()
            {
                if keys == 0 {
                    continue;
                }
                if maximum > query.maximum {
                    raise(query, maximum, sums.start.add(row), rows, 4 * words);
                }
                (by.keys, by.maximum, by.factor) = (keys, query.maximum, query.factor);
                let (scores, lanes) = (products.add(row), weights.add(4 * row));
                let sum = if rows == 2 {
                    attention::weigh_2(scores, value_codes, lanes, &by)
                } else {
                    attention::weigh_1(scores, value_codes, lanes, &by)
                };
                query.sum = query.sum.saturating_add(sum);
            }
            if rows == 2 {
                attention::weighted_2(v, sums.start, weights, sums.end, fours);
            } else {
                attention::weighted_1(v, sums.start, weights, sums.end);
            }
        }
        k = k.wrapping_add(run.stride);
        v = v.wrapping_add(run.stride);
        key_codes = key_codes.wrapping_add(run.code_stride);
        value_codes = value_codes.wrapping_add(run.code_stride);
    }
    true
}

/// Scores of two rows, of which one may see more keys than the other; returns the largest of each.
///
/// # Safety
/// As for [`attention::scores_2`], with as many keys as either row sees.
#[inline(always)]
unsafe fn scores(products: *mut i32, codes: *const u8, keys: [usize; 2]) -> [i32; 2] {
    let (least, most) = (keys[0].min(keys[1]), keys[0].max(keys[1]));
    let table = attention::SCALE.as_ptr();
    let mut maxima = [i32::MIN; 2];
    // SAFETY: as promised by the caller.
    unsafe {
        if least > 0 {
            let packed = attention::scores_2(products, codes, least, table);
            maxima = [packed as i32, (packed >> 32) as i32];
        }
        let row = (keys[1] > keys[0]) as usize;
        for key in least..most {
            let at = products.add(2 * key + row);
            let scale = *table.add(*codes.add(key) as usize);
            let score = ((at.read() as i64 * scale as i64) >> 17) as i32;
            at.write(score);
            maxima[row] = maxima[row].max(score);
        }
    }
    maxima
}

/// See [`Softmax::raise`].
///
/// # Safety
/// `sums` begins with the row's first; there are `n` ≥ 1 of them, `rows` numbers apart.
unsafe fn raise(query: &mut Softmax, maximum: i32, sums: *mut i32, rows: usize, n: usize) {
    if query.sum > 0 {
        let distance = maximum.wrapping_sub(query.maximum) as u32;
        let shrink = exp2_negative(((distance as u64 * query.factor as u64) >> 32) as u32);
        query.sum = ((query.sum as u64 * shrink as u64 + (1 << 14)) >> 15) as u32;
        // SAFETY: as promised by the caller.
        unsafe { attention::shrink(sums, 4 * rows, n, shrink) };
    }
    query.maximum = maximum;
}
