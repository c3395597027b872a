//! Assembles a blob: every section in the order of `picoformer::blob::Layout`.

use crate::error::{Error, Result};
use crate::float_model::{FloatLayer, FloatLinear, FloatModel, FloatNorm};
use crate::pad::pad_heads;
use crate::quantize::{Options, bound, fold, halves, linear, norm, put};
use picoformer::blob::{
    ALIGN, CHECKSUM_OFFSET, HEADER_BYTES, Header, Layout, META_BYTES, checksum,
};
use picoformer::config::{Config, Norm, NormOrder, Position, round_up};

/// Which linear layers get 12-bit input rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wide {
    /// Those that read a norm, in encoders of at least 256 channels; none otherwise.
    Auto,
    /// None.
    Never,
    /// Those that read a norm: q, k, v, gate, up.
    Norm,
    /// All.
    All,
}

/// Writes the blob of a model.
///
/// # Errors
/// [`Error::Config`] if the model is beyond the engine's range.
pub fn write(model: &FloatModel, wide: Wide) -> Result<Vec<u8>> {
    let model = &*pad_heads(model);
    let mut config = model.config;
    let pre = config.norm_order == NormOrder::Pre;
    let folded_bias = pre && config.norm == Norm::Layer;
    config.qkv_bias |= folded_bias;
    config.up_bias |= folded_bias;
    let labels = labels(&model.labels);
    let range = |e: picoformer::config::ConfigError| Error::Config(e.0.into());
    config.validate().map_err(range)?;
    let layout = Layout::new(&config, model.tokenizer.len(), labels.len())
        .ok_or_else(|| Error::Config("size".into()))?;
    let after_norm = match wide {
        Wide::Auto => !pre && config.d_model >= 256,
        Wide::Never => false,
        Wide::Norm | Wide::All => true,
    };
    let plain = Options { bound: 0.0, wide: wide == Wide::All };

    let mut blob = vec![0u8; HEADER_BYTES];
    blob.extend(linear(&model.embedding, plain));
    blob.extend(position(model, &config));
    if let Some(n) = &model.embedding_norm {
        blob.extend(norm(n, config.norm == Norm::Layer));
    }
    // Post-norm layers read the row that the norm before them made.
    let mut before = model.embedding_norm.as_ref();
    for layer in &model.layers {
        let start = blob.len();
        write_layer(&mut blob, layer, &config, before, after_norm, plain);
        debug_assert_eq!(blob.len() - start, layout.layer.bytes);
        before = Some(&layer.norm_2);
    }
    if let Some(n) = &model.final_norm {
        blob.extend(norm(n, config.norm == Norm::Layer));
    }
    for layer in [&model.pooler, &model.head].into_iter().flatten() {
        blob.extend(linear(layer, plain));
    }
    for section in [&model.tokenizer, &labels] {
        blob.extend(section);
        blob.resize(round_up(blob.len(), ALIGN), 0);
    }
    assert_eq!(blob.len(), layout.bytes, "the writer and the layout disagree");
    let (epsilon_mantissa, epsilon_exponent) = epsilon(model.epsilon as f64);
    let header = Header {
        config,
        total_bytes: blob.len(),
        checksum: 0,
        epsilon_mantissa,
        epsilon_exponent,
        frame_exponent: model.frame_exponent,
        tokenizer_bytes: model.tokenizer.len(),
        labels_bytes: labels.len(),
        parameters: model.parameters as u32,
    };
    put(&mut blob, 0, &header.to_bytes());
    let sum = checksum(&blob);
    put(&mut blob, CHECKSUM_OFFSET, &sum.to_le_bytes());
    Ok(blob)
}

/// One layer: attention, q, k, v, o, norm 1, gate, up, down, norm 2.
fn write_layer(
    blob: &mut Vec<u8>,
    layer: &FloatLayer,
    config: &Config,
    before: Option<&FloatNorm>,
    wide: bool,
    plain: Options,
) {
    let pre = config.norm_order == NormOrder::Pre;
    // What the layer multiplies with a normalised row, norms folded in: for the bound, and before
    // attention and feed-forward of a pre-norm layer for the weights too.
    let seen = |linear_layer, norm: Option<&FloatNorm>| match norm {
        Some(norm) => fold(linear_layer, norm),
        None => FloatLinear::clone(linear_layer),
    };
    let norm_qkv = if pre { Some(&layer.norm_1) } else { before };
    let norm_up = if pre { Some(&layer.norm_2) } else { Some(&layer.norm_1) };
    let rotary = if config.position == Position::Rotary { std::f64::consts::SQRT_2 } else { 1.0 };
    let mut exponents = Vec::new();
    let mut sections = Vec::new();
    for (l, factor) in [(&layer.q, rotary), (&layer.k, rotary), (&layer.v, 1.0)] {
        let folded = seen(l, norm_qkv);
        let options = Options { bound: bound(&folded) * factor, wide };
        let section = linear(if pre { &folded } else { l }, options);
        exponents.push(i16::from_le_bytes([section[4], section[5]]) as i32);
        sections.push(section);
    }
    // log2 score = q·k · max|q| · max|k| · 2^(e_q + e_k) · scale · log2(e) / 127²
    let factor = layer.score_scale as f64 * std::f64::consts::LOG2_E / (127.0 * 127.0)
        * 2f64.powi(exponents[0] + exponents[1]);
    let exponent = factor.log2().floor() as i32 - 14;
    let mut attention = vec![0u8; META_BYTES];
    let multiplier = (factor / 2f64.powi(exponent)).round() as u16;
    put(&mut attention, 0, &multiplier.to_le_bytes());
    put(&mut attention, 2, &(exponent as i16).to_le_bytes());
    blob.extend(attention);
    sections.into_iter().for_each(|section| blob.extend(section));
    blob.extend(linear(&layer.o, plain));
    let with_bias = config.norm == Norm::Layer;
    if !pre {
        blob.extend(norm(&layer.norm_1, with_bias));
    }
    for l in layer.gate.iter().chain([&layer.up]) {
        let folded = seen(l, norm_up);
        let options = Options { bound: bound(&folded), wide };
        blob.extend(linear(if pre { &folded } else { l }, options));
    }
    blob.extend(linear(&layer.down, plain));
    if !pre {
        blob.extend(norm(&layer.norm_2, with_bias));
    }
}

/// The position section.
fn position(model: &FloatModel, config: &Config) -> Vec<u8> {
    let mut section = vec![0u8; META_BYTES];
    match config.position {
        Position::None => return Vec::new(),
        Position::Learned => {
            let table = model.positions.as_deref().unwrap_or_default();
            let used = &table[..(config.context * config.d_model).min(table.len())];
            let (bytes, exponent) = halves(used, round_up(2 * used.len(), ALIGN));
            put(&mut section, 0, &exponent.to_le_bytes());
            section.extend(bytes);
        }
        Position::Sinusoidal | Position::Rotary => {
            if config.position == Position::Sinusoidal {
                put(&mut section, 0, &(-14i16).to_le_bytes());
            }
            for angle in &model.frequencies {
                let turns = angle / std::f64::consts::TAU * 4294967296.0;
                section.extend((turns.round() as u64 as u32).to_le_bytes());
            }
            section.resize(round_up(section.len(), ALIGN), 0);
        }
    }
    section
}

/// `n_labels` times a `u16` length and the name.
fn labels(names: &[String]) -> Vec<u8> {
    let mut section = Vec::new();
    for name in names {
        let bytes = &name.as_bytes()[..name.len().min(u16::MAX as usize)];
        section.extend((bytes.len() as u16).to_le_bytes());
        section.extend(bytes);
    }
    section
}

/// ε as a 16-bit mantissa and a power of two.
fn epsilon(value: f64) -> (u16, i16) {
    if value <= 0.0 {
        return (0, 0);
    }
    let exponent = (value.log2().floor() as i32 - 15).clamp(-64, 0);
    ((value / 2f64.powi(exponent)).round().min(65535.0) as u16, exponent as i16)
}
