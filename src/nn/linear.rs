//! Linear layers: `y = W x + b` for a pair of rows.

use super::row::Input;
use crate::config::SEGMENT;
use crate::fixed::Scale;
use crate::kernels::{
    self, Bits, CHUNK, Lanes, LanesMut, Multiply, Nibbles, Product, RowCount, RowScale, Sums,
};
use crate::matrix::Packing;
use crate::model::Linear;
use crate::slices::{part_mut, rest};
use crate::target::{Build, has_biases, has_nibbles, has_wide_rows};

/// One or two rows as input of linear layers, and the buffer in which they are quantised. The lanes
/// are filled once and serve every layer that reads the same rows (q, k and v; gate and up).
pub struct Rows<'a, 'l> {
    inputs: [Option<Input<'a>>; 2],
    count: RowCount,
    lanes: &'l mut [i16],
    filled: Filled,
}

/// What the lanes hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filled {
    Nothing,
    /// Whole rows, for weights of eight bits.
    Bytes,
    /// Whole rows, for weights of four bits.
    Nibbles,
}

impl<'a, 'l> Rows<'a, 'l> {
    /// One row (in `inputs[0]`) or two; `lanes` must have room for two rows, or for two segments.
    pub fn new(inputs: [Option<Input<'a>>; 2], lanes: &'l mut [i16]) -> Self {
        let count = RowCount::at_most_two(1 + inputs[1].is_some() as usize);
        Self { inputs, count, lanes, filled: Filled::Nothing }
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.count.get()
    }

    /// Quantises inputs `from .. from + len` of every row into the lanes.
    #[inline(never)]
    fn quantize<K: Multiply>(&mut self, layer: &Linear, from: usize, len: usize) {
        let bits = Bits::of(layer.wide);
        let packing = layer.weights.matrix().packing();
        let lanes = LanesMut::<K>::new(self.lanes, self.count, len, packing, bits);
        debug_assert!(lanes.is_some(), "no lanes for {len} inputs");
        let Some(mut lanes) = lanes else { return };
        for (row, input) in self.inputs.iter().flatten().enumerate() {
            // A frame may end within its last word.
            let x = rest(input.x, from);
            let x = x.get(..len).unwrap_or(x);
            K::quantize_row(x, &input.quantizer, row, &mut lanes);
        }
    }

    /// The lanes of `len` inputs.
    #[inline(always)]
    fn lanes<K: Multiply>(&self, packing: Packing, wide: bool, len: usize) -> Option<Lanes<'_, K>> {
        Lanes::new(self.lanes, self.count, len, packing, Bits::of(wide))
    }

    /// Quantises whole rows, or returns false if they are wider than [`SEGMENT`].
    #[inline(always)]
    fn prepare<B: Build, K: Multiply>(&mut self, layer: &Linear) -> bool {
        let inputs = layer.weights.matrix().inputs();
        let whole = !has_wide_rows::<B>() || inputs <= SEGMENT;
        let wanted = match K::PACKINGS {
            [Packing::Nibbles] => Filled::Nibbles,
            _ => Filled::Bytes,
        };
        let other = has_nibbles::<B>() && self.filled != wanted;
        if whole && (self.filled == Filled::Nothing || other) {
            self.quantize::<K>(layer, 0, inputs);
        }
        self.filled = if whole { wanted } else { Filled::Nothing };
        whole
    }

    /// Computes outputs `first …` (a multiple of 4) of a layer in 16 bits, as many as `out[r]`
    /// holds, in units of `2^layer.output_exponent`.
    #[inline(always)]
    pub fn forward<B: Build>(&mut self, layer: &Linear, first: usize, out: [&mut [i16]; 2]) {
        if has_nibbles::<B>() && layer.has_nibbles() {
            self.forward_by::<B, Nibbles<B::Kernels>>(layer, first, out);
        } else {
            self.forward_by::<B, B::Kernels>(layer, first, out);
        }
    }

    fn forward_by<B: Build, K: Multiply>(
        &mut self,
        layer: &Linear,
        first: usize,
        out: [&mut [i16]; 2],
    ) {
        let exponents = [layer.output_exponent; 2];
        if self.prepare::<B, K>(layer) {
            let linear = self.linear::<B, K, _>(layer, first, exponents, out);
            debug_assert!(linear.is_some(), "outputs that the layer does not have");
            let _ = linear.map(K::layer);
        } else {
            self.segments::<K, _>(layer, first, exponents, out, K::results);
        }
    }

    /// Computes the whole layer in 32 bits: `out` is `(rows, out_dim)`, row `r` in units of
    /// `2^exponents[r]`.
    #[inline(always)]
    pub fn forward_32<B: Build>(&mut self, layer: &Linear, exponents: [i32; 2], out: &mut [i32]) {
        if has_nibbles::<B>() && layer.has_nibbles() {
            self.forward_32_by::<B, Nibbles<B::Kernels>>(layer, exponents, out);
        } else {
            self.forward_32_by::<B, B::Kernels>(layer, exponents, out);
        }
    }

    fn forward_32_by<B: Build, K: Multiply>(
        &mut self,
        layer: &Linear,
        exponents: [i32; 2],
        out: &mut [i32],
    ) {
        let (a, b) = out.split_at_mut_checked(layer.out_dim).unwrap_or_default();
        let out = [a, b];
        if self.prepare::<B, K>(layer) {
            let linear = self.linear::<B, K, _>(layer, 0, exponents, out);
            debug_assert!(linear.is_some(), "not a row of outputs each");
            let _ = linear.map(K::layer_32);
        } else {
            self.segments::<K, _>(layer, 0, exponents, out, K::results_32);
        }
    }

    /// The operand of a layer that reads the lanes of whole rows.
    #[inline(always)]
    fn linear<'p, B: Build, K: Multiply, T>(
        &'p self,
        layer: &Linear<'p>,
        first: usize,
        exponents: [i32; 2],
        out: [&'p mut [T]; 2],
    ) -> Option<kernels::Linear<'p, K, T>> {
        let mut weights = layer.weights.skip(first)?;
        // If the build has no biases, the kernels then select the loop without them at compile
        // time.
        if !has_biases::<B>() {
            weights = weights.without_biases();
        }
        let matrix = weights.matrix();
        let lanes = self.lanes(matrix.packing(), layer.wide, matrix.inputs())?;
        kernels::Linear::new(lanes, weights, self.scales::<K>(layer, exponents), out)
    }

    /// The scales that bring the sums of each row to units of `2^exponents[row]`.
    fn scales<K: Multiply>(&self, layer: &Linear, exponents: [i32; 2]) -> [RowScale; 2] {
        let mut scales = [RowScale::new(0, 1, 0); 2];
        for row in 0..self.count() {
            let (Some(input), exponent) = (&self.inputs[row & 1], exponents[row & 1]) else {
                break;
            };
            let shift =
                exponent - layer.weight_exponent - input.scale.exponent + sum_shift::<K>(layer);
            let bias_shift = exponent - layer.bias_exponent;
            scales[row & 1] = RowScale::new(input.scale.mantissa, shift, bias_shift);
        }
        scales
    }

    /// A layer whose rows are wider than [`SEGMENT`], [`CHUNK`] outputs at a time; a function of
    /// its own, so that other layers do not need its stack frame.
    #[inline(never)]
    fn segments<K: Multiply, T>(
        &mut self,
        layer: &Linear,
        first: usize,
        exponents: [i32; 2],
        mut out: [&mut [T]; 2],
        rescale: fn(&Sums, &kernels::Channels, &RowScale, &mut [T]),
    ) {
        let mut sums = [0; 2 * CHUNK];
        let scales = self.scales::<K>(layer, exponents);
        let len = out[0].len();
        self.filled = Filled::Nothing;
        for from in (0..len).step_by(CHUNK) {
            let count = (len - from).min(CHUNK);
            let done = self.sum_segments::<K>(layer, first + from, count, &mut sums);
            debug_assert!(done.is_some(), "segments of a layer that does not have them");
            let channels = layer.weights.channels().skip(first + from);
            for ((row, out), scale) in out.iter_mut().enumerate().zip(&scales) {
                if let Some(sums) = Sums::new(&sums, self.count, row) {
                    rescale(&sums, &channels, scale, part_mut(out, from, count));
                }
            }
        }
    }

    /// Sums of outputs `first .. first + len`: quantises and multiplies one segment of the rows at
    /// a time and accumulates. Each partial sum is first scaled down to at most 2⁴ times its value,
    /// so that the total fits 32 bits.
    fn sum_segments<K: Multiply>(
        &mut self,
        layer: &Linear,
        first: usize,
        len: usize,
        sums: &mut [i32; 2 * CHUNK],
    ) -> Option<()> {
        let surplus = product_shift::<K>(layer) - sum_shift::<K>(layer);
        let matrix = layer.weights.matrix().skip(first)?;
        sums.fill(0);
        for from in (0..matrix.inputs()).step_by(SEGMENT) {
            let count = (matrix.inputs() - from).min(SEGMENT);
            self.quantize::<K>(layer, from, count);
            let lanes = self.lanes::<K>(matrix.packing(), layer.wide, count)?;
            let mut part = [0; 2 * CHUNK];
            let part = part.get_mut(..len.next_multiple_of(4) * self.count())?;
            K::products(&Product::new(lanes, matrix.segment(from, count)?)?, part);
            for (sum, part) in sums.iter_mut().zip(part) {
                *sum = sum.wrapping_add(*part >> surplus);
            }
        }
        Some(())
    }

    /// Exponent of the unit in which row `row` of the layer's sums, the bias and a row of unit
    /// `2^other` can be added without overflow: sums below 2³⁰, the two others below 2²⁹.
    pub fn sum_exponent(&self, layer: &Linear, row: usize, other: i32) -> i32 {
        let scale = self.inputs.get(row).copied().flatten().map_or(Scale::ZERO, |x| x.scale);
        let inputs = layer.weights.matrix().inputs();
        let input_bits = if layer.wide { 18 } else { 14 };
        let sum_bits = input_bits + (usize::BITS - inputs.leading_zeros()) as i32;
        // 15 bits each for multiplier and scale, and a result of 30; fewer bits for 8-bit rows, so
        // that rescaling shifts by at least 33 and needs only the upper word of its products.
        let least = match (layer.wide, inputs <= SEGMENT) {
            (true, _) => 0,
            (false, true) => 33 - 8,
            (false, false) => 33 - 4,
        };
        // A row of zeros adds nothing and has no scale, so it must not make the unit coarser.
        let from_sums = match scale.mantissa {
            0 => i32::MIN,
            _ => sum_bits.max(least) + layer.weight_exponent + scale.exponent,
        };
        let biased = layer.weights.channels().has_biases();
        let from_bias = if biased { layer.bias_exponent - 13 } else { i32::MIN };
        from_sums.max(from_bias).max(other - 13)
    }
}

/// Exponent of the power of two that the kernels leave in the products of a layer.
const fn product_shift<K: Multiply>(layer: &Linear) -> i32 {
    if layer.wide { 0 } else { K::PRODUCT_SHIFT }
}

/// Exponent of the power of two in the sums of a layer; smaller for layers with several segments.
fn sum_shift<K: Multiply>(layer: &Linear) -> i32 {
    let shift = product_shift::<K>(layer);
    if layer.weights.matrix().inputs() <= SEGMENT { shift } else { shift.min(4) }
}
