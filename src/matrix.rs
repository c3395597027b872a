//! The memory layout of matrices: words of four inputs, four outputs interleaved.
//!
//! Word `j` holds the weights `w[4j] … w[4j+3]` of one output. Four bytes of each of the outputs
//! `4g … 4g+3` (a *group*) are adjacent: a word of 8-bit weights, or two words of 4-bit weights.
//! [`Packing`] defines the format of a word; blob layout, validation, writer and kernels all use it.

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
    /// Four weights of −8…7 in one little-endian halfword, the 16-bit number
    /// `4096 · w[3] + 256 · (w[2] + 8) + 16 · (w[1] + 8) + (w[0] + 8)`; every halfword is valid. A
    /// core that multiplies halfwords (SMLAD) uses it whole as the weight of `w[3]`, as
    /// [`Packing::Paired`] is used for `w[1]`; all kernels multiply it by 8-bit rows, and a layer of any
    /// model may have it.
    Nibbles = 2,
}

impl Packing {
    /// Those of 8-bit weights, one of which a header names.
    pub const BYTES: [Self; 2] = [Self::Paired, Self::Plain];

    /// Its name in reports and errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paired => "paired",
            Self::Plain => "plain",
            Self::Nibbles => "nibbles",
        }
    }

    /// 1 if weights have four bits, 0 if eight: sizes follow by shifts.
    #[inline(always)]
    const fn halved(self) -> usize {
        self as usize >> 1
    }

    /// Bits of a weight.
    #[inline(always)]
    pub const fn bits(self) -> usize {
        8 >> self.halved()
    }

    /// Inputs of a row are padded to a multiple of this number: what four bytes of an output hold.
    #[inline(always)]
    pub const fn inputs_per_word(self) -> usize {
        4 << self.halved()
    }

    /// The packing of 8-bit weights with this code in a header.
    pub const fn of_code(code: u8) -> Option<Self> {
        let mut i = 0;
        while i < Self::BYTES.len() {
            if Self::BYTES[i] as u8 == code {
                return Some(Self::BYTES[i]);
            }
            i += 1;
        }
        None
    }

    /// Bytes of a group of four outputs with `inputs` (a multiple of [`Packing::inputs_per_word`])
    /// inputs each.
    #[inline(always)]
    pub const fn group_bytes(self, inputs: usize) -> usize {
        (4 * inputs) >> self.halved()
    }

    /// Bytes of a matrix of `outputs` (a multiple of four) outputs.
    #[inline(always)]
    pub const fn matrix_bytes(self, outputs: usize, inputs: usize) -> usize {
        outputs / 4 * self.group_bytes(inputs)
    }

    /// Byte offset of word `word` (inputs `4 · word …`) of output `output`.
    #[inline(always)]
    pub const fn word_offset(self, output: usize, word: usize, inputs: usize) -> usize {
        let group = output / 4 * self.group_bytes(inputs);
        let within = match self {
            Self::Paired | Self::Plain => 16 * word,
            Self::Nibbles => 16 * (word / 2) + 2 * (word % 2),
        };
        group + within + 4 * (output % 4)
    }

    /// Bytes of a word.
    #[inline(always)]
    pub const fn word_bytes(self) -> usize {
        4 >> self.halved()
    }

    /// A word of four weights, each in −127…127 (−8…7 for [`Packing::Nibbles`], whose word is in the lower
    /// half).
    #[inline(always)]
    pub const fn pack(self, w: [i8; 4]) -> u32 {
        match self {
            Self::Paired => pair_word(w),
            Self::Plain => u32::from_le_bytes([w[0] as u8, w[1] as u8, w[2] as u8, w[3] as u8]),
            Self::Nibbles => {
                let nibbles =
                    4096 * w[3] as i32 + 256 * w[2] as i32 + 16 * w[1] as i32 + w[0] as i32;
                (nibbles + 0x888) as u16 as u32
            }
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
            Self::Nibbles => {
                // The last one without the offset of the others: as if it had it, too.
                let h = word as u16 ^ 0x8000;
                [
                    (h & 15) as i16 - 8,
                    (h >> 4 & 15) as i16 - 8,
                    (h >> 8 & 15) as i16 - 8,
                    (h >> 12) as i16 - 8,
                ]
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
    #[cfg_attr(miri, ignore = "arithmetic without memory")]
    fn every_pair_of_weights_survives_packing() {
        for a in -127i8..=127 {
            for b in -127i8..=127 {
                let w = [a, b, b, a];
                for packing in Packing::BYTES {
                    assert_eq!(packing.unpack(packing.pack(w)), w.map(i16::from));
                }
            }
        }
    }

    /// Every halfword is four weights, and the number that the format says.
    #[test]
    fn every_halfword_is_four_nibbles() {
        let packing = Packing::Nibbles;
        for half in (0..=u16::MAX).step_by(if cfg!(miri) { 911 } else { 1 }) {
            let w = packing.unpack(half as u32);
            assert!(w.iter().all(|w| (-8..=7).contains(w)), "{half:#x} {w:?}");
            let [w0, w1, w2, w3] = w.map(i32::from);
            let number = 4096 * w3 + 256 * (w2 + 8) + 16 * (w1 + 8) + (w0 + 8);
            assert_eq!(number, half as i16 as i32);
            assert_eq!(packing.pack(w.map(|w| w as i8)), half as u32);
        }
    }

    #[test]
    fn offsets_interleave_four_outputs() {
        for packing in Packing::BYTES {
            assert_eq!(packing.word_offset(0, 0, 8), 0);
            assert_eq!(packing.word_offset(3, 0, 8), 12);
            assert_eq!(packing.word_offset(0, 1, 8), 16);
            assert_eq!(packing.word_offset(4, 0, 8), 32);
            assert_eq!(packing.matrix_bytes(8, 8), 64);
            assert_eq!(Packing::of_code(packing as u8), Some(packing));
        }
        let nibbles = Packing::Nibbles;
        let offsets = [(0, 0), (3, 0), (0, 1), (3, 1), (0, 2), (4, 0), (5, 3)];
        let offsets = offsets.map(|(output, word)| nibbles.word_offset(output, word, 16));
        assert_eq!(offsets, [0, 12, 2, 14, 16, 32, 32 + 4 + 16 + 2]);
        assert_eq!(nibbles.matrix_bytes(8, 16), 64);
        assert_eq!(Packing::of_code(nibbles as u8), None, "no model has it in all its layers");
        assert_eq!(Packing::of_code(9), None);
    }
}
