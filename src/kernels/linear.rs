//! A whole linear layer: products and their rescaling, chunk by chunk.

use super::{Kernels, Quantizer};
use crate::matrix::Packing;

/// [`Kernels::quantize`] for products with weights in `layout`.
#[inline(always)]
pub(crate) fn quantize<K: Kernels>(layout: Packing) -> Quantize {
    // Decided at compile time where the backend knows one layout only.
    match K::PLAIN && matches!(layout, Packing::Plain) {
        true => K::quantize_plain,
        false => K::quantize,
    }
}

type Quantize = fn(&[i16], &Quantizer, rows: usize, row: usize, lanes: &mut [i16]);

/// Outputs computed at a time; their sums live on the stack.
pub const CHUNK: usize = 32;

/// Lanes and the layer that they are to be multiplied with.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// One or two quantised rows.
    pub lanes: &'a [i16],
    /// How many.
    pub rows: usize,
    /// Lanes have 12 bits instead of 8.
    pub wide: bool,
    /// How the weights are packed.
    pub packing: Packing,
    /// Packed weights, from the first group of four outputs on.
    pub weights: &'a [u8],
    /// Bytes from one group to the next.
    pub group_bytes: usize,
    /// Little-endian `u16` of each output.
    pub multipliers: &'a [u8],
    /// Little-endian `i16` of each output, or empty.
    pub biases: &'a [u8],
}

/// How the sums of one row are rescaled, see [`Kernels::rescale`].
#[derive(Clone, Copy, Debug)]
pub struct RowScale {
    /// Scale of the row's quantisation, at most 2¹⁵.
    pub scale: u16,
    /// 1 … 62.
    pub shift: u32,
    /// Of the biases, to the right.
    pub bias_shift: i32,
}

impl<'a> Product<'a> {
    /// The part of the layer that begins `outputs` (a multiple of four) further.
    pub fn skip(self, outputs: usize) -> Self {
        if outputs == 0 {
            return self;
        }
        let weights = self.weights.get(outputs / 4 * self.group_bytes..).unwrap_or_default();
        let multipliers = self.multipliers.get(2 * outputs..).unwrap_or_default();
        let biases = self.biases.get(2 * outputs..).unwrap_or_default();
        Self { weights, multipliers, biases, ..self }
    }

    /// Sums of the first `len` outputs (rounded up to a multiple of four) of every row.
    pub fn sums<'s, K: Kernels>(&self, len: usize, buffer: &'s mut [i32]) -> &'s mut [i32] {
        let sums = buffer.get_mut(..len.next_multiple_of(4) * self.rows).unwrap_or_default();
        // Decided at compile time where the backend knows one layout only.
        let plain = K::PLAIN && matches!(self.packing, Packing::Plain);
        let matmul = match (plain, self.wide) {
            (false, false) => K::matmul,
            (false, true) => K::matmul_wide,
            (true, false) => K::matmul_plain,
            (true, true) => K::matmul_plain_wide,
        };
        matmul(self.lanes, self.rows, self.weights, self.group_bytes, sums);
        sums
    }

    /// Rescales row `row` of sums to 16 bits.
    pub fn rescale<K: Kernels>(&self, sums: &[i32], row: usize, by: RowScale, out: &mut [i16]) {
        let RowScale { scale, shift, bias_shift } = by;
        let (multipliers, biases) = (self.multipliers, self.biases);
        let bias_shift = bias_shift.clamp(0, 40) as u32;
        K::rescale(sums, self.rows, row, multipliers, biases, scale, shift, bias_shift, out);
    }

    /// Rescales row `row` of sums to 32 bits.
    pub fn rescale_32<K: Kernels>(&self, sums: &[i32], row: usize, by: RowScale, out: &mut [i32]) {
        let RowScale { scale, shift, bias_shift } = by;
        let (multipliers, biases) = (self.multipliers, self.biases);
        K::rescale_32(sums, self.rows, row, multipliers, biases, scale, shift, bias_shift, out);
    }
}

/// See [`Kernels::linear`].
#[inline(never)]
pub fn linear<K: Kernels>(product: &Product, by: [RowScale; 2], out: [&mut [i16]; 2]) {
    let [a, mut b] = out.map(|out| out.chunks_mut(CHUNK));
    let mut buffer = [0; 2 * CHUNK];
    let mut product = *product;
    for out in a {
        let sums = product.sums::<K>(out.len(), &mut buffer);
        let rows = [Some(out), b.next()].into_iter().flatten().take(product.rows);
        for ((row, out), by) in rows.enumerate().zip(by) {
            product.rescale::<K>(sums, row, by, out);
        }
        product = product.skip(CHUNK);
    }
}

/// See [`Kernels::linear_32`].
#[inline(never)]
pub fn linear_32<K: Kernels>(product: &Product, by: [RowScale; 2], out: [&mut [i32]; 2]) {
    let [a, mut b] = out.map(|out| out.chunks_mut(CHUNK));
    let mut buffer = [0; 2 * CHUNK];
    let mut product = *product;
    for out in a {
        let sums = product.sums::<K>(out.len(), &mut buffer);
        let rows = [Some(out), b.next()].into_iter().flatten().take(product.rows);
        for ((row, out), by) in rows.enumerate().zip(by) {
            product.rescale_32::<K>(sums, row, by, out);
        }
        product = product.skip(CHUNK);
    }
}
