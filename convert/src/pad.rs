//! Widths that the engine wants as multiples of 4: heads are padded with zeros, which changes no result.

use crate::error::{Error, Result};
use crate::float_model::{FloatLinear, FloatModel};
use picoformer::config::{Config, MAX_BEAMS, round_up};
use std::borrow::Cow;

/// The configuration with heads as wide as the engine wants them.
pub fn padded(config: &Config) -> Config {
    Config { head_dim: round_up(config.head_dim, 4), ..*config }
}

/// Whether the engine can run a configuration once its heads are padded.
///
/// # Errors
/// [`Error::Range`] with the field at fault, its value, the limit and what helps.
pub fn validate(config: &Config) -> Result<()> {
    padded(config).validate().map_err(|e| range(config, e.0))
}

/// The error for a field that the engine refuses.
pub fn range(c: &Config, field: &str) -> Error {
    let other = "train or choose a model within it; the limits keep 32-bit arithmetic exact";
    let (words, found, limit, help) = match field {
        "d_model" => ("width (d_model)", c.d_model, "a multiple of 4 from 4 to 8192", other),
        "d_ff" => ("feed-forward width (d_ff)", c.d_ff, "1 to 8192", other),
        "n_layers" => ("number of layers", c.n_layers, "1 to 256", other),
        "n_heads" => ("number of heads", c.n_heads, "1 to 256", other),
        "n_kv_heads" => {
            ("number of key/value heads", c.n_kv_heads, "a divisor of the heads", other)
        }
        "head_dim" => {
            ("width of a head", c.head_dim, "1 to 256, and all heads together 8192 at most", other)
        }
        "context" => return context(c),
        "window" => ("window", c.window, "not beyond the context", other),
        "tile_rows" => ("number of rows a tile", c.tile_rows, "1 to 64", "`--tile-rows N`"),
        "vocab_size" => ("vocabulary", c.vocab_size, "1 to 1048576 tokens", other),
        "n_labels" => ("number of labels", c.n_labels, "1 to 65536", other),
        "decoder_layers" => ("number of decoder layers", c.decoder_layers, "1 to 256", other),
        "target_context" => (
            "target context",
            c.target_context,
            "1 to 65536 positions, and a cache of 536870912 bytes with 8 beams",
            "`--target-context N`",
        ),
        "beams" => ("number of beams", c.beams, "1 to 8", "`--beams N`"),
        "relative_distance" => ("relative distance", c.relative_distance, "1 to 4096", other),
        "start_token" => {
            ("start token", c.start_token, "a token of the vocabulary", "check the id")
        }
        "end_token" => ("end token", c.end_token, "a token of the vocabulary", "check the id"),
        "suppressed_token" => (
            "suppressed token",
            c.suppressed_token.saturating_sub(1),
            "a token of the vocabulary",
            "check the id",
        ),
        "forced_token" => (
            "forced token",
            c.forced_token.saturating_sub(1),
            "a token of the vocabulary",
            "check the id",
        ),
        other_field => {
            return Error::Range {
                field: other_field.into(),
                found: "not possible with the other fields".into(),
                limit: "see `Config::validate`".into(),
                help: other.into(),
            };
        }
    };
    Error::Range {
        field: words.into(),
        found: found.to_string(),
        limit: limit.into(),
        help: help.into(),
    }
}

/// The error for a context that is too long, for itself or for what it makes of the buffers.
fn context(c: &Config) -> Error {
    let p = padded(c);
    let width = p.kv_dim() as u64 + p.n_kv_heads as u64;
    let cache = (p.keys(MAX_BEAMS) as u64 + p.source_keys() as u64) * width;
    let rows = p.rows() as u64 * p.d_model as u64;
    let (found, limit) = if !(1..=1 << 20).contains(&c.context) {
        (c.context.to_string(), "1 to 1048576 positions")
    } else if rows > 1 << 29 {
        (format!("{}, which makes {rows} numbers of rows", c.context), "536870912 of them")
    } else {
        (format!("{}, which makes a cache of {cache} bytes", c.context), "536870912 of them")
    };
    let help = match longest(c) {
        0 => "fewer layers or heads: no context is short enough for these".into(),
        n => format!("a shorter context: `--context N`, {n} at most with these layers"),
    };
    Error::Range { field: "context".into(), found, limit: limit.into(), help }
}

/// The longest context that the engine accepts with the other fields as they are; 0 if none helps.
fn longest(c: &Config) -> usize {
    let accepted = |context: usize| {
        let target_context = c.target_context.min(context);
        padded(&Config { context, target_context, window: c.window.min(context), ..*c })
            .validate()
            .is_ok()
    };
    let (mut accepted_one, mut refused) = (0, (1 << 20) + 1);
    while refused - accepted_one > 1 {
        let middle = (accepted_one + refused) / 2;
        match accepted(middle) {
            true => accepted_one = middle,
            false => refused = middle,
        }
    }
    accepted_one
}

/// The model with padded heads: `q`, `k` and `v` give zeros there, `o` reads them with weight zero.
pub fn pad_heads(model: &FloatModel) -> Cow<'_, FloatModel> {
    let (old, new) = (model.config.head_dim, round_up(model.config.head_dim, 4));
    if old == new {
        return Cow::Borrowed(model);
    }
    let mut wider = model.clone();
    wider.config.head_dim = new;
    if !wider.frequencies.is_empty() && wider.frequencies.len() == old / 2 {
        wider.frequencies.resize(new / 2, 0.0);
    }
    let FloatModel { layers, decoder, .. } = &mut wider;
    let (mut own, mut cross) = (Vec::new(), Vec::new());
    if let Some(decoder) = decoder {
        own.extend(&mut decoder.layers);
        cross.extend(&mut decoder.cross);
    }
    let attentions = layers.iter_mut().chain(own).map(|l| (&mut l.q, &mut l.k, &mut l.v, &mut l.o));
    let cross = cross.into_iter().map(|l| (&mut l.q, &mut l.k, &mut l.v, &mut l.o));
    for (q, k, v, o) in attentions.chain(cross) {
        for l in [q, k, v] {
            pad_outputs(l, old, new);
        }
        pad_inputs(o, old, new);
    }
    Cow::Owned(wider)
}

/// `values` in runs of `old`, each filled up with zeros to `new`.
fn stretch(values: &[f32], old: usize, new: usize) -> Vec<f32> {
    let zeros = std::iter::repeat_n(0.0, new - old);
    values.chunks(old).flat_map(|run| run.iter().copied().chain(zeros.clone())).collect()
}

fn pad_outputs(layer: &mut FloatLinear, old: usize, new: usize) {
    layer.weight = stretch(&layer.weight, old * layer.in_dim, new * layer.in_dim);
    layer.bias = layer.bias.as_deref().map(|bias| stretch(bias, old, new));
    layer.out_dim = layer.out_dim / old * new;
}

fn pad_inputs(layer: &mut FloatLinear, old: usize, new: usize) {
    layer.weight = stretch(&layer.weight, old, new);
    layer.in_dim = layer.in_dim / old * new;
}
