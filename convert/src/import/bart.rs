//! BART (Lewis et al. 2020) and Marian (Junczys-Dowmunt et al. 2018; Tiedemann & Thottingal 2020,
//! "OPUS-MT"): post-norm layers with biases, one layout of names. BART has learned positions from 2 on
//! and a norm of the embedding, Marian sinusoids.

use super::common::{activation, architecture, context, head_dim, linear, norm, other_head};
use super::rotary::frequencies;
use crate::checkpoint::Checkpoint;
use crate::error::{Result, input};
use crate::float_decoder::{FloatCross, FloatDecoder};
use crate::float_model::{FloatLayer, FloatLinear, FloatModel, FloatNorm};
use crate::generation;
use crate::pad::validate;
use crate::rules::Records;
use picoformer::config::{Architecture, Config, Head, Position};
use picoformer::rules::Kind;

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
    let (config, rules) = config(c, bart)?;
    let (d, vocab) = (config.d_model, config.vocab_size);
    let sides = ["model.encoder", "model.decoder"];
    let table = |name: &str| -> Result<FloatLinear> { linear(c, name, vocab, d, false) };
    let (mut embedding, mut own) = match config.separate_embedding {
        true => (table("model.encoder.embed_tokens")?, Some(table("model.decoder.embed_tokens")?)),
        false => (table("model.shared")?, None),
    };
    // Copies that some files hold beside the tied matrix must be copies.
    let shape = [vocab, d];
    let target = own.as_ref().unwrap_or(&embedding).weight.clone();
    for (name, matrix) in [
        ("model.shared.weight", &embedding.weight),
        ("model.encoder.embed_tokens.weight", &embedding.weight),
        ("model.decoder.embed_tokens.weight", &target),
        ("lm_head.weight", &target),
    ] {
        let to = if own.is_some() { "the table of its side" } else { "model.shared.weight" };
        if c.unties(name, to, matrix, &shape)? {
            let message = format!("`{name}` differs from {to}");
            return Err(input(message, "the engine runs BART and Marian with tied tables only"));
        }
    }
    let embedding_norm = |side: &str| -> Result<Option<FloatNorm>> {
        let read = || norm(c, &format!("{side}.layernorm_embedding"), d, true);
        bart.then(read).transpose()
    };
    let positions = |side: &str| -> Result<Option<Vec<f32>>> {
        let name = format!("{side}.embed_positions.weight");
        let learned = c.config.needed("max_position_embeddings")?;
        if !bart {
            if c.has(&name) && !is_sinusoidal(&c.tensor(&name, &[learned, d])?, d) {
                let message = format!("`{name}` is not the table of sines and cosines");
                return Err(input(message, "the engine computes the positions of a Marian"));
            }
            return Ok(None);
        }
        Ok(Some(c.tensor(&name, &[learned + OFFSET, d])?[OFFSET * d..].to_vec()))
    };
    let layers = |side: &str, n: usize| -> Result<Vec<FloatLayer>> {
        (0..n).map(|i| layer(c, &config, &format!("{side}.layers.{i}"))).collect()
    };
    let mut decoder_layers = layers(sides[1], config.decoder_layers)?;
    let cross = |i: usize| cross(c, &config, &format!("{}.layers.{i}", sides[1]));
    if c.config.flag("scale_embedding")?.unwrap_or(false) {
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
        sections: rules.sections(),
        config,
    })
}

/// The hyperparameters, and the rules of generation.
fn config(c: &Checkpoint, bart: bool) -> Result<(Config, Records)> {
    let own = if bart { "BartForConditionalGeneration" } else { "MarianMTModel" };
    let found = architecture(c, own)?;
    if found != own {
        return Err(other_head(c, found, own));
    }
    let k = &c.config;
    let (d, n_heads) = (k.needed("d_model")?, k.needed("encoder_attention_heads")?);
    let d_ff = k.needed("encoder_ffn_dim")?;
    let context = context(c, k.needed("max_position_embeddings")?, bart)?;
    let vocab_size = k.needed("vocab_size")?;
    for (key, encoder) in [
        ("decoder_attention_heads", n_heads),
        ("decoder_ffn_dim", d_ff),
        ("decoder_vocab_size", vocab_size),
    ] {
        if k.size(key)?.is_some_and(|decoder| decoder != encoder) {
            return Err(k.refuse(key, format!("{encoder}, as the encoder has")));
        }
    }
    if !k.flag("tie_word_embeddings")?.unwrap_or(true) {
        return Err(k.refuse("tie_word_embeddings", "true"));
    }
    let mut search = generation::search(c, context, None)?;
    if bart {
        search.target_context = search.target_context.min(k.needed("max_position_embeddings")?);
    }
    if !c.generation.exists() && k.root().get("forced_eos_token_id").is_none() {
        // The default of the original's class.
        let last = c.id(if bart { 2 } else { 0 }).map(|token| token as u32);
        search.rules.add(Kind::Last, last.into_iter().collect());
    }
    let config = Config {
        position: if bart { Position::Learned } else { Position::Sinusoidal },
        norm_order: picoformer::config::NormOrder::Post,
        activation: activation(c, "activation_function", "gelu")?,
        head: Head::TiedVocabulary,
        qkv_bias: true,
        output_bias: true,
        up_bias: true,
        down_bias: true,
        head_bias: true,
        embedding_norm: bart,
        separate_embedding: !bart && !k.flag("share_encoder_decoder_embeddings")?.unwrap_or(true),
        vocab_size,
        d_model: d,
        n_layers: k.needed("encoder_layers")?,
        n_heads,
        n_kv_heads: n_heads,
        head_dim: head_dim(c, "encoder_attention_heads", d, n_heads)?,
        d_ff,
        context,
        decoder_layers: k.needed("decoder_layers")?,
        target_context: search.target_context,
        beams: search.beams,
        start_token: search.start_token,
        end_token: search.end_token,
        suppressed_token: search.suppressed_token,
        forced_token: search.forced_token,
        ..Config::base(Architecture::EncoderDecoder)
    };
    validate(&config)?;
    Ok((config, search.rules))
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

/// Whether a table holds what the engine computes: sines in the first half of a row, cosines in the second (Vaswani
/// et al. 2017, §3.5), to what 16 bits leave of them.
fn is_sinusoidal(table: &[f32], d: usize) -> bool {
    let half = d / 2;
    let value = |position: usize, i: usize| {
        let angle = position as f64 / 10000f64.powf(2.0 * (i % half) as f64 / d as f64);
        if i < half { angle.sin() } else { angle.cos() }
    };
    let row = |(position, row): (usize, &[f32])| {
        row.iter().enumerate().all(|(i, &x)| (x as f64 - value(position, i)).abs() < 5e-3)
    };
    d.is_multiple_of(2) && table.chunks(d).enumerate().all(row)
}
