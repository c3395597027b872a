//! The memory layout of int8 matrices: words of four inputs, four outputs interleaved.
//!
//! Word `j` holds the weights `w[4j] … w[4j+3]` of one output; words `j` of outputs `4g … 4g+3` (a
//! *group*) are adjacent, at bytes `(g · in_dim + 4j) · 4 + 4 · (output mod 4)`. [`Packing`]
//! defines the format of a word; blob layout, validation, writer and kernels all use it.

/// How four weights become a word, and how words make a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Packing {
    /// Two little-endian halfwords, each the exact 16-bit number `256 · w[odd] + w[even]` (so the
    /// high byte carries a borrow when `w[even]` is negative). With SMLAD, one sign extension then
    /// serves four weights instead of two; other cores load the halfword sign-extended at no cost.
    /// All kernels multiply it.
    Paired = 0,
    /// Four int8 numbers, for cores that multiply bytes (Helium).
    Plain = 1,
}

impl Packing {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Paired, Self::Plain];

    /// Its name in reports and errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paired => "paired",
            Self::Plain => "plain",
        }
    }

    /// The packing with this code in a header.
    pub const fn of_code(code: u8) -> Option<Self> {
        let mut i = 0;
        while i < Self::ALL.len() {
            if Self::ALL[i] as u8 == code {
                return Some(Self::ALL[i]);
            }
            i += 1;
        }
        None
    }

    /// Bytes of a group of four outputs with `inputs` (a multiple of four) inputs each.
    #[inline(always)]
    pub const fn group_bytes(self, inputs: usize) -> usize {
        4 * inputs
    }

    /// Bytes of a matrix; both dimensions are multiples of four.
    #[inline(always)]
    pub const fn matrix_bytes(self, outputs: usize, inputs: usize) -> usize {
        outputs / 4 * self.group_bytes(inputs)
    }

    /// Byte offset of word `word` (inputs `4 · word …`) of output `output`.
    #[inline(always)]
    pub const fn word_offset(self, output: usize, word: usize, inputs: usize) -> usize {
        output / 4 * self.group_bytes(inputs) + 16 * word + 4 * (output % 4)
    }

    /// A word of four weights, each in −127…127.
    #[inline(always)]
    pub const fn pack(self, w: [i8; 4]) -> u32 {
        match self {
            Self::Paired => pair_word(w),
            Self::Plain => u32::from_le_bytes([w[0] as u8, w[1] as u8, w[2] as u8, w[3] as u8]),
        }
    }

    /// The four weights of a word. (16 bits wide, because a forged paired word can decode to 128.)
    #[inline(always)]
    pub const fn unpack(self, word: u32) -> [i16; 4] {
        match self {
            Self::Paired => unpair_word(word),
            Self::Plain => {
                let w = word.to_le_bytes();
                [w[0] as i8 as i16, w[1] as i8 as i16, w[2] as i8 as i16, w[3] as i8 as i16]
            }
        }
    }
}

#[inline(always)]
const fn pair_word(w: [i8; 4]) -> u32 {
    let low = (256 * w[1] as i32 + w[0] as i32) as u16;
    let high = (256 * w[3] as i32 + w[2] as i32) as u16;
    low as u32 | (high as u32) << 16
}

#[inline(always)]
const fn unpair_word(word: u32) -> [i16; 4] {
    let (h0, h1) = (word as u16 as i16 as i32, (word >> 16) as u16 as i16 as i32);
    let (w0, w2) = (h0 as i8 as i32, h1 as i8 as i32);
    [w0 as i16, ((h0 - w0) >> 8) as i16, w2 as i16, ((h1 - w2) >> 8) as i16]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_weights_survives_packing() {
        for a in -127i8..=127 {
            for b in -127i8..=127 {
                let w = [a, b, b, a];
                for packing in Packing::ALL {
                    assert_eq!(packing.unpack(packing.pack(w)), w.map(i16::from));
                }
            }
        }
    }

    #[test]
    fn offsets_interleave_four_outputs() {
        for packing in Packing::ALL {
            assert_eq!(packing.word_offset(0, 0, 8), 0);
            assert_eq!(packing.word_offset(3, 0, 8), 12);
            assert_eq!(packing.word_offset(0, 1, 8), 16);
            assert_eq!(packing.word_offset(4, 0, 8), 32);
            assert_eq!(packing.matrix_bytes(8, 8), 64);
            assert_eq!(Packing::of_code(packing as u8), Some(packing));
        }
        assert_eq!(Packing::of_code(9), None);
    }
}
