//! Operands of products: quantisers, quantised rows (lanes) and sums.
//!
//! An operand that exists is sound: its fields are private to [`kernels`](super), its constructor
//! has checked every length and alignment, and the assembly of the backends relies on it.

use super::formats::Formats;
use crate::config::SEGMENT;
use crate::fixed::{INVERSE_SCALE, scale_code};
use crate::matrix::Packing;
use core::marker::PhantomData;

/// Rows that share one pass over the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum RowCount {
    /// One.
    One = 1,
    /// Two.
    Two = 2,
}

impl RowCount {
    /// 1 or 2.
    #[inline(always)]
    pub const fn get(self) -> usize {
        self as usize
    }

    /// One for at most one row, else two.
    #[inline(always)]
    pub const fn at_most_two(rows: usize) -> Self {
        if rows > 1 { Self::Two } else { Self::One }
    }
}

/// Width of quantised inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Bits {
    /// −127 … 127.
    Eight = 8,
    /// −2047 … 2047.
    Twelve = 12,
}

impl Bits {
    /// Twelve if `wide`, else eight.
    #[inline(always)]
    pub const fn of(wide: bool) -> Self {
        if wide { Self::Twelve } else { Self::Eight }
    }

    /// 8 or 12.
    #[inline(always)]
    pub const fn get(self) -> u32 {
        self as u32
    }
}

/// How a row of 16-bit numbers becomes a row of small integers:
/// `q = round(shifted(x · multiply − subtract) · inverse / 2^(31 − bits))`, where `shifted` is an
/// arithmetic shift right (or left, if negative) by `shift`. For a row within the `largest` given
/// to [`Quantizer::new`], the shifted value is below 2¹⁵ in magnitude and the result within
/// ±(2^(bits−1) − 1): nothing saturates.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Quantizer {
    /// 1, or the row's length if its mean is subtracted; at most 2¹³.
    pub(super) multiply: i32,
    /// 0, or the row's sum; at most 2²⁸ in magnitude.
    pub(super) subtract: i32,
    /// Shift to 15 bits: −14 … 15.
    pub(super) shift: i32,
    /// Below 2¹⁶.
    pub(super) inverse: i32,
    /// 8 or 12.
    pub(super) bits: u32,
}

impl Quantizer {
    /// For the row `x · multiply − subtract`, whose largest magnitude is `largest`; a row of zeros
    /// (`largest` 0) stays zero. Rows have at most 2¹³ numbers, so `multiply` is at most 2¹³,
    /// `subtract` 2²⁸ and `largest` 2²⁹; results for greater arguments are meaningless.
    ///
    /// With M = `largest` shifted to 15 bits,
    /// `inverse = floor((2^(bits−1) − 1) · 2^(31 − bits) / M)`, so the largest element becomes ±127
    /// (±2047) and no product needs more than 31 bits. Also returns M.
    #[inline(always)]
    pub const fn new(multiply: i32, subtract: i32, largest: u32, bits: Bits) -> (Self, u32) {
        let bits = bits.get();
        let shift = 17 - largest.leading_zeros() as i32;
        let normal = if shift >= 0 { largest >> shift } else { largest << -shift };
        let inverse = (((1u32 << (bits - 1)) - 1) << (31 - bits)).checked_div(normal);
        let inverse = match inverse {
            Some(inverse) => inverse as i32,
            None => 0,
        };
        (Self { multiply, subtract, shift, inverse, bits }, normal)
    }

    /// For a head's vector. A right shift of `x` would lose bits, so `x` is shifted left to match
    /// the `/ 2^23` of [`Quantizer`].
    pub const fn of_head(scale: HeadScale) -> Self {
        let (inverse, shift) = (scale.inverse as i32, scale.shift() as i32 - 23);
        Self { multiply: 1, subtract: 0, shift, inverse, bits: 8 }
    }

    /// Right shift to 15 bits, see [`Quantizer`].
    #[inline(always)]
    pub const fn shift(&self) -> i32 {
        self.shift
    }

    /// `inverse`, see [`Quantizer`].
    #[inline(always)]
    pub const fn inverse(&self) -> u32 {
        self.inverse as u32
    }

    /// `x · multiply − subtract`, shifted to 15 bits.
    #[inline(always)]
    pub const fn shifted(&self, x: i16) -> i32 {
        let centred = (x as i32).wrapping_mul(self.multiply).wrapping_sub(self.subtract);
        if self.shift >= 0 {
            centred >> (self.shift & 31)
        } else {
            centred << (self.shift.wrapping_neg() & 31)
        }
    }

    /// The quantised number.
    #[inline(always)]
    pub const fn quantize(&self, x: i16) -> i16 {
        let product = self.shifted(x).wrapping_mul(self.inverse);
        (product.wrapping_add(1 << (30 - self.bits)) >> (31 - self.bits)) as i16
    }
}

/// The scale of one head's int8 vector: `round(x · inverse / 2^shift)` is in −127 … 127.
#[derive(Clone, Copy, Debug)]
pub struct HeadScale {
    /// See [`scale_code`]; at most 176.
    pub(super) code: u8,
    /// See [`INVERSE_SCALE`].
    pub(super) inverse: u16,
}

impl HeadScale {
    /// For a vector whose largest magnitude is `largest` (clamped to 2¹⁵).
    #[inline(always)]
    pub fn of_largest(largest: u32) -> Self {
        let code = scale_code(largest.min(1 << 15));
        Self { code, inverse: INVERSE_SCALE.get((code & 15) as usize).copied().unwrap_or(0) }
    }

    /// The 8-bit code of the scale, as stored in the cache.
    #[inline(always)]
    pub const fn code(self) -> u8 {
        self.code
    }

    /// 12 … 23.
    #[inline(always)]
    pub(super) const fn shift(self) -> u32 {
        12 + (self.code >> 4) as u32
    }
}

/// A buffer for one or two quantised rows, see the [module on kernels](super): [`room`] for two rows,
/// also for one. The kernels `K` choose the format of the contents.
#[derive(Debug)]
pub struct LanesMut<'a, K> {
    /// At least [`room`] for `4 · words` inputs, at a multiple of four bytes.
    pub(super) data: &'a mut [i16],
    pub(super) rows: RowCount,
    /// Words of four inputs, 1 … [`SEGMENT`] / 4.
    pub(super) words: usize,
    pub(super) packing: Packing,
    bits: Bits,
    kernels: PhantomData<K>,
}

/// One or two quantised rows, written by the kernels `K` for their own products.
#[derive(Debug)]
pub struct Lanes<'a, K> {
    /// At least [`room`] for `4 · words` inputs, at a multiple of four bytes.
    pub(super) data: &'a [i16],
    pub(super) rows: RowCount,
    /// Words of four inputs, 1 … [`SEGMENT`] / 4.
    pub(super) words: usize,
    pub(super) packing: Packing,
    pub(super) bits: Bits,
    kernels: PhantomData<K>,
}

impl<K> Clone for Lanes<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Lanes<'_, K> {}

impl<'a, K: Formats> LanesMut<'a, K> {
    /// A buffer for `rows` rows of `inputs` numbers of `bits` bits, to be multiplied by weights in
    /// `packing`.
    ///
    /// `None` if `inputs` is not a multiple of [`Packing::inputs_per_word`] in 4 … [`SEGMENT`], if
    /// `buffer` is shorter than [`room`] or does not begin at a multiple of four bytes, or if `K` does
    /// not multiply such weights by rows of so many bits.
    #[inline(always)]
    pub fn new(
        buffer: &'a mut [i16],
        rows: RowCount,
        inputs: usize,
        packing: Packing,
        bits: Bits,
    ) -> Option<Self> {
        Lanes::<K>::new(buffer, rows, inputs, packing, bits)?;
        let (data, words, kernels) = (buffer, inputs / 4, PhantomData);
        Some(Self { data, rows, words, packing, bits, kernels })
    }

    /// Index of row `row`, at most that of the last row.
    #[inline(always)]
    pub(super) const fn row(&self, row: usize) -> usize {
        match self.rows {
            RowCount::One => 0,
            RowCount::Two => (row > 0) as usize,
        }
    }

    /// The rows that have been written.
    #[inline(always)]
    pub fn lanes(&self) -> Lanes<'_, K> {
        let Self { rows, words, packing, bits, .. } = *self;
        Lanes { data: self.data, rows, words, packing, bits, kernels: PhantomData }
    }

    /// [`LanesMut::lanes`] with the lifetime of the buffer.
    #[inline(always)]
    pub fn into_lanes(self) -> Lanes<'a, K> {
        let Self { data, rows, words, packing, bits, kernels } = self;
        Lanes { data, rows, words, packing, bits, kernels }
    }
}

impl<'a, K: Formats> Lanes<'a, K> {
    /// The rows that a [`LanesMut`] of the same shape has left in `buffer`. `None` as in
    /// [`LanesMut::new`].
    #[inline(always)]
    pub fn new(
        buffer: &'a [i16],
        rows: RowCount,
        inputs: usize,
        packing: Packing,
        bits: Bits,
    ) -> Option<Self> {
        // All packings of `K` have weights of one width.
        let format = const { K::PACKINGS[0] };
        let fits = inputs.wrapping_sub(4) <= SEGMENT - 4
            && inputs.is_multiple_of(format.inputs_per_word())
            && buffer.len() >= room(inputs, format)
            && buffer.as_ptr().addr().is_multiple_of(4)
            && multiplies::<K>(packing)
            && (format.bits() == 8 || matches!(bits, Bits::Eight));
        let (words, kernels) = (inputs / 4, PhantomData);
        if fits { Some(Self { data: buffer, rows, words, packing, bits, kernels }) } else { None }
    }

    /// Number of rows.
    #[inline(always)]
    pub fn rows(&self) -> RowCount {
        self.rows
    }

    /// Number of inputs per row.
    #[inline(always)]
    pub fn inputs(&self) -> usize {
        4 * self.words
    }
}

/// 16-bit numbers that lanes of `inputs` inputs take: two per input, and four more where the weights are
/// stored with an offset, for a sum of each row.
#[inline(always)]
pub const fn room(inputs: usize, packing: Packing) -> usize {
    match packing {
        Packing::Paired | Packing::Plain => 2 * inputs,
        Packing::Nibbles => 2 * inputs + 4,
    }
}

/// Whether `K` multiplies weights in `packing`.
#[inline(always)]
pub const fn multiplies<K: Formats>(packing: Packing) -> bool {
    let multiplied = const { bits_of(K::PACKINGS) };
    multiplied >> packing as u32 & 1 != 0
}

/// A bit set of packings.
const fn bits_of(packings: &[Packing]) -> u32 {
    let (mut bits, mut i) = (0, 0);
    while i < packings.len() {
        bits |= 1 << packings[i] as u32;
        i += 1;
    }
    bits
}

/// Returns `packing`, or the constant if `K` multiplies a single packing, so that code for others
/// is not linked.
#[inline(always)]
pub const fn only<K: Formats>(packing: Packing) -> Packing {
    match K::PACKINGS {
        [single] => *single,
        _ => packing,
    }
}

/// The sums of one row; those of two rows alternate in memory.
#[derive(Clone, Copy, Debug)]
pub struct Sums<'a> {
    pub(super) data: &'a [i32],
    pub(super) rows: RowCount,
    /// 0, or 1 if there are two rows.
    pub(super) row: usize,
}

impl<'a> Sums<'a> {
    /// Row `row` of the sums of `rows` rows; `None` beyond the last row.
    #[inline(always)]
    pub fn new(data: &'a [i32], rows: RowCount, row: usize) -> Option<Self> {
        (row < rows.get()).then_some(Self { data, rows, row })
    }

    /// Number of sums in the row.
    #[allow(dead_code)] // not every backend asks
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        match self.rows {
            RowCount::One => self.data.len(),
            RowCount::Two => self.data.len() / 2,
        }
    }

    /// One after the other.
    #[inline(always)]
    pub fn iter(&self) -> impl Iterator<Item = i32> + 'a {
        let row = self.row;
        self.data.chunks_exact(self.rows.get()).filter_map(move |sums| sums.get(row).copied())
    }

    /// The sums from `first` on.
    #[allow(dead_code)] // not every backend leaves a rest
    #[inline(always)]
    pub(super) fn skip(self, first: usize) -> Self {
        Self { data: self.data.get(first * self.rows.get()..).unwrap_or_default(), ..self }
    }
}
