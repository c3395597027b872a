//! The arithmetic of the whole engine: one rounding rule, integers only.
//!
//! **The rule**: a value is divided by 2^s as `floor(x / 2^s + 1/2)`, that is, an arithmetic shift
//! after adding half ([`round_shift`], [`shift_by`], [`RowShift`]). Where a result is only compared or exponentiated, a plain
//! arithmetic shift (floor) is used, and the documentation says so. The compiler computes the
//! tables in `f64`; the running code contains no float instruction.

mod elementary;
mod tables;
#[cfg(test)]
mod tests;

pub use elementary::{
    EXP2, LN_2_Q16, LOG2_E_Q30, cosine, exp2_fine, exp2_negative, log2, rsqrt, sine,
};
pub use tables::even_part;

/// `floor(x / 2^shift + 1/2)` for every `x` and every `shift`; from 64 on it is 0.
#[inline(always)]
pub const fn round_shift(x: i64, shift: u32) -> i64 {
    match shift {
        0 => x,
        // The sum of `x` and half could overflow, so the highest bit shifted out is added instead.
        1..=64 => {
            let twice = x >> (shift - 1);
            (twice >> 1) + (twice & 1)
        }
        _ => 0,
    }
}

/// `x · 2^-shift` rounded, for every `x` and shifts of both signs, saturating at 32 bits.
///
/// Example: `shift_by(5, 1) == 3`, `shift_by(5, -2) == 20`.
#[inline(always)]
pub const fn shift_by(x: i32, shift: i32) -> i32 {
    if shift >= 32 {
        0
    } else if shift > 0 {
        (x >> (shift - 1) >> 1) + ((x >> (shift - 1)) & 1)
    } else if shift > -32 {
        saturate((x as i64) << -shift)
    } else if x == 0 {
        0
    } else {
        saturate((x as i64) << 32)
    }
}

/// [`shift_by`] for a whole row: the direction of the shift is decided once, not for every number.
#[derive(Clone, Copy, Debug)]
pub struct RowShift {
    up: u32,
    down: u32,
    half: i32,
}

impl RowShift {
    /// For shifts of −31 or more.
    #[inline(always)]
    pub const fn new(shift: i32) -> Self {
        let (up, down) = if shift < 0 { (shift.unsigned_abs(), 0) } else { (0, shift as u32) };
        // Numbers below 2^30 become 0 from 31 on.
        let down = if down > 31 { 31 } else { down };
        Self { up: up & 31, down, half: (1u32 << down >> 1) as i32 }
    }

    /// `shift_by(x, shift)` for a number that, shifted to the left if that is the direction, is below 2³⁰
    /// in magnitude, or −2³⁰.
    #[inline(always)]
    pub const fn apply(self, x: i32) -> i32 {
        ((x << self.up) + self.half) >> self.down
    }
}

/// Clamps to 32 bits.
#[inline(always)]
pub const fn saturate(x: i64) -> i32 {
    if x > i32::MAX as i64 {
        i32::MAX
    } else if x < i32::MIN as i64 {
        i32::MIN
    } else {
        x as i32
    }
}

/// Clamps to 16 bits.
#[inline(always)]
pub const fn saturate_16(x: i32) -> i16 {
    if x > i16::MAX as i32 {
        i16::MAX
    } else if x < i16::MIN as i32 {
        i16::MIN
    } else {
        x as i16
    }
}

/// `round(accumulator · multiplier / 2^shift)`, exact in 64 bits, one rounding, saturated.
#[inline(always)]
pub const fn requantize(accumulator: i32, multiplier: i32, shift: u32) -> i32 {
    saturate(round_shift(accumulator as i64 * multiplier as i64, shift))
}

/// A positive real number `mantissa · 2^exponent`, mantissa in 2¹⁴ … 2¹⁵ (or 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// 15 significant bits, or 0 for an all-zero row.
    pub mantissa: u16,
    /// Power of two.
    pub exponent: i32,
}

impl Scale {
    /// The scale 0. Its exponent is −64 so that results take the large-shift path of the kernels,
    /// which is the fast one.
    pub const ZERO: Self = Self { mantissa: 0, exponent: -64 };

    /// Rounds `value · 2^exponent` to 15 significant bits.
    #[inline]
    pub const fn new(value: u32, exponent: i32) -> Self {
        if value == 0 {
            return Self::ZERO;
        }
        let shift = 17 - value.leading_zeros() as i32;
        let mantissa = if shift > 0 { ((value >> (shift - 1)) + 1) >> 1 } else { value << -shift };
        // Rounding up can reach 2^15 itself, which still fits 16 bits and every product below.
        Self { mantissa: mantissa as u16, exponent: exponent + shift }
    }

    /// The product, rounded to 15 significant bits.
    #[inline(never)]
    pub const fn times(self, other: Self) -> Self {
        Self::new(self.mantissa as u32 * other.mantissa as u32, self.exponent + other.exponent)
    }
}

/// The 8-bit code of the scale of a cached key or value, whose largest magnitude is `largest` (at
/// most 2¹⁵): the scale is `(16 + code mod 16) · 2^floor(code / 16)`, the smallest one that is not
/// below `largest`.
#[inline(always)]
pub const fn scale_code(largest: u32) -> u8 {
    if largest <= 16 {
        return 0;
    }
    let exponent = 27u32.saturating_sub(largest.leading_zeros());
    let mantissa = (largest + (1 << exponent) - 1) >> exponent; // 16 … 32
    (exponent * 16 + mantissa - 16) as u8
}

/// The scale that a code stands for; see [`scale_code`].
#[inline(always)]
pub const fn decode_scale(code: u8) -> u32 {
    (16 + (code & 15) as u32) << (code >> 4)
}

/// `floor(127 · 2¹² / (16 + i))`: the factor that maps a row with scale code `i` to −127…127.
pub static INVERSE_SCALE: [u16; 16] = {
    let mut table = [0; 16];
    let mut i = 0;
    while i < 16 {
        table[i] = ((127 << 12) / (16 + i)) as u16;
        i += 1;
    }
    table
};
