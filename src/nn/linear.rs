//! Linear layers: `y = W x + b` for a pair of rows, 32 outputs at a time.

use super::row::Input;
use crate::config::{SEGMENT, WeightLayout};
use crate::kernels::Kernels;
use crate::model::Linear;

/// Outputs computed at a time; their sums live on the stack.
pub const CHUNK: usize = 32;

/// One or two rows about to be multiplied, and the buffer in which they are quantised. The lanes are
/// filled once and serve every layer that reads the same rows (q, k and v; gate and up).
pub struct Rows<'a, 'l> {
    inputs: [Option<Input<'a>>; 2],
    lanes: &'l mut [i16],
    filled: bool,
}

/// The sums of one chunk: `sums[o · rows + r] = 2^exponent · Σ w x`.
pub struct Sums<'s> {
    /// At most `2 · CHUNK` numbers.
    pub sums: &'s [i32],
    /// Rows: 1 or 2.
    pub rows: usize,
    /// The factor that the kernel left in.
    pub exponent: i32,
    /// First output of the chunk.
    pub first: usize,
    /// Outputs of the chunk that exist (padding left out).
    pub len: usize,
}

impl<'a, 'l> Rows<'a, 'l> {
    /// Rows `a` and, if any, `b`; `lanes` must hold two rows (or two segments of them).
    pub fn new(a: Input<'a>, b: Option<Input<'a>>, lanes: &'l mut [i16]) -> Self {
        Self { inputs: [Some(a), b], lanes, filled: false }
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.inputs.iter().flatten().count()
    }

    /// Real value of one quantised unit of row `row`.
    fn scale(&self, row: usize) -> crate::fixed::Scale {
        self.inputs.get(row).copied().flatten().map_or(crate::fixed::Scale::ZERO, |i| i.scale)
    }

    /// Quantises inputs `from .. from + len` of every row into the lanes.
    fn fill<K: Kernels>(&mut self, from: usize, len: usize) {
        let rows = self.count();
        for (row, input) in self.inputs.iter().flatten().enumerate() {
            let rest = input.x.get(from..).unwrap_or_default();
            let x = rest.get(..len).unwrap_or(rest);
            let lanes = self.lanes.get_mut(..len * rows).unwrap_or_default();
            K::quantize(x, &input.by, rows, row, lanes);
        }
    }

    /// Multiplies by outputs `first .. first + CHUNK` of a layer.
    pub fn multiply<'s, K: Kernels>(
        &mut self,
        layer: &Linear,
        first: usize,
        sums: &'s mut [i32; 2 * CHUNK],
    ) -> Sums<'s> {
        let rows = self.count();
        let len = layer.out_dim.saturating_sub(first).min(CHUNK);
        let sums = sums.get_mut(..len.next_multiple_of(4) * rows).unwrap_or_default();
        let group_bytes = layer.padded_in * 4;
        let weights = layer.weights.get(first / 4 * group_bytes..).unwrap_or_default();
        let matmul = match (layer.layout, layer.wide) {
            (WeightLayout::Paired, false) => K::matmul,
            (WeightLayout::Paired, true) => K::matmul_wide,
            (WeightLayout::Plain, false) => K::matmul_plain,
            (WeightLayout::Plain, true) => K::matmul_plain_wide,
        };
        let product_shift = if layer.wide { 0 } else { K::PRODUCT_SHIFT };
        if layer.padded_in <= SEGMENT {
            if !self.filled {
                self.fill::<K>(0, layer.padded_in);
                self.filled = true;
            }
            let lanes = self.lanes.get(..layer.padded_in * rows).unwrap_or_default();
            matmul(lanes, rows, weights, group_bytes, sums);
            return Sums { sums, rows, exponent: product_shift, first, len };
        }
        // Wider than 32-bit sums of 256 · w · x allow: add up segments of the row, each quantised
        // again, at no more than 16 times their value.
        let exponent = product_shift.min(4);
        sums.fill(0);
        let mut from = 0;
        while from < layer.padded_in {
            let count = (layer.padded_in - from).min(SEGMENT);
            self.fill::<K>(from, count);
            let mut part = [0i32; 2 * CHUNK];
            let part = part.get_mut(..sums.len()).unwrap_or_default();
            let lanes = self.lanes.get(..count * rows).unwrap_or_default();
            matmul(lanes, rows, weights.get(from * 4..).unwrap_or_default(), group_bytes, part);
            for (sum, part) in sums.iter_mut().zip(part) {
                *sum = sum.wrapping_add(*part >> (product_shift - exponent));
            }
            from += count;
        }
        self.filled = false;
        Sums { sums, rows, exponent, first, len }
    }

    /// Writes row `row` of a chunk in 16 bits, in units of `2^layer.output_exponent`.
    pub fn write<K: Kernels>(&self, sums: &Sums, layer: &Linear, row: usize, out: &mut [i16]) {
        let scale = self.scale(row);
        let shift = layer.output_exponent - layer.weight_exponent - scale.exponent + sums.exponent;
        let bias_shift = layer.output_exponent - layer.bias_exponent;
        K::rescale(
            sums.sums,
            sums.rows,
            row,
            layer.multipliers.get(2 * sums.first..).unwrap_or_default(),
            layer.biases.get(2 * sums.first..).unwrap_or_default(),
            scale.mantissa,
            shift.clamp(1, 62) as u32,
            bias_shift.clamp(0, 40) as u32,
            out.get_mut(..sums.len.min(out.len())).unwrap_or_default(),
        );
    }

    /// The whole layer in 16 bits: `out[r]` gets `out_dim` numbers in units of
    /// `2^layer.output_exponent`.
    pub fn forward<K: Kernels>(&mut self, layer: &Linear, mut out: [&mut [i16]; 2]) {
        let mut buffer = [0; 2 * CHUNK];
        for first in (0..layer.out_dim).step_by(CHUNK) {
            let sums = self.multiply::<K>(layer, first, &mut buffer);
            for (row, out) in out.iter_mut().enumerate().take(sums.rows) {
                self.write::<K>(&sums, layer, row, out.get_mut(first..).unwrap_or_default());
            }
        }
    }

    /// The unit in which row `row` of the layer's sums, the bias and a row of unit `2^other` can be
    /// added without overflow: sums below 2³⁰, the two others below 2²⁹.
    pub fn sum_exponent(&self, layer: &Linear, row: usize, other: i32) -> i32 {
        let scale = self.scale(row);
        let input_bits = if layer.wide { 18 } else { 14 };
        let sum_bits = input_bits + (usize::BITS - layer.padded_in.leading_zeros()) as i32;
        // 15 bits each for multiplier and scale, and a result of 30.
        let from_sums = sum_bits + layer.weight_exponent + scale.exponent;
        let from_bias = if layer.biases.is_empty() { i32::MIN } else { layer.bias_exponent - 13 };
        from_sums.max(from_bias).max(other - 13)
    }

    /// The whole layer in 32 bits, row after row: `out` gets `rows · out_dim` numbers, row `r` in
    /// units of `2^exponents[r]`.
    pub fn forward_wide<K: Kernels>(
        &mut self,
        layer: &Linear,
        exponents: [i32; 2],
        out: &mut [i32],
    ) {
        let mut buffer = [0; 2 * CHUNK];
        let scales = [self.scale(0), self.scale(1)];
        for first in (0..layer.out_dim).step_by(CHUNK) {
            let sums = self.multiply::<K>(layer, first, &mut buffer);
            let out_rows = out.chunks_mut(layer.out_dim.max(1)).zip(exponents).zip(scales);
            for (row, ((out, exponent), scale)) in out_rows.enumerate().take(sums.rows) {
                let shift = exponent - layer.weight_exponent - scale.exponent + sums.exponent;
                let out = out.get_mut(first..).unwrap_or_default();
                K::rescale_wide(
                    sums.sums,
                    sums.rows,
                    row,
                    layer.multipliers.get(2 * first..).unwrap_or_default(),
                    layer.biases.get(2 * first..).unwrap_or_default(),
                    scale.mantissa,
                    shift.clamp(1, 62) as u32,
                    exponent - layer.bias_exponent,
                    out.get_mut(..sums.len.min(out.len())).unwrap_or_default(),
                );
            }
        }
    }
}
