//! Passes over one row in Rust: 64-bit products are computed from parts that fit 32 bits, and the direction
//! of shifts is decided once per row instead of once per element.

use super::passes;
use crate::fixed::saturate_16;
use crate::kernels::{Channels, Curve, Quantizer, RowScale};

/// See [`Kernels::gain`](super::Kernels::gain); false if it must be done otherwise.
pub fn gain(
    x: &[i16],
    quantizer: &Quantizer,
    channels: &Channels,
    scale: &RowScale,
    sums: &mut [i32],
) -> bool {
    // The result is below 2^30; with a half of up to 2^29 it fits 32 bits.
    if !(15..=45).contains(&scale.shift) {
        return false;
    }
    // Rounded at once when the shift is that of the lower part, else after both are added.
    let right = scale.shift - 15;
    let (low_half, half) = if right == 0 { (1 << 14, 0) } else { (0, (1 << right) >> 1) };
    let mantissa = scale.scale as i32;
    let gains = channels.factors.as_chunks::<2>().0;
    for ((sum, &x), &gain) in sums.iter_mut().zip(x).zip(gains) {
        // 15 + 15 bits, then 15 more, of which the lower part has 15 of its own.
        let product = quantizer.shifted(x).wrapping_mul(i16::from_le_bytes(gain) as i32);
        let low = ((product & 0x7fff) * mantissa + low_half) >> 15;
        *sum = ((product >> 15) * mantissa + low + half) >> right;
    }
    let len = x.len().min(gains.len()).min(sums.len());
    passes::add_biases(channels, scale, sums.get_mut(..len).unwrap_or_default());
    true
}

/// A [`Curve`] with a table, and with the directions of its shifts decided.
struct Table {
    table: &'static [u16; 258],
    left: u32,
    right: u32,
    value_left: u32,
    value_right: u32,
    half: u32,
}

impl Table {
    fn new(curve: &Curve) -> Option<Self> {
        let fits =
            (-11..=15).contains(&curve.position_shift) && (-14..=31).contains(&curve.value_shift);
        let value_right = curve.value_shift.max(0) as u32;
        Some(Self {
            table: curve.table.filter(|_| fits)?,
            left: curve.position_shift.max(0) as u32,
            right: curve.position_shift.min(0).unsigned_abs(),
            value_left: curve.value_shift.min(0).unsigned_abs(),
            value_right,
            half: (1 << value_right) >> 1,
        })
    }

    /// See [`Curve::apply`].
    #[inline(always)]
    fn apply(&self, x: i16) -> i32 {
        let magnitude = (x as i32).unsigned_abs();
        let position = magnitude << self.left >> self.right;
        let positive = (x as i32).max(0);
        if position >= 1 << 20 {
            return positive;
        }
        let index = (position >> 12) as usize;
        let low = self.table.get(index).copied().unwrap_or(0) as i32;
        let high = self.table.get(index + 1).copied().unwrap_or(0) as i32;
        let h = low + (((high - low) * (position & 4095) as i32 + 2048) >> 12);
        let value = (((h as u32) << self.value_left) + self.half) >> self.value_right;
        saturate_16(positive - value as i32) as i32
    }
}

/// See [`Kernels::activate`](super::Kernels::activate); false if it must be done otherwise.
pub fn activate(curve: &Curve, x: &mut [i16]) -> bool {
    let Some(table) = Table::new(curve) else { return false };
    for x in x {
        *x = table.apply(*x) as i16;
    }
    true
}

/// See [`Kernels::activate_gated`](super::Kernels::activate_gated); false if it must be done otherwise.
pub fn activate_gated(curve: &Curve, factors: &[i16], x: &mut [i16]) -> bool {
    let Some(table) = Table::new(curve) else { return false };
    for (x, &factor) in x.iter_mut().zip(factors) {
        *x = saturate_16((table.apply(*x) * factor as i32 + (1 << 14)) >> 15);
    }
    true
}
