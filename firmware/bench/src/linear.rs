//! Linear layers: rows of 16-bit numbers in, quantised, multiplied, rescaled, 16-bit numbers out.

use core::hint::black_box;

use picoformer::kernels::{Channels, Kernels, Matrix, Native, Weights};
use picoformer::matrix::Packing;
use picoformer::model::Linear;
use picoformer::nn::linear::Rows;
use picoformer::nn::row::{Input, pair_mut};

use crate::memory::{Memory, Random};
use crate::{Case, Counter, Name};

const WIDEST: usize = 512;
const ROWS: usize = 16;
/// The packing in which the backend multiplies one row fastest.
const ROW_PACKING: Packing = match Native::PACKINGS.first() {
    Some(packing) => *packing,
    None => Packing::Paired,
};

/// The packing in which it multiplies tiles of rows fastest.
const TILE_PACKING: Packing = match Native::NAME.as_bytes() {
    b"arm-mve" | b"arm-v6m" | b"riscv" => Packing::Plain,
    _ => Packing::Paired,
};

/// Every shape, one row (a decoder's token) and sixteen (a tile), each in its fastest packing.
pub(crate) fn run<C: Counter>(memory: &mut Memory, counter: &mut C) {
    let mut random = Random(0x2545_f491);
    let mut rest = memory.rest();
    let weights: &mut [u8] = rest.take(WIDEST * WIDEST);
    let multipliers: &mut [u8] = rest.take(2 * WIDEST);
    for multiplier in multipliers.as_chunks_mut::<2>().0 {
        *multiplier = (0x4000 | random.next() as u16 >> 3).to_le_bytes();
    }
    let biases: &mut [u8] = rest.take(2 * WIDEST);
    random.bits(biases, 0xff);
    let x: &mut [i16] = rest.take(ROWS * WIDEST);
    random.row(x, 30_000);
    let lanes: &mut [i16] = rest.take(2 * WIDEST);
    let out: &mut [i16] = rest.take(ROWS * WIDEST);
    for (rows, packing) in [(1, ROW_PACKING), (ROWS, TILE_PACKING)] {
        for word in weights.as_chunks_mut::<4>().0 {
            let w = random.next().to_le_bytes().map(|w| (w as i8).max(-127));
            *word = packing.pack(w).to_le_bytes();
        }
        for in_dim in [64, 128, 256, 512] {
            for out_dim in [64, 128, 512] {
                // Units as a converted model has them: results fill 13 of 16 bits.
                let channels = Channels::new(
                    multipliers.get(..2 * out_dim).unwrap_or_default(),
                    biases.get(..2 * out_dim).unwrap_or_default(),
                );
                let matrix = Matrix::new(weights, packing, out_dim, in_dim);
                let weights = matrix.zip(channels).and_then(|(m, c)| Weights::new(m, c));
                let layer = Linear {
                    weights: weights.unwrap_or(Weights::ZERO),
                    out_dim,
                    weight_exponent: -22,
                    bias_exponent: -14,
                    output_exponent: -12,
                    wide: false,
                };
                let case = Case {
                    name: Name::new("linear/")
                        .number(in_dim)
                        .text("x")
                        .number(out_dim)
                        .text("/rows")
                        .number(rows),
                    per: (in_dim * out_dim * rows) as u32,
                    unit: "MAC",
                };
                // As a norm leaves them: the rows' scales are known, nothing is quantised yet.
                let inputs: [Input; ROWS] = core::array::from_fn(|i| {
                    let x = x.get(i * in_dim..(i + 1) * in_dim).unwrap_or_default();
                    Input::new::<Native>(x, -15, false)
                });
                let inputs = inputs.get(..rows).unwrap_or_default();
                counter.count(case, || forward(&layer, inputs, lanes, out));
                black_box(&mut *out);
            }
        }
    }
}

/// As the parts of a layer do it: two rows at a time.
#[inline(never)]
fn forward(layer: &Linear, inputs: &[Input], lanes: &mut [i16], out: &mut [i16]) {
    for (pair, inputs) in inputs.chunks(2).enumerate() {
        let [first, second @ ..] = inputs else { continue };
        let mut rows = Rows::new([Some(*first), second.first().copied()], lanes);
        let out = pair_mut(out, 2 * pair, inputs.len(), layer.out_dim, layer.out_dim);
        rows.forward::<Native>(layer, 0, out);
    }
}
