//! BERT (Devlin et al. 2019): post-norm encoder; sequence and token classification, embeddings.

use super::common::{activation, head_dim, linear, norm, unsupported};
use crate::checkpoint::{Checkpoint, parse_json};
use crate::error::Result;
use crate::float_model::{FloatLayer, FloatLinear, FloatModel};
use crate::pad::validate;
use picoformer::config::{Architecture, Config, Head, NormOrder, Pooling, Position};
use serde_json::Value;

/// Reads `BertForSequenceClassification`, `BertForTokenClassification`, `BertModel` and
/// sentence-transformers folders, with or without the `bert.` prefix.
pub fn import(c: &Checkpoint) -> Result<FloatModel> {
    let kind = c.text("position_embedding_type").unwrap_or("absolute");
    if kind != "absolute" {
        return Err(unsupported("position_embedding_type", kind, "absolute"));
    }
    let prefix = if c.has("bert.embeddings.word_embeddings.weight") { "bert." } else { "" };
    let (d, n_heads) = (c.size("hidden_size")?, c.size("num_attention_heads")?);
    let head_dim = head_dim("num_attention_heads", d, n_heads)?;
    let architecture = c
        .config
        .get("architectures")
        .and_then(|a| a.get(0))
        .and_then(Value::as_str)
        .unwrap_or("BertModel");
    let labels = if c.has("classifier.weight") { c.labels() } else { Vec::new() };
    let (head, pooling, pooler) = match architecture {
        "BertForSequenceClassification" => (Head::Classifier, Pooling::First, true),
        "BertForTokenClassification" => (Head::TokenLabels, Pooling::First, false),
        "BertModel" => (Head::Embedding, pooling(c)?, false),
        other => {
            return Err(unsupported(
                "architectures",
                other,
                "BertForSequenceClassification, BertForTokenClassification, BertModel",
            ));
        }
    };
    let config = Config {
        position: Position::Learned,
        norm_order: NormOrder::Post,
        activation: activation("hidden_act", c.text("hidden_act").unwrap_or("gelu"))?,
        head,
        pooling,
        qkv_bias: true,
        output_bias: true,
        up_bias: true,
        down_bias: true,
        head_bias: !labels.is_empty(),
        embedding_norm: true,
        pooler,
        vocab_size: c.size("vocab_size")?,
        d_model: d,
        n_layers: c.size("num_hidden_layers")?,
        n_heads,
        n_kv_heads: n_heads,
        head_dim,
        d_ff: c.size("intermediate_size")?,
        context: c.size("max_position_embeddings")?,
        n_labels: labels.len(),
        ..Config::base(Architecture::Encoder)
    };
    validate(&config)?;
    let mut layers = Vec::new();
    for i in 0..config.n_layers {
        let name = |part: &str| format!("{prefix}encoder.layer.{i}.{part}");
        layers.push(FloatLayer {
            q: linear(c, &name("attention.self.query"), d, d, true)?,
            k: linear(c, &name("attention.self.key"), d, d, true)?,
            v: linear(c, &name("attention.self.value"), d, d, true)?,
            o: linear(c, &name("attention.output.dense"), d, d, true)?,
            norm_1: norm(c, &name("attention.output.LayerNorm"), d, true)?,
            gate: None,
            up: linear(c, &name("intermediate.dense"), config.d_ff, d, true)?,
            down: linear(c, &name("output.dense"), d, config.d_ff, true)?,
            norm_2: norm(c, &name("output.LayerNorm"), d, true)?,
            score_scale: 1.0 / (head_dim as f32).sqrt(),
        });
    }
    let table = |name: &str, rows: usize| {
        c.tensor(&format!("{prefix}embeddings.{name}.weight"), &[rows, d])
    };
    // One sentence: token type 0 everywhere, so its row joins the positions.
    let types = table("token_type_embeddings", c.size("type_vocab_size")?)?;
    let mut positions = table("position_embeddings", config.context)?;
    for row in positions.chunks_exact_mut(d) {
        row.iter_mut().zip(&types).for_each(|(p, t)| *p += t);
    }
    let pooler_name = format!("{prefix}pooler.dense");
    // Checkpoints without a use for the pooler often carry one all the same.
    let found = match c.has(&format!("{pooler_name}.weight")) {
        true => Some(linear(c, &pooler_name, d, d, true)?),
        false => None,
    };
    Ok(FloatModel {
        config,
        epsilon: c.number("layer_norm_eps", 1e-12) as f32,
        frequencies: Vec::new(),
        embedding: FloatLinear {
            weight: table("word_embeddings", config.vocab_size)?,
            bias: None,
            out_dim: config.vocab_size,
            in_dim: d,
        },
        positions: Some(positions),
        embedding_norm: Some(norm(c, &format!("{prefix}embeddings.LayerNorm"), d, true)?),
        layers,
        final_norm: None,
        pooler: if pooler {
            Some(match found {
                Some(pooler) => pooler,
                None => linear(c, &pooler_name, d, d, true)?,
            })
        } else {
            None
        },
        head: match labels.is_empty() {
            true => None,
            false => Some(linear(c, "classifier", labels.len(), d, true)?),
        },
        labels,
        tokenizer: Vec::new(),
        parameters: c.parameters(),
        frame_exponent: 0,
        relative: Vec::new(),
        decoder: None,
    })
}

/// How a sentence-transformers folder pools; mean without word of it (Reimers & Gurevych 2019, §3).
fn pooling(c: &Checkpoint) -> Result<Pooling> {
    let path = c.path.join("1_Pooling/config.json");
    if !path.is_file() {
        return Ok(Pooling::Mean);
    }
    let json = parse_json(&path)?;
    let on = |key: &str| json.get(key).and_then(Value::as_bool).unwrap_or(false);
    match (on("pooling_mode_mean_tokens"), on("pooling_mode_cls_token")) {
        (true, false) => Ok(Pooling::Mean),
        (false, true) => Ok(Pooling::First),
        _ => Err(unsupported("1_Pooling/config.json", "another mode", "mean tokens or cls token")),
    }
}
