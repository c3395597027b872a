//! Checks of linear layers: quantisation, products, rescaling, and whole layers.

use super::super::{
    Bits, Kernels, LanesMut, Linear, Matrix, Multiply, Portable, Product, Quantizer, Ratio,
    RowCount, RowScale, Sums, Weights, room,
};
use super::random::Random;
use super::{Factors, Verdict, row_scale, same};
use crate::Aligned;
use crate::matrix::Packing;

/// Failure that must not occur: an operand of consistent shape was refused.
const REFUSED: &str = "an operand of a sound shape is refused";

/// Maximum number of words of four inputs.
const WORDS: usize = 24;
const GUARD: i16 = 3;

/// A buffer for two rows, with guards around them.
type Lanes = Aligned<[i16; 8 * WORDS + 12]>;
/// Guards before the lanes; a multiple of two, so that lanes stay aligned.
const BEFORE: usize = 4;

/// A row of a linear layer's inputs and its quantiser.
fn input(random: &mut Random, x: &mut [i16], bits: Bits) -> Quantizer {
    let limit = 1 << random.below(16);
    random.halves(x, limit);
    let subtract = if random.below(2) == 0 { 0 } else { random.next() as i32 >> 16 };
    let multiply = if subtract == 0 { 1 } else { x.len() as i32 };
    let centred = |&x: &i16| (x as i32 * multiply - subtract).unsigned_abs();
    let largest = x.iter().map(centred).max().unwrap_or(0);
    Quantizer::new(multiply, subtract, largest, bits).0
}

/// The shape of some quantised rows.
#[derive(Clone, Copy)]
struct Shape {
    rows: RowCount,
    inputs: usize,
    packing: Packing,
    bits: Bits,
}

impl Shape {
    fn new<K: Multiply>(random: &mut Random, words: usize) -> Self {
        let packing = K::PACKINGS.get(random.below(K::PACKINGS.len())).copied();
        let packing = packing.unwrap_or(Packing::Paired);
        let inputs = 4 * (1 + random.below(words));
        Self {
            rows: RowCount::at_most_two(1 + random.below(2)),
            inputs: inputs.next_multiple_of(packing.inputs_per_word()),
            packing,
            bits: Bits::of(random.below(3) == 0 && packing.bits() == 8),
        }
    }

    /// Numbers that the lanes take.
    fn room(&self) -> usize {
        room(self.inputs, self.packing)
    }

    fn lanes<'a, K: Multiply>(&self, data: &'a mut Lanes) -> Result<LanesMut<'a, K>, &'static str> {
        let data = data.0.get_mut(BEFORE..BEFORE + self.room()).unwrap_or_default();
        LanesMut::new(data, self.rows, self.inputs, self.packing, self.bits).ok_or(REFUSED)
    }

    /// The rows written there, to be multiplied by a matrix.
    fn product<'a, K: Multiply>(
        &self,
        data: &'a mut Lanes,
        matrix: Matrix<'a>,
    ) -> Result<Product<'a, K>, &'static str> {
        Product::new(self.lanes::<K>(data)?.into_lanes(), matrix).ok_or(REFUSED)
    }

    /// The same rows, quantised by a backend and by `P`, the portable one. A backend chooses the contents of
    /// its lanes, but must stay within their slice.
    fn fill<K: Multiply, P: Multiply>(
        &self,
        random: &mut Random,
        lanes: [&mut Lanes; 2],
    ) -> Verdict {
        let [found, expected] = lanes;
        for row in 0..self.rows.get() {
            let mut x = [0i16; 4 * WORDS + 1];
            let x = x.get_mut(random.below(2)..).unwrap_or_default();
            let x = x
                .get_mut(..self.inputs - random.below(self.packing.inputs_per_word()))
                .unwrap_or_default();
            let quantizer = input(random, x, self.bits);
            let (mut a, mut b) = (self.lanes::<K>(&mut *found)?, self.lanes::<P>(&mut *expected)?);
            K::quantize_row(x, &quantizer, row, &mut a);
            P::quantize_row(x, &quantizer, row, &mut b);
        }
        let (before, after) = found.0.split_at(BEFORE);
        let after = after.get(self.room()..).unwrap_or_default();
        let guarded = before.iter().chain(after).all(|&lane| lane == GUARD);
        if guarded { Ok(()) } else { Err("quantize: beyond the lanes") }
    }

    /// Fills `weights` with random weights, packed as by the converter; of four bits, all bytes are.
    fn pack(&self, random: &mut Random, weights: &mut [u8]) {
        random.bytes(weights);
        if self.packing.bits() == 4 {
            return;
        }
        for word in weights.as_chunks_mut::<4>().0 {
            *word = self.packing.pack(word.map(|w| (w as i8).max(-127))).to_le_bytes();
        }
    }

    /// Shift to the left that makes the products of `K` those of `P`; negative: to the right.
    fn surplus<K: Multiply, P: Multiply>(&self) -> i32 {
        match self.bits {
            Bits::Eight => P::PRODUCT_SHIFT - K::PRODUCT_SHIFT,
            Bits::Twelve => 0,
        }
    }
}

/// Quantisation and products.
pub fn products<K: Multiply, P: Multiply>(random: &mut Random) -> Verdict {
    let shape = Shape::new::<K>(random, WORDS);
    let [mut a, mut b] = [Aligned([GUARD; 8 * WORDS + 12]); 2];
    shape.fill::<K, P>(random, [&mut a, &mut b])?;
    let groups = 1 + random.below(5);
    // Groups apart, or all in the same place: nobody packs that, but the contract allows it.
    let stride = match random.below(8) {
        0 => 0,
        _ => shape.packing.group_bytes(shape.inputs) + 16 * random.below(3),
    };
    let Aligned(weights) = &mut Aligned([0u8; 5 * 4 * (4 * WORDS + 8)]);
    // The slice ends with the last group.
    let bytes = (groups - 1) * stride + shape.packing.group_bytes(shape.inputs);
    let weights = weights.get_mut(..bytes).unwrap_or_default();
    shape.pack(random, weights);
    let matrix = Matrix::with_stride(weights, shape.packing, 4 * groups, shape.inputs, stride);
    let matrix = matrix.ok_or(REFUSED)?;
    let (mut found, mut expected) = ([7i32; 64], [7i32; 64]);
    // Sometimes fewer than the matrix has.
    let len = 4 * shape.rows.get() * (groups - random.below(2) * (groups - 1));
    let product = shape.product::<K>(&mut a, matrix)?;
    K::products(&product, found.get_mut(8..8 + len).unwrap_or_default());
    let product = shape.product::<P>(&mut b, matrix)?;
    P::products(&product, expected.get_mut(8..8 + len).unwrap_or_default());
    let sums = found.get_mut(8..8 + len).unwrap_or_default();
    sums.iter_mut().for_each(|sum| *sum = shifted(*sum, shape.surplus::<K, P>()));
    if found != expected {
        // Find out whether quantisation or the product differs.
        for input in 0..shape.inputs {
            probe::<K, P>(&shape, input, [&mut a, &mut b])?;
        }
    }
    same(&found, &expected, "matmul")
}

/// Reads input `input` back with a matrix that has a single nonzero weight: a difference then comes
/// from quantisation, unless lanes of zeros have nonzero products.
fn probe<K: Multiply, P: Multiply>(shape: &Shape, input: usize, lanes: [&mut Lanes; 2]) -> Verdict {
    let Aligned(weights) = &mut Aligned([0u8; 4 * 4 * WORDS]);
    let mut word = [0; 4];
    if let Some(weight) = word.get_mut(input % 4) {
        *weight = 1;
    }
    let at = shape.packing.word_offset(0, input / 4, shape.inputs);
    // Of four bits, all other weights are −8 otherwise.
    let zero = shape.packing.pack([0; 4]);
    for half in weights.as_chunks_mut::<2>().0 {
        *half = (zero as u16).to_le_bytes();
    }
    let bytes = shape.packing.pack(word).to_le_bytes();
    let to = weights.get_mut(at..).unwrap_or_default();
    to.iter_mut().zip(bytes).take(shape.packing.word_bytes()).for_each(|(to, byte)| *to = byte);
    let Shape { rows, inputs, packing, bits } = *shape;
    let matrix = Matrix::new(weights, packing, 4, inputs).ok_or(REFUSED)?;
    let Aligned(zeros) = &Aligned([0i16; 8 * WORDS + 4]);
    let zeros = super::super::Lanes::<K>::new(zeros, rows, inputs, packing, bits).ok_or(REFUSED)?;
    let (mut found, mut expected) = ([5i32; 8], [5i32; 8]);
    K::products(&Product::new(zeros, matrix).ok_or(REFUSED)?, &mut found);
    let len = 4 * rows.get();
    same(found.get(..len).unwrap_or_default(), [0; 8].get(..len).unwrap_or_default(), "matmul")?;
    let [a, b] = lanes;
    let product = shape.product::<K>(a, matrix)?;
    K::products(&product, &mut found);
    let product = shape.product::<P>(b, matrix)?;
    P::products(&product, &mut expected);
    for (found, expected) in found.iter_mut().zip(expected).take(len) {
        *found = shifted(*found, shape.surplus::<K, P>()) ^ expected;
    }
    same(found.get(..len).unwrap_or_default(), [0; 8].get(..len).unwrap_or_default(), "quantize")
}

/// `sum · 2^shift`; sums that are shifted to the right have so many zeros.
fn shifted(sum: i32, shift: i32) -> i32 {
    if shift >= 0 { sum << shift } else { sum >> -shift }
}

/// Rescaling of sums.
pub fn rescaling<K: Kernels>(random: &mut Random) -> Verdict {
    let rows = RowCount::at_most_two(1 + random.below(2));
    let outputs = 1 + random.below(32);
    let mut sums = [0i32; 64];
    random.words(&mut sums);
    let sums = Sums::new(&sums, rows, random.below(rows.get())).ok_or(REFUSED)?;
    let factors = Factors::<64>::new(random);
    let channels = factors.channels();
    let scale = row_scale(random, 0);
    let (mut found, mut expected) = ([1i16; 34], [1i16; 34]);
    let part = |x: &mut [i16; 34], rescale: &dyn Fn(&mut [i16])| {
        rescale(x.get_mut(1..1 + outputs).unwrap_or_default());
    };
    part(&mut found, &|out| K::rescale(&sums, &channels, &scale, out));
    part(&mut expected, &|out| Portable::rescale(&sums, &channels, &scale, out));
    same(&found, &expected, "rescale")?;
    let ratio = Ratio::new(random.next() >> (15 + random.below(17)), 1 + random.below(62) as i32);
    part(&mut found, &|out| K::divide(&sums, &ratio, out));
    part(&mut expected, &|out| Portable::divide(&sums, &ratio, out));
    same(&found, &expected, "divide")?;
    let (mut found, mut expected) = ([1i32; 34], [1i32; 34]);
    let part = |x: &mut [i32; 34], rescale: &dyn Fn(&mut [i32])| {
        rescale(x.get_mut(1..1 + outputs).unwrap_or_default());
    };
    part(&mut found, &|out| K::rescale_32(&sums, &channels, &scale, out));
    part(&mut expected, &|out| Portable::rescale_32(&sums, &channels, &scale, out));
    same(&found, &expected, "rescale_32")?;
    let mut x = [0i16; 33];
    let x = x.get_mut(random.below(2)..).unwrap_or_default().get_mut(..outputs);
    let x = x.unwrap_or_default();
    let quantizer = input(random, x, Bits::Eight);
    let scale = if random.below(2) == 0 { RowScale { shift: 15, ..scale } } else { scale };
    part(&mut found, &|out| K::gain(x, &quantizer, &channels, &scale, out));
    part(&mut expected, &|out| Portable::gain(x, &quantizer, &channels, &scale, out));
    same(&found, &expected, "gain")
}

/// Whole layers, some longer than a chunk.
pub fn layers<K: Multiply, P: Multiply>(random: &mut Random) -> Verdict {
    const INPUTS: usize = 16;
    const OUTPUTS: usize = 68;
    let shape = Shape::new::<K>(random, INPUTS / 4);
    let [mut a, mut b] = [Aligned([GUARD; 8 * WORDS + 12]); 2];
    shape.fill::<K, P>(random, [&mut a, &mut b])?;
    let Aligned(bytes) = &mut Aligned([0u8; INPUTS * OUTPUTS]);
    shape.pack(random, bytes);
    let factors = Factors::<{ 2 * OUTPUTS }>::new(random);
    let outputs = 1 + random.below(OUTPUTS);
    let matrix = Matrix::new(bytes, shape.packing, outputs.next_multiple_of(4), shape.inputs);
    let weights = matrix.and_then(|matrix| Weights::new(matrix, factors.channels()));
    let weights = weights.ok_or(REFUSED)?;
    let surplus = shape.surplus::<K, P>();
    let mut scales = [0; 2].map(|_| row_scale(random, surplus.unsigned_abs() as usize));
    // 16-bit results of both rows have the same unit.
    if random.below(4) > 0 {
        scales[1].bias_shift = scales[0].bias_shift;
    }
    let less = |by: i32| {
        scales.map(|scale| RowScale { shift: scale.shift.wrapping_sub_signed(by.max(0)), ..scale })
    };
    let (own, scales) = (less(surplus), less(-surplus));
    let two = shape.rows == RowCount::Two;
    let (mut found, mut expected) = ([[1i16; OUTPUTS]; 2], [[1i16; OUTPUTS]; 2]);
    let (lanes, other) = (shape.lanes::<K>(&mut a)?, shape.lanes::<P>(&mut b)?);
    let linear = Linear::new(lanes.lanes(), weights, own, parts(&mut found, outputs, two));
    K::layer(linear.ok_or(REFUSED)?);
    let linear = Linear::new(other.lanes(), weights, scales, parts(&mut expected, outputs, two));
    P::layer(linear.ok_or(REFUSED)?);
    same(found.as_flattened(), expected.as_flattened(), "linear")?;
    let (mut found, mut expected) = ([[1i32; OUTPUTS]; 2], [[1i32; OUTPUTS]; 2]);
    let linear = Linear::new(lanes.lanes(), weights, own, parts(&mut found, outputs, two));
    K::layer_32(linear.ok_or(REFUSED)?);
    let linear = Linear::new(other.lanes(), weights, scales, parts(&mut expected, outputs, two));
    P::layer_32(linear.ok_or(REFUSED)?);
    same(found.as_flattened(), expected.as_flattened(), "linear_32")
}

/// The first `len` numbers of one or two rows.
fn parts<T, const N: usize>(out: &mut [[T; N]; 2], len: usize, two: bool) -> [&mut [T]; 2] {
    let [a, b] = out.each_mut().map(|row| row.get_mut(..len).unwrap_or_default());
    [a, if two { b } else { &mut [] }]
}
