//! Is a backend equal to [`Portable`], bit for bit? Random shapes that straddle every tile's edge,
//! extremes, dirty buffers, misaligned slices. Runs as a test on a host and as firmware on a board.

use super::{Kernels, Portable, Quantizer};
use crate::config::KEY_BLOCK;

/// Numbers for the buffers: xorshift (Marsaglia 2003), half of them extremes.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 8) as usize % limit.max(1)
    }

    fn bytes(&mut self, out: &mut [u8]) {
        for x in out {
            let r = self.next() >> 8;
            *x = if r & 0x300 == 0 { [127, 129, 128, 0][(r & 3) as usize] } else { r as u8 };
        }
    }

    fn halves(&mut self, out: &mut [i16], limit: i32) {
        for x in out {
            let r = self.next() >> 4;
            let value = match r & 15 {
                0 => limit,
                1 => -limit,
                _ => (r as i32 >> 4) % (limit + 1) * if r & 16 == 0 { 1 } else { -1 },
            };
            *x = value.clamp(i16::MIN as i32, i16::MAX as i32) as i16;
        }
    }

    fn words(&mut self, out: &mut [i32]) {
        for x in out {
            *x = (self.next() as i32) >> (self.next() & 15);
        }
    }
}

/// Compares all of a backend's functions with `Portable`'s on `rounds` random cases each.
///
/// # Errors
/// The name of the function that differs.
pub fn check<K: Kernels>(rounds: u32) -> Result<u32, &'static str> {
    let mut random = Random(0x2545_f491);
    for _ in 0..rounds {
        linear::<K>(&mut random)?;
        quantizing::<K>(&mut random)?;
        attending::<K>(&mut random)?;
        rescaling::<K>(&mut random)?;
    }
    Ok(rounds * 4)
}

fn same<T: PartialEq>(a: &[T], b: &[T], name: &'static str) -> Result<(), &'static str> {
    if a == b { Ok(()) } else { Err(name) }
}

fn linear<K: Kernels>(random: &mut Random) -> Result<(), &'static str> {
    let (mut weights, mut lanes) = ([0u8; 4096 + 1], [0i16; 2 * 128 + 1]);
    random.bytes(&mut weights);
    random.halves(&mut lanes, 32767);
    let rows = 1 + random.below(2);
    let words = 1 + random.below(24);
    let group_bytes = 16 * words + 16 * random.below(3);
    let groups = 1 + random.below(5);
    let skew = random.below(4) / 3;
    let weights = weights.get(skew..).unwrap_or_default();
    let lanes = lanes.get(skew..skew + 4 * words * rows).unwrap_or_default();
    let (mut found, mut expected) = ([7i32; 64], [-9i32; 64]);
    let len = groups * 4 * rows;
    let found = found.get_mut(..len).unwrap_or_default();
    let expected = expected.get_mut(..len).unwrap_or_default();
    K::matmul(lanes, rows, weights, group_bytes, found);
    Portable::matmul(lanes, rows, weights, group_bytes, expected);
    same(found, expected, "matmul")?;
    K::matmul_wide(lanes, rows, weights, group_bytes, found);
    Portable::matmul_wide(lanes, rows, weights, group_bytes, expected);
    same(found, expected, "matmul_wide")
}

fn quantizing<K: Kernels>(random: &mut Random) -> Result<(), &'static str> {
    let mut x = [0i16; 101];
    let limit = 1 << random.below(16);
    random.halves(&mut x, limit);
    let skew = random.below(2);
    let len = random.below(100);
    let x = x.get(skew..skew + len).unwrap_or_default();
    if K::largest(x) != Portable::largest(x) {
        return Err("largest");
    }
    if K::moments(x) != Portable::moments(x) {
        return Err("moments");
    }
    let bits = if random.below(3) == 0 { 12 } else { 8 };
    let subtract = if random.below(2) == 0 { 0 } else { random.next() as i32 >> 16 };
    let multiply = if subtract == 0 { 1 } else { len as i32 };
    let largest =
        x.iter().fold(1, |m: u32, &x| m.max((x as i32 * multiply - subtract).unsigned_abs()));
    let input = crate::kernels::check::quantizer(largest, multiply, subtract, bits);
    let rows = 1 + random.below(2);
    let row = random.below(rows);
    let (mut found, mut expected) = ([3i16; 208], [3i16; 208]);
    let offset = random.below(2);
    K::quantize(x, &input, rows, row, found.get_mut(offset..).unwrap_or_default());
    Portable::quantize(x, &input, rows, row, expected.get_mut(offset..).unwrap_or_default());
    same(&found, &expected, "quantize")
}

/// A quantiser within the bounds that [`Quantizer`] promises.
fn quantizer(largest: u32, multiply: i32, subtract: i32, bits: u32) -> Quantizer {
    let shift = 17 - largest.leading_zeros() as i32;
    let normal = if shift >= 0 { largest >> shift } else { largest << -shift };
    let inverse = (((1u32 << (bits - 1)) - 1) << (31 - bits)) / normal.max(1);
    Quantizer { multiply, subtract, shift, inverse: inverse as i32, bits }
}

fn attending<K: Kernels>(random: &mut Random) -> Result<(), &'static str> {
    let rows = 1 + random.below(2);
    let row = random.below(rows);
    let mut sums = [0i32; 2 * KEY_BLOCK];
    random.words(&mut sums);
    let mut scales = [0u16; KEY_BLOCK];
    scales.iter_mut().for_each(|s| *s = (random.next() >> 16) as u16 & 0x7fff);
    let visible = match random.below(4) {
        0 => random.next() & 0xffff,
        _ => (1u32 << random.below(KEY_BLOCK + 1)) - 1,
    };
    let (mut found, mut expected) = ([0; KEY_BLOCK], [0; KEY_BLOCK]);
    let sums = sums.get(..KEY_BLOCK * rows).unwrap_or_default();
    let maximum = Portable::scores(sums, rows, row, &scales, visible, &mut expected);
    if K::scores(sums, rows, row, &scales, visible, &mut found) != maximum {
        return Err("scores: maximum");
    }
    for (key, (a, b)) in found.iter().zip(&expected).enumerate() {
        if visible >> key & 1 == 1 && a != b {
            return Err("scores");
        }
    }
    let maximum = maximum.max(random.next() as i32 >> 4);
    let factor = random.next() >> random.below(32);
    let shift = 15 + random.below(4) as u32;
    let (mut a, mut b) = ([5i16; 2 * KEY_BLOCK], [5i16; 2 * KEY_BLOCK]);
    let len = KEY_BLOCK * rows;
    let (a, b) = (a.get_mut(..len).unwrap_or_default(), b.get_mut(..len).unwrap_or_default());
    let p = K::weigh(&expected, maximum, factor, &scales, visible, shift, rows, row, a);
    let q = Portable::weigh(&expected, maximum, factor, &scales, visible, shift, rows, row, b);
    if p != q {
        return Err("weigh: sum");
    }
    same(a, b, "weigh")?;
    let mut values = [0u8; 16 * 40 + 1];
    random.bytes(&mut values);
    let values = values.get(random.below(8) / 7..).unwrap_or_default();
    let dims = 1 + random.below(40);
    let (mut found, mut expected) = ([0i32; 80], [0i32; 80]);
    random.words(&mut found);
    expected.copy_from_slice(&found);
    let found = found.get_mut(..dims * rows).unwrap_or_default();
    K::weighted_sum(a, rows, values, found);
    Portable::weighted_sum(b, rows, values, expected.get_mut(..dims * rows).unwrap_or_default());
    same(found, expected.get(..dims * rows).unwrap_or_default(), "weighted_sum")
}

fn rescaling<K: Kernels>(random: &mut Random) -> Result<(), &'static str> {
    let rows = 1 + random.below(2);
    let row = random.below(rows);
    let outputs = 1 + random.below(32);
    let mut sums = [0i32; 64];
    random.words(&mut sums);
    let (mut multipliers, mut biases) = ([0u8; 64], [0u8; 64]);
    random.bytes(&mut multipliers);
    multipliers.iter_mut().skip(1).step_by(2).for_each(|high| *high &= 0x7f);
    random.bytes(&mut biases);
    let biases = if random.below(2) == 0 { &[][..] } else { &biases[..] };
    let scale = random.next() as u16 & 0x7fff;
    let (shift, bias_shift) = (1 + random.below(62) as u32, random.below(24) as u32);
    let (mut found, mut expected) = ([1i16; 32], [1i16; 32]);
    let found = found.get_mut(..outputs).unwrap_or_default();
    let expected = expected.get_mut(..outputs).unwrap_or_default();
    K::rescale(&sums, rows, row, &multipliers, biases, scale, shift, bias_shift, found);
    Portable::rescale(&sums, rows, row, &multipliers, biases, scale, shift, bias_shift, expected);
    same(found, expected, "rescale")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Native;

    #[test]
    fn the_native_backend_equals_portable() {
        assert_eq!(check::<Native>(2000), Ok(8000));
    }

    /// The comparison must see a backend that is wrong in one bit.
    #[test]
    fn differences_are_seen() {
        assert_eq!(same(&[1, 2], &[1, 3], "matmul"), Err("matmul"));
    }
}
