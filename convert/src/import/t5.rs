//! T5 (Raffel et al. 2020): RMSNorm, relative positions, no score scaling, ReLU or gated GELU.

use super::common::{beams, linear, norm, target_context, unsupported};
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::float_decoder::{FloatCross, FloatDecoder};
use crate::float_model::{FloatLayer, FloatLinear, FloatModel};
use crate::pad::validate;
use picoformer::config::{Activation, Architecture, Config, Head, Norm, Position};

/// Positions when `config.json` does not say: T5's are not limited.
const CONTEXT: usize = 512;

/// Reads `T5ForConditionalGeneration`, of version 1.0 and 1.1.
pub fn import(c: &Checkpoint) -> Result<FloatModel> {
    let d = c.size("d_model")?;
    let tied = c.flag("tie_word_embeddings", true);
    let (gated, activation) = match c.text("feed_forward_proj").unwrap_or("relu") {
        "relu" => (false, Activation::Relu),
        "gelu" => (false, Activation::GeluErf),
        "gated-gelu" => (true, Activation::GeluTanh),
        "gated-relu" => (true, Activation::Relu),
        "gated-silu" => (true, Activation::Silu),
        other => {
            let supported = "relu, gelu, gated-gelu, gated-relu, gated-silu";
            return Err(unsupported("feed_forward_proj", other, supported));
        }
    };
    let buckets = c.size("relative_attention_num_buckets")?;
    let distance = c.size("relative_attention_max_distance").unwrap_or(128);
    if buckets < 4 || buckets / 2 >= distance {
        let supported = "at least 4, and twice relative_attention_max_distance at most";
        return Err(unsupported("relative_attention_num_buckets", buckets, supported));
    }
    let context = c.size("n_positions").unwrap_or(CONTEXT);
    let n_layers = c.size("num_layers")?;
    let config = Config {
        position: Position::Relative,
        norm: Norm::Rms,
        activation,
        head: if tied { Head::TiedVocabulary } else { Head::Vocabulary },
        gated,
        final_norm: true,
        vocab_size: c.size("vocab_size")?,
        d_model: d,
        n_layers,
        n_heads: c.size("num_heads")?,
        n_kv_heads: c.size("num_heads")?,
        head_dim: c.size("d_kv")?,
        d_ff: c.size("d_ff")?,
        context,
        decoder_layers: c.size("num_decoder_layers").unwrap_or(n_layers),
        target_context: target_context(c, context),
        beams: beams(c),
        relative_distance: distance,
        start_token: c.generation("decoder_start_token_id").or_else(|_| c.size("pad_token_id"))?,
        end_token: c.generation("eos_token_id")?,
        ..Config::base(Architecture::EncoderDecoder)
    };
    validate(&config)?;
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
    let head = if tied { None } else { Some(linear(c, "lm_head", config.vocab_size, d, false)?) };
    // Copies that some files hold beside `shared.weight`.
    for name in ["encoder.embed_tokens", "decoder.embed_tokens", "lm_head"] {
        if c.has(&format!("{name}.weight")) {
            linear(c, name, config.vocab_size, d, false)?;
        }
    }
    let mut target_norm = norm(c, "decoder.final_layer_norm", d, false)?;
    if tied {
        // A tied head reads rows scaled by 1/√d.
        target_norm.gain.iter_mut().for_each(|gain| *gain *= (d as f32).powf(-0.5));
    }
    Ok(FloatModel {
        config,
        epsilon: c.number("layer_norm_epsilon", 1e-6) as f32,
        frequencies: Vec::new(),
        embedding: linear(c, "shared", config.vocab_size, d, false)?,
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
    })
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
