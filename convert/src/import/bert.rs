//! BERT (Devlin et al. 2019): post-norm encoder; sequence and token classification, embeddings.

use super::common::{
    activation, architecture, context, epsilon, head_dim, linear, norm, other_head,
};
use super::{heads, labels};
use crate::checkpoint::Checkpoint;
use crate::error::{Result, input};
use crate::float_model::{FloatLayer, FloatLinear, FloatModel};
use crate::generation;
use crate::pad::validate;
use picoformer::config::{Config, Head, NormOrder, Position};

const HEADS: &str = "BertForSequenceClassification, BertForTokenClassification, BertModel";

/// Reads `BertForSequenceClassification`, `BertForTokenClassification`, `BertModel` and
/// sentence-transformers folders, with or without the `bert.` prefix.
pub fn import(c: &Checkpoint) -> Result<FloatModel> {
    let k = &c.config;
    if k.text("position_embedding_type")?.is_some_and(|kind| kind != "absolute") {
        return Err(k.refuse("position_embedding_type", "absolute"));
    }
    generation::none(c)?;
    let prefix = if c.find("bert.").is_some() { "bert." } else { "" };
    let (d, n_heads) = (k.needed("hidden_size")?, k.needed("num_attention_heads")?);
    let head_dim = head_dim(c, "num_attention_heads", d, n_heads)?;
    let rows = labels::rows(c, "classifier");
    let found = architecture(c, "")?;
    let sentences = c.path.join("modules.json").is_file();
    let head = match found {
        "BertForSequenceClassification" => Head::Classifier,
        "BertForTokenClassification" => Head::TokenLabels,
        "BertModel" => Head::Embedding,
        "" if rows.is_none() => Head::Embedding,
        "" => {
            return Err(input(
                "config.json: `architectures` is missing, and there is a classifier",
                "add \"architectures\": [\"BertForSequenceClassification\"] for labels of texts, or \
                 [\"BertForTokenClassification\"] for labels of tokens",
            ));
        }
        // What guessed words in training is no part of a sentence's embedding.
        "BertForMaskedLM" | "BertForPreTraining" if sentences => Head::Embedding,
        other => return Err(other_head(c, other, HEADS)),
    };
    let body = head == Head::Embedding;
    let answer = match body {
        true => heads::embedding(c, d)?,
        false => heads::labelled(c, head, "classifier", d, true)?,
    };
    if body {
        c.take_all("cls.");
    }
    let learned = k.needed("max_position_embeddings")?;
    let config = Config {
        position: Position::Learned,
        norm_order: NormOrder::Post,
        activation: activation(c, "hidden_act", "gelu")?,
        qkv_bias: true,
        output_bias: true,
        up_bias: true,
        down_bias: true,
        embedding_norm: true,
        pooler: head == Head::Classifier || answer.pooler.is_some(),
        vocab_size: k.needed("vocab_size")?,
        d_model: d,
        n_layers: k.needed("num_hidden_layers")?,
        n_heads,
        n_kv_heads: n_heads,
        head_dim,
        d_ff: k.needed("intermediate_size")?,
        context: context(c, answer.limit(learned), true)?,
        ..answer.config
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
    let types = table("token_type_embeddings", k.size("type_vocab_size")?.unwrap_or(2))?;
    let mut positions = table("position_embeddings", learned)?;
    for row in positions.chunks_exact_mut(d) {
        row.iter_mut().zip(&types).for_each(|(p, t)| *p += t);
    }
    let pooler_name = format!("{prefix}pooler.dense");
    let pooler = match head {
        Head::Classifier => Some(linear(c, &pooler_name, d, d, true)?),
        _ => {
            // Checkpoints without a use for the pooler often carry one all the same.
            c.take_all(&pooler_name);
            answer.pooler
        }
    };
    Ok(FloatModel {
        config,
        epsilon: epsilon(c, "layer_norm_eps", 1e-12)?,
        frequencies: Vec::new(),
        embedding: FloatLinear {
            weight: table("word_embeddings", config.vocab_size)?,
            bias: None,
            out_dim: config.vocab_size,
            in_dim: d,
            ..FloatLinear::default()
        },
        positions: Some(positions),
        embedding_norm: Some(norm(c, &format!("{prefix}embeddings.LayerNorm"), d, true)?),
        layers,
        final_norm: None,
        pooler,
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
