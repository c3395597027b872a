//! Positions: rotary embeddings (Su et al. 2021, "RoFormer", §3.2.2) and sinusoids (Vaswani et al.
//! 2017, §3.5), both from a table of frequencies instead of positions; and the biases of relative
//! positions (Raffel et al. 2020, "T5", §2.1).

use crate::blob::read_i16;
use crate::fixed::{cosine, shift_by, sine};
use crate::model::RelativeBias;

/// The phase of each frequency at `position`, in turns, Q0.32. Frequencies are in turns per
/// position.
fn phases(frequencies: &[u8], position: usize) -> impl Iterator<Item = u32> + '_ {
    let (words, _) = frequencies.as_chunks::<4>();
    // Whole turns are dropped by wrapping; the error is below 2^-33 turns per position.
    words.iter().map(move |&f| u32::from_le_bytes(f).wrapping_mul(position as u32))
}

/// Cosine and sine of every pair at `position`, Q1.14, alternating, into `table` (`head_dim`).
pub fn rotary_table(frequencies: &[u8], position: usize, table: &mut [i16]) {
    for (pair, phase) in table.as_chunks_mut::<2>().0.iter_mut().zip(phases(frequencies, position))
    {
        *pair = [cosine(phase), sine(phase)];
    }
}

/// Element `i` of the sinusoidal row at `position`, Q1.14: sines first, then cosines.
pub fn sinusoid(frequencies: &[u8], position: usize) -> impl Iterator<Item = i16> + '_ {
    phases(frequencies, position).map(sine).chain(phases(frequencies, position).map(cosine))
}

/// The bias that `head` adds to the score of `key` for `query`, in units of 2⁻¹⁶ log2.
pub fn relative(bias: &RelativeBias, head: usize, query: usize, key: usize) -> i32 {
    let offset = (key + bias.distance).saturating_sub(query).min(2 * bias.distance);
    let entry = read_i16(bias.table, 2 * (head * (2 * bias.distance + 1) + offset));
    shift_by(entry as i32, -16 - bias.exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Kernels, Portable};

    #[test]
    fn rotation_keeps_lengths_and_undoes_itself() {
        let frequencies = [0x1000_0000u32, 0x0123_4567].map(u32::to_le_bytes);
        let mut table = [0i16; 4];
        rotary_table(frequencies.as_flattened(), 13, &mut table);
        let original = [12000i16, -7000, 300, 20000, -15000, 15000, 1, 2];
        let mut row = original;
        Portable::rotate(&mut row, &table);
        for (pair, before) in row.chunks(2).zip(original.chunks(2)) {
            let length = |p: &[i16]| (p[0] as f64).hypot(p[1] as f64);
            assert!((length(pair) - length(before)).abs() < 3.0);
        }
        assert_ne!(row, original);
        let back = table.map(i32::from);
        let back = [back[0], -back[1], back[2], -back[3]].map(|x| x as i16);
        Portable::rotate(&mut row, &back);
        for (a, b) in row.iter().zip(original) {
            assert!((a - b).abs() <= 3, "{a} {b}");
        }
    }

    #[test]
    fn position_zero_is_the_identity() {
        let mut table = [0i16; 2];
        rotary_table(&0x2345_6789u32.to_le_bytes(), 0, &mut table);
        let mut row = [32767i16, -32768];
        Portable::rotate(&mut row, &table);
        assert_eq!(row, [32767, -32768]);
    }
}
