//! Every accumulator again in 64 bits, at the largest sizes that a blob may have and with operands that add up
//! to the most: what 32 bits would lose is seen.

extern crate std;

use super::attention::{Attention, Prefix, write};
use super::linear::Rows;
use super::pooling::mean;
use super::row::Input;
use crate::Aligned;
use crate::arena::{Cache, Residual};
use crate::config::{Architecture, Config, SEGMENT};
use crate::kernels::{Channels, Kernels, Matrix, Native, Portable, Weights};
use crate::matrix::Packing;
use crate::model::Linear;
use std::vec;
use std::vec::Vec;

/// The widest row.
const WIDEST: usize = 8192;

/// Words whose weights multiply to the most, also forged ones (paired, the third is −128 and 128), and others.
const WORDS: [[u8; 4]; 6] = [
    [0x7f; 4],
    [0x80; 4],
    [0x80, 0x7f, 0x80, 0x7f],
    [0x81, 0x7f, 0x81, 0x7f],
    [0x7f, 0x80, 0x7f, 0x80],
    [0x03, 0xf1, 0x55, 0x9a],
];

/// Four outputs of a linear layer, for the two rows whose signs make its sums the largest and the least, against
/// sums in 64 bits; returns the largest sum, in the kernels' units.
fn linear<K: Kernels>(inputs: usize, word: [u8; 4], packing: Packing, wide: bool) -> i64 {
    let mut bytes = Aligned([0u8; 4 * WIDEST]);
    bytes.0.as_chunks_mut::<4>().0.fill(word);
    let factors = Aligned([0xff, 0x7f, 1, 0, 0x34, 0x12, 0xff, 0x7f]);
    let matrix = Matrix::new(&bytes.0[..4 * inputs], packing, 4, inputs).unwrap();
    let weights = Weights::new(matrix, Channels::new(&factors.0, &[]).unwrap()).unwrap();
    let layer = Linear {
        weights,
        out_dim: 4,
        weight_exponent: -9,
        bias_exponent: 0,
        output_exponent: 0,
        wide,
    };
    let sign = |w: i16, flip: bool| if (w < 0) != flip { i16::MIN + 1 } else { i16::MAX };
    let word = matrix.word::<K>(0, 0);
    let most: Vec<i16> = (0..inputs).map(|i| sign(word[i % 4], false)).collect();
    let least: Vec<i16> = (0..inputs).map(|i| sign(word[i % 4], true)).collect();
    let rows = [&most, &least].map(|x| Input::new::<K>(x, -12, wide));
    let mut lanes = Aligned([0i16; 2 * SEGMENT]);
    let mut operand = Rows::new(rows.map(Some), &mut lanes.0);
    let units = [0, 1].map(|row| operand.sum_exponent(&layer, row, -60));
    let mut out = [0; 8];
    operand.forward_32::<K>(&layer, units, &mut out);
    // What a sum is multiplied by in the accumulator: all of it for one segment, less for several.
    let kept = if wide { 0 } else { K::PRODUCT_SHIFT };
    let kept = if inputs <= SEGMENT { kept } else { kept.min(4) };
    let mut largest = 0;
    for (row, input) in rows.iter().enumerate() {
        for (output, factor) in factors.0.as_chunks::<2>().0.iter().enumerate() {
            let weight = |i: usize| matrix.word::<K>(output, i / 4)[i % 4] as i64;
            let x = |i: usize| input.quantizer.quantize(input.x[i]) as i64;
            let sum: i64 = (0..inputs).map(|i| weight(i) * x(i)).sum();
            largest = largest.max((sum << kept).abs());
            let factor = u16::from_le_bytes(*factor) as i128 * input.scale.mantissa as i128;
            let shift = units[row] - layer.weight_exponent - input.scale.exponent;
            let exact = ((((sum as i128 * factor) << 64) >> shift) + (1 << 63)) >> 64;
            assert_eq!(out[4 * row + output] as i128, exact, "{inputs} {word:?} {wide} {output}");
        }
    }
    largest
}

/// Sums of the widest rows fit 32 bits, also those of forged weights; with one more bit they would not.
#[test]
#[cfg_attr(miri, ignore = "the widest rows take minutes")]
fn sums_of_the_widest_rows_lose_nothing() {
    for (inputs, wide) in [(SEGMENT, false), (SEGMENT, true), (WIDEST, false), (WIDEST, true)] {
        let mut largest = 0;
        for word in WORDS {
            for &packing in <Native as Kernels>::PACKINGS {
                linear::<Native>(inputs, word, packing, wide);
            }
            for packing in Packing::BYTES {
                largest = largest.max(linear::<Portable>(inputs, word, packing, wide));
            }
        }
        std::println!("{inputs} inputs, wide: {wide}: {largest}");
        assert!(largest <= i32::MAX as i64, "{inputs} inputs, wide: {wide}: {largest}");
        let tight = inputs == WIDEST || !wide;
        assert!(!tight || 2 * largest > i32::MAX as i64, "the case is not the worst: {largest}");
    }
}

/// As many keys as kernels take, all alike: the mean of the values is the value, and the sum of the numerators
/// is not cut.
#[test]
#[cfg_attr(miri, ignore = "131,072 keys take minutes")]
fn attention_to_the_most_keys_loses_nothing() {
    let context = Portable::MAX_KEYS;
    let config = Config {
        vocab_size: 1,
        d_model: 4,
        n_layers: 1,
        n_heads: 1,
        n_kv_heads: 1,
        head_dim: 4,
        d_ff: 4,
        context,
        ..Config::base(Architecture::Decoder)
    };
    let bytes = || vec![0u8; 4 * context + 3];
    let (mut keys, mut values) = (bytes(), bytes());
    let (mut key_scales, mut value_scales) = (vec![0u8; context], vec![0u8; context]);
    let mut cache = Cache {
        keys: aligned(&mut keys),
        values: aligned(&mut values),
        key_scales: &mut key_scales,
        value_scales: &mut value_scales,
    };
    let value = [i16::MAX, i16::MIN + 1, 12345, -1];
    for position in 0..context {
        write::<Portable>(&config, context, &mut cache, 0, position, &[1000; 4], true);
        write::<Portable>(&config, context, &mut cache, 0, position, &value, false);
    }
    let attention = Attention {
        config: &config,
        score_scale: (1 << 14, -40),
        bias: None,
        layer_index: 0,
        cache_rows: context,
        mask: Prefix::ALL,
        first_position: context - 1,
        keys: context,
        rows: 1,
        stride: 4,
    };
    let mut lanes = Aligned([0i16; 8]);
    let mut q = [500i16, -500, 20, 7];
    attention.forward::<Portable>(&cache, &mut q, &mut lanes.0, &mut [0; 8]);
    for (found, value) in q.into_iter().zip(value) {
        // Values have 8 bits of the largest one.
        assert!((found as i32 - value as i32).abs() <= 400, "{found} of {value}");
    }
}

/// The bytes from a multiple of four on.
fn aligned(bytes: &mut [u8]) -> &mut [u8] {
    let skipped = bytes.as_ptr().align_offset(4);
    &mut bytes[skipped..]
}

/// The mean of the longest input, all rows alike, is that row.
#[test]
#[cfg_attr(miri, ignore = "a million rows take minutes")]
fn the_mean_of_the_most_rows_loses_nothing() {
    let rows = 1 << 20;
    for value in [i16::MAX, i16::MIN + 1, 20_000] {
        let (mut mantissas, mut exponents) = (vec![value; rows], vec![-7i16; rows]);
        let mut residual = Residual { mantissas: &mut mantissas, exponents: &mut exponents };
        mean::<Portable>(&mut residual, 1, rows, &mut [0]);
        let found = mantissas[0] as f64 * 2f64.powi(exponents[0] as i32);
        let expected = value as f64 * 2f64.powi(-7);
        assert!((found - expected).abs() <= expected.abs() * 2e-3, "{value}: {found}");
    }
}
