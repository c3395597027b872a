//! Linear layers: quantisation, products, rescaling.

use super::super::formats::Formats;
use super::super::lanes::{Bits, LanesMut, Quantizer, RowCount, Sums, only};
use super::super::weights::{Channels, Linear, Product, RowScale};
use crate::fixed::{requantize, round_shift, saturate, saturate_16, shift_by};
use crate::matrix::Packing;

/// See [`Kernels::quantize`](super::super::Kernels::quantize).
#[inline(never)]
pub fn quantize<K: Formats>(x: &[i16], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<K>) {
    let (row, rows) = (lanes.row(row), lanes.rows.get());
    let words = lanes.data.as_chunks_mut::<4>().0.iter_mut().skip(row).step_by(rows);
    let mut fours = x.chunks(4);
    for lane in words.take(lanes.words) {
        *lane = self::lane(fours.next().unwrap_or_default(), quantizer);
    }
}

/// One word of lanes, see the [module on kernels](super::super); missing inputs are 0.
pub fn lane(x: &[i16], quantizer: &Quantizer) -> [i16; 4] {
    let mut q = [0; 4];
    for (q, &x) in q.iter_mut().zip(x) {
        *q = quantizer.quantize(x);
    }
    let [x0, x1, x2, x3] = q;
    match quantizer.bits {
        8 => [x1, x3, (x0 << 8).wrapping_sub(x1), (x2 << 8).wrapping_sub(x3)],
        _ => [x1, x3, x0, x2],
    }
}

/// See [`Kernels::matmul`](super::super::Kernels::matmul).
#[inline(always)]
pub fn matmul<K: Formats>(product: &Product<K>, sums: &mut [i32]) {
    match product.lanes.rows {
        RowCount::One => groups::<K, 1>(product, sums),
        RowCount::Two => groups::<K, 2>(product, sums),
    }
}

/// The sums of all groups of four outputs.
fn groups<K: Formats, const ROWS: usize>(product: &Product<K>, sums: &mut [i32]) {
    let matrix = &product.matrix;
    let packing = only::<K>(matrix.packing);
    let lanes = product.lanes.data.as_chunks::<4>().0;
    let mut weights = matrix.bytes;
    let groups = sums.as_chunks_mut::<4>().0.chunks_exact_mut(ROWS);
    for group in groups.take(matrix.groups) {
        let mut sums = [[0i32; ROWS]; 4];
        let words = weights.as_chunks::<16>().0.iter().take(matrix.words);
        for (word, x) in words.zip(lanes.chunks_exact(ROWS)) {
            for (sums, &word) in sums.iter_mut().zip(word.as_chunks::<4>().0) {
                let word = u32::from_le_bytes(word);
                let factors = factors(packing, product.lanes.bits, word);
                for (sum, x) in sums.iter_mut().zip(x) {
                    for (w, &x) in factors.iter().zip(x) {
                        *sum = sum.wrapping_add(w * x as i32);
                    }
                }
            }
        }
        group.as_flattened_mut().copy_from_slice(sums.as_flattened());
        weights = weights.get(matrix.stride..).unwrap_or_default();
    }
}

/// The factors of a word's four lanes. For 8-bit lanes, the first two are the paired halfwords
/// themselves, `256 · w[odd] + w[even]`; see the [module on kernels](super::super).
#[inline(always)]
pub(super) fn factors(packing: Packing, bits: Bits, word: u32) -> [i32; 4] {
    let [w0, w1, w2, w3] = packing.unpack(word).map(i32::from);
    match bits {
        Bits::Eight => [256 * w1 + w0, 256 * w3 + w2, w0, w2],
        Bits::Twelve => [w1, w3, w0, w2],
    }
}

/// See [`Kernels::rescale`](super::super::Kernels::rescale).
pub fn rescale(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]) {
    let bias_shift = scale.bias_shift.max(0) as u32;
    for ((out, sum), (factor, bias)) in out.iter_mut().zip(sums.iter()).zip(channels.iter()) {
        let factor = factor as i32 * scale.scale as i32; // at most 30 bits
        let value = round_shift(sum as i64 * factor as i64, scale.shift);
        let bias = bias.map_or(0, |bias| round_shift(bias as i64, bias_shift));
        // A forged exponent can make `value` large; clamp in 64 bits.
        *out = saturate_16(saturate(value + bias));
    }
}

/// See [`Kernels::rescale_32`](super::super::Kernels::rescale_32).
#[inline(never)]
pub fn rescale_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]) {
    for ((out, sum), (factor, bias)) in out.iter_mut().zip(sums.iter()).zip(channels.iter()) {
        *out = requantize(sum, factor as i32 * scale.scale as i32, scale.shift);
        if let Some(bias) = bias {
            *out = out.saturating_add(shift_by(bias as i32, scale.bias_shift));
        }
    }
}

/// Number of outputs of a linear layer that are computed at a time; their sums are on the stack.
pub const CHUNK: usize = 32;

/// See [`Kernels::linear`](super::super::Kernels::linear) and [`Kernels::linear_32`](super::super::Kernels::linear_32): products and their rescaling, [`CHUNK`] outputs at a
/// time.
#[inline(never)]
pub fn linear<K: Formats, T>(
    linear: Linear<K, T>,
    matmul: impl Fn(&Product<K>, &mut [i32]),
    rescale: impl Fn(&Sums, &Channels, &RowScale, &mut [T]),
) {
    let Linear { product, channels, scales, out } = linear;
    let rows = product.lanes.rows;
    let [first, mut second] = out.map(|out| out.chunks_mut(CHUNK));
    let mut buffer = [0; 2 * CHUNK];
    for (index, out) in first.enumerate() {
        let Some(matrix) = product.matrix.skip(index * CHUNK) else { return };
        let len = out.len().next_multiple_of(4) * rows.get();
        let sums = buffer.get_mut(..len).unwrap_or_default();
        matmul(&Product { matrix, ..product }, sums);
        let channels = channels.skip(index * CHUNK);
        let out = [Some(out), second.next()].into_iter().flatten();
        for ((row, out), scale) in out.enumerate().zip(&scales) {
            if let Some(sums) = Sums::new(sums, rows, row) {
                rescale(&sums, &channels, scale, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Bits;
    use crate::matrix::Packing;

    /// Of a halfword `256 · odd + even` and the lanes of two inputs: what `tools/proofs` says for all.
    #[test]
    fn lanes_give_256_times_the_product() {
        let (one, _) = Quantizer::new(1, 0, 127, Bits::Eight);
        for x0 in (-127i16..=127).step_by(if cfg!(miri) { 127 } else { 2 }) {
            for x1 in [-127i16, -126, -1, 0, 1, 77, 127] {
                let q = [x0, x1].map(|x| one.quantize(x) as i32);
                let [odd_lane, _, even_lane, _] = lane(&[x0, x1, 0, 0], &one).map(i32::from);
                for half in (0..=u16::MAX)
                    .step_by(if cfg!(miri) { 997 } else { 11 })
                    .chain([0x7f80, 0x8080, 0x807f, 0x7fff])
                {
                    let [even, odd, ..] = Packing::Paired.unpack(half as u32).map(i32::from);
                    let h = half as i16 as i32;
                    assert_eq!(h, 256 * odd + even);
                    let sum = h * odd_lane + even * even_lane;
                    assert_eq!(sum, 256 * (odd * q[1] + even * q[0]), "{half:#x} {x0} {x1}");
                }
            }
        }
    }
}
