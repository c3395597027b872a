//! Operands of passes over one row.

use crate::fixed::{saturate_16, shift_by};

/// The statistics of a row that a norm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Sum of the numbers.
    pub sum: i32,
    /// Sum of their squares.
    pub squares: u64,
    /// Smallest and largest number; `(i16::MAX, i16::MIN)` for an empty row.
    pub range: (i16, i16),
}

/// A positive factor `factor / 2^shift`.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// Below 2¹⁷.
    pub(super) factor: u32,
    /// 1 … 62.
    pub(super) shift: u32,
}

impl Ratio {
    /// Arguments are clamped to the limits.
    #[inline(always)]
    pub fn new(factor: u32, shift: i32) -> Self {
        let shift = if shift < 1 {
            1
        } else if shift > 62 {
            62
        } else {
            shift as u32
        };
        Self { factor: factor.min((1 << 17) - 1), shift }
    }
}

/// An activation `max(x, 0) − h(|x|)` for numbers with a power-of-two unit; see `nn::activation`.
#[derive(Clone, Copy, Debug)]
pub struct Curve {
    /// `h` in Q0.16, below 2¹⁵, with 256 steps and two entries to spare; `None` for ReLU.
    pub table: Option<&'static [u16; 258]>,
    /// |x| shifted left by this is a position in the table with 12 fraction bits.
    pub position_shift: i32,
    /// Table values shifted right by this are in the unit of x.
    pub value_shift: i32,
}

impl Curve {
    /// The activation of one number.
    #[inline(always)]
    pub fn apply(&self, x: i16) -> i16 {
        let positive = (x as i32).max(0);
        match self.table {
            None => positive as i16,
            Some(table) => {
                let h = interpolate(table, x.unsigned_abs() as u32, self.position_shift);
                // No overflow: both are positive.
                saturate_16(positive - shift_by(h as i32, self.value_shift))
            }
        }
    }
}

/// `table` at position `magnitude · 2^(shift − 12)`, linear between entries; 0 beyond the last.
/// `magnitude` is below 2¹⁶.
#[inline(always)]
pub fn interpolate(table: &[u16; 258], magnitude: u32, shift: i32) -> u32 {
    let position = match shift {
        // Everything else would be shifted beyond 2^20, outside the table.
        16.. => {
            if magnitude == 0 {
                0
            } else {
                1 << 20
            }
        }
        0..=15 => magnitude << shift,
        -11..=-1 => magnitude >> -shift,
        // Less than 2^-8 of a step.
        _ => 0,
    };
    if position >= 1 << 20 {
        return 0;
    }
    let index = (position >> 12) as usize;
    let low = table.get(index).copied().unwrap_or(0) as u32;
    let high = table.get(index + 1).copied().unwrap_or(0) as u32;
    // All tables except that of tanh rise and fall, so the difference is signed.
    let slope = (high as i32 - low as i32) * (position & 4095) as i32;
    low.wrapping_add(((slope + 2048) >> 12) as u32)
}
