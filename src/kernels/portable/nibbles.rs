//! Products of four-bit weights.

use super::super::formats::Nibbles;
use super::super::lanes::{Bits, RowCount};
use super::super::weights::Product;
use super::linear::factors;
use crate::matrix::Packing;

/// See [`Kernels::matmul_nibbles`](super::super::Kernels::matmul_nibbles).
pub fn matmul_nibbles<K>(product: &Product<Nibbles<K>>, sums: &mut [i32]) {
    match product.lanes.rows {
        RowCount::One => groups::<K, 1>(product, sums),
        RowCount::Two => groups::<K, 2>(product, sums),
    }
}

/// The sums of all groups of four outputs: 256 Σ w x, as of 8-bit weights.
fn groups<K, const ROWS: usize>(product: &Product<Nibbles<K>>, sums: &mut [i32]) {
    let matrix = &product.matrix;
    let lanes = product.lanes.data.as_chunks::<4>().0;
    let mut weights = matrix.bytes;
    let groups = sums.as_chunks_mut::<4>().0.chunks_exact_mut(ROWS);
    for group in groups.take(matrix.groups) {
        let mut sums = [[0i32; ROWS]; 4];
        let pairs = weights.as_chunks::<16>().0.iter().take(matrix.words / 2);
        for (pair, x) in pairs.zip(lanes.chunks_exact(2 * ROWS)) {
            for (sums, &two) in sums.iter_mut().zip(pair.as_chunks::<4>().0) {
                let two = u32::from_le_bytes(two);
                // A word of the lanes of each row, then the next word.
                for (word, x) in [two & 0xffff, two >> 16].into_iter().zip(x.chunks_exact(ROWS)) {
                    let factors = factors(Packing::Nibbles, Bits::Eight, word);
                    for (sum, x) in sums.iter_mut().zip(x) {
                        for (w, &x) in factors.iter().zip(x) {
                            *sum = sum.wrapping_add(w * x as i32);
                        }
                    }
                }
            }
        }
        group.as_flattened_mut().copy_from_slice(sums.as_flattened());
        weights = weights.get(matrix.stride..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{LanesMut, Matrix, Multiply, Portable, Quantizer};
    use super::*;
    use crate::Aligned;

    /// The definition itself against sums of the weights that [`Matrix::word`] reads, for one row and two, and
    /// a row that ends within its last word.
    #[test]
    fn products_are_256_times_the_sums() {
        const INPUTS: usize = 24;
        let mut bytes = Aligned([0u8; 2 * 4 * INPUTS / 2]);
        for (i, byte) in bytes.0.iter_mut().enumerate() {
            *byte = (i * 89 + i / 7 * 31 + 5) as u8;
        }
        let matrix = Matrix::new(&bytes.0, Packing::Nibbles, 8, INPUTS).unwrap();
        let (quantizer, _) = Quantizer::new(1, 0, 127, Bits::Eight);
        let x = [3usize, 11].map(|seed| {
            core::array::from_fn::<i16, { INPUTS - 5 }, _>(|i| ((i * 37 + seed) % 255) as i16 - 127)
        });
        for rows in [RowCount::One, RowCount::Two] {
            let mut buffer = Aligned([-1i16; 2 * INPUTS + 4]);
            let packing = Packing::Nibbles;
            let lanes = LanesMut::new(&mut buffer.0, rows, INPUTS, packing, Bits::Eight);
            let mut lanes = lanes.unwrap();
            for (row, x) in x.iter().enumerate().take(rows.get()) {
                Nibbles::<Portable>::quantize_row(x, &quantizer, row, &mut lanes);
            }
            let product = Product::new(lanes.into_lanes(), matrix).unwrap();
            let mut sums = [0; 16];
            matmul_nibbles(&product, &mut sums);
            for output in 0..8 {
                for (row, x) in x.iter().enumerate().take(rows.get()) {
                    let weight =
                        |i: usize| matrix.word::<Nibbles<Portable>>(output, i / 4)[i % 4] as i32;
                    let sum = |(i, x): (usize, &i16)| weight(i) * quantizer.quantize(*x) as i32;
                    let expected: i32 = x.iter().enumerate().map(sum).sum();
                    assert_eq!(sums[output * rows.get() + row], 256 * expected, "{output} {row}");
                }
            }
        }
    }
}
