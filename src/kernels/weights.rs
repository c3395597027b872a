//! Operands of linear layers: weights in flash, scales and biases, and a whole layer. Like every
//! operand, they are checked when they are constructed (see [`Lanes`](super::Lanes)).

use super::formats::Formats;
use super::lanes::{Lanes, RowCount, only};
use crate::matrix::Packing;

/// Maximum number of inputs of a matrix, in words of four.
const MAX_WORDS: usize = 1 << 13;

/// A packed matrix: groups of four outputs, each of words of four inputs (see
/// [`matrix`](crate::matrix)).
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// From the first group to the end of the last, at a multiple of four bytes.
    pub(super) bytes: &'a [u8],
    pub(super) packing: Packing,
    /// Words of four inputs, at least 1; an even number of [`Packing::Nibbles`].
    pub(super) words: usize,
    /// Groups of four outputs, at least 1.
    pub(super) groups: usize,
    /// Bytes from one group to the next, a multiple of four.
    pub(super) stride: usize,
}

impl<'a> Matrix<'a> {
    /// One group of outputs, all weights 0: the substitute for an invalid matrix.
    pub const ZERO: Matrix<'static> = Matrix {
        bytes: &crate::Aligned([0; 16]).0,
        packing: Packing::Paired,
        words: 1,
        groups: 1,
        stride: 16,
    };

    /// A matrix of `outputs` outputs and `inputs` inputs, multiples of four and of
    /// [`Packing::inputs_per_word`], not 0. `None` if `bytes` does not hold it at a multiple of four
    /// bytes.
    #[inline(always)]
    pub fn new(bytes: &'a [u8], packing: Packing, outputs: usize, inputs: usize) -> Option<Self> {
        let stride = packing.group_bytes(inputs);
        Self::with_stride(bytes, packing, outputs, inputs, stride)
    }

    /// [`Matrix::new`] with groups `stride` bytes apart, a multiple of four.
    #[inline(always)]
    pub fn with_stride(
        bytes: &'a [u8],
        packing: Packing,
        outputs: usize,
        inputs: usize,
        stride: usize,
    ) -> Option<Self> {
        let (groups, words) = (outputs / 4, inputs / 4);
        let before = groups.checked_sub(1)?.checked_mul(stride)?;
        let fits = (1..=MAX_WORDS).contains(&words)
            && (outputs | stride).is_multiple_of(4)
            && inputs.is_multiple_of(packing.inputs_per_word())
            && bytes.as_ptr().addr().is_multiple_of(4)
            && before.checked_add(packing.group_bytes(inputs))? <= bytes.len();
        if fits { Some(Self { bytes, packing, words, groups, stride }) } else { None }
    }

    /// Number of outputs, a multiple of four.
    #[inline(always)]
    pub fn outputs(&self) -> usize {
        4 * self.groups
    }

    /// Number of inputs, a multiple of four.
    #[inline(always)]
    pub fn inputs(&self) -> usize {
        4 * self.words
    }

    /// Format of the words.
    #[inline(always)]
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// The matrix without its first `outputs` outputs (a multiple of four); `None` if none is left.
    #[inline(always)]
    pub fn skip(self, outputs: usize) -> Option<Self> {
        if outputs == 0 {
            return Some(self);
        }
        let groups = self.groups.checked_sub(outputs / 4).filter(|&groups| groups > 0)?;
        let bytes = self.bytes.get(outputs / 4 * self.stride..)?;
        outputs.is_multiple_of(4).then_some(Self { bytes, groups, ..self })
    }

    /// The `inputs` inputs from `first` on, both multiples of [`Packing::inputs_per_word`]; `None` beyond
    /// the last input.
    #[inline(always)]
    pub fn segment(self, first: usize, inputs: usize) -> Option<Self> {
        let fits = first.checked_add(inputs)? <= self.inputs()
            && inputs > 0
            && (first | inputs).is_multiple_of(self.packing.inputs_per_word());
        let bytes = self.bytes.get(self.packing.word_offset(0, first / 4, self.inputs())..)?;
        if fits { Some(Self { bytes, words: inputs / 4, ..self }) } else { None }
    }

    /// The four weights of word `word` of output `output`; zeros beyond the matrix.
    #[inline(always)]
    pub fn word<K: Formats>(&self, output: usize, word: usize) -> [i16; 4] {
        let packing = only::<K>(self.packing);
        let at = (output / 4) * self.stride + packing.word_offset(output % 4, word, 4 * self.words);
        let bytes = self.bytes.get(at..).unwrap_or_default();
        let word = match packing {
            Packing::Paired | Packing::Plain => {
                bytes.first_chunk().map(|&word| u32::from_le_bytes(word))
            }
            Packing::Nibbles => bytes.first_chunk().map(|&half| u16::from_le_bytes(half) as u32),
        };
        word.map_or([0; 4], |word| packing.unpack(word))
    }
}

/// A factor and an optional bias per channel: the scales and biases of a linear layer's outputs, or
/// the gain and bias of a norm.
#[derive(Clone, Copy, Debug)]
pub struct Channels<'a> {
    /// Little-endian 16-bit numbers (below 2¹⁵), at a multiple of four bytes.
    pub(super) factors: &'a [u8],
    /// One little-endian `i16` per factor, or empty; at a multiple of four bytes.
    pub(super) biases: &'a [u8],
}

impl<'a> Channels<'a> {
    /// No channels.
    pub const NONE: Channels<'static> = Channels { factors: &[], biases: &[] };

    /// `None` if a slice does not begin at a multiple of four bytes, or if there are biases but
    /// fewer of them than factors.
    #[inline(always)]
    pub fn new(factors: &'a [u8], biases: &'a [u8]) -> Option<Self> {
        // An empty slice may begin anywhere.
        let aligned = |x: &[u8]| x.is_empty() || x.as_ptr().addr().is_multiple_of(4);
        let fits = aligned(factors)
            && aligned(biases)
            && (biases.is_empty() || biases.len() >= factors.len());
        if fits { Some(Self { factors, biases }) } else { None }
    }

    /// Number of channels.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.factors.len() / 2
    }

    /// Whether there are biases.
    #[inline(always)]
    pub fn has_biases(&self) -> bool {
        !self.biases.is_empty()
    }

    /// The same factors without biases.
    #[inline(always)]
    pub fn without_biases(self) -> Self {
        Self { biases: &[], ..self }
    }

    /// The channels from `first` (a multiple of two) on.
    #[inline(always)]
    pub fn skip(self, first: usize) -> Self {
        if first == 0 {
            return self;
        }
        let rest = |x: &'a [u8]| x.get(2 * (first & !1)..).unwrap_or_default();
        Self { factors: rest(self.factors), biases: rest(self.biases) }
    }

    /// Factor of channel `index`; 0 beyond the last.
    pub fn factor(&self, index: usize) -> i16 {
        let pair = self.factors.get(2 * index..).and_then(|bytes| bytes.first_chunk());
        pair.map_or(0, |&pair| i16::from_le_bytes(pair))
    }

    /// Factors and biases; `None` for the biases if there are none.
    #[inline(always)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (i16, Option<i16>)> + 'a {
        let mut biases = self.biases.as_chunks::<2>().0.iter();
        let factors = self.factors.as_chunks::<2>().0.iter();
        factors.map(move |&factor| {
            (i16::from_le_bytes(factor), biases.next().map(|&bias| i16::from_le_bytes(bias)))
        })
    }
}

/// The scale of one row's results: `sum · (factor · scale) / 2^shift + bias / 2^bias_shift`.
#[derive(Clone, Copy, Debug)]
pub struct RowScale {
    /// At most 2¹⁵.
    pub(super) scale: u16,
    /// 1 … 62.
    pub(super) shift: u32,
    /// −40 … 40. For 16-bit results, negative shifts count as 0.
    pub(super) bias_shift: i32,
}

impl RowScale {
    /// Arguments are clamped to the limits. Beyond them, results would be 0 or saturated, or come
    /// from a forged blob.
    #[inline(always)]
    pub const fn new(scale: u16, shift: i32, bias_shift: i32) -> Self {
        let scale = if scale > 1 << 15 { 1 << 15 } else { scale };
        let shift = if shift < 1 {
            1
        } else if shift > 62 {
            62
        } else {
            shift as u32
        };
        let bias_shift = if bias_shift < -40 {
            -40
        } else if bias_shift > 40 {
            40
        } else {
            bias_shift
        };
        Self { scale, shift, bias_shift }
    }
}

/// A matrix and the scales and biases of its outputs.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    pub(super) matrix: Matrix<'a>,
    /// One for every output of the matrix.
    pub(super) channels: Channels<'a>,
}

impl<'a> Weights<'a> {
    /// The substitute for invalid weights: four outputs, all 0.
    pub const ZERO: Weights<'static> = Weights {
        matrix: Matrix::ZERO,
        channels: Channels { factors: &crate::Aligned([0; 8]).0, biases: &[] },
    };

    /// `None` if there are fewer channels than outputs.
    #[inline(always)]
    pub fn new(matrix: Matrix<'a>, channels: Channels<'a>) -> Option<Self> {
        if channels.len() >= matrix.outputs() { Some(Self { matrix, channels }) } else { None }
    }

    /// The matrix.
    #[inline(always)]
    pub fn matrix(&self) -> &Matrix<'a> {
        &self.matrix
    }

    /// Scales and biases of the outputs.
    #[inline(always)]
    pub fn channels(&self) -> &Channels<'a> {
        &self.channels
    }

    /// The same weights without biases.
    #[inline(always)]
    pub fn without_biases(self) -> Self {
        Self { channels: self.channels.without_biases(), ..self }
    }

    /// The weights without the first `outputs` outputs (a multiple of four); `None` if none is
    /// left.
    #[inline(always)]
    pub fn skip(self, outputs: usize) -> Option<Self> {
        let matrix = self.matrix.skip(outputs)?;
        Some(Self { matrix, channels: self.channels.skip(outputs) })
    }
}

/// One or two quantised rows and the matrix that multiplies them.
#[derive(Debug)]
pub struct Product<'a, K> {
    pub(super) lanes: Lanes<'a, K>,
    /// It has as many words as the lanes and the same packing.
    pub(super) matrix: Matrix<'a>,
}

impl<K> Clone for Product<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Product<'_, K> {}

impl<'a, K: Formats> Product<'a, K> {
    /// `None` if the number of inputs or the packing of the matrix differs from that of the lanes.
    #[inline(always)]
    pub fn new(lanes: Lanes<'a, K>, matrix: Matrix<'a>) -> Option<Self> {
        let fits = lanes.words == matrix.words && lanes.packing as u8 == matrix.packing as u8;
        if fits { Some(Self { lanes, matrix }) } else { None }
    }

    /// Number of groups of four outputs whose sums fit in `sums` numbers.
    #[inline(always)]
    pub(super) fn groups(&self, sums: usize) -> usize {
        let room = match self.lanes.rows {
            RowCount::One => sums / 4,
            RowCount::Two => sums / 8,
        };
        room.min(self.matrix.groups)
    }

    /// Number of rows.
    pub fn rows(&self) -> RowCount {
        self.lanes.rows
    }

    /// Number of multiplications for `sums` sums; for tests that count work.
    pub fn products(&self, sums: usize) -> usize {
        16 * self.lanes.words * self.groups(sums) * self.lanes.rows.get()
    }
}

/// A linear layer to be computed: products, scales and outputs.
#[derive(Debug)]
pub struct Linear<'a, K, T> {
    pub(super) product: Product<'a, K>,
    /// One for every result.
    pub(super) channels: Channels<'a>,
    /// One per row; the second is not used for a single row.
    pub(super) scales: [RowScale; 2],
    /// The results of each row, at most as many as the matrix has outputs. Two rows have equally
    /// many; for a single row the second slice is not used.
    pub(super) out: [&'a mut [T]; 2],
}

impl<'a, K: Formats, T> Linear<'a, K, T> {
    /// Computes as many outputs as `out[0]` holds. `None` if [`Product::new`] returns `None`, if
    /// `out[0]` is longer than the matrix has outputs, or if the slices of two rows differ in
    /// length.
    #[inline(always)]
    pub fn new(
        lanes: Lanes<'a, K>,
        weights: Weights<'a>,
        scales: [RowScale; 2],
        out: [&'a mut [T]; 2],
    ) -> Option<Self> {
        let product = Product::new(lanes, weights.matrix)?;
        let len = out[0].len();
        let fits = len <= weights.matrix.outputs()
            && (matches!(lanes.rows, RowCount::One) || out[1].len() == len);
        if fits { Some(Self { product, channels: weights.channels, scales, out }) } else { None }
    }

    /// Results of each row.
    #[allow(dead_code)] // not every backend asks
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.out[0].len()
    }

    /// The layer without its first `outputs` results (a multiple of four); `None` if none is left.
    #[allow(dead_code)] // not every backend leaves a rest
    #[inline(always)]
    pub(super) fn skip(self, outputs: usize) -> Option<Self> {
        let matrix = self.product.matrix.skip(outputs)?;
        let product = Product { matrix, ..self.product };
        let channels = self.channels.skip(outputs);
        let out = self.out.map(|out| out.get_mut(outputs..).unwrap_or_default());
        (!out[0].is_empty()).then_some(Self { product, channels, out, ..self })
    }
}
