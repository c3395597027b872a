//! Checks of passes over one row.

use super::super::{Curve, Kernels, Portable};
use super::random::Random;
use super::{Verdict, same};

/// Largest magnitude, sum, squares and range.
pub fn measuring<K: Kernels>(random: &mut Random) -> Verdict {
    let mut x = [0i16; 101];
    let limit = 1 << random.below(16);
    random.halves(&mut x, limit);
    let skew = random.below(2);
    let len = random.below(100);
    let x = x.get(skew..skew + len).unwrap_or_default();
    if K::largest(x) != Portable::largest(x) {
        return Err("largest");
    }
    if K::statistics(x) != Portable::statistics(x) {
        return Err("statistics");
    }
    Ok(())
}

/// Adding a row to sums, their magnitude, narrowing to 16 bits.
pub fn adding<K: Kernels>(random: &mut Random) -> Verdict {
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
pub fn curves<K: Kernels>(random: &mut Random) -> Verdict {
    let curve = curve(random);
    let (mut found, mut factors) = ([0i16; 49], [0i16; 48]);
    let limit = 1 << random.below(16);
    random.halves(&mut found, limit);
    random.halves(&mut factors, 32767);
    let mut expected = found;
    let (offset, len) = (random.below(2), random.below(48));
    let part = |x: &mut [i16; 49], act: &dyn Fn(&mut [i16])| {
        act(x.get_mut(offset..offset + len).unwrap_or_default());
    };
    part(&mut found, &|x| K::activate_gated(&curve, &factors, x));
    part(&mut expected, &|x| Portable::activate_gated(&curve, &factors, x));
    same(&found, &expected, "activate_gated")?;
    part(&mut found, &|x| K::activate(&curve, x));
    part(&mut expected, &|x| Portable::activate(&curve, x));
    same(&found, &expected, "activate")?;
    let pairs = random.below(9);
    let mut table = [0i16; 16];
    random.halves(&mut table, 1 << 14);
    let table = table.get(..2 * pairs).unwrap_or_default();
    random.halves(&mut found, 32767);
    expected = found;
    part(&mut found, &|x| K::rotate(x, table));
    part(&mut expected, &|x| Portable::rotate(x, table));
    same(&found, &expected, "rotate")
}

/// An activation with random shifts.
pub fn curve(random: &mut Random) -> Curve {
    /// A table like those of the activations: it rises and falls, and ends in zeros.
    static TABLE: [u16; 258] = crate::fixed::even_part(2, 16.0);
    let table = if random.below(5) == 0 { None } else { Some(&TABLE) };
    let position_shift = random.below(40) as i32 - 20;
    let value_shift = 16 - 2 * random.below(12) as i32;
    Curve { table, position_shift, value_shift }
}
