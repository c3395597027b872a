//! Keys and values in the cache, and attention over them.

use super::super::{
    BIASED_FACTOR, Biased, Kernels, KeyBlock, KeyRun, Portable, Quantizer, Softmax, lanes_per_input,
};
use super::random::Random;
use super::same;
use crate::config::KEY_BLOCK;
use crate::fixed::{INVERSE_SCALE, scale_code};
use crate::matrix::Packing;

/// Keys and values on their way into the cache.
pub(super) fn caching<K: Kernels>(random: &mut Random) -> Result<(), &'static str> {
    let mut x = [0i16; 33];
    random.halves(&mut x, 32767);
    let len = 4 * random.below(9);
    let x = x.get(random.below(2)..).unwrap_or_default().get(..len).unwrap_or_default();
    let shift = 12 + random.below(12) as u32;
    let inverse = ((127 << shift) / 32768) as u16;
    let (mut found, mut expected) = ([5u8; 33 * KEY_BLOCK], [5u8; 33 * KEY_BLOCK]);
    let slot = random.below(KEY_BLOCK);
    K::write_value(x, inverse, shift, found.get_mut(slot..).unwrap_or_default());
    Portable::write_value(x, inverse, shift, expected.get_mut(slot..).unwrap_or_default());
    same(&found, &expected, "write_value")
}

/// A query and its quantiser, as attention makes it.
fn query(random: &mut Random, x: &mut [i16]) -> Quantizer {
    let limit = 1 << random.below(16);
    random.halves(x, limit);
    let code = scale_code(Portable::largest(x));
    let inverse = INVERSE_SCALE.get((code & 15) as usize).copied().unwrap_or(0) as i32;
    Quantizer { multiply: 1, subtract: 0, shift: (code >> 4) as i32 - 11, inverse, bits: 8 }
}

/// Whole blocks of attention, keys and queries being packed as each backend likes them.
pub(super) fn streaming<K: Kernels>(random: &mut Random) -> Result<(), &'static str> {
    const DIMS: usize = 24;
    let rows = 1 + random.below(2);
    let dims = 4 * (1 + random.below(DIMS / 4));
    let mut data = [[0u8; KEY_BLOCK * DIMS]; 3];
    data.iter_mut().for_each(|data| random.bytes(data));
    let [values, keys, expected_keys] =
        data.each_mut().map(|data| data.get_mut(..KEY_BLOCK * dims).unwrap_or_default());
    let (mut lanes, mut expected_lanes) = ([0i16; 2 * DIMS], [0i16; 2 * DIMS]);
    let lanes = lanes.get_mut(..dims * lanes_per_input::<K>(rows)).unwrap_or_default();
    let expected_lanes = expected_lanes.get_mut(..dims * rows).unwrap_or_default();
    let mut x = [0i16; DIMS];
    let x = x.get_mut(..dims).unwrap_or_default();
    for key in 0..KEY_BLOCK {
        let by = query(random, x);
        let (inverse, shift) = (by.inverse as u16, (by.shift + 23) as u32);
        let at = Packing::Plain.word_offset(key, 0, dims);
        K::write_key(x, inverse, shift, keys.get_mut(at..).unwrap_or_default());
        Portable::write_key(x, inverse, shift, expected_keys.get_mut(at..).unwrap_or_default());
    }
    for row in 0..rows {
        let by = query(random, x);
        K::quantize(x, &by, rows, row, lanes);
        Portable::quantize(x, &by, rows, row, expected_lanes);
    }
    let mut codes = [[0u8; KEY_BLOCK]; 2];
    codes.as_flattened_mut().iter_mut().for_each(|code| *code = random.below(177) as u8);
    let [key_codes, value_codes] = codes.each_ref().map(|codes| &codes[..]);
    let block = KeyBlock { keys, key_codes, values, value_codes };
    let expected_block = KeyBlock { keys: expected_keys, ..block };
    let whole = random.below(3) > 0;
    let mut visible = [0; 2].map(|_: u32| match random.below(4) {
        0 => random.next() & 0xffff,
        1 => 0xffff,
        _ => (1u32 << random.below(KEY_BLOCK + 1)) - 1,
    });
    if whole {
        visible = [visible[0]; 2];
    }
    let start = Softmax { maximum: i32::MIN, sum: 0, factor: random.next() >> random.below(32) };
    let (mut a, mut b) = ([start; 2], [start; 2]);
    let (mut found, mut expected) = ([0i32; 2 * DIMS], [0i32; 2 * DIMS]);
    let shift = 15 + random.below(4) as u32;
    // Twice, so that the second block meets what the first has left.
    for _ in 0..2 {
        let (a, b) = (a.get_mut(..rows), b.get_mut(..rows));
        let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
        let (c, d) = (found.get_mut(..dims * rows), expected.get_mut(..dims * rows));
        K::attend(lanes, &block, visible, shift, a, c.unwrap_or_default());
        Portable::attend(expected_lanes, &expected_block, visible, shift, b, d.unwrap_or_default());
        visible = [0xffff; 2];
    }
    let run = KeyRun { keys, key_codes, values, value_codes, stride: 0, code_stride: 0 };
    let first = random.below(3 * KEY_BLOCK);
    let seen = [first, first + random.below(3)];
    let (c, d) = (a.get_mut(..rows).unwrap_or_default(), b.get_mut(..rows).unwrap_or_default());
    let (e, f) = (found.get_mut(..dims * rows), expected.get_mut(..dims * rows));
    K::stream(lanes, &run, seen, shift, c, e.unwrap_or_default());
    let run = KeyRun { keys: expected_block.keys, ..run };
    Portable::stream(expected_lanes, &run, seen, shift, d, f.unwrap_or_default());
    for (a, b) in a.iter().zip(&b) {
        if (a.maximum, a.sum) != (b.maximum, b.sum) {
            return Err("attend: softmax");
        }
    }
    same(&found, &expected, "attend")?;
    // The same block with biases, as relative positions have them.
    let mut biased = Biased { factors: [start.factor; 2], biases: [[0; KEY_BLOCK]; 2] };
    for bias in biased.biases.as_flattened_mut() {
        *bias = (random.next() as i32) >> (8 + random.below(8));
    }
    let start = Softmax { factor: BIASED_FACTOR, ..start };
    let (mut a, mut b) = ([start; 2], [start; 2]);
    let (a, b) = (a.get_mut(..rows).unwrap_or_default(), b.get_mut(..rows).unwrap_or_default());
    found.fill(0);
    expected.fill(0);
    let (c, d) = (found.get_mut(..dims * rows), expected.get_mut(..dims * rows));
    let (c, d) = (c.unwrap_or_default(), d.unwrap_or_default());
    K::attend_biased(lanes, &block, visible, shift, &biased, a, c);
    Portable::attend_biased(expected_lanes, &expected_block, visible, shift, &biased, b, d);
    for (a, b) in a.iter().zip(b) {
        if (a.maximum, a.sum) != (b.maximum, b.sum) {
            return Err("attend_biased: softmax");
        }
    }
    same(&found, &expected, "attend_biased")
}
