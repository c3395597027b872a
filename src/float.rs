//! Floats at the edge. Inputs given as `f32` (features of frames, a temperature) are converted to
//! integers from their bits alone, so that results are the same bits on every core, with or without
//! an FPU or a library. Outputs as `f32` (probabilities, scores) are for display: the exponential
//! function comes from `libm` (feature `libm`) or else from `micromath`, which is smaller and less
//! exact.

use crate::fixed::round_shift;

/// Why a float is refused. `index` is its position among several; 0 for a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FloatError {
    /// Not a number.
    NotANumber {
        /// Its position.
        index: usize,
    },
    /// Infinite, or outside `lowest · 2^exponent ..= greatest · 2^exponent`.
    OutOfRange {
        /// Its position.
        index: usize,
        /// The least integer.
        lowest: i64,
        /// The greatest integer.
        greatest: i64,
        /// Both are in units of 2 to this power.
        exponent: i32,
    },
    /// The output has another length than the input.
    WrongLength {
        /// Floats given.
        needed: usize,
        /// Room for integers.
        given: usize,
    },
}

impl core::fmt::Display for FloatError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            Self::NotANumber { index } => write!(f, "number {index} is not a number"),
            Self::OutOfRange { index, lowest, greatest, exponent } => {
                write!(f, "number {index} is not within {lowest} and {greatest} times 2^{exponent}")
            }
            Self::WrongLength { needed, given } => {
                write!(f, "{needed} numbers need as many integers, given is room for {given}")
            }
        }
    }
}

impl core::error::Error for FloatError {}

/// `x / 2^exponent` as an integer, rounded as everywhere in the engine: `floor(… + 1/2)`.
///
/// ```
/// use picoformer::float::to_fixed;
/// assert_eq!(to_fixed(0.7, -16), Ok(45875)); // Q16.16
/// assert_eq!(to_fixed(-2.5, 0), Ok(-2));
/// assert!(to_fixed(f32::NAN, 0).is_err());
/// ```
///
/// # Errors
/// [`FloatError::NotANumber`]; [`FloatError::OutOfRange`] beyond 32 bits.
pub const fn to_fixed(x: f32, exponent: i32) -> Result<i32, FloatError> {
    match within(x, exponent, i32::MIN as i64, i32::MAX as i64, 0) {
        Ok(value) => Ok(value as i32),
        Err(error) => Err(error),
    }
}

/// Frames of features in units of `2^exponent`, for
/// [`Encoder::begin_frames`](crate::Encoder::begin_frames); `exponent` is the `frame_exponent` of
/// the model's [`header`](crate::Model::header).
///
/// # Errors
/// [`FloatError`]; the contents of `out` are then unspecified.
pub fn features(frames: &[f32], exponent: i32, out: &mut [i16]) -> Result<(), FloatError> {
    if frames.len() != out.len() {
        return Err(FloatError::WrongLength { needed: frames.len(), given: out.len() });
    }
    for (index, (&x, to)) in frames.iter().zip(out).enumerate() {
        *to = within(x, exponent, i16::MIN as i64, i16::MAX as i64, index)? as i16;
    }
    Ok(())
}

/// As [`to_fixed`], between `lowest` and `greatest`, which have at most 33 bits.
pub(crate) const fn within(
    x: f32,
    exponent: i32,
    lowest: i64,
    greatest: i64,
    index: usize,
) -> Result<i64, FloatError> {
    // IEEE 754-2019, 3.4: a sign, 8 bits of exponent, 23 of the fraction.
    let bits = x.to_bits();
    let (biased, fraction) = ((bits >> 23 & 0xff) as i32, (bits & 0x7f_ffff) as i64);
    if biased == 0xff && fraction != 0 {
        return Err(FloatError::NotANumber { index });
    }
    // x = ±magnitude · 2^power
    let (magnitude, power) =
        if biased == 0 { (fraction, -149) } else { (fraction | 1 << 23, biased - 150) };
    let signed = if bits >> 31 == 0 { magnitude } else { -magnitude };
    let shift = power.saturating_sub(exponent);
    let value = match shift {
        _ if signed == 0 => 0,
        ..0 => round_shift(signed, shift.unsigned_abs()),
        0..=38 => signed << shift,
        // Infinite, or of more bits than any range.
        _ if signed > 0 => i64::MAX,
        _ => i64::MIN,
    };
    if biased == 0xff || value < lowest || value > greatest {
        return Err(FloatError::OutOfRange { index, lowest, greatest, exponent });
    }
    Ok(value)
}

/// `x · 2^exponent`, for display: logits and log-probabilities have the exponent −16, embeddings
/// −30. Exact except for rounding to 24 bits; exponents are clamped to −126 … 127.
pub const fn from_fixed(x: i32, exponent: i32) -> f32 {
    let exponent = match exponent {
        ..-126 => -126,
        128.. => 127,
        _ => exponent,
    };
    x as f32 * f32::from_bits(((exponent + 127) as u32) << 23)
}

/// The probability whose natural logarithm is `log_probability` (Q15.16), for display; 0 below
/// e⁻⁸⁷. The results of `libm` and `micromath` differ by at most 0.3 %.
#[cfg(any(feature = "libm", feature = "micromath"))]
pub fn probability(log_probability: i64) -> f32 {
    match i32::try_from(log_probability) {
        Ok(x @ SMALLEST..) => exp(from_fixed(x, -16)),
        Ok(_) | Err(_) => 0.0,
    }
}

/// −87 in Q15.16: e⁻⁸⁷ is still a normal number.
#[cfg(any(feature = "libm", feature = "micromath"))]
const SMALLEST: i32 = -87 << 16;

#[cfg(feature = "libm")]
fn exp(x: f32) -> f32 {
    libm::expf(x)
}

#[cfg(all(feature = "micromath", not(feature = "libm")))]
fn exp(x: f32) -> f32 {
    micromath::F32Ext::exp(x)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;

    /// What the conversion is to be, in `f64`, which holds every product here exactly.
    fn expected(x: f32, exponent: i32) -> Option<i64> {
        let value = (x as f64 * 2f64.powi(-exponent) + 0.5).floor();
        (i32::MIN as f64..=i32::MAX as f64).contains(&value).then_some(value as i64)
    }

    /// Every exponent and sign with the fractions at the edges and some in between.
    #[test]
    #[cfg_attr(miri, ignore = "arithmetic without memory")]
    fn every_exponent_is_rounded_as_f64_is() {
        let mut fractions = vec![0, 1, 2, 3, 0x3f_ffff, 0x40_0000, 0x40_0001, 0x7f_fffe, 0x7f_ffff];
        fractions.extend((0..200u32).map(|i| i.wrapping_mul(0x9e37_79b9) >> 9));
        fractions.extend((0..23).map(|bit| 1 << bit));
        let (mut taken, mut refused) = (0, 0);
        for head in 0..1 << 9 {
            for &fraction in &fractions {
                let x = f32::from_bits(head << 23 | fraction);
                for exponent in [-149, -60, -30, -16, -15, -1, 0, 1, 8, 40] {
                    let found = to_fixed(x, exponent).map(i64::from);
                    match expected(x, exponent).filter(|_| !x.is_nan()) {
                        Some(value) => {
                            assert_eq!(found, Ok(value), "{x:e} 2^{exponent}");
                            taken += 1;
                        }
                        None if x.is_nan() => {
                            assert_eq!(found, Err(FloatError::NotANumber { index: 0 }));
                        }
                        None => {
                            assert!(matches!(found, Err(FloatError::OutOfRange { .. })), "{x:e}");
                            refused += 1;
                        }
                    }
                }
            }
        }
        assert!(taken > 100_000 && refused > 100_000, "{taken} {refused}");
    }

    /// Halves go up, whatever the sign.
    #[test]
    fn halves_go_up() {
        let halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5].map(|x| to_fixed(x, 0).unwrap());
        assert_eq!(halves, [-2, -1, 0, 1, 2, 3]);
        assert_eq!(to_fixed(2147483520.0, 0), Ok(2147483520));
        assert!(to_fixed(2147483648.0, 0).is_err());
        assert_eq!(to_fixed(-2147483648.0, 0), Ok(i32::MIN));
        for exponent in [i32::MIN, i32::MAX] {
            assert_eq!(to_fixed(0.0, exponent), Ok(0));
            assert_eq!(to_fixed(-0.0, exponent), Ok(0));
            assert_eq!(to_fixed(1.0, exponent).is_ok(), exponent > 0);
        }
    }

    #[test]
    fn frames_are_converted_or_refused_by_index() {
        let mut out = [7; 4];
        assert_eq!(features(&[0.0, 1.0, -1.0, 0.3], -8, &mut out), Ok(()));
        assert_eq!(out, [0, 256, -256, 77]);
        let range =
            |index| FloatError::OutOfRange { index, lowest: -32768, greatest: 32767, exponent: -8 };
        for (index, x, error) in [
            (2, 128.0, range(2)),
            (0, f32::NEG_INFINITY, range(0)),
            (3, f32::NAN, FloatError::NotANumber { index: 3 }),
        ] {
            let mut frames = [0.5; 4];
            frames[index] = x;
            assert_eq!(features(&frames, -8, &mut out), Err(error));
        }
        let room = features(&[0.0; 3], 0, &mut out);
        assert_eq!(room, Err(FloatError::WrongLength { needed: 3, given: 4 }));
    }

    #[test]
    fn integers_come_out_as_they_are() {
        for (x, exponent, expected) in
            [(1 << 16, -16, 1.0), (-3, -1, -1.5), (i32::MIN, -30, -2.0), (5, 2, 20.0), (0, 0, 0.0)]
        {
            assert_eq!(from_fixed(x, exponent), expected);
            assert_eq!(to_fixed(expected, exponent), Ok(x));
        }
    }

    /// How far the two libraries differ over all logarithms of probabilities.
    #[cfg(all(feature = "libm", feature = "micromath"))]
    #[test]
    fn libraries_differ_by_three_parts_in_a_thousand_at_most() {
        let (mut greatest, mut at) = (0f32, 0);
        for x in (SMALLEST..=0).step_by(7).chain([SMALLEST, -1, 0, -65536]) {
            let real = from_fixed(x, -16);
            let (libm, micromath) = (libm::expf(real), micromath::F32Ext::exp(real));
            let difference = (libm - micromath).abs() / libm;
            if difference > greatest {
                (greatest, at) = (difference, x);
            }
        }
        std::println!("greatest difference {greatest} at {at}");
        assert!(greatest < 0.003, "{greatest} at {at}");
        assert!(greatest > 0.001, "the bound is far from what is found: {greatest}");
    }

    #[cfg(any(feature = "libm", feature = "micromath"))]
    #[test]
    fn probabilities_are_those_of_f64() {
        for x in (SMALLEST..=0).step_by(1013) {
            let expected = (x as f64 / 65536.0).exp();
            assert!((probability(x.into()) as f64 / expected - 1.0).abs() < 0.003, "{x}");
        }
        assert_eq!(probability(0), 1.0);
        for x in [SMALLEST as i64 - 1, i32::MIN as i64, i64::MIN, 1 << 40] {
            assert_eq!(probability(x), 0.0);
        }
    }
}
