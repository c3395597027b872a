//! The parts of T5 that its stacks share: layers, feed-forward kinds, relative positions.

use super::common::{activation_named, linear, norm};
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::float_model::{FloatLayer, FloatLinear};
use picoformer::config::{Activation, Config};

/// Positions when `config.json` does not say: T5's are not limited.
pub(super) const CONTEXT: usize = 512;

/// Whether the feed-forward part is gated, and its activation.
pub(super) fn feed_forward(c: &Checkpoint) -> Result<(bool, Activation)> {
    let key = "feed_forward_proj";
    let kind = c.config.text(key)?.unwrap_or("relu");
    let (gated, name) = match kind.split_once('-') {
        Some(("gated", "gelu")) => (true, "gelu_new"),
        Some(("gated", name)) => (true, name),
        _ => (false, kind),
    };
    let activation = match name {
        "relu" | "gelu" | "gelu_new" | "silu" => activation_named(c, key, name)?,
        _ => {
            let supported = "relu, gelu, gated-gelu, gated-relu, gated-silu";
            return Err(c.config.refuse(key, supported));
        }
    };
    // What follows from it is written down too; an edited copy would rule in the original.
    if c.config.text("dense_act_fn")?.is_some_and(|other| other != name) {
        return Err(c.config.refuse("dense_act_fn", format!("{name}, as {key} says")));
    }
    if c.config.flag("is_gated_act")?.is_some_and(|other| other != gated) {
        return Err(c.config.refuse("is_gated_act", format!("{gated}, as {key} says")));
    }
    Ok((gated, activation))
}

/// One layer, cross-attention left out: sublayer 0 attends, the last one feeds forward.
pub(super) fn layer(
    c: &Checkpoint,
    config: &Config,
    name: &str,
    decoder: bool,
) -> Result<FloatLayer> {
    let d = config.d_model;
    let attention = |p: &str| format!("{name}.0.SelfAttention.{p}");
    let last = if decoder { 2 } else { 1 };
    let dense = |p: &str| format!("{name}.{last}.DenseReluDense.{p}");
    let up = |p: &str| -> Result<FloatLinear> { linear(c, &dense(p), config.d_ff, d, false) };
    Ok(FloatLayer {
        norm_1: norm(c, &format!("{name}.0.layer_norm"), d, false)?,
        q: linear(c, &attention("q"), config.q_dim(), d, false)?,
        k: linear(c, &attention("k"), config.kv_dim(), d, false)?,
        v: linear(c, &attention("v"), config.kv_dim(), d, false)?,
        o: linear(c, &attention("o"), d, config.q_dim(), false)?,
        norm_2: norm(c, &format!("{name}.{last}.layer_norm"), d, false)?,
        gate: if config.gated { Some(up("wi_0")?) } else { None },
        up: up(if config.gated { "wi_1" } else { "wi" })?,
        down: linear(c, &dense("wo"), d, config.d_ff, false)?,
        score_scale: 1.0,
    })
}

/// The buckets of relative positions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relative {
    buckets: usize,
    /// Distances told apart.
    pub distance: usize,
}

impl Relative {
    /// Reads how many there are.
    pub fn read(c: &Checkpoint) -> Result<Self> {
        let k = &c.config;
        let buckets = k.needed("relative_attention_num_buckets")?;
        let distance = k.size("relative_attention_max_distance")?.unwrap_or(128);
        if buckets < 4 || buckets / 2 >= distance || distance > 1 << 12 {
            let supported = "at least 4, and less than twice relative_attention_max_distance, which is at most 4096";
            return Err(k.refuse("relative_attention_num_buckets", supported));
        }
        Ok(Self { buckets, distance })
    }

    /// The biases of a stack, `(heads, 2 · distance + 1)`.
    pub fn biases(&self, c: &Checkpoint, stack: &str, config: &Config) -> Result<Vec<f32>> {
        let name = format!("{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
        let table = c.tensor(&name, &[self.buckets, config.n_heads])?;
        Ok(distances(&table, config, self.buckets, stack == "encoder"))
    }
}

/// The table of buckets `(buckets, heads)` as one of distances `(heads, 2 · distance + 1)`, so that the
/// engine needs no logarithm.
fn distances(table: &[f32], config: &Config, buckets: usize, both_ways: bool) -> Vec<f32> {
    let reach = config.relative_distance as i32;
    let heads = config.n_heads;
    let entry = |head: usize, distance: i32| {
        table[bucket(distance, buckets, config.relative_distance, both_ways) * heads + head]
    };
    (0..heads)
        .flat_map(|head| (-reach..=reach).map(move |distance| entry(head, distance)))
        .collect()
}

/// The bucket of `key − query`: exact for small distances, logarithmic beyond (T5's source code; the
/// paper's §2.1 describes it).
fn bucket(distance: i32, buckets: usize, greatest: usize, both_ways: bool) -> usize {
    let (half, first) = match both_ways {
        true => (buckets / 2, if distance > 0 { buckets / 2 } else { 0 }),
        false => (buckets, 0),
    };
    let n =
        if both_ways { distance.unsigned_abs() } else { distance.min(0).unsigned_abs() } as usize;
    let exact = half / 2;
    if n < exact {
        return first + n;
    }
    let ratio = (n as f32 / exact as f32).ln();
    let span = (greatest as f64 / exact as f64).ln() as f32;
    let beyond = (ratio / span * (half - exact) as f32) as usize;
    first + (exact + beyond).min(half - 1)
}
