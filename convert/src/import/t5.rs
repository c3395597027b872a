//! T5 (Raffel et al. 2020): RMSNorm, relative positions, no score scaling, ReLU or gated GELU.

use super::common::{architecture, context, epsilon, linear, norm, other_head};
use super::heads;
use super::t5_layers::{CONTEXT, Relative, feed_forward, layer};
use crate::checkpoint::Checkpoint;
use crate::error::{Result, input};
use crate::float_decoder::{FloatCross, FloatDecoder};
use crate::float_model::{FloatLayer, FloatModel};
use crate::generation;
use crate::pad::validate;
use picoformer::config::{Architecture, Config, Head, Norm, Position};

const HEADS: &str = "T5ForConditionalGeneration, T5EncoderModel";

/// Reads `T5ForConditionalGeneration`, of version 1.0 and 1.1, and `T5EncoderModel`. Modules of
/// sentence-transformers use the encoder alone, whatever else there is.
pub fn import(c: &Checkpoint) -> Result<FloatModel> {
    match architecture(c, "T5ForConditionalGeneration")? {
        "T5EncoderModel" => return encoder(c),
        _ if c.path.join("modules.json").is_file() => return encoder(c),
        "T5ForConditionalGeneration" | "T5WithLMHeadModel" => {}
        other => return Err(other_head(c, other, HEADS)),
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
    let relative = Relative::read(c)?;
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
        relative_distance: relative.distance,
        start_token: search.start_token,
        end_token: search.end_token,
        suppressed_token: search.suppressed_token,
        forced_token: search.forced_token,
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
        relative: relative.biases(c, "encoder", &config)?,
        decoder: Some(FloatDecoder {
            layers: stack("decoder", config.decoder_layers, true)?,
            cross: (0..config.decoder_layers).map(cross).collect::<Result<_>>()?,
            final_norm: Some(target_norm),
            relative: relative.biases(c, "decoder", &config)?,
            ..FloatDecoder::default()
        }),
        sections: search.rules.sections(),
    })
}

/// The encoder alone: embeddings of texts (Ni et al. 2021, "Sentence-T5").
fn encoder(c: &Checkpoint) -> Result<FloatModel> {
    let k = &c.config;
    generation::none(c)?;
    // What only a decoder would need.
    k.flag("is_encoder_decoder")?;
    for key in ["tie_word_embeddings", "scale_decoder_outputs"] {
        k.flag(key)?;
    }
    k.size("num_decoder_layers")?;
    if c.find("decoder.block.").is_some() {
        c.note("the decoder and its head are left out: the encoder alone embeds");
    }
    c.take_all("decoder.");
    c.take_all("lm_head.");
    let (d, vocab_size) = (k.needed("d_model")?, k.needed("vocab_size")?);
    let copy = "encoder.embed_tokens";
    let name = if c.has("shared.weight") { "shared" } else { copy };
    let embedding = linear(c, name, vocab_size, d, false)?;
    if name == "shared"
        && c.unties(&format!("{copy}.weight"), name, &embedding.weight, &[vocab_size, d])?
    {
        return Err(input(
            format!("`{copy}.weight` differs from `shared.weight`"),
            "T5 has one table; leave one of them out",
        ));
    }
    let (gated, activation) = feed_forward(c)?;
    let (relative, answer) = (Relative::read(c)?, heads::embedding(c, d)?);
    let n_heads = k.needed("num_heads")?;
    let config = Config {
        position: Position::Relative,
        norm: Norm::Rms,
        activation,
        gated,
        final_norm: true,
        pooler: answer.pooler.is_some(),
        vocab_size,
        d_model: d,
        n_layers: k.needed("num_layers")?,
        n_heads,
        n_kv_heads: n_heads,
        head_dim: k.needed("d_kv")?,
        d_ff: k.needed("d_ff")?,
        context: context(c, answer.limit(k.size("n_positions")?.unwrap_or(CONTEXT)), false)?,
        relative_distance: relative.distance,
        ..answer.config
    };
    validate(&config)?;
    Ok(FloatModel {
        config,
        epsilon: epsilon(c, "layer_norm_epsilon", 1e-6)?,
        frequencies: Vec::new(),
        embedding,
        positions: None,
        embedding_norm: None,
        layers: (0..config.n_layers)
            .map(|i| layer(c, &config, &format!("encoder.block.{i}.layer"), false))
            .collect::<Result<_>>()?,
        final_norm: Some(norm(c, "encoder.final_layer_norm", d, false)?),
        pooler: answer.pooler,
        head: answer.head,
        labels: Vec::new(),
        tokenizer: Vec::new(),
        parameters: c.parameters(),
        frame_exponent: 0,
        relative: relative.biases(c, "encoder", &config)?,
        decoder: None,
        sections: Vec::new(),
    })
}
