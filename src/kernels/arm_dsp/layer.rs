//! A whole linear layer: what the assembly assumes is checked once, not for every chunk.

use super::{linear, rescale, rescaling, rows, words as shape};
use crate::config::WeightLayout;
use crate::kernels::{CHUNK, Product, RowScale};
use core::mem::MaybeUninit;

/// A function that rescales pairs of outputs, one of [`rescale`].
pub type Write = unsafe extern "C" fn(*const i32, *const u8, *const u8, &rescale::Rescale);

/// See [`Kernels::linear`](crate::kernels::Kernels::linear). Returns whether the assembly could do it; if
/// not, `out` holds nothing of use.
pub fn halves(product: &Product, by: [RowScale; 2], out: &mut [&mut [i16]; 2]) -> bool {
    let write = match (product.rows, product.biases.is_empty()) {
        (1, true) => rescale::halves_1,
        (1, false) => rescale::biased_halves_1,
        (_, true) => rescale::halves_2,
        (_, false) => rescale::biased_halves_2,
    };
    let lens = [out[0].len(), out[1].len()];
    let at = out.each_mut().map(|out| out.as_mut_ptr().addr());
    run(product, by, at, lens, 2, write)
}

/// As [`halves`], see [`Kernels::linear_wide`](crate::kernels::Kernels::linear_wide).
pub fn words(product: &Product, by: [RowScale; 2], out: &mut [&mut [i32]; 2]) -> bool {
    let write = match (product.rows, product.biases.is_empty()) {
        (1, true) => rescale::words_1,
        (1, false) => rescale::biased_words_1,
        (_, true) => rescale::words_2,
        (_, false) => rescale::biased_words_2,
    };
    let lens = [out[0].len(), out[1].len()];
    let at = out.each_mut().map(|out| out.as_mut_ptr().addr());
    run(product, by, at, lens, 4, write)
}

/// `write` writes numbers of `width` bytes to the addresses `out`, as many as `lens` says.
#[inline(never)]
fn run(
    product: &Product,
    by: [RowScale; 2],
    out: [usize; 2],
    lens: [usize; 2],
    width: usize,
    write: Write,
) -> bool {
    let Product { lanes, rows, weights, group_bytes, multipliers, biases, .. } = *product;
    let n = lens[0];
    let groups = n.div_ceil(4);
    let Some(words) = words_of(product, groups) else { return false };
    let fits = n.is_multiple_of(2)
        && n > 0
        && (rows == 1 || (rows == 2 && lens[1] >= n))
        && multipliers.len() >= 2 * n
        && (biases.is_empty() || biases.len() >= 2 * n);
    if !fits {
        return false;
    }
    let mut params = [const { MaybeUninit::<rescale::Rescale>::uninit() }; 2];
    for ((params, by), out) in params.iter_mut().zip(by).zip(out).take(rows) {
        let bias_shift = if width == 2 { by.bias_shift.clamp(0, 40) } else { by.bias_shift };
        // Too small a shift is made up for by shifting the accumulators, if they have room.
        let up = if width == 4 { 34u32.saturating_sub(by.shift) } else { 0 };
        let Some(rescale) = rescaling(!biases.is_empty(), by.scale, by.shift + up, bias_shift)
        else {
            return false;
        };
        params.write(rescale::Rescale { out, up, ..rescale });
    }
    let mut sums = MaybeUninit::<[i32; 2 * CHUNK]>::uninit();
    let sums = sums.as_mut_ptr().cast::<i32>();
    let chunk = 2 * CHUNK / rows;
    let (mut weights, mut done) = (weights.as_ptr(), 0);
    while done < n {
        let count = (n - done).min(chunk);
        // SAFETY: lanes, weights, multipliers, biases and `out` hold what `words_of` and the checks above
        // say; a chunk's sums fit their buffer; `params` was written for every row.
        unsafe {
            let end = sums.add(count.next_multiple_of(4) * rows);
            if rows == 2 {
                let multiply = if product.wide { linear::wide_2 } else { linear::paired_2 };
                multiply(weights, lanes.as_ptr(), words, group_bytes, sums, end);
            } else {
                let skip = group_bytes.wrapping_sub(16 * words);
                let multiply = if product.wide { linear::wide_1 } else { linear::paired_1 };
                multiply(weights, lanes.as_ptr(), words, skip, sums, end);
            }
            for (row, params) in params.iter_mut().take(rows).enumerate() {
                let params = params.assume_init_mut();
                if params.up > 0 {
                    let bits = rows::magnitude(sums, count * rows);
                    if params.up > 7 || bits >> (31 - params.up) != 0 {
                        return false;
                    }
                }
                params.pairs = count / 2;
                let multipliers = multipliers.as_ptr().add(2 * done);
                write(sums.add(row), multipliers, biases.as_ptr().wrapping_add(2 * done), params);
                params.out += width * count;
            }
        }
        weights = weights.wrapping_add(chunk / 4 * group_bytes);
        done += count;
    }
    true
}

/// Words of four inputs, if the product is one for the assembly.
fn words_of(product: &Product, groups: usize) -> Option<usize> {
    let Product { lanes, rows, weights, group_bytes, layout, .. } = *product;
    let paired = matches!(layout, WeightLayout::Paired);
    paired.then(|| shape(lanes, rows, weights, group_bytes, groups)).flatten()
}
