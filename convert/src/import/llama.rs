//! Llama (Touvron et al. 2023): RMSNorm, rotary positions, gated SiLU, grouped-query attention. Mistral
//! (Jiang et al. 2023) is the same with a sliding window.

use super::common::{
    activation, architecture, context, epsilon, head_dim, linear, norm, other_head,
};
use super::family::family;
use super::heads::{self, Use};
use super::rotary;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::float_model::{FloatLayer, FloatLinear, FloatModel};
use crate::pad::validate;
use picoformer::config::{Config, Norm, Position};

/// Reads `LlamaForCausalLM`, `MistralForCausalLM`, and such bodies that classify or embed.
pub fn import(c: &Checkpoint) -> Result<FloatModel> {
    let mistral = family(&c.config)? == "mistral";
    let (name, own) = match mistral {
        true => ("Mistral", "MistralForCausalLM"),
        false => ("Llama", "LlamaForCausalLM"),
    };
    let found = architecture(c, own)?;
    let heads = ["CausalLM", "SequenceClassification", "TokenClassification"];
    let supported = heads.map(|head| format!("{name}For{head}")).join(", ");
    let answers = found.strip_prefix(name).and_then(|head| heads::use_of(c, head));
    let Some(answers) = answers else { return Err(other_head(c, found, &supported)) };
    let headless = !c.has("model.embed_tokens.weight") && c.has("embed_tokens.weight");
    if headless && answers != Use::Embedding {
        return Err(other_head(c, &format!("{name}Model"), &supported));
    }
    let prefix = if headless { "" } else { "model." };
    let k = &c.config;
    let (d, n_heads) = (k.needed("hidden_size")?, k.needed("num_attention_heads")?);
    let head_dim = match k.size("head_dim")? {
        Some(width) => width,
        None => head_dim(c, "num_attention_heads", d, n_heads)?,
    };
    let vocab_size = k.needed("vocab_size")?;
    let attention_bias = k.flag("attention_bias")?.unwrap_or(false);
    let mlp_bias = k.flag("mlp_bias")?.unwrap_or(false);
    let table = format!("{prefix}embed_tokens");
    let embedding = linear(c, &table, vocab_size, d, false)?;
    let answer = match answers {
        Use::Tokens => heads::tokens(c, &table, &embedding.weight, [vocab_size, d], false)?,
        _ => heads::causal(c, answers, "score", d)?,
    };
    let context = context(c, answer.limit(k.needed("max_position_embeddings")?), false)?;
    // Llama has no window; the original does not read it there. Mistral has one unless told otherwise.
    let window = match (mistral, k.root().get("sliding_window").is_some()) {
        (true, true) => k.size("sliding_window")?,
        (true, false) => Some(4096),
        (false, _) => None,
    };
    let config = Config {
        position: Position::Rotary,
        norm: Norm::Rms,
        activation: activation(c, "hidden_act", "silu")?,
        gated: true,
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        up_bias: mlp_bias,
        down_bias: mlp_bias,
        final_norm: true,
        vocab_size,
        d_model: d,
        n_layers: k.needed("num_hidden_layers")?,
        n_heads,
        n_kv_heads: k.size("num_key_value_heads")?.unwrap_or(n_heads),
        head_dim,
        d_ff: k.needed("intermediate_size")?,
        context,
        // A window as long as the context is none.
        window: window.filter(|&n| n < context).unwrap_or(0),
        pooler: answer.pooler.is_some(),
        ..answer.config
    };
    validate(&config)?;
    let mut layers = Vec::new();
    for i in 0..config.n_layers {
        let name = |part: &str| format!("{prefix}layers.{i}.{part}");
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
    Ok(FloatModel {
        config,
        epsilon: epsilon(c, "rms_norm_eps", 1e-6)?,
        frequencies: rotary::read(c, head_dim)?,
        embedding,
        positions: None,
        embedding_norm: None,
        layers,
        final_norm: Some(norm(c, &format!("{prefix}norm"), d, false)?),
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
