//! Attention of one head: quantised queries, scores, softmax, weighted values; the cache is filled
//! before.

use core::hint::black_box;

use picoformer::arena::Cache;
use picoformer::config::*;
use picoformer::kernels::Native;
use picoformer::nn::attention::{Attention, Mask, write};

use crate::memory::{Memory, Random};
use crate::{Case, Counter, Name};

const LONGEST: usize = 256;
const WIDEST: usize = 32;
/// Queries and keys are uniform in ±this.
const LIMIT: i32 = 8191;

/// `T` queries on `T` keys, as an encoder does it; then one query, as a decoder does it.
pub(crate) fn run<C: Counter>(memory: &mut Memory, counter: &mut C) {
    // In nats, the scores' standard deviation is 2.5, as in the recorded figures of others:
    // 2.5 · log2(e) = σ(q·k) · 127² · multiplier · 2^exponent, σ(q·k) = LIMIT² / 3 · √head_dim.
    for (head_dim, score_multiplier, score_exponent) in [(16, 22516, -53), (32, 31842, -54)] {
        for keys in [64, 128, LONGEST] {
            let mut random = Random(0x9e37_79b9);
            let mut rest = memory.rest();
            let config = config(head_dim, keys);
            let mut cache = Cache {
                keys: rest.take(keys * head_dim),
                values: rest.take(keys * head_dim),
                key_scales: rest.take(keys),
                value_scales: rest.take(keys),
            };
            let mut row = [0i16; WIDEST];
            let row = row.get_mut(..head_dim).unwrap_or_default();
            for position in 0..keys {
                random.row(row, LIMIT);
                write::<Native>(&config, keys, &mut cache, 0, position, row, true);
                random.row(row, LIMIT);
                write::<Native>(&config, keys, &mut cache, 0, position, row, false);
            }
            let q: &mut [i16] = rest.take(keys * head_dim);
            let lanes: &mut [i16] = rest.take(2 * head_dim);
            let sums: &mut [i32] = rest.take(2 * head_dim);
            for rows in [keys, 1] {
                random.row(q, LIMIT);
                let attention = Attention {
                    config: &config,
                    score_scale: (score_multiplier, score_exponent),
                    bias: None,
                    layer_index: 0,
                    cache_rows: keys,
                    mask: Mask::Bidirectional,
                    first_position: 0,
                    keys,
                    rows,
                    stride: head_dim,
                };
                let name = Name::new("attention/d").number(head_dim).text("/t").number(keys);
                let name = if rows == 1 { name.text("/query1") } else { name };
                let case = Case { name, per: (rows * keys) as u32, unit: "pair" };
                counter.count(case, || forward(&attention, &cache, q, lanes, sums));
                black_box(&mut *q);
            }
        }
    }
}

#[inline(never)]
fn forward(
    attention: &Attention<Mask>,
    cache: &Cache,
    q: &mut [i16],
    lanes: &mut [i16],
    sums: &mut [i32],
) {
    attention.forward::<Native>(cache, q, lanes, sums);
}

/// One head.
fn config(head_dim: usize, context: usize) -> Config {
    Config {
        norm_order: NormOrder::Post,
        vocab_size: 1,
        d_model: head_dim,
        n_layers: 1,
        n_heads: 1,
        n_kv_heads: 1,
        head_dim,
        d_ff: head_dim,
        context,
        tile_rows: context,
        ..Config::base(Architecture::Encoder)
    }
}
