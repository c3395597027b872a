//! Pooling: from the rows of an input to one row.

use super::row::renormalize;
use crate::arena::Residual;
use crate::config::Pooling;
use crate::fixed::{round_shift, saturate, shift_by};
use crate::kernels::Kernels;
use crate::slices::first_mut;

/// Writes the pooled row of the first `rows` rows (width `d`) into the first one. `sums` is scratch of
/// `d`.
pub fn pool_rows<K: Kernels>(
    pooling: Pooling,
    residual: &mut Residual,
    d: usize,
    rows: usize,
    sums: &mut [i32],
) {
    match pooling {
        Pooling::First => {}
        Pooling::Mean => mean::<K>(residual, d, rows, sums),
        Pooling::Last => last(residual, d, rows),
        Pooling::Max => greatest::<K>(residual, d, rows, sums),
    }
}

/// Copies the last row.
fn last(residual: &mut Residual, d: usize, rows: usize) {
    let (first, rest) = residual.mantissas.split_at_mut_checked(d).unwrap_or_default();
    let (Some(before), Some((exponent, others))) =
        (rows.checked_sub(2), residual.exponents.split_first_mut())
    else {
        return;
    };
    let row = rest.chunks_exact(d.max(1)).nth(before).unwrap_or_default();
    first.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
    if let Some(last) = others.get(before) {
        *exponent = *last;
    }
}

/// The greatest number of each channel.
fn greatest<K: Kernels>(residual: &mut Residual, d: usize, rows: usize, sums: &mut [i32]) {
    let sums = first_mut(sums, d);
    sums.fill(i32::MIN);
    // Fourteen guard bits: the numbers of a row that is that much smaller are exact.
    let unit = unit(residual, rows) - 14;
    for i in 0..rows {
        let (row, exponent) = residual.row(i, d);
        for (greatest, &x) in sums.iter_mut().zip(row) {
            *greatest = (*greatest).max(shift_by(x as i32, unit - exponent));
        }
    }
    write::<K>(residual, d, unit, sums);
}

/// The largest exponent.
fn unit(residual: &Residual, rows: usize) -> i32 {
    residual.exponents.iter().take(rows).copied().max().unwrap_or(0) as i32
}

/// Writes sums in units of `2^unit` as the first row.
fn write<K: Kernels>(residual: &mut Residual, d: usize, unit: i32, sums: &[i32]) {
    if let Some((first, exponent)) = residual.row_mut(0, d) {
        *exponent = renormalize::<K>(sums, unit, first);
    }
}

/// The mean of each channel.
pub(super) fn mean<K: Kernels>(residual: &mut Residual, d: usize, rows: usize, sums: &mut [i32]) {
    let sums = first_mut(sums, d);
    sums.fill(0);
    let largest = unit(residual, rows);
    // 15 bits per row, at most 2^20 rows: keep as many guard bits as the count leaves.
    let guard = 15 - (usize::BITS - rows.leading_zeros()) as i32;
    for i in 0..rows {
        let (row, exponent) = residual.row(i, d);
        K::add(row, largest - guard - exponent, sums);
    }
    // 2^31 / rows keeps the division out of the loop.
    let reciprocal = (1u64 << 31).checked_div(rows as u64).unwrap_or(0) as i64;
    for sum in sums.iter_mut() {
        *sum = saturate(round_shift(*sum as i64 * reciprocal, 31));
    }
    write::<K>(residual, d, largest - guard, sums);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Portable;

    #[test]
    fn means_respect_each_rows_exponent() {
        let (mantissas, exponents) = (&mut [1000i16, -2000, 4000, 8000], &mut [-3, -5]);
        let mut residual = Residual { mantissas, exponents };
        pool_rows::<Portable>(Pooling::Mean, &mut residual, 2, 2, &mut [0; 2]);
        let (row, exponent) = residual.row(0, 2);
        let real = |x: i16| x as f64 * 2f64.powi(exponent);
        assert!((real(row[0]) - (1000.0 / 8.0 + 4000.0 / 32.0) / 2.0).abs() < 0.01);
        assert!((real(row[1]) - (-2000.0 / 8.0 + 8000.0 / 32.0) / 2.0).abs() < 0.01);
    }

    #[test]
    fn the_greatest_of_rows_in_different_units() {
        let (mantissas, exponents) = (&mut [1000i16, -2000, 3000, -8000, 1, -1], &mut [-3, -5, -9]);
        let mut residual = Residual { mantissas, exponents };
        pool_rows::<Portable>(Pooling::Max, &mut residual, 2, 3, &mut [0; 2]);
        let (row, exponent) = residual.row(0, 2);
        let real = |x: i16| x as f64 * 2f64.powi(exponent);
        assert!((real(row[0]) - 125.0).abs() < 0.01 && (real(row[1]) + 1.0 / 512.0).abs() < 0.01);
    }

    #[test]
    fn the_last_of_one_row_or_several() {
        for (rows, expected) in [(1, (&[1, 2][..], -3)), (2, (&[3, 4], -5)), (3, (&[5, 6], -7))] {
            let (mantissas, exponents) = (&mut [1i16, 2, 3, 4, 5, 6], &mut [-3, -5, -7]);
            let mut residual = Residual { mantissas, exponents };
            pool_rows::<Portable>(Pooling::Last, &mut residual, 2, rows, &mut [0; 2]);
            assert_eq!(residual.row(0, 2), expected);
        }
    }
}
