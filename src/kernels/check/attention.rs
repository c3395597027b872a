//! Checks of writing keys and values to the cache, and of attention over them.

use super::super::{
    Attend, BIASED_FACTOR, Biases, Bits, HeadScale, Kernels, KeyRun, LanesMut, Portable, Quantizer,
    Queries, RowCount, Softmax, Visible, portable,
};
use super::random::Random;
use super::{Verdict, same};
use crate::Aligned;
use crate::config::KEY_BLOCK;

/// Failure that must not occur: an operand of consistent shape was refused.
const REFUSED: &str = "an operand of a sound shape is refused";
/// Maximum width of a head.
const DIMS: usize = 24;
/// Number of blocks of keys.
const BLOCKS: usize = 3;

/// A head's vector and its scale.
fn vector(random: &mut Random, x: &mut [i16]) -> HeadScale {
    let limit = 1 << random.below(16);
    random.halves(x, limit);
    HeadScale::of_largest(Portable::largest(x))
}

/// Checks of writing keys and values to the cache.
pub fn caching<K: Kernels>(random: &mut Random) -> Verdict {
    let mut x = [0i16; 33];
    let (skew, len) = (random.below(2), 4 * random.below(9));
    let x = x.get_mut(skew..skew + len).unwrap_or_default();
    let scale = vector(random, x);
    let slot = random.below(KEY_BLOCK);
    let (mut found, mut expected) = ([5u8; 33 * KEY_BLOCK], [5u8; 33 * KEY_BLOCK]);
    K::write_value(x, scale, found.get_mut(slot..).unwrap_or_default());
    Portable::write_value(x, scale, expected.get_mut(slot..).unwrap_or_default());
    same(&found, &expected, "write_value")?;
    let at = 4 * (slot % 4) + 16 * len * (slot / 4) / 4;
    let [Aligned(found), Aligned(expected)] = &mut [Aligned([5u8; 33 * KEY_BLOCK]); 2];
    K::write_key(x, scale, found.get_mut(at..).unwrap_or_default());
    portable::write_key::<K>(x, scale, expected.get_mut(at..).unwrap_or_default());
    same(found, expected, "write_key")
}

/// One head's cache, as a backend packs it.
struct Cache {
    keys: Aligned<[u8; BLOCKS * KEY_BLOCK * DIMS]>,
    values: Aligned<[u8; BLOCKS * KEY_BLOCK * DIMS]>,
    codes: [[u8; BLOCKS * KEY_BLOCK]; 2],
    dims: usize,
}

impl Cache {
    fn new<K: Kernels>(mut random: Random, dims: usize) -> Self {
        let [mut keys, mut values] = [Aligned([0; BLOCKS * KEY_BLOCK * DIMS]); 2];
        random.bytes(&mut keys.0);
        random.bytes(&mut values.0);
        let mut codes = [[0; BLOCKS * KEY_BLOCK]; 2];
        codes.as_flattened_mut().iter_mut().for_each(|code| *code = random.below(177) as u8);
        let mut x = [0i16; DIMS];
        let x = x.get_mut(..dims).unwrap_or_default();
        for block in keys.0.chunks_exact_mut(KEY_BLOCK * dims) {
            for key in 0..KEY_BLOCK {
                let scale = vector(&mut random, x);
                let at = K::KEY_PACKING.word_offset(key, 0, dims);
                K::write_key(x, scale, block.get_mut(at..).unwrap_or_default());
            }
        }
        Self { keys, values, codes, dims }
    }

    fn run(&self) -> KeyRun<'_> {
        KeyRun {
            keys: &self.keys.0,
            key_codes: &self.codes[0],
            values: &self.values.0,
            value_codes: &self.codes[1],
            stride: KEY_BLOCK * self.dims,
            code_stride: KEY_BLOCK,
        }
    }
}

/// The results for the queries: softmaxes and weighted values.
type Outcome = ([Softmax; 2], [i32; 2 * DIMS]);

/// Two calls of [`Kernels::attend`]; the second one continues from the state that the first one
/// leaves.
fn run<K: Kernels>(
    mut random: Random,
    rows: RowCount,
    dims: usize,
    visible: [Visible; 2],
    factors: [u32; 2],
    shift: u32,
) -> Result<Outcome, &'static str> {
    let cache = Cache::new::<K>(Random(random.next()), dims);
    let Aligned(lanes) = &mut Aligned([0i16; 2 * DIMS]);
    let lanes = LanesMut::<K>::new(lanes, rows, dims, K::KEY_PACKING, Bits::Eight);
    let mut lanes = lanes.ok_or(REFUSED)?;
    let mut x = [0i16; DIMS];
    let x = x.get_mut(..dims).unwrap_or_default();
    for row in 0..rows.get() {
        let quantizer = Quantizer::of_head(vector(&mut random, x));
        K::quantize(x, &quantizer, row, &mut lanes);
    }
    let mut sums = [9i32; 2 * DIMS];
    let mut queries = Queries::new(lanes.lanes(), factors, &mut sums).ok_or(REFUSED)?;
    for visible in visible {
        K::attend(Attend::new(&mut queries, cache.run(), visible, shift).ok_or(REFUSED)?);
    }
    let mut states = queries.states;
    if rows == RowCount::One {
        states[1] = Softmax::new(0);
    }
    Ok((states, sums))
}

/// Attention with every kind of mask; each backend packs keys and queries in its own way.
pub fn attending<K: Kernels>(random: &mut Random) -> Verdict {
    let rows = RowCount::at_most_two(1 + random.below(2));
    let dims = 4 * (1 + random.below(DIMS / 4));
    let mut biases = Biases { factors: [0; 2], biases: [[0; KEY_BLOCK]; 2] };
    for bias in biases.biases.as_flattened_mut() {
        *bias = (random.next() as i32) >> (8 + random.below(8));
    }
    let mut factors = [0; 2].map(|_: u32| random.next() >> random.below(32));
    let biased = random.below(4) == 0;
    if biased {
        biases.factors = core::mem::replace(&mut factors, [BIASED_FACTOR; 2]);
    }
    let mut keys = || {
        let mut keys = [0; 2].map(|_: u16| match random.below(4) {
            0 => random.next() as u16,
            1 => 0xffff,
            _ => ((1u32 << random.below(KEY_BLOCK + 1)) - 1) as u16,
        });
        if random.below(3) == 0 {
            keys[1] = keys[0];
        }
        Visible::Block { keys, biases: biased.then_some(&biases) }
    };
    let (first, second) = (keys(), keys());
    let seen = random.below(KEY_BLOCK * BLOCKS - 2);
    let second = match biased || random.below(4) == 0 {
        true => second,
        false => Visible::First([seen, seen + random.below(3)]),
    };
    let (visible, shift) = ([first, second], 15 + random.below(4) as u32);
    let seed = random.next();
    let found = run::<K>(Random(seed), rows, dims, visible, factors, shift)?;
    let expected = run::<Portable>(Random(seed), rows, dims, visible, factors, shift)?;
    if found.0 != expected.0 {
        return Err("attend: softmax");
    }
    same(&found.1, &expected.1, "attend")
}
