//! T5 (Raffel et al. 2020): RMSNorm, relative positions, no score scaling, ReLU or gated GELU.

use super::common::{activation_named, architecture, context, epsilon, linear, norm, other_head};
use crate::checkpoint::Checkpoint;
use crate::error::{Result, input};
use crate::float_decoder::{FloatCross, FloatDecoder};
use crate::float_model::{FloatLayer, FloatLinear, FloatModel};
use crate::generation;
use picoformer::config::{Activation, Architecture, Config, Head, Norm, Position};

/// Positions when `config.json` does not say: T5's are not limited.
const CONTEXT: usize = 512;

/// Reads `T5ForConditionalGeneration`, of version 1.0 and 1.1.
pub fn import(c: &Checkpoint) -> Result<FloatModel> {
    match architecture(c, "T5ForConditionalGeneration")? {
        "T5ForConditionalGeneration" | "T5WithLMHeadModel" => {}
        other => return Err(other_head(c, other, "T5ForConditionalGeneration")),
    }
    let k = &c.config;
    let (d, vocab_size) = (k.needed("d_model")?, k.needed("vocab_size")?);
    // Version 1.0 scales what a tied head reads. Transformers 4 tells that by the tie, 5 apart from it.
    let tie = k.flag("tie_word_embeddings")?.unwrap_or(true);
    let scaled = k.flag("scale_decoder_outputs")?.unwrap_or(tie);
    let embedding = linear(c, "shared", vocab_size, d, false)?;
    let shape = [vocab_size, d];
    for name in ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"] {
        if c.unties(name, "shared", &embedding.weight, &shape)? {
            let message = format!("`{name}` differs from `shared.weight`");
            return Err(input(
                message,
                "T5 has one table for both sides; it cannot be run with two",
            ));
        }
    }
    let tied = match tie {
        true => !c.unties("lm_head.weight", "shared", &embedding.weight, &shape)?,
        false => false,
    };
    let (gated, activation) = feed_forward(c)?;
    let buckets = k.needed("relative_attention_num_buckets")?;
    let distance = k.size("relative_attention_max_distance")?.unwrap_or(128);
    if buckets < 4 || buckets / 2 >= distance || distance > 1 << 12 {
        let supported = "at least 4, and less than twice relative_attention_max_distance, which is at most 4096";
        return Err(k.refuse("relative_attention_num_buckets", supported));
    }
    let context = context(c, k.size("n_positions")?.unwrap_or(CONTEXT), false)?;
    let n_layers = k.needed("num_layers")?;
    let n_heads = k.needed("num_heads")?;
    let search = generation::search(c, context, k.token("pad_token_id")?)?;
    let config = Config {
        position: Position::Relative,
        norm: Norm::Rms,
        activation,
        head: if tied { Head::TiedVocabulary } else { Head::Vocabulary },
        gated,
        final_norm: true,
        vocab_size,
        d_model: d,
        n_layers,
        n_heads,
        n_kv_heads: n_heads,
        head_dim: k.needed("d_kv")?,
        d_ff: k.needed("d_ff")?,
        context,
        decoder_layers: k.size("num_decoder_layers")?.unwrap_or(n_layers),
        target_context: search.target_context,
        beams: search.beams,
        relative_distance: distance,
        start_token: search.start_token,
        end_token: search.end_token,
        suppressed_token: search.suppressed_token,
        forced_token: search.forced_token,
        ..Config::base(Architecture::EncoderDecoder)
    };
    let stack = |name: &str, layers: usize, decoder: bool| -> Result<Vec<FloatLayer>> {
        (0..layers)
            .map(|i| layer(c, &config, &format!("{name}.block.{i}.layer"), decoder))
            .collect()
    };
    let cross = |i: usize| -> Result<FloatCross> {
        let name = format!("decoder.block.{i}.layer.1");
        let part = |p: &str| format!("{name}.EncDecAttention.{p}");
        Ok(FloatCross {
            norm: norm(c, &format!("{name}.layer_norm"), d, false)?,
            q: linear(c, &part("q"), config.q_dim(), d, false)?,
            k: linear(c, &part("k"), config.kv_dim(), d, false)?,
            v: linear(c, &part("v"), config.kv_dim(), d, false)?,
            o: linear(c, &part("o"), d, config.q_dim(), false)?,
            score_scale: 1.0,
        })
    };
    let bias = |name: &str, both_ways: bool| -> Result<Vec<f32>> {
        let name = format!("{name}.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
        let table = c.tensor(&name, &[buckets, config.n_heads])?;
        Ok(distances(&table, &config, buckets, both_ways))
    };
    let head = if tied { None } else { Some(linear(c, "lm_head", vocab_size, d, false)?) };
    // The decoder's cross-attention has no positions; some old files carry a table that is not used.
    c.take_all("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias");
    let mut target_norm = norm(c, "decoder.final_layer_norm", d, false)?;
    if scaled {
        // The head reads rows scaled by 1/√d.
        target_norm.gain.iter_mut().for_each(|gain| *gain *= (d as f32).powf(-0.5));
    }
    Ok(FloatModel {
        config,
        epsilon: epsilon(c, "layer_norm_epsilon", 1e-6)?,
        frequencies: Vec::new(),
        embedding,
        positions: None,
        embedding_norm: None,
        layers: stack("encoder", n_layers, false)?,
        final_norm: Some(norm(c, "encoder.final_layer_norm", d, false)?),
        pooler: None,
        head,
        labels: Vec::new(),
        tokenizer: Vec::new(),
        parameters: c.parameters(),
        frame_exponent: 0,
        relative: bias("encoder", true)?,
        decoder: Some(FloatDecoder {
            layers: stack("decoder", config.decoder_layers, true)?,
            cross: (0..config.decoder_layers).map(cross).collect::<Result<_>>()?,
            final_norm: Some(target_norm),
            relative: bias("decoder", false)?,
            ..FloatDecoder::default()
        }),
        sections: search.rules.sections(),
    })
}

/// Whether the feed-forward part is gated, and its activation.
fn feed_forward(c: &Checkpoint) -> Result<(bool, Activation)> {
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
fn layer(c: &Checkpoint, config: &Config, name: &str, decoder: bool) -> Result<FloatLayer> {
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
