//! GPT-2 (Radford et al. 2019): LayerNorm before each part, learned positions, GELU.

use super::common::{activation, architecture, context, epsilon, head_dim, norm, other_head};
use super::heads::{self, Use};
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::float_model::{FloatLayer, FloatLinear, FloatModel};
use crate::pad::validate;
use picoformer::config::{Config, Position};

const HEADS: &str = "GPT2LMHeadModel, GPT2ForSequenceClassification, GPT2ForTokenClassification";

/// Reads `GPT2LMHeadModel` and bodies that classify or embed, with or without the `transformer.` prefix.
pub fn import(c: &Checkpoint) -> Result<FloatModel> {
    let found = architecture(c, "GPT2LMHeadModel")?;
    let answers = found.strip_prefix("GPT2").and_then(|head| heads::use_of(c, head));
    let Some(answers) = answers else { return Err(other_head(c, found, HEADS)) };
    let prefix = if c.find("transformer.").is_some() { "transformer." } else { "" };
    let k = &c.config;
    let (d, n_heads) = (k.needed("n_embd")?, k.needed("n_head")?);
    let head_dim = head_dim(c, "n_head", d, n_heads)?;
    let vocab_size = k.needed("vocab_size")?;
    let learned = k.needed("n_positions")?;
    let table = |name: &str, rows: usize| c.tensor(&format!("{prefix}{name}.weight"), &[rows, d]);
    let embedding = table("wte", vocab_size)?;
    let answer = match answers {
        Use::Tokens => heads::tokens(c, "wte", &embedding, [vocab_size, d], true)?,
        Use::TokenLabels => heads::causal(c, answers, "classifier", d)?,
        _ => heads::causal(c, answers, "score", d)?,
    };
    let config = Config {
        position: Position::Learned,
        activation: activation(c, "activation_function", "gelu_new")?,
        qkv_bias: true,
        output_bias: true,
        up_bias: true,
        down_bias: true,
        final_norm: true,
        vocab_size,
        d_model: d,
        n_layers: k.needed("n_layer")?,
        n_heads,
        n_kv_heads: n_heads,
        head_dim,
        d_ff: k.size("n_inner")?.unwrap_or(4 * d),
        context: context(c, answer.limit(learned), true)?,
        pooler: answer.pooler.is_some(),
        ..answer.config
    };
    validate(&config)?;
    let by_layer = k.flag("scale_attn_by_inverse_layer_idx")?.unwrap_or(false);
    let scaled = k.flag("scale_attn_weights")?.unwrap_or(true);
    let mut layers = Vec::new();
    for i in 0..config.n_layers {
        let name = |part: &str| format!("{prefix}h.{i}.{part}");
        let qkv = conv1d(c, &name("attn.c_attn"), 3 * d, d)?;
        let part = |j: usize| FloatLinear {
            weight: qkv.weight[j * d * d..][..d * d].to_vec(),
            bias: qkv.bias.as_ref().map(|b| b[j * d..][..d].to_vec()),
            out_dim: d,
            in_dim: d,
            ..FloatLinear::default()
        };
        let mut score_scale = if scaled { 1.0 / (head_dim as f32).sqrt() } else { 1.0 };
        if by_layer {
            score_scale /= (i + 1) as f32;
        }
        layers.push(FloatLayer {
            norm_1: norm(c, &name("ln_1"), d, true)?,
            q: part(0),
            k: part(1),
            v: part(2),
            o: conv1d(c, &name("attn.c_proj"), d, d)?,
            norm_2: norm(c, &name("ln_2"), d, true)?,
            gate: None,
            up: conv1d(c, &name("mlp.c_fc"), config.d_ff, d)?,
            down: conv1d(c, &name("mlp.c_proj"), d, config.d_ff)?,
            score_scale,
        });
    }
    Ok(FloatModel {
        config,
        epsilon: epsilon(c, "layer_norm_epsilon", 1e-5)?,
        frequencies: Vec::new(),
        embedding: FloatLinear {
            weight: embedding,
            out_dim: vocab_size,
            in_dim: d,
            ..FloatLinear::default()
        },
        positions: Some(table("wpe", learned)?),
        embedding_norm: None,
        layers,
        final_norm: Some(norm(c, &format!("{prefix}ln_f"), d, true)?),
        pooler: answer.pooler,
        head: answer.head,
        labels: answer.labels,
        tokenizer: Vec::new(),
        parameters: c.parameters(),
        frame_exponent: 0,
        relative: Vec::new(),
        decoder: None,
        sections: answer.sections,
    })
}

/// GPT-2 stores its linear layers transposed, `(in, out)`.
fn conv1d(c: &Checkpoint, name: &str, out: usize, inp: usize) -> Result<FloatLinear> {
    let transposed = c.tensor(&format!("{name}.weight"), &[inp, out])?;
    let weight = (0..out * inp).map(|i| transposed[i % inp * out + i / inp]).collect();
    let bias = Some(c.tensor(&format!("{name}.bias"), &[out])?);
    Ok(FloatLinear { weight, bias, out_dim: out, in_dim: inp, ..FloatLinear::default() })
}
