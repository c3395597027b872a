//! Is a backend equal to [`Portable`], bit for bit? Random shapes that straddle every tile's edge,
//! extremes, dirty buffers, misaligned slices. Runs as a test on a host and as firmware on a board.

mod layers;
mod random;
mod streaming;

use super::{Activate, Kernels, Portable, Quantizer, lanes_per_input};
use crate::config::KEY_BLOCK;
use crate::matrix::Packing;
use random::Random;

/// Compares all of a backend's functions with `Portable`'s on `rounds` random cases each.
///
/// # Errors
/// The name of the function that differs.
pub fn check<K: Kernels>(rounds: u32) -> Result<u32, &'static str> {
    let mut random = Random(0x2545_f491);
    for _ in 0..rounds {
        linear::<K>(&mut random)?;
        layers::layers::<K>(&mut random)?;
        measuring::<K>(&mut random)?;
        attending::<K>(&mut random)?;
        rescaling::<K>(&mut random)?;
        adding::<K>(&mut random)?;
        bending::<K>(&mut random)?;
        streaming::caching::<K>(&mut random)?;
        streaming::streaming::<K>(&mut random)?;
    }
    Ok(rounds * 9)
}

fn same<T: PartialEq>(a: &[T], b: &[T], name: &'static str) -> Result<(), &'static str> {
    if a == b { Ok(()) } else { Err(name) }
}

/// A row of a linear layer's inputs and its quantiser.
fn input(random: &mut Random, x: &mut [i16], bits: u32) -> Quantizer {
    let limit = 1 << random.below(16);
    random.halves(x, limit);
    let subtract = if random.below(2) == 0 { 0 } else { random.next() as i32 >> 16 };
    let multiply = if subtract == 0 { 1 } else { x.len() as i32 };
    let centred = |&x: &i16| (x as i32 * multiply - subtract).unsigned_abs();
    quantizer(x.iter().map(centred).max().unwrap_or(0), multiply, subtract, bits)
}

/// From rows to products. A backend's lanes are its own affair, but must stay within their slice.
fn linear<K: Kernels>(random: &mut Random) -> Result<(), &'static str> {
    const WORDS: usize = 24;
    const GUARD: i16 = 3;
    let bits = if random.below(3) == 0 { 12 } else { 8 };
    let rows = 1 + random.below(2);
    let layout = any_layout::<K>(random);
    let words = 1 + random.below(WORDS);
    let len = 4 * words * lanes_per_input::<K>(rows);
    let skew = random.below(4) / 3;
    let (mut found, mut expected) = ([GUARD; 8 * WORDS + 2], [GUARD; 8 * WORDS + 2]);
    for row in 0..rows {
        let mut x = [0i16; 4 * WORDS + 1];
        let x = x.get_mut(random.below(2)..).unwrap_or_default();
        let x = x.get_mut(..4 * words - random.below(4)).unwrap_or_default();
        let by = input(random, x, bits);
        let found = found.get_mut(skew..skew + len).unwrap_or_default();
        super::quantize::<K>(layout)(x, &by, rows, row, found);
        let lanes = expected.get_mut(..4 * words * rows).unwrap_or_default();
        Portable::quantize(x, &by, rows, row, lanes);
    }
    let around = |lanes: &[i16]| {
        lanes.iter().take(skew).chain(lanes.iter().skip(skew + len)).all(|&lane| lane == GUARD)
    };
    if !around(&found) {
        return Err("quantize: beyond the lanes");
    }
    let found = found.get(skew..skew + len).unwrap_or_default();
    let expected = expected.get(..4 * words * rows).unwrap_or_default();
    products::<K>(random, layout, found, expected, rows, bits)
}

/// One of the layouts that the backend takes.
fn any_layout<K: Kernels>(random: &mut Random) -> Packing {
    let layout = K::PACKINGS.get(random.below(K::PACKINGS.len()));
    layout.copied().unwrap_or(Packing::Paired)
}

/// Products of lanes that a backend and `Portable` have made of the same rows, with weights in a layout.
fn products<K: Kernels>(
    random: &mut Random,
    layout: Packing,
    lanes: &[i16],
    expected_lanes: &[i16],
    rows: usize,
    bits: u32,
) -> Result<(), &'static str> {
    let group_bytes = 4 * expected_lanes.len() / rows + 16 * random.below(3);
    let len = (1 + random.below(5)) * 4 * rows;
    let skew = random.below(8) / 7;
    let mut weights = [0u8; 2176 + 1];
    let weights = weights.get_mut(skew..).unwrap_or_default();
    random.bytes(weights);
    // As many as there are, not a byte more.
    let weights = weights.get_mut(..len / (4 * rows) * group_bytes).unwrap_or_default();
    for word in weights.as_chunks_mut::<4>().0 {
        *word = layout.pack(word.map(|w| (w as i8).max(-127))).to_le_bytes();
    }
    let (mut found, mut expected) = ([7i32; 64], [-9i32; 64]);
    let found = found.get_mut(..len).unwrap_or_default();
    let expected = expected.get_mut(..len).unwrap_or_default();
    let (product, reference): (Matmul, Matmul) = match (layout, bits) {
        (Packing::Paired, 8) => (K::matmul, Portable::matmul),
        (Packing::Paired, _) => (K::matmul_wide, Portable::matmul_wide),
        (Packing::Plain, 8) => (K::matmul_plain, Portable::matmul_plain),
        (Packing::Plain, _) => (K::matmul_plain_wide, Portable::matmul_plain_wide),
    };
    product(lanes, rows, weights, group_bytes, found);
    reference(expected_lanes, rows, weights, group_bytes, expected);
    if bits == 8 {
        found.iter_mut().for_each(|sum| *sum <<= Portable::PRODUCT_SHIFT - K::PRODUCT_SHIFT);
    }
    same(found, expected, "matmul")
}

type Matmul = fn(&[i16], usize, &[u8], usize, &mut [i32]);

fn measuring<K: Kernels>(random: &mut Random) -> Result<(), &'static str> {
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
    if K::range(x) != Portable::range(x) {
        return Err("range");
    }
    if K::statistics(x) != Portable::statistics(x) {
        return Err("statistics");
    }
    Ok(())
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
    same(found, expected, "rescale")?;
    let bias_shift = random.below(40) as i32 - 20;
    let (mut a, mut b) = ([1i32; 32], [1i32; 32]);
    let (a, b) = (a.get_mut(..outputs), b.get_mut(..outputs));
    let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
    K::rescale_32(&sums, rows, row, &multipliers, biases, scale, shift, bias_shift, a);
    Portable::rescale_32(&sums, rows, row, &multipliers, biases, scale, shift, bias_shift, b);
    same(a, b, "rescale_32")?;
    let factor = random.next() >> (15 + random.below(17));
    K::divide(&sums, rows, row, factor, shift, found);
    Portable::divide(&sums, rows, row, factor, shift, expected);
    same(found, expected, "divide")?;
    let mut x = [0i16; 33];
    random.halves(&mut x, 32767);
    let x = x.get(random.below(2)..).unwrap_or_default();
    let x = x.get(..outputs).unwrap_or_default();
    let subtract = random.next() as i32 >> 12;
    let multiply = if random.below(2) == 0 { 1 } else { 64 };
    let largest = x.iter().map(|&x| (x as i32 * multiply - subtract).unsigned_abs()).max();
    let by = quantizer(largest.unwrap_or(1).max(1), multiply, subtract, 8);
    let shift = if random.below(2) == 0 { 15 } else { shift };
    K::gain(x, &by, &multipliers, biases, scale, shift, bias_shift, a);
    Portable::gain(x, &by, &multipliers, biases, scale, shift, bias_shift, b);
    same(a, b, "gain")
}

/// Sums of a row: adding a row, the largest, back to 16 bits.
fn adding<K: Kernels>(random: &mut Random) -> Result<(), &'static str> {
    let (mut x, mut found, mut expected) = ([0i16; 41], [0i32; 40], [0i32; 40]);
    random.halves(&mut x, 32767);
    random.words(&mut found);
    expected.copy_from_slice(&found);
    let len = random.below(41);
    let x = x.get(random.below(2)..).unwrap_or_default().get(..len).unwrap_or_default();
    let shift = random.below(72) as i32 - 36;
    K::add(x, shift, &mut found);
    Portable::add(x, shift, &mut expected);
    same(&found, &expected, "add")?;
    let sums = found.get(..len).unwrap_or_default();
    let largest = Portable::magnitude(sums);
    if K::magnitude(sums).leading_zeros() != largest.leading_zeros() {
        return Err("magnitude");
    }
    let shift = 17 - largest.leading_zeros() as i32 + random.below(3) as i32 - 1;
    let (mut found, mut expected) = ([3i16; 42], [3i16; 42]);
    let offset = random.below(2);
    K::narrow(sums, shift, found.get_mut(offset..).unwrap_or_default());
    Portable::narrow(sums, shift, expected.get_mut(offset..).unwrap_or_default());
    same(&found, &expected, "narrow")
}

/// Activations and rotations.
fn bending<K: Kernels>(random: &mut Random) -> Result<(), &'static str> {
    /// Any table will do: it rises and falls, and ends in zeros.
    static TABLE: [u16; 258] = crate::fixed::even_part(2, 16.0);
    let table = if random.below(5) == 0 { None } else { Some(&TABLE) };
    let position_shift = random.below(40) as i32 - 20;
    let value_shift = 16 - 2 * random.below(12) as i32;
    let by = Activate { table, position_shift, value_shift };
    let (mut found, mut factors) = ([0i16; 49], [0i16; 48]);
    let limit = 1 << random.below(16);
    random.halves(&mut found, limit);
    random.halves(&mut factors, 32767);
    let mut expected = found;
    let offset = random.below(2);
    let len = random.below(48);
    let (a, b) = (found.get_mut(offset..), expected.get_mut(offset..));
    let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
    let (a, b) = (a.get_mut(..len).unwrap_or_default(), b.get_mut(..len).unwrap_or_default());
    K::activate_gated(&by, &factors, a);
    Portable::activate_gated(&by, &factors, b);
    same(a, b, "activate_gated")?;
    K::activate(&by, a);
    Portable::activate(&by, b);
    same(a, b, "activate")?;
    let pairs = random.below(9);
    let mut table = [0i16; 16];
    random.halves(&mut table, 1 << 14);
    let table = table.get(..2 * pairs).unwrap_or_default();
    random.halves(a, 32767);
    b.copy_from_slice(a);
    K::rotate(a, table);
    Portable::rotate(b, table);
    same(a, b, "rotate")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Native;

    #[test]
    fn the_native_backend_equals_portable() {
        assert_eq!(check::<Native>(2000), Ok(18000));
    }

    /// The comparison must see a backend that is wrong in one bit.
    #[test]
    fn differences_are_seen() {
        assert_eq!(same(&[1, 2], &[1, 3], "matmul"), Err("matmul"));
    }
}
