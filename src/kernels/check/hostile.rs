//! Operands of any shape: whatever they are, only the output may be written.

use super::super::{
    Attend, Bits, Channels, HeadScale, Kernels, KeyRun, Lanes, LanesMut, Linear, Matrix, Multiply,
    Nibbles, Product, Quantizer, Queries, Ratio, RowCount, RowScale, Sums, Visible, Weights,
};
use super::passes::curve;
use super::random::Random;
use crate::Aligned;
use crate::config::KEY_BLOCK;
use crate::matrix::Packing;

/// Numbers in each buffer; an output is a random part of one.
const LEN: usize = 192;
/// Bytes of weights, keys and values.
const BYTES: usize = 2048;

/// The memory that operands read.
struct Source {
    bytes: Aligned<[u8; BYTES]>,
    halves: Aligned<[i16; LEN]>,
    lanes: Aligned<[i16; LEN]>,
    words: Aligned<[i32; LEN]>,
}

/// See [`guard`](super::guard).
pub fn guard<K: Kernels>(seed: u32, operands: u32) -> Result<u32, &'static str> {
    let mut random = Random(seed);
    let mut from = Source {
        bytes: Aligned([0; BYTES]),
        halves: Aligned([0; LEN]),
        lanes: Aligned([0; LEN]),
        words: Aligned([0; LEN]),
    };
    let mut made = 0;
    for index in 0..operands {
        if index % 64 == 0 {
            random.bytes(&mut from.bytes.0);
            random.halves(&mut from.halves.0, 1 << 15);
            random.halves(&mut from.lanes.0, 1 << 15);
            random.words(&mut from.words.0);
        }
        made += call::<K>(&mut random, &from)? as u32;
    }
    Ok(made)
}

/// Calls one method with random operands; false if they could not be constructed.
fn call<K: Kernels>(random: &mut Random, from: &Source) -> Result<bool, &'static str> {
    let r = random;
    match r.below(20) {
        0 => guarded(r, 0i16, "quantize", |r, out| quantize::<K>(r, from, out)),
        1 => guarded(r, 0i32, "matmul", |r, out| matmul::<K>(r, from, out)),
        2 => guarded(r, 0i16, "linear", |r, out| linear::<K, _>(r, from, out, K::linear)),
        3 => guarded(r, 0i32, "linear_32", |r, out| linear(r, from, out, K::linear_32)),
        4 => guarded(r, 0i16, "rescale", |r, out| rescale(r, from, out, K::rescale)),
        5 => guarded(r, 0i32, "rescale_32", |r, out| rescale(r, from, out, K::rescale_32)),
        6 => guarded(r, 0i32, "gain", |r, out| {
            let (x, quantizer) = (part(r, &from.halves.0), quantizer(r));
            let Some(channels) = channels(r, from) else { return false };
            K::gain(x, &quantizer, &channels, &row_scale(r), out);
            true
        }),
        7 => guarded(r, 0i32, "add", |r, out| {
            let x = part(r, &from.halves.0);
            K::add(x, r.next() as i32 >> r.below(32), out);
            (K::largest(x), K::statistics(x), K::magnitude(out)).0 <= 1 << 15
        }),
        8 => guarded(r, 0i16, "narrow", |r, out| {
            K::narrow(part(r, &from.words.0), r.next() as i32 >> r.below(32), out);
            true
        }),
        9 => guarded(r, 0i16, "activate", |r, out| {
            K::activate(&curve(r), out);
            true
        }),
        10 => guarded(r, 0i16, "activate_gated", |r, out| {
            K::activate_gated(&curve(r), part(r, &from.halves.0), out);
            true
        }),
        11 => guarded(r, 0i16, "rotate", |r, out| {
            K::rotate(out, part(r, &from.halves.0));
            true
        }),
        12 => guarded(r, 0u8, "write_key", |r, out| {
            let scale = HeadScale::of_largest(r.next() >> r.below(32));
            K::write_key(part(r, &from.halves.0), scale, out);
            true
        }),
        13 => guarded(r, 0u8, "write_value", |r, out| {
            let scale = HeadScale::of_largest(r.next() >> r.below(32));
            K::write_value(part(r, &from.halves.0), scale, out);
            true
        }),
        14 => guarded(r, 0i16, "divide", |r, out| {
            let Some(sums) = sums(r, from) else { return false };
            let ratio = Ratio::new(r.next() >> r.below(32), r.next() as i32 >> r.below(32));
            K::divide(&sums, &ratio, out);
            true
        }),
        15 => guarded(r, 0i16, "quantize_nibbles", |r, out| quantize::<Nibbles<K>>(r, from, out)),
        16 => guarded(r, 0i32, "matmul_nibbles", |r, out| matmul::<Nibbles<K>>(r, from, out)),
        17 => guarded(r, 0i16, "linear_nibbles", |r, out| linear(r, from, out, K::linear_nibbles)),
        18 => guarded(r, 0i32, "linear_32_nibbles", |r, out| {
            linear(r, from, out, K::linear_32_nibbles)
        }),
        _ => guarded(r, 0i32, "attend", |r, out| attend::<K>(r, from, out)),
    }
}

/// Passes a random part of a buffer to `write`, and checks that nothing around it has changed.
fn guarded<T: Copy + PartialEq>(
    random: &mut Random,
    fill: T,
    name: &'static str,
    write: impl FnOnce(&mut Random, &mut [T]) -> bool,
) -> Result<bool, &'static str> {
    let mut buffer = Aligned([fill; 2 * LEN]);
    let start = LEN / 2 + aligned(random, LEN / 2);
    let end = (start + random.below(LEN)).min(3 * LEN / 2);
    let made = write(random, buffer.0.get_mut(start..end).unwrap_or_default());
    let (before, rest) = buffer.0.split_at(start);
    let after = rest.get(end - start..).unwrap_or_default();
    match before.iter().chain(after).all(|x| *x == fill) {
        true => Ok(made),
        false => Err(name),
    }
}

/// A number below `limit`, mostly a multiple of four.
fn aligned(random: &mut Random, limit: usize) -> usize {
    let x = random.below(limit);
    if random.below(8) == 0 { x } else { x & !3 }
}

/// A random part of a buffer.
fn part<'a, T>(random: &mut Random, buffer: &'a [T]) -> &'a [T] {
    let start = aligned(random, buffer.len() / 2);
    let rest = buffer.get(start..).unwrap_or_default();
    rest.get(..random.below(rest.len() + 1)).unwrap_or_default()
}

/// A size, sometimes an impossible one.
fn size(random: &mut Random, limit: usize) -> usize {
    match random.below(24) {
        0 => usize::MAX - random.below(16),
        1 => usize::MAX / 2 - 8 + random.below(16),
        2 => (1 << random.below(usize::BITS as usize)) & !3,
        3 => 0,
        _ => aligned(random, limit),
    }
}

fn rows(random: &mut Random) -> RowCount {
    RowCount::at_most_two(1 + random.below(2))
}

fn bits(random: &mut Random) -> Bits {
    Bits::of(random.below(3) == 0)
}

fn packing(random: &mut Random) -> Packing {
    let all = [Packing::Paired, Packing::Plain, Packing::Nibbles];
    all.get(random.below(all.len())).copied().unwrap_or(Packing::Paired)
}

fn quantizer(random: &mut Random) -> Quantizer {
    let (multiply, subtract) = (random.below(1 << 14) as i32, random.next() as i32);
    let (right, largest) = (random.below(32), random.next());
    let bits = bits(random);
    Quantizer::new(multiply, subtract >> right, largest >> random.below(32), bits).0
}

fn row_scale(random: &mut Random) -> RowScale {
    let (shift, bias_shift) = (random.next() as i32, random.next() as i32);
    let (a, b) = (random.below(32), random.below(32));
    RowScale::new(random.next() as u16, shift >> a, bias_shift >> b)
}

fn channels<'a>(random: &mut Random, from: &'a Source) -> Option<Channels<'a>> {
    let factors = part(random, &from.bytes.0);
    let factors = factors.get(..factors.len().min(2 * LEN))?;
    let biases = if random.below(2) == 0 { &[][..] } else { part(random, &from.bytes.0) };
    Channels::new(factors, biases)
}

fn sums<'a>(random: &mut Random, from: &'a Source) -> Option<Sums<'a>> {
    Sums::new(part(random, &from.words.0), rows(random), random.below(3))
}

fn lanes<'a, K: Multiply>(random: &mut Random, from: &'a Source) -> Option<Lanes<'a, K>> {
    let (buffer, inputs) = (part(random, &from.lanes.0), size(random, 48));
    Lanes::new(buffer, rows(random), inputs, packing(random), bits(random))
}

/// A matrix for given lanes, mostly one that fits.
fn matrix<'a, K>(random: &mut Random, from: &'a Source, lanes: &Lanes<K>) -> Option<Matrix<'a>> {
    let bytes = part(random, &from.bytes.0);
    let inputs = if random.below(8) == 0 { size(random, 48) } else { 4 * lanes.words };
    let packing = if random.below(8) == 0 { packing(random) } else { lanes.packing };
    let (outputs, stride) = (size(random, 48), size(random, 256));
    let stride = if random.below(2) == 0 { packing.group_bytes(inputs & 0xffff) } else { stride };
    Matrix::with_stride(bytes, packing, outputs, inputs, stride)
}

fn quantize<K: Multiply>(random: &mut Random, from: &Source, out: &mut [i16]) -> bool {
    let (rows, inputs) = (rows(random), size(random, 64));
    let (packing, bits) = (packing(random), bits(random));
    let Some(mut lanes) = LanesMut::<K>::new(out, rows, inputs, packing, bits) else {
        return false;
    };
    K::quantize_row(part(random, &from.halves.0), &quantizer(random), random.below(3), &mut lanes);
    true
}

fn matmul<K: Multiply>(random: &mut Random, from: &Source, out: &mut [i32]) -> bool {
    let product = lanes::<K>(random, from).and_then(|lanes| {
        let matrix = matrix(random, from, &lanes)?;
        Product::new(lanes, matrix)
    });
    product.inspect(|product| K::products(product, out)).is_some()
}

fn linear<K: Multiply, T>(
    random: &mut Random,
    from: &Source,
    out: &mut [T],
    run: fn(Linear<K, T>),
) -> bool {
    let made = lanes::<K>(random, from).and_then(|lanes| {
        let matrix = matrix(random, from, &lanes)?;
        let weights = Weights::new(matrix, channels(random, from)?)?;
        let scales = [row_scale(random), row_scale(random)];
        let half = match random.below(8) {
            0 => random.below(out.len() + 1),
            _ => out.len() / 2,
        };
        let (a, b) = out.split_at_mut_checked(half)?;
        let len = a.len().min(matrix.outputs());
        let out = [a.get_mut(..len)?, b].map(|row| row.get_mut(..len).unwrap_or_default());
        Linear::new(lanes, weights, scales, out)
    });
    made.map(run).is_some()
}

fn rescale<T>(
    random: &mut Random,
    from: &Source,
    out: &mut [T],
    run: fn(&Sums, &Channels, &RowScale, &mut [T]),
) -> bool {
    let (sums, channels) = (sums(random, from), channels(random, from));
    let made = sums.zip(channels);
    made.map(|(sums, channels)| run(&sums, &channels, &row_scale(random), out)).is_some()
}

fn attend<K: Kernels>(random: &mut Random, from: &Source, out: &mut [i32]) -> bool {
    let (buffer, dims) = (part(random, &from.lanes.0), size(random, 24));
    let packing = if random.below(8) == 0 { packing(random) } else { K::KEY_PACKING };
    let Some(lanes) = Lanes::<K>::new(buffer, rows(random), dims, packing, Bits::Eight) else {
        return false;
    };
    let factors = [random.next(), random.next() >> random.below(32)];
    let Some(mut queries) = Queries::new(lanes, factors, out) else { return false };
    for state in &mut queries.states {
        state.sum = random.next() >> random.below(32);
        state.maximum = random.next() as i32 >> random.below(32);
    }
    let block = KEY_BLOCK * dims;
    let run = KeyRun {
        keys: part(random, &from.bytes.0),
        key_codes: part(random, &from.bytes.0),
        values: part(random, &from.bytes.0),
        value_codes: part(random, &from.bytes.0),
        stride: if random.below(4) == 0 { size(random, 512) } else { block },
        code_stride: if random.below(4) == 0 { size(random, 64) } else { KEY_BLOCK },
    };
    let visible = match random.below(2) {
        0 => Visible::First([size(random, 48), size(random, 48).wrapping_add(random.below(3))]),
        _ => Visible::Block { keys: [random.next() as u16, random.next() as u16], biases: None },
    };
    let attend = Attend::new(&mut queries, run, visible, 14 + random.below(20) as u32);
    attend.map(K::attend).is_some()
}
