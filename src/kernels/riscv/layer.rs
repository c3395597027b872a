//! A whole linear layer: checked once, then chunk after chunk of products and their rescaling.

use super::{RiscV, assembly};
use crate::kernels::linear as portable;
use crate::kernels::{Product, RowScale};
use core::mem::MaybeUninit;

/// Sums on the stack: of 128 outputs of one row or 64 of two. Fewer cost more calls.
const SUMS: usize = 128;

/// Calls `each(sums, rows, row, multipliers, biases, by, out)` for every row of every chunk of outputs;
/// false, nothing done, if the assembly cannot take the layer.
#[inline(always)]
fn chunks<T>(
    product: &Product,
    by: &[RowScale; 2],
    out: &mut [&mut [T]; 2],
    each: impl Fn(&[i32], usize, usize, &[u8], &[u8], &RowScale, &mut [T]),
) -> bool {
    let Product { lanes, rows, weights, group_bytes, multipliers, biases, .. } = *product;
    let outputs = out[0].len();
    let all = outputs.div_ceil(4);
    let found = assembly(product.packing, lanes, rows, weights, group_bytes, all);
    let Some((multiply, words)) = found.filter(|_| !product.wide && (rows == 1 || rows == 2))
    else {
        return false;
    };
    let mut buffer = MaybeUninit::<[i32; SUMS]>::uninit();
    let to = buffer.as_mut_ptr().cast::<i32>();
    let mut weights = weights.as_ptr();
    let chunk = if rows == 2 { SUMS / 2 } else { SUMS };
    for first in (0..outputs).step_by(chunk) {
        let groups = (all - first / 4).min(chunk / 4);
        // SAFETY: `assembly` has checked lengths and alignment; all of the slice is written.
        let sums = unsafe {
            multiply(weights, lanes.as_ptr(), words, group_bytes, to, groups);
            core::slice::from_raw_parts(to, 4 * groups * rows)
        };
        weights = weights.wrapping_add(groups * group_bytes);
        let multipliers = multipliers.get(2 * first..).unwrap_or_default();
        let biases = biases.get(2 * first..).unwrap_or_default();
        for (row, (out, by)) in out.iter_mut().zip(by).enumerate().take(rows) {
            let out = out.get_mut(first..).unwrap_or_default();
            let len = out.len().min(chunk);
            let out = out.get_mut(..len).unwrap_or_default();
            each(sums, rows, row, multipliers, biases, by, out);
        }
    }
    true
}

/// See [`Kernels::linear`](crate::kernels::Kernels::linear).
pub fn linear(product: &Product, by: [RowScale; 2], mut out: [&mut [i16]; 2]) {
    let rescale = |sums: &[i32],
                   rows,
                   row,
                   multipliers: &[u8],
                   biases: &[u8],
                   by: &RowScale,
                   out: &mut [i16]| {
        let bias_shift = by.bias_shift.clamp(0, 40) as u32;
        super::rescale(sums, rows, row, multipliers, biases, by.scale, by.shift, bias_shift, out);
    };
    if !chunks(product, &by, &mut out, rescale) {
        portable::linear::<RiscV>(product, by, out);
    }
}

/// See [`Kernels::linear_32`](crate::kernels::Kernels::linear_32).
pub fn linear_32(product: &Product, by: [RowScale; 2], mut out: [&mut [i32]; 2]) {
    let rescale = |sums: &[i32],
                   rows,
                   row,
                   multipliers: &[u8],
                   biases: &[u8],
                   by: &RowScale,
                   out: &mut [i32]| {
        let bias_shift = by.bias_shift;
        super::rescale_32(
            sums,
            rows,
            row,
            multipliers,
            biases,
            by.scale,
            by.shift,
            bias_shift,
            out,
        );
    };
    if !chunks(product, &by, &mut out, rescale) {
        portable::linear_32::<RiscV>(product, by, out);
    }
}
