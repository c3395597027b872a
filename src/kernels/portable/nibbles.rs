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
