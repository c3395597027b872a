//! A whole linear layer: products and rescaling in turn, with nothing checked or cleared in between.

use super::rows::{Rescale, rescale, rescale_biased, rescale_high, rescale_low};
use super::{halves, passes, product};
use crate::kernels::{CHUNK, Product, RowScale};
use core::mem::MaybeUninit;

/// Multiplies chunk by chunk; `write` gets the sums of a row of each, the number of its first output and
/// the row's part of `out`. False if the shape is not for the assembly (nothing has changed then).
fn chunks<T>(
    layer: &Product,
    out: [&mut [T]; 2],
    write: impl Fn(usize, *const i32, usize, &mut [T]),
) -> bool {
    let (rows, len) = (layer.rows, out[0].len());
    let Product { packing: layout, wide, lanes, weights, group_bytes, .. } = *layer;
    let sums = len.next_multiple_of(4) * rows;
    let fits = (rows == 1 || rows == 2 && !wide && out[1].len() == len)
        && halves(layer.multipliers, len)
        && (layer.biases.is_empty() || halves(layer.biases, len));
    let (Some((assembly, words)), true) =
        (product::assembly(layout, wide, lanes, rows, weights, group_bytes, sums), fits)
    else {
        return false;
    };
    let mut buffer = [const { MaybeUninit::<i32>::uninit() }; 2 * CHUNK];
    let sums = buffer.as_mut_ptr().cast::<i32>();
    let (mut w, mut first) = (weights.as_ptr(), 0);
    let [a, mut b] = out.map(|out| out.chunks_mut(CHUNK));
    for a in a {
        // SAFETY: `assembly` has checked every length and alignment; the sums of a chunk fit the
        // buffer.
        unsafe {
            let end = sums.add(a.len().next_multiple_of(4) * rows);
            assembly(w, lanes.as_ptr().cast(), words, group_bytes, sums, end);
        }
        write(0, sums, first, a);
        if let (2, Some(b)) = (rows, b.next()) {
            write(1, sums.wrapping_add(1), first, b);
        }
        w = w.wrapping_add(CHUNK / 4 * group_bytes);
        first += CHUNK;
    }
    true
}

/// See [`Kernels::linear`](super::Kernels::linear); false if it must be done otherwise.
pub fn linear(layer: &Product, by: [RowScale; 2], out: [&mut [i16]; 2]) -> bool {
    let fits = |by: &RowScale| by.scale <= 1 << 15 && (33..=62).contains(&by.shift);
    if !by.iter().take(layer.rows).all(fits) {
        return false;
    }
    let [multipliers, biases] = [layer.multipliers, layer.biases].map(<[u8]>::as_ptr);
    let biased = !layer.biases.is_empty();
    let by = by.map(|by| {
        // Biases beyond 16 bits of shift are 0.
        let bias_shift = by.bias_shift.clamp(0, 17) as u32;
        Rescale {
            stride: 4 * layer.rows,
            scale: by.scale as u32,
            shift: by.shift.wrapping_sub(32),
            end: 0,
            biases: biases.addr().wrapping_sub(multipliers.addr() + 2),
            bias_half: (1 << bias_shift) >> 1,
            bias_shift,
        }
    });
    chunks(layer, out, |row, sums, first, out| {
        let ends = out.as_mut_ptr_range();
        let by = Rescale { end: ends.end.addr(), ..if row == 0 { by[0] } else { by[1] } };
        let multipliers = multipliers.wrapping_add(2 * first);
        // SAFETY: `chunks` has checked that there is a multiplier for each output and a bias or none,
        // and gives as many sums.
        unsafe {
            if biased {
                rescale_biased(sums, multipliers, ends.start, &by);
            } else {
                rescale(sums, multipliers, ends.start, &by);
            }
        }
    })
}

/// See [`Kernels::linear_32`](super::Kernels::linear_32); false if it must be done otherwise.
pub fn linear_32(layer: &Product, by: [RowScale; 2], out: [&mut [i32]; 2]) -> bool {
    let fits = |by: &RowScale| by.scale <= 1 << 15 && (1..=62).contains(&by.shift);
    if !by.iter().take(layer.rows).all(fits) {
        return false;
    }
    let multipliers = layer.multipliers.as_ptr();
    chunks(layer, out, |row, sums, first, out| {
        let RowScale { scale, shift, bias_shift } = if row == 0 { by[0] } else { by[1] };
        let ends = out.as_mut_ptr_range();
        let mut by = Rescale {
            stride: 4 * layer.rows,
            scale: scale as u32,
            shift,
            end: ends.end.addr(),
            biases: 0,
            bias_half: 0,
            bias_shift: 0,
        };
        let multipliers = multipliers.wrapping_add(2 * first);
        // SAFETY: as in `linear`.
        unsafe {
            if shift > 32 {
                by.shift -= 32;
                rescale_high(sums, multipliers, ends.start, &by);
            } else {
                rescale_low(sums, multipliers, ends.start, &by);
            }
        }
        passes::add_bytes(layer.biases.get(2 * first..).unwrap_or_default(), bias_shift, out);
    })
}
