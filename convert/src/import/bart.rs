//! BART (Lewis et al. 2020) and Marian (Junczys-Dowmunt et al. 2018; Tiedemann & Thottingal 2020,
//! "OPUS-MT"): post-norm layers with biases, one layout of names. BART has learned positions from 2 on
//! and a norm of the embedding, Marian sinusoids.

use super::common::{activation, beams, head_dim, linear, norm, target_context, unsupported};
use super::llama::frequencies;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::float_decoder::{FloatCross, FloatDecoder};
use crate::float_model::{FloatLayer, FloatLinear, FloatModel, FloatNorm};
use crate::pad::validate;
use picoformer::config::{Architecture, Config, Head, Position};

/// Learned positions begin at this row of the table.
const OFFSET: usize = 2;

/// Reads `BartForConditionalGeneration`.
pub fn import(c: &Checkpoint) -> Result<FloatModel> {
    read(c, true)
}

/// Reads `MarianMTModel`.
pub fn import_marian(c: &Checkpoint) -> Result<FloatModel> {
    read(c, false)
}

fn read(c: &Checkpoint, bart: bool) -> Result<FloatModel> {
    let config = config(c, bart)?;
    let (d, vocab) = (config.d_model, config.vocab_size);
    let sides = ["model.encoder", "model.decoder"];
    let table = |name: &str| -> Result<FloatLinear> { linear(c, name, vocab, d, false) };
    let (mut embedding, mut own) = match config.separate_embedding {
        true => (table("model.encoder.embed_tokens")?, Some(table("model.decoder.embed_tokens")?)),
        false => (table("model.shared")?, None),
    };
    // Copies that some files hold beside the tied matrix.
    for name in
        ["model.shared", "model.encoder.embed_tokens", "model.decoder.embed_tokens", "lm_head"]
    {
        if c.has(&format!("{name}.weight")) {
            table(name)?;
        }
    }
    let embedding_norm = |side: &str| -> Result<Option<FloatNorm>> {
        let read = || norm(c, &format!("{side}.layernorm_embedding"), d, true);
        bart.then(read).transpose()
    };
    let positions = |side: &str| -> Result<Option<Vec<f32>>> {
        if !bart {
            return Ok(None);
        }
        let name = format!("{side}.embed_positions.weight");
        Ok(Some(c.tensor(&name, &[config.context + OFFSET, d])?[OFFSET * d..].to_vec()))
    };
    let layers = |side: &str, n: usize| -> Result<Vec<FloatLayer>> {
        (0..n).map(|i| layer(c, &config, &format!("{side}.layers.{i}"))).collect()
    };
    let mut decoder_layers = layers(sides[1], config.decoder_layers)?;
    let cross = |i: usize| cross(c, &config, &format!("{}.layers.{i}", sides[1]));
    if c.flag("scale_embedding", false) {
        // The head is tied to the unscaled table: what multiplies the table divides its last rows.
        let scale = (d as f32).sqrt();
        for table in [Some(&mut embedding), own.as_mut()].into_iter().flatten() {
            table.weight.iter_mut().for_each(|w| *w *= scale);
        }
        if let Some(last) = decoder_layers.last_mut() {
            let bias = last.norm_2.bias.iter_mut().flatten();
            last.norm_2.gain.iter_mut().chain(bias).for_each(|x| *x /= scale);
        }
    }
    let head_bias = match c.has("final_logits_bias") {
        true => c.tensor("final_logits_bias", &[1, vocab])?,
        false => vec![0.0; vocab],
    };
    Ok(FloatModel {
        epsilon: 1e-5,
        frequencies: if bart { Vec::new() } else { frequencies(10000.0, d) },
        embedding,
        positions: positions(sides[0])?,
        embedding_norm: embedding_norm(sides[0])?,
        layers: layers(sides[0], config.n_layers)?,
        final_norm: None,
        pooler: None,
        head: None,
        labels: Vec::new(),
        tokenizer: Vec::new(),
        parameters: c.parameters(),
        frame_exponent: 0,
        relative: Vec::new(),
        decoder: Some(FloatDecoder {
            embedding: own,
            positions: positions(sides[1])?,
            embedding_norm: embedding_norm(sides[1])?,
            layers: decoder_layers,
            cross: (0..config.decoder_layers).map(cross).collect::<Result<_>>()?,
            head_bias: Some(head_bias),
            ..FloatDecoder::default()
        }),
        config,
    })
}

fn config(c: &Checkpoint, bart: bool) -> Result<Config> {
    let (d, n_heads) = (c.size("d_model")?, c.size("encoder_attention_heads")?);
    let (d_ff, context) = (c.size("encoder_ffn_dim")?, c.size("max_position_embeddings")?);
    let vocab_size = c.size("vocab_size")?;
    for (key, encoder) in [
        ("decoder_attention_heads", n_heads),
        ("decoder_ffn_dim", d_ff),
        ("decoder_vocab_size", vocab_size),
    ] {
        if let Ok(decoder) = c.size(key)
            && decoder != encoder
        {
            return Err(unsupported(key, decoder, &format!("{encoder}, as the encoder has")));
        }
    }
    if !c.flag("tie_word_embeddings", true) {
        return Err(unsupported("tie_word_embeddings", false, "true"));
    }
    if bart && c.flag("normalize_before", false) {
        return Err(unsupported("normalize_before", true, "false"));
    }
    let act = c.text("activation_function").unwrap_or("gelu");
    let config = Config {
        position: if bart { Position::Learned } else { Position::Sinusoidal },
        norm_order: picoformer::config::NormOrder::Post,
        activation: activation("activation_function", act)?,
        head: Head::TiedVocabulary,
        qkv_bias: true,
        output_bias: true,
        up_bias: true,
        down_bias: true,
        head_bias: true,
        embedding_norm: bart,
        separate_embedding: !bart && !c.flag("share_encoder_decoder_embeddings", true),
        vocab_size,
        d_model: d,
        n_layers: c.size("encoder_layers")?,
        n_heads,
        n_kv_heads: n_heads,
        head_dim: head_dim("encoder_attention_heads", d, n_heads)?,
        d_ff,
        context,
        decoder_layers: c.size("decoder_layers")?,
        target_context: target_context(c, context),
        beams: beams(c),
        start_token: c.generation("decoder_start_token_id")?,
        end_token: c.generation("eos_token_id")?,
        suppressed_token: suppressed(c)?,
        forced_token: c.generation("forced_bos_token_id").map_or(0, |token| token + 1),
        ..Config::base(Architecture::EncoderDecoder)
    };
    validate(&config)?;
    Ok(config)
}

/// The one token of `bad_words_ids`, plus 1; 0 without.
fn suppressed(c: &Checkpoint) -> Result<usize> {
    let words = c.generation_value("bad_words_ids").and_then(|v| v.as_array());
    match words.map_or(&[][..], Vec::as_slice) {
        [] => Ok(0),
        [word] if word[1].is_null() && word[0].is_u64() => {
            Ok(word[0].as_u64().unwrap_or_default() as usize + 1)
        }
        several => {
            let found = serde_json::Value::from(several);
            Err(unsupported("bad_words_ids", found, "one word of one token, or none"))
        }
    }
}

/// `q k v o` of one attention.
fn attention(c: &Checkpoint, config: &Config, name: &str) -> Result<[FloatLinear; 4]> {
    let d = config.d_model;
    let part = |p: &str| linear(c, &format!("{name}.{p}_proj"), d, d, true);
    Ok([part("q")?, part("k")?, part("v")?, part("out")?])
}

fn score_scale(config: &Config) -> f32 {
    1.0 / (config.head_dim as f32).sqrt()
}

fn layer(c: &Checkpoint, config: &Config, name: &str) -> Result<FloatLayer> {
    let (d, d_ff) = (config.d_model, config.d_ff);
    let [q, k, v, o] = attention(c, config, &format!("{name}.self_attn"))?;
    Ok(FloatLayer {
        norm_1: norm(c, &format!("{name}.self_attn_layer_norm"), d, true)?,
        q,
        k,
        v,
        o,
        norm_2: norm(c, &format!("{name}.final_layer_norm"), d, true)?,
        gate: None,
        up: linear(c, &format!("{name}.fc1"), d_ff, d, true)?,
        down: linear(c, &format!("{name}.fc2"), d, d_ff, true)?,
        score_scale: score_scale(config),
    })
}

fn cross(c: &Checkpoint, config: &Config, name: &str) -> Result<FloatCross> {
    let [q, k, v, o] = attention(c, config, &format!("{name}.encoder_attn"))?;
    let norm = norm(c, &format!("{name}.encoder_attn_layer_norm"), config.d_model, true)?;
    Ok(FloatCross { norm, q, k, v, o, score_scale: score_scale(config) })
}
