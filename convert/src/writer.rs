//! Assembles a blob: every fixed section in the order of `picoformer::blob::Layout`.

use crate::error::{Result, unsupported};
use crate::float_decoder::{FloatCross, FloatDecoder};
use crate::float_model::{FloatLayer, FloatLinear, FloatModel, FloatNorm};
use crate::pad::{pad_heads, range};
use crate::quantize::{Options, bound, fold, halves, linear, norm, put};
use picoformer::blob::{
    ALIGN, CHECKSUM_OFFSET, HEADER_BYTES, Header, Layout, META_BYTES, PROBLEM, RULES, TRIGGER, Tag,
    checksum,
};
use picoformer::config::{Config, Head, Input, Norm, NormOrder, Position, Role, round_up};
use picoformer::rules::Rules;

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

/// Refuses sections that contradict each other, as the engine would.
fn consistent(model: &FloatModel, config: &Config) -> Result<()> {
    let refuse = |key: &str, found: &str, supported: &str| {
        Err(unsupported("config.json or generation_config.json", key, found, supported))
    };
    if model.section(RULES).is_some_and(|rules| !Rules::are_valid(rules, config)) {
        let found = "together with the other rules a ban of every token";
        return refuse("suppress_tokens", found, "rules that leave a token to be written");
    }
    let exclusive = model.section(PROBLEM).is_none_or(|code| code.iter().all(|&byte| byte == 0));
    if model.section(TRIGGER).is_some() && !exclusive {
        let supported = "labels of which one is right, where events are told";
        return refuse("problem_type", "of labels that do not exclude each other", supported);
    }
    Ok(())
}

/// Writes the blob of a model.
///
/// # Errors
/// [`crate::error::Error::Range`] if the model is beyond the engine's range; [`crate::error::Error::Unsupported`] for rules of
/// generation that leave no token, and events of labels that do not exclude each other.
pub fn write(model: &FloatModel, wide: Wide) -> Result<Vec<u8>> {
    let model = &*pad_heads(model);
    let mut config = model.config;
    let pre = config.norm_order == NormOrder::Pre;
    let folded_bias = pre && config.norm == Norm::Layer;
    config.qkv_bias |= folded_bias;
    config.up_bias |= folded_bias;
    let labels = labels(&model.labels);
    config.validate().map_err(|e| range(&config, e.0))?;
    consistent(model, &config)?;
    let layout = Layout::new(&config, model.tokenizer.len(), labels.len())
        .ok_or_else(|| range(&config, "context"))?;
    let after_norm = match wide {
        Wide::Auto => !pre && config.d_model >= 256,
        Wide::Never => false,
        Wide::Norm | Wide::All => true,
    };
    let plain = |role: Role| options(&config, role, 0.0, wide == Wide::All);

    let mut blob = vec![0u8; HEADER_BYTES];
    let shared = model.decoder.as_ref().filter(|d| d.embedding.is_none());
    let table = |table: &FloatLinear, decoder: Option<&FloatDecoder>, role: Role| {
        let bias = decoder.and_then(|d| d.head_bias.clone());
        let zero = config.head_bias && config.head == Head::TiedVocabulary;
        let bias = bias.or(zero.then(|| vec![0.0; table.out_dim]));
        linear(&FloatLinear { bias: bias.or(table.bias.clone()), ..table.clone() }, plain(role))
    };
    blob.extend(table(&model.embedding, shared, Role::Embedding));
    let positions = [model.positions.as_deref(), Some(&model.relative[..])];
    blob.extend(position(&config, positions, &model.frequencies));
    let layers = LayerWriter { config: &config, wide: after_norm, all_wide: wide == Wide::All };
    // Post-norm layers read the row that the norm before them made.
    let mut before = Row::embedded(&model.embedding, model.positions.as_deref(), &config);
    if let Some(n) = &model.embedding_norm {
        blob.extend(norm(n, config.norm == Norm::Layer));
        before = Row::Normed(n);
    }
    for layer in &model.layers {
        let start = blob.len();
        layers.write(&mut blob, layer, before);
        debug_assert_eq!(blob.len() - start, layout.layer.bytes);
        before = Row::Normed(&layer.norm_2);
    }
    if let Some(n) = &model.final_norm {
        blob.extend(norm(n, config.norm == Norm::Layer));
        before = Row::Normed(n);
    }
    if let Some(layer) = &model.pooler {
        blob.extend(linear(layer, plain(Role::Pooler)));
    }
    if let Some(decoder) = &model.decoder {
        if let Some(own) = &decoder.embedding {
            blob.extend(table(own, Some(decoder), Role::DecoderEmbedding));
        }
        write_decoder(&mut blob, model, decoder, &layers, before);
    }
    if let Some(layer) = &model.head {
        blob.extend(linear(layer, plain(Role::Head)));
    }
    for section in [&model.tokenizer, &labels] {
        blob.extend(section);
        blob.resize(round_up(blob.len(), ALIGN), 0);
    }
    assert_eq!(blob.len(), layout.end, "the writer and the layout disagree");
    for (tag, data) in &model.sections {
        blob.extend(section(*tag, data));
    }
    let (epsilon_mantissa, epsilon_exponent) = epsilon(model.epsilon as f64);
    let header = Header {
        config,
        total_bytes: 0,
        checksum: 0,
        epsilon_mantissa,
        epsilon_exponent,
        frame_exponent: model.frame_exponent,
        tokenizer_bytes: model.tokenizer.len(),
        labels_bytes: labels.len(),
        parameters: model.parameters as u32,
    };
    seal(&mut blob, header);
    Ok(blob)
}

/// How a layer of a role is quantised; weights of four bits read 8-bit rows.
fn options(config: &Config, role: Role, bound: f64, wide: bool) -> Options {
    let packing = config.packing_of(role);
    Options { bound, wide: wide && packing.bits() == 8, packing }
}

/// Writes the header, with length and checksum as the blob now is.
pub fn seal(blob: &mut [u8], header: Header) {
    let header = Header { total_bytes: blob.len(), checksum: 0, ..header };
    put(blob, 0, &header.to_bytes());
    let sum = checksum(blob);
    put(blob, CHECKSUM_OFFSET, &sum.to_le_bytes());
}

/// An optional section: tag, length, data, padding.
pub fn section(tag: Tag, data: &[u8]) -> Vec<u8> {
    let mut section = vec![0; META_BYTES];
    section[..4].copy_from_slice(&tag);
    // A length that does not fit is refused as one that no blob has.
    section[4..8].copy_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    section.extend(data);
    section.resize(round_up(section.len(), ALIGN), 0);
    section
}

/// What a linear layer of a post-norm model reads: its length bounds the layer's results.
#[derive(Clone, Copy)]
enum Row<'a> {
    /// A row that this norm made.
    Normed(&'a FloatNorm),
    /// A row of at most this length.
    Length(f64),
}

impl Row<'_> {
    /// An embedding that is not normalised: token and position.
    fn embedded(table: &FloatLinear, positions: Option<&[f32]>, config: &Config) -> Self {
        let longest = |rows: &[f32]| {
            let length = |row: &[f32]| row.iter().map(|&x| (x as f64).powi(2)).sum::<f64>().sqrt();
            rows.chunks_exact(config.d_model).map(length).fold(0f64, f64::max)
        };
        // As many sines and cosines of one angle as half the width.
        let sinusoids = config.position == Position::Sinusoidal;
        let waves = if sinusoids { (config.d_model as f64 / 2.0).sqrt() } else { 0.0 };
        // A projection of frames has no such bound; its layers saturate beyond √d as after a norm.
        Self::Length(match config.input {
            Input::Tokens => longest(&table.weight) + positions.map_or(0.0, longest) + waves,
            Input::Frames => (config.d_model as f64).sqrt(),
        })
    }

    /// Greatest magnitude of a layer's results.
    fn bound(self, layer: &FloatLinear) -> f64 {
        match self {
            Self::Normed(norm) => bound(&fold(layer, norm), (layer.in_dim as f64).sqrt()),
            Self::Length(length) => bound(layer, length),
        }
    }
}

/// Writes layers.
struct LayerWriter<'a> {
    config: &'a Config,
    /// 12-bit rows for the linear layers that read a norm.
    wide: bool,
    /// 12-bit rows for the others too.
    all_wide: bool,
}

/// The parts of an attention.
struct Parts<'a> {
    q: &'a FloatLinear,
    k: &'a FloatLinear,
    v: &'a FloatLinear,
    o: &'a FloatLinear,
    score_scale: f32,
    roles: [Role; 4],
}

/// The roles of a layer's attention to its own rows: q, k, v, o.
const OWN: [Role; 4] = [Role::Query, Role::Key, Role::Value, Role::Output];
/// Those of a cross-attention.
const CROSS: [Role; 4] = [Role::CrossQuery, Role::CrossKey, Role::CrossValue, Role::CrossOutput];

impl LayerWriter<'_> {
    fn pre(&self) -> bool {
        self.config.norm_order == NormOrder::Pre
    }

    fn plain(&self, role: Role) -> Options {
        options(self.config, role, 0.0, self.all_wide)
    }

    fn norm(&self, n: &FloatNorm) -> Vec<u8> {
        norm(n, self.config.norm == Norm::Layer)
    }

    /// A layer that reads a row; `own` is the norm before it that is to be folded in (pre-norm).
    fn reading(
        &self,
        l: &FloatLinear,
        role: Role,
        row: Row,
        own: Option<&FloatNorm>,
        factor: f64,
    ) -> Vec<u8> {
        let row = own.map_or(row, Row::Normed);
        let options = options(self.config, role, row.bound(l) * factor, self.wide);
        match own {
            Some(norm) => linear(&fold(l, norm), options),
            None => linear(l, options),
        }
    }

    /// Scores' scale, q, k, v, o. `norms` are those to be folded in: of q, and of k and v.
    fn attention(
        &self,
        blob: &mut Vec<u8>,
        parts: &Parts,
        rows: [Row; 2],
        norms: [Option<&FloatNorm>; 2],
    ) {
        let rotary = self.config.position == Position::Rotary;
        let factor = if rotary { std::f64::consts::SQRT_2 } else { 1.0 };
        let q = self.reading(parts.q, parts.roles[0], rows[0], norms[0], factor);
        let k = self.reading(parts.k, parts.roles[1], rows[1], norms[1], factor);
        let v = self.reading(parts.v, parts.roles[2], rows[1], norms[1], 1.0);
        let unit = |section: &[u8]| i16::from_le_bytes([section[4], section[5]]) as i32;
        // log2 score = q·k · max|q| · max|k| · 2^(e_q + e_k) · scale · log2(e) / 127²
        let factor = parts.score_scale as f64 * std::f64::consts::LOG2_E / (127.0 * 127.0)
            * 2f64.powi(unit(&q) + unit(&k));
        let exponent = factor.log2().floor() as i32 - 14;
        let mut attention = vec![0u8; META_BYTES];
        let multiplier = (factor / 2f64.powi(exponent)).round() as u16;
        put(&mut attention, 0, &multiplier.to_le_bytes());
        put(&mut attention, 2, &(exponent as i16).to_le_bytes());
        let o = linear(parts.o, self.plain(parts.roles[3]));
        [attention, q, k, v, o].into_iter().for_each(|section| blob.extend(section));
    }

    /// One layer: attention, q, k, v, o, norm 1, gate, up, down, norm 2. In a decoder layer
    /// cross-attention stands before the feed-forward part.
    fn write(&self, blob: &mut Vec<u8>, layer: &FloatLayer, before: Row) {
        self.write_around(blob, layer, before, &layer.norm_1);
    }

    /// `middle` is the last norm before the feed-forward part of a post-norm layer.
    fn write_around(
        &self,
        blob: &mut Vec<u8>,
        layer: &FloatLayer,
        before: Row,
        middle: &FloatNorm,
    ) {
        let FloatLayer { q, k, v, o, score_scale, .. } = layer;
        let parts = Parts { q, k, v, o, score_scale: *score_scale, roles: OWN };
        let own = self.pre().then_some(&layer.norm_1);
        self.attention(blob, &parts, [before; 2], [own; 2]);
        if !self.pre() {
            blob.extend(self.norm(&layer.norm_1));
        }
        let own = self.pre().then_some(&layer.norm_2);
        let gate = layer.gate.as_ref().map(|gate| (gate, Role::Gate));
        for (l, role) in gate.into_iter().chain([(&layer.up, Role::Up)]) {
            blob.extend(self.reading(l, role, Row::Normed(middle), own, 1.0));
        }
        blob.extend(linear(&layer.down, self.plain(Role::Down)));
        if !self.pre() {
            blob.extend(self.norm(&layer.norm_2));
        }
    }
}

/// The decoder of an encoder-decoder, its embedding table left out. `source` is what the encoder leaves.
fn write_decoder(
    blob: &mut Vec<u8>,
    model: &FloatModel,
    decoder: &FloatDecoder,
    layers: &LayerWriter,
    source: Row,
) {
    let side = layers.config.decoder_side();
    if matches!(side.position, Position::Learned | Position::Relative) {
        let positions = [decoder.positions.as_deref(), Some(&decoder.relative[..])];
        blob.extend(position(&side, positions, &[]));
    }
    let table = decoder.embedding.as_ref().unwrap_or(&model.embedding);
    let mut before = Row::embedded(table, decoder.positions.as_deref(), &side);
    if let Some(n) = &decoder.embedding_norm {
        blob.extend(layers.norm(n));
        before = Row::Normed(n);
    }
    for (layer, cross) in decoder.layers.iter().zip(&decoder.cross) {
        layers.write_around(blob, layer, before, &cross.norm);
        let FloatCross { q, k, v, o, score_scale, .. } = cross;
        let parts = Parts { q, k, v, o, score_scale: *score_scale, roles: CROSS };
        let own = layers.pre().then_some(&cross.norm);
        layers.attention(blob, &parts, [Row::Normed(&layer.norm_1), source], [own, None]);
        if !layers.pre() {
            blob.extend(layers.norm(&cross.norm));
        }
        before = Row::Normed(&layer.norm_2);
    }
    if let Some(n) = &decoder.final_norm {
        blob.extend(layers.norm(n));
    }
}

/// The position section of a side: a learned table or one of relative positions (nats), or frequencies.
fn position(config: &Config, tables: [Option<&[f32]>; 2], frequencies: &[f64]) -> Vec<u8> {
    let mut section = vec![0u8; META_BYTES];
    match config.position {
        Position::None => return Vec::new(),
        Position::Learned => {
            let table = tables[0].unwrap_or_default();
            let used = &table[..(config.context * config.d_model).min(table.len())];
            let (bytes, exponent) = halves(used, round_up(2 * used.len(), ALIGN));
            put(&mut section, 0, &exponent.to_le_bytes());
            section.extend(bytes);
        }
        Position::Relative => {
            let nats = tables[1].unwrap_or_default();
            let log2: Vec<f32> = nats.iter().map(|x| x * std::f32::consts::LOG2_E).collect();
            let (bytes, exponent) = halves(&log2, round_up(2 * log2.len(), ALIGN));
            put(&mut section, 0, &exponent.to_le_bytes());
            section.extend(bytes);
        }
        Position::Sinusoidal | Position::Rotary => {
            if config.position == Position::Sinusoidal {
                put(&mut section, 0, &(-14i16).to_le_bytes());
            }
            for angle in frequencies {
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
