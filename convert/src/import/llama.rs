//! Llama (Touvron et al. 2023): RMSNorm, rotary positions, gated SiLU, grouped-query attention. Mistral
//! (Jiang et al. 2023) is the same with a sliding window.

use super::common::{activation, head_dim, linear, norm, unsupported};
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::float_model::{FloatLayer, FloatLinear, FloatModel};
use crate::pad::validate;
use picoformer::config::{Architecture, Config, Head, Norm, Position};
use serde_json::Value;

/// Reads `LlamaForCausalLM` and `MistralForCausalLM`.
pub fn import(c: &Checkpoint) -> Result<FloatModel> {
    let (d, n_heads) = (c.size("hidden_size")?, c.size("num_attention_heads")?);
    let from_width = head_dim("num_attention_heads", d, n_heads)?;
    let head_dim = c.size("head_dim").unwrap_or(from_width);
    let tied = c.flag("tie_word_embeddings", false);
    let attention_bias = c.flag("attention_bias", false);
    let mlp_bias = c.flag("mlp_bias", false);
    let context = c.size("max_position_embeddings")?;
    let window = c.config.get("sliding_window").and_then(Value::as_u64).map(|n| n as usize);
    let config = Config {
        position: Position::Rotary,
        norm: Norm::Rms,
        activation: activation("hidden_act", c.text("hidden_act").unwrap_or("silu"))?,
        head: if tied { Head::TiedVocabulary } else { Head::Vocabulary },
        gated: true,
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        up_bias: mlp_bias,
        down_bias: mlp_bias,
        final_norm: true,
        vocab_size: c.size("vocab_size")?,
        d_model: d,
        n_layers: c.size("num_hidden_layers")?,
        n_heads,
        n_kv_heads: c.size("num_key_value_heads").unwrap_or(n_heads),
        head_dim,
        d_ff: c.size("intermediate_size")?,
        context,
        // A window as long as the context is none.
        window: window.filter(|&n| n < context).unwrap_or(0),
        ..Config::base(Architecture::Decoder)
    };
    validate(&config)?;
    let mut layers = Vec::new();
    for i in 0..config.n_layers {
        let name = |part: &str| format!("model.layers.{i}.{part}");
        let mut q = linear(c, &name("self_attn.q_proj"), config.q_dim(), d, attention_bias)?;
        let mut k = linear(c, &name("self_attn.k_proj"), config.kv_dim(), d, attention_bias)?;
        neighbours(&mut q, head_dim);
        neighbours(&mut k, head_dim);
        layers.push(FloatLayer {
            norm_1: norm(c, &name("input_layernorm"), d, false)?,
            q,
            k,
            v: linear(c, &name("self_attn.v_proj"), config.kv_dim(), d, attention_bias)?,
            o: linear(c, &name("self_attn.o_proj"), d, config.q_dim(), attention_bias)?,
            norm_2: norm(c, &name("post_attention_layernorm"), d, false)?,
            gate: Some(linear(c, &name("mlp.gate_proj"), config.d_ff, d, mlp_bias)?),
            up: linear(c, &name("mlp.up_proj"), config.d_ff, d, mlp_bias)?,
            down: linear(c, &name("mlp.down_proj"), d, config.d_ff, mlp_bias)?,
            score_scale: 1.0 / (head_dim as f32).sqrt(),
        });
    }
    let head = if tied { None } else { Some(linear(c, "lm_head", config.vocab_size, d, false)?) };
    if tied && c.has("lm_head.weight") {
        // Some files repeat the tied matrix.
        linear(c, "lm_head", config.vocab_size, d, false)?;
    }
    Ok(FloatModel {
        config,
        epsilon: c.number("rms_norm_eps", 1e-6) as f32,
        frequencies: frequencies(rope_theta(c)?, head_dim),
        embedding: linear(c, "model.embed_tokens", config.vocab_size, d, false)?,
        positions: None,
        embedding_norm: None,
        layers,
        final_norm: Some(norm(c, "model.norm", d, false)?),
        pooler: None,
        head,
        labels: Vec::new(),
        tokenizer: Vec::new(),
        parameters: c.parameters(),
        frame_exponent: 0,
        relative: Vec::new(),
        decoder: None,
    })
}

/// Angles per position: `theta^(-2i / head_dim)` (Su et al. 2021, §3.4.2).
pub fn frequencies(theta: f64, head_dim: usize) -> Vec<f64> {
    (0..head_dim / 2).map(|i| theta.powf(-2.0 * i as f64 / head_dim as f64)).collect()
}

/// The base of the rotary frequencies; scaled variants are refused by name.
fn rope_theta(c: &Checkpoint) -> Result<f64> {
    let old = c.config.get("rope_scaling").filter(|v| !v.is_null());
    for scaling in [old, c.config.get("rope_parameters")].into_iter().flatten() {
        let kind = scaling.get("rope_type").or(scaling.get("type")).and_then(Value::as_str);
        if kind.is_some_and(|kind| kind != "default") {
            let kind = kind.unwrap_or_default();
            return Err(unsupported("rope_parameters.rope_type", kind, "default"));
        }
    }
    let parameters = c.config.get("rope_parameters").and_then(|p| p.get("rope_theta"));
    Ok(parameters.and_then(Value::as_f64).unwrap_or_else(|| c.number("rope_theta", 10000.0)))
}

/// Hugging Face rotates element `i` with `i + head_dim/2`; the engine rotates neighbours. Reorders
/// the outputs of every head accordingly; scores do not change.
fn neighbours(layer: &mut FloatLinear, head_dim: usize) {
    let order = |row: usize| {
        let (head, i) = (row / head_dim, row % head_dim);
        head * head_dim + i / 2 + (i % 2) * (head_dim / 2)
    };
    let old = layer.weight.clone();
    let rows = layer.weight.chunks_exact_mut(layer.in_dim).enumerate();
    rows.for_each(|(i, row)| row.copy_from_slice(&old[order(i) * layer.in_dim..][..layer.in_dim]));
    if let Some(bias) = &mut layer.bias {
        let old = bias.clone();
        bias.iter_mut().enumerate().for_each(|(i, b)| *b = old[order(i)]);
    }
}
