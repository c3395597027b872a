//! The plain checkpoint of a person's own encoder (`model_type` `picoformer`, `models/common/checkpoint.md`):
//! names of [`Config`], tokens or frames, and the front end that makes the frames.

use super::common::{self, context, head_dim, linear};
use super::features;
use super::rotary::frequencies;
use super::scope;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::float_model::{FloatLayer, FloatLinear, FloatModel, FloatNorm};
use crate::pad::validate;
use picoformer::config::{
    Activation, Architecture, Config, Head, Input, Norm, NormOrder, Pooling, Position,
};

/// The base of rotary and sinusoidal frequencies.
const THETA: f64 = 10000.0;
/// Features are in units of two to this power if the checkpoint does not say otherwise.
const EXPONENT: i16 = -10;

/// Reads such a checkpoint.
pub fn import(c: &Checkpoint) -> Result<FloatModel> {
    c.generation.finish(&[])?;
    choice(c, "architecture", &[("encoder", ())])?;
    let labels = labels(c)?;
    let config = config(c, labels.len())?;
    validate(&config)?;
    let layers = (0..config.n_layers).map(|i| layer(c, &config, i)).collect::<Result<_>>()?;
    let d = config.d_model;
    let embedding = match config.input {
        Input::Tokens => linear(c, "embedding", config.vocab_size, d, false)?,
        Input::Frames => with_bias(c, "embedding", d, config.frame_len)?,
    };
    let learned = config.position == Position::Learned;
    let positions = || c.tensor("positions.weight", &[learned_rows(c)?, d]);
    let labelled = matches!(config.head, Head::Classifier | Head::TokenLabels);
    let norm_if = |flag: bool, name: &str| flag.then(|| norm(c, name, name, &config)).transpose();
    let frame_exponent = exponent(c, config.input)?;
    let mut sections = features::sections(c, &config, &labels)?;
    sections.extend(scope::sections(c, config.head, &labels, true)?);
    sections.sort_by_key(|(tag, _)| *tag);
    Ok(FloatModel {
        epsilon: c.config.positive("norm_eps")?.unwrap_or(1e-5) as f32,
        frequencies: match config.position {
            Position::Rotary => frequencies(THETA, config.head_dim),
            Position::Sinusoidal => frequencies(THETA, d),
            Position::None | Position::Learned | Position::Relative => Vec::new(),
        },
        embedding,
        positions: learned.then(positions).transpose()?,
        embedding_norm: norm_if(config.embedding_norm, "embedding_norm")?,
        layers,
        final_norm: norm_if(config.final_norm, "final_norm")?,
        pooler: config.pooler.then(|| with_bias(c, "pooler", d, d)).transpose()?,
        head: labelled
            .then(|| linear(c, "head", config.n_labels, d, config.head_bias))
            .transpose()?,
        sections,
        labels,
        tokenizer: Vec::new(),
        parameters: c.parameters(),
        frame_exponent,
        relative: Vec::new(),
        decoder: None,
        config,
    })
}

fn config(c: &Checkpoint, n_labels: usize) -> Result<Config> {
    let k = &c.config;
    let flag = |key: &str, default: bool| k.flag(key).map(|own| own.unwrap_or(default));
    let input = choice(c, "input", &[("frames", Input::Frames), ("tokens", Input::Tokens)])?;
    let size = |of: Input, key: &str| match input == of {
        true => k.needed(key),
        false => Ok(0),
    };
    let (d, n_heads) = (k.needed("d_model")?, k.needed("n_heads")?);
    let norm = choice(c, "norm", &[("layer", Norm::Layer), ("rms", Norm::Rms)])?;
    let norm_order =
        choice(c, "norm_order", &[("pre", NormOrder::Pre), ("post", NormOrder::Post)])?;
    let gated = flag("gated", false)?;
    // All parts of a kind have a bias or none has: what the first layer has, the others must have.
    let bias = |part: &str| c.has(&format!("layers.0.{part}.bias"));
    Ok(Config {
        input,
        position: choice(
            c,
            "position",
            &[
                ("learned", Position::Learned),
                ("none", Position::None),
                ("sinusoidal", Position::Sinusoidal),
                ("rotary", Position::Rotary),
            ],
        )?,
        norm,
        norm_order,
        activation: choice(
            c,
            "activation",
            &[
                ("gelu", Activation::GeluErf),
                ("gelu_tanh", Activation::GeluTanh),
                ("relu", Activation::Relu),
                ("silu", Activation::Silu),
            ],
        )?,
        head: head(c)?,
        pooling: choice(c, "pooling", &[("mean", Pooling::Mean), ("first", Pooling::First)])?,
        gated,
        qkv_bias: bias("attention.q"),
        output_bias: bias("attention.o"),
        up_bias: bias("feed_forward.up"),
        down_bias: bias("feed_forward.down"),
        head_bias: c.has("head.bias"),
        embedding_norm: flag("embedding_norm", false)?,
        final_norm: flag("final_norm", norm_order == NormOrder::Pre)?,
        pooler: flag("pooler", false)?,
        vocab_size: size(Input::Tokens, "vocab_size")?,
        frame_len: size(Input::Frames, "frame_len")?,
        d_model: d,
        n_layers: k.needed("n_layers")?,
        n_heads,
        n_kv_heads: k.size("n_kv_heads")?.unwrap_or(n_heads),
        head_dim: match k.size("head_dim")? {
            Some(own) => own,
            None => head_dim(c, "n_heads", d, n_heads)?,
        },
        d_ff: k.needed("d_ff")?,
        context: context(c, learned_rows(c)?, true)?,
        n_labels,
        ..Config::base(Architecture::Encoder)
    })
}

/// The rows that the checkpoint was trained with.
fn learned_rows(c: &Checkpoint) -> Result<usize> {
    c.config.needed("context")
}

fn head(c: &Checkpoint) -> Result<Head> {
    choice(
        c,
        "head",
        &[
            ("classifier", Head::Classifier),
            ("token_labels", Head::TokenLabels),
            ("embedding", Head::Embedding),
            ("none", Head::None),
        ],
    )
}

/// One of several names; the first stands for a missing key.
fn choice<T: Copy>(c: &Checkpoint, key: &str, known: &[(&str, T)]) -> Result<T> {
    let name = c.config.text(key)?.unwrap_or(known[0].0);
    match known.iter().find(|(own, _)| *own == name) {
        Some((_, value)) => Ok(*value),
        None => {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            Err(c.config.refuse(key, names.join(", ")))
        }
    }
}

/// The names of the labels; a model that has none must not name any.
fn labels(c: &Checkpoint) -> Result<Vec<String>> {
    let expected = "a list of different names";
    if !matches!(head(c)?, Head::Classifier | Head::TokenLabels) {
        return match c.config.get("labels") {
            Some(_) => Err(c.config.refuse("labels", "labels with a head that gives labels")),
            None => Ok(Vec::new()),
        };
    }
    let list = c.config.get("labels").ok_or_else(|| c.config.missing("labels", expected))?;
    let names: Option<Vec<String>> = list
        .as_array()
        .and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect());
    let distinct = |names: &Vec<String>| {
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        !names.is_empty() && sorted.len() == names.len()
    };
    names.filter(distinct).ok_or_else(|| c.config.wrong("labels", expected))
}

/// The unit of a feature.
fn exponent(c: &Checkpoint, input: Input) -> Result<i16> {
    let key = "feature_exponent";
    match (c.config.number(key)?, input) {
        (None, Input::Frames) => Ok(EXPONENT),
        (None, Input::Tokens) => Ok(0),
        (Some(_), Input::Tokens) => Err(c.config.refuse(key, "a unit of features with frames")),
        (Some(e), Input::Frames) if e.fract() == 0.0 && e.abs() <= 100.0 => Ok(e as i16),
        (Some(_), Input::Frames) => Err(c.config.wrong(key, "a whole number from -100 to 100")),
    }
}

/// `name.weight` and `name.bias`; without one, zeros.
fn with_bias(c: &Checkpoint, name: &str, out: usize, inp: usize) -> Result<FloatLinear> {
    let bias = c.has(&format!("{name}.bias"));
    let layer = linear(c, name, out, inp, bias)?;
    Ok(FloatLinear { bias: layer.bias.or(Some(vec![0.0; out])), ..layer })
}

/// A norm; a LayerNorm whose `kind` has no bias gets zeros.
fn norm(c: &Checkpoint, name: &str, kind: &str, config: &Config) -> Result<FloatNorm> {
    let layer = config.norm == Norm::Layer;
    let bias = layer && c.has(&format!("{kind}.bias"));
    let norm = common::norm(c, name, config.d_model, bias)?;
    Ok(FloatNorm { bias: norm.bias.or(layer.then(|| vec![0.0; config.d_model])), ..norm })
}

fn layer(c: &Checkpoint, config: &Config, index: usize) -> Result<FloatLayer> {
    let (d, d_ff, q, kv) = (config.d_model, config.d_ff, config.q_dim(), config.kv_dim());
    let part =
        |name: &str, out, inp, bias| linear(c, &format!("layers.{index}.{name}"), out, inp, bias);
    let norm = |name: &str| norm(c, &format!("layers.{index}.{name}"), "layers.0.norm1", config);
    let gate = || part("feed_forward.gate", d_ff, d, config.up_bias);
    Ok(FloatLayer {
        norm_1: norm("norm1")?,
        q: part("attention.q", q, d, config.qkv_bias)?,
        k: part("attention.k", kv, d, config.qkv_bias)?,
        v: part("attention.v", kv, d, config.qkv_bias)?,
        o: part("attention.o", d, q, config.output_bias)?,
        norm_2: norm("norm2")?,
        gate: config.gated.then(gate).transpose()?,
        up: part("feed_forward.up", d_ff, d, config.up_bias)?,
        down: part("feed_forward.down", d, d_ff, config.down_bias)?,
        score_scale: 1.0 / (config.head_dim as f32).sqrt(),
    })
}
