//! The packing of int8 matrices that every kernel reads: words of four inputs, four rows interleaved.
//!
//! Word `j` holds the weights `w[4j] … w[4j+3]` of one row; words `j` of rows `4g … 4g+3` stand side by
//! side, at bytes `(g · in_dim + 4j) · 4 + 4 · (row mod 4)`.
//!
//! - A *paired* word ([`WeightLayout::Paired`]) is two little-endian halfwords, each the exact 16-bit
//!   number `256 · w[odd] + w[even]` (so the high byte carries a borrow when `w[even]` is negative). On
//!   a core with SMLAD one sign extension then serves four weights instead of two; on a core without,
//!   the halfword is loaded sign-extended for nothing.
//! - A *plain* word ([`WeightLayout::Plain`]) is four int8 numbers, for cores that multiply bytes.

use crate::config::WeightLayout;

/// Packs four weights, each in −127…127.
#[inline(always)]
pub const fn pair_word(w: [i8; 4]) -> u32 {
    let low = (256 * w[1] as i32 + w[0] as i32) as u16;
    let high = (256 * w[3] as i32 + w[2] as i32) as u16;
    low as u32 | (high as u32) << 16
}

/// The four weights of a packed word. (16 bits wide, because a forged word can decode to 128.)
#[inline(always)]
pub const fn unpair_word(word: u32) -> [i16; 4] {
    let (h0, h1) = (word as u16 as i16 as i32, (word >> 16) as u16 as i16 as i32);
    let (w0, w2) = (h0 as i8 as i32, h1 as i8 as i32);
    [w0 as i16, ((h0 - w0) >> 8) as i16, w2 as i16, ((h1 - w2) >> 8) as i16]
}

/// Packs four weights, each in −127…127, as `layout` wants them.
#[inline(always)]
pub const fn pack_word(layout: WeightLayout, w: [i8; 4]) -> u32 {
    match layout {
        WeightLayout::Paired => pair_word(w),
        WeightLayout::Plain => u32::from_le_bytes([w[0] as u8, w[1] as u8, w[2] as u8, w[3] as u8]),
    }
}

/// The four weights of a word packed by [`pack_word`].
#[inline(always)]
pub const fn unpack_word(layout: WeightLayout, word: u32) -> [i16; 4] {
    match layout {
        WeightLayout::Paired => unpair_word(word),
        WeightLayout::Plain => {
            let w = word.to_le_bytes();
            [w[0] as i8 as i16, w[1] as i8 as i16, w[2] as i8 as i16, w[3] as i8 as i16]
        }
    }
}

/// Byte offset of word `word` (inputs `4·word …`) of row `row` in a matrix of `padded_in` inputs.
#[inline(always)]
pub const fn word_offset(row: usize, word: usize, padded_in: usize) -> usize {
    ((row / 4) * padded_in + 4 * word) * 4 + 4 * (row % 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_weights_survives_packing() {
        for a in -127i8..=127 {
            for b in -127i8..=127 {
                let w = [a, b, b, a];
                for layout in [WeightLayout::Paired, WeightLayout::Plain] {
                    let word = pack_word(layout, w);
                    assert_eq!(unpack_word(layout, word), w.map(i16::from));
                }
            }
        }
    }

    #[test]
    fn offsets_interleave_four_rows() {
        assert_eq!(word_offset(0, 0, 8), 0);
        assert_eq!(word_offset(3, 0, 8), 12);
        assert_eq!(word_offset(0, 1, 8), 16);
        assert_eq!(word_offset(4, 0, 8), 32);
    }
}
