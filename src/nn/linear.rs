//! Linear layers: `y = W x + b` for a pair of rows, 32 outputs at a time.

use super::row::Input;
use crate::config::SEGMENT;
use crate::kernels::{self, CHUNK, Kernels, Product, RowScale, lanes_per_input};
use crate::matrix::Packing;
use crate::model::Linear;
use crate::target::{Build, has_biases, has_wide_rows};

/// One or two rows about to be multiplied, and the buffer in which they are quantised. The lanes are
/// filled once and serve every layer that reads the same rows (q, k and v; gate and up).
pub struct Rows<'a, 'l> {
    inputs: [Option<Input<'a>>; 2],
    count: usize,
    lanes: &'l mut [i16],
    filled: bool,
}

impl<'a, 'l> Rows<'a, 'l> {
    /// One row, the first, or two; `lanes` must hold two rows (or two segments of them).
    pub fn new(inputs: [Option<Input<'a>>; 2], lanes: &'l mut [i16]) -> Self {
        Self { inputs, count: inputs.iter().flatten().count(), lanes, filled: false }
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Real value of one quantised unit of row `row`.
    fn scale(&self, row: usize) -> crate::fixed::Scale {
        self.inputs.get(row).copied().flatten().map_or(crate::fixed::Scale::ZERO, |i| i.scale)
    }

    /// Quantises inputs `from .. from + len` of every row into the lanes.
    fn fill<K: Kernels>(&mut self, packing: Packing, from: usize, len: usize) {
        let rows = self.count();
        for (row, input) in self.inputs.iter().flatten().enumerate() {
            let rest = input.x.get(from..).unwrap_or_default();
            let x = rest.get(..len).unwrap_or(rest);
            let lanes = self.lanes.get_mut(..len * lanes_per_input::<K>(rows)).unwrap_or_default();
            kernels::quantize::<K>(packing)(x, &input.by, rows, row, lanes);
        }
    }

    /// Quantises whole rows, unless they are too wide for 32-bit sums of `256 · w · x`.
    // Small; but where a whole layer may take a thousand instructions, calls show.
    #[cfg_attr(not(feature = "arm-mve"), inline(never))]
    #[cfg_attr(feature = "arm-mve", inline(always))]
    fn prepare<B: Build>(&mut self, layer: &Linear) {
        let narrow = !has_wide_rows::<B>() || layer.padded_in <= SEGMENT;
        if narrow && !self.filled {
            self.fill::<B::Kernels>(layer.packing, 0, layer.padded_in);
        }
        self.filled = narrow;
    }

    /// The layer with the lanes of whole rows, if they are prepared.
    fn product<'p, K: Kernels>(&'p self, layer: &Linear<'p>) -> Product<'p> {
        let rows = self.count();
        let width = if self.filled { layer.padded_in } else { 0 };
        Product {
            lanes: self.lanes.get(..width * lanes_per_input::<K>(rows)).unwrap_or_default(),
            rows,
            wide: layer.wide,
            packing: layer.packing,
            weights: layer.weights,
            group_bytes: layer.padded_in * 4,
            multipliers: layer.multipliers,
            biases: layer.biases,
        }
    }

    /// Sums of outputs `first .. first + len` of rows wider than that: segments of the rows are
    /// quantised and multiplied one after the other and added up, at no more than 16 times their value.
    fn segments<K: Kernels>(
        &mut self,
        layer: &Linear,
        first: usize,
        len: usize,
        sums: &mut [i32; 2 * CHUNK],
    ) {
        let rows = self.count();
        self.filled = false;
        let surplus = product_shift::<K>(layer) - sum_shift::<K>(layer);
        sums.fill(0);
        for from in (0..layer.padded_in).step_by(SEGMENT) {
            let count = (layer.padded_in - from).min(SEGMENT);
            self.fill::<K>(layer.packing, from, count);
            let mut product = self.product::<K>(layer).skip(first);
            product.weights = product.weights.get(from * 4..).unwrap_or_default();
            product.lanes =
                self.lanes.get(..count * lanes_per_input::<K>(rows)).unwrap_or_default();
            let mut part = [0; 2 * CHUNK];
            let part = product.sums::<K>(len, &mut part);
            for (sum, part) in sums.iter_mut().zip(part) {
                *sum = sum.wrapping_add(*part >> surplus);
            }
        }
    }

    /// Outputs `first …` of the layer about to be multiplied, and how their sums become numbers in units
    /// of `2^exponents[row]`.
    // Small; but where a whole layer may take a thousand instructions, calls show.
    #[cfg_attr(not(feature = "arm-mve"), inline(never))]
    #[cfg_attr(feature = "arm-mve", inline(always))]
    fn ready<'p, K: Kernels>(
        &'p self,
        layer: &Linear<'p>,
        first: usize,
        exponents: [i32; 2],
    ) -> (Product<'p>, [RowScale; 2]) {
        (self.product::<K>(layer).skip(first), self.row_scales::<K>(layer, exponents))
    }

    /// How the rows' sums become numbers in units of `2^exponents[row]`.
    fn row_scales<K: Kernels>(&self, layer: &Linear, exponents: [i32; 2]) -> [RowScale; 2] {
        let mut scales = [RowScale { scale: 0, shift: 1, bias_shift: 0 }; 2];
        for ((to, input), exponent) in scales.iter_mut().zip(&self.inputs).zip(exponents) {
            let Some(input) = input else { break };
            let scale = input.scale;
            let shift = exponent - layer.weight_exponent - scale.exponent + sum_shift::<K>(layer);
            to.scale = scale.mantissa;
            to.shift = shift.clamp(1, 62) as u32;
            to.bias_shift = exponent - layer.bias_exponent;
        }
        scales
    }

    /// Outputs `first …` (a multiple of 4) of a layer in 16 bits, as many as there is room for in
    /// `out[r]`, in units of `2^layer.output_exponent`.
    pub fn forward<B: Build>(&mut self, layer: &Linear, first: usize, out: [&mut [i16]; 2]) {
        self.prepare::<B>(layer);
        let mut ready = self.ready::<B::Kernels>(layer, first, [layer.output_exponent; 2]);
        if !has_wide_rows::<B>() || self.filled {
            return <B::Kernels>::linear(only::<B>(&mut ready.0), ready.1, out);
        }
        let by = ready.1;
        self.forward_segments::<B::Kernels>(layer, first, by, out);
    }

    /// [`Rows::forward`] of rows wider than a segment; apart, so that only it needs the stack.
    #[inline(never)]
    fn forward_segments<K: Kernels>(
        &mut self,
        layer: &Linear,
        first: usize,
        by: [RowScale; 2],
        mut out: [&mut [i16]; 2],
    ) {
        let mut sums = [0; 2 * CHUNK];
        let len = out[0].len();
        for from in (0..len).step_by(CHUNK) {
            let count = (len - from).min(CHUNK);
            self.segments::<K>(layer, first + from, count, &mut sums);
            let product = self.product::<K>(layer).skip(first + from);
            for ((row, out), by) in out.iter_mut().enumerate().zip(by).take(product.rows) {
                let out = out.get_mut(from..from + count).unwrap_or_default();
                product.rescale::<K>(&sums, row, by, out);
            }
        }
    }

    /// The unit in which row `row` of the layer's sums, the bias and a row of unit `2^other` can be
    /// added without overflow: sums below 2³⁰, the two others below 2²⁹.
    pub fn sum_exponent(&self, layer: &Linear, row: usize, other: i32) -> i32 {
        let scale = self.scale(row);
        let input_bits = if layer.wide { 18 } else { 14 };
        let sum_bits = input_bits + (usize::BITS - layer.padded_in.leading_zeros()) as i32;
        // 15 bits each for multiplier and scale, and a result of 30; of 8-bit rows fewer bits, so that
        // the rescaling's shift is at least 33 and needs only the upper word of its products.
        let least = match (layer.wide, layer.padded_in <= SEGMENT) {
            (true, _) => 0,
            (false, true) => 33 - 8,
            (false, false) => 33 - 4,
        };
        // A row of zeros adds nothing and has no scale: it must not make the unit coarser.
        let from_sums = match scale.mantissa {
            0 => i32::MIN,
            _ => sum_bits.max(least) + layer.weight_exponent + scale.exponent,
        };
        let from_bias = if layer.biases.is_empty() { i32::MIN } else { layer.bias_exponent - 13 };
        from_sums.max(from_bias).max(other - 13)
    }

    /// The whole layer in 32 bits, row after row: `out` gets `rows · out_dim` numbers, row `r` in
    /// units of `2^exponents[r]`.
    pub fn forward_32<B: Build>(&mut self, layer: &Linear, exponents: [i32; 2], out: &mut [i32]) {
        let (a, b) = out.split_at_mut_checked(layer.out_dim).unwrap_or_default();
        let out = [a, b];
        self.prepare::<B>(layer);
        let mut ready = self.ready::<B::Kernels>(layer, 0, exponents);
        if !has_wide_rows::<B>() || self.filled {
            return <B::Kernels>::linear_32(only::<B>(&mut ready.0), ready.1, out);
        }
        let by = ready.1;
        self.forward_segments_32::<B::Kernels>(layer, by, out);
    }

    /// [`Rows::forward_32`] of rows wider than a segment.
    #[inline(never)]
    fn forward_segments_32<K: Kernels>(
        &mut self,
        layer: &Linear,
        by: [RowScale; 2],
        mut out: [&mut [i32]; 2],
    ) {
        let mut sums = [0; 2 * CHUNK];
        for from in (0..layer.out_dim).step_by(CHUNK) {
            let count = (layer.out_dim - from).min(CHUNK);
            self.segments::<K>(layer, from, count, &mut sums);
            let product = self.product::<K>(layer).skip(from);
            for ((row, out), by) in out.iter_mut().enumerate().zip(by).take(product.rows) {
                let out = out.get_mut(from..from + count).unwrap_or_default();
                product.rescale_32::<K>(&sums, row, by, out);
            }
        }
    }
}

/// Without biases, where it is known while compiling that there are none: the kernels choose by that.
#[inline(always)]
fn only<'p, 'a, B: Build>(product: &'p mut Product<'a>) -> &'p Product<'a> {
    if !has_biases::<B>() {
        product.biases = &[];
    }
    product
}

/// Power of two that a kernel leaves in its products.
const fn product_shift<K: Kernels>(layer: &Linear) -> i32 {
    if layer.wide { 0 } else { K::PRODUCT_SHIFT }
}

/// Power of two in the sums of a layer; less in those of segments.
fn sum_shift<K: Kernels>(layer: &Linear) -> i32 {
    let shift = product_shift::<K>(layer);
    if layer.padded_in <= SEGMENT { shift } else { shift.min(4) }
}
