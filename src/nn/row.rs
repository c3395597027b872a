//! Rows: 16-bit mantissas with one shared power of two (block floating point), and their
//! quantisation to the small integers that a linear layer multiplies.

use crate::fixed::{RowShift, Scale, saturate_16, shift_by};
use crate::kernels::{Bits, Kernels, Quantizer};
use crate::slices::{first_mut, rest_mut};

/// A row as input of a linear layer: 16-bit numbers, their quantiser, and the scale of the
/// quantised numbers.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// `(in_dim)`.
    pub x: &'a [i16],
    /// From `x` to −127…127 (or −2047…2047).
    pub quantizer: Quantizer,
    /// Real value of one quantised unit.
    pub scale: Scale,
}

impl<'a> Input<'a> {
    /// A row in units of `2^exponent`, quantised by its largest magnitude.
    #[inline(never)]
    pub fn new<K: Kernels>(x: &'a [i16], exponent: i32, wide: bool) -> Self {
        Self::centred(
            x,
            1,
            0,
            K::largest(x),
            Scale { mantissa: 1 << 14, exponent: exponent - 14 },
            wide,
        )
    }

    /// The row `x · multiply − subtract`, whose largest magnitude is `largest`, in units of `unit`.
    pub fn centred(
        x: &'a [i16],
        multiply: i32,
        subtract: i32,
        largest: u32,
        unit: Scale,
        wide: bool,
    ) -> Self {
        let bits = Bits::of(wide);
        let (quantizer, normal) = Quantizer::new(multiply, subtract, largest, bits);
        // One quantised unit is M / (2^(bits−1) − 1) = M · 2^(1−bits) · (1 + 1/(2^(bits−1) − 1)).
        let correction: u32 = if wide { 32784 } else { 33026 };
        let step = Scale::new(normal * correction, quantizer.shift() - 14 - bits.get() as i32);
        Self { x, quantizer, scale: step.times(unit) }
    }
}

/// Writes sums in units of `2^exponent` as a row of 16-bit mantissas; returns the row's exponent.
/// The largest magnitude gets 15 bits; each element is rounded once. The exponents of a blob are below
/// 100 in magnitude, and those of rows follow from a few of them: none comes near 16 bits.
pub fn renormalize<K: Kernels>(sums: &[i32], exponent: i32, row: &mut [i16]) -> i16 {
    let magnitude = K::magnitude(sums);
    if magnitude == 0 {
        row.fill(0);
        return 0;
    }
    let shift = 17 - magnitude.leading_zeros() as i32;
    K::narrow(sums, shift, row);
    saturate_16(exponent + shift)
}

/// Adds a row in units of `2^exponent` to sums in units of `2^sum_exponent`.
pub fn add(row: impl Iterator<Item = i16>, exponent: i32, sums: &mut [i32], sum_exponent: i32) {
    let shift = sum_exponent - exponent;
    if shift < -15 {
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum = sum.saturating_add(shift_by(x as i32, shift));
        }
        return;
    }
    let shift = RowShift::new(shift);
    for (sum, x) in sums.iter_mut().zip(row) {
        *sum = sum.saturating_add(shift.apply(x as i32));
    }
}

/// Little-endian 16-bit numbers of a section in flash.
pub fn halves(bytes: &[u8]) -> impl ExactSizeIterator<Item = i16> + '_ {
    bytes.as_chunks::<2>().0.iter().map(|&pair| i16::from_le_bytes(pair))
}

/// Rows `first` and `first + 1` of a buffer, `width` numbers each, `stride` apart; the second is
/// empty when `rows` is 1.
#[inline(never)] // called in a dozen places
pub fn pair_mut(
    buffer: &mut [i16],
    first: usize,
    rows: usize,
    stride: usize,
    width: usize,
) -> [&mut [i16]; 2] {
    let rest = rest_mut(buffer, first * stride);
    // The last row may end at its width.
    let (a, b) = rest.split_at_mut_checked(stride.min(rest.len())).unwrap_or_default();
    [first_mut(a, width), if rows > 1 { first_mut(b, width) } else { &mut [] }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Portable;

    #[test]
    fn the_largest_element_becomes_127() {
        for largest in [1i16, 2, 100, 12345, 32767] {
            let x = [largest, -largest, 0, largest / 2];
            let input = Input::new::<Portable>(&x, -10, false);
            assert_eq!(x.map(|x| input.quantizer.quantize(x))[..3], [127, -127, 0]);
            let unit = input.scale.mantissa as f64 * 2f64.powi(input.scale.exponent);
            let expected = largest as f64 / 127.0 / 1024.0;
            assert!((unit / expected - 1.0).abs() < 1e-4, "{unit} {expected}");
        }
        let zero = Input::new::<Portable>(&[0; 4], -10, false);
        assert_eq!(zero.scale, Scale::ZERO);
    }

    /// However small the row is beside the sums.
    #[test]
    fn rows_are_added_by_the_rule() {
        for shift in -40..=70 {
            let mut sums = [100, -100, 0, 1 << 20, i32::MAX];
            let row = [-1, 0, 1, i16::MIN, i16::MAX];
            let mut expected = sums;
            for (sum, x) in expected.iter_mut().zip(row) {
                *sum = sum.saturating_add(shift_by(x as i32, shift));
            }
            add(row.into_iter(), -20, &mut sums, shift - 20);
            assert_eq!(sums, expected, "shift of {shift}");
        }
    }

    #[test]
    fn renormalizing_keeps_15_bits() {
        let mut row = [0i16; 3];
        assert_eq!(renormalize::<Portable>(&[1 << 20, -(1 << 19), 3], 0, &mut row), 6);
        assert_eq!(row, [16384, -8192, 0]);
        assert_eq!(renormalize::<Portable>(&[i32::MIN, i32::MAX, 0], 5, &mut row), 22);
        assert_eq!(row, [-16384, 16384, 0]);
    }
}
