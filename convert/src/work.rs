//! About how many instructions a model takes on a core: the sum of its kernels as `bench/record.json` has
//! them counted, and what whole models take beyond that sum.
//!
//! Kernels were counted for several widths; between them the count is interpolated, outside it goes on
//! along the same line. The rest (embeddings, positions, residuals, sums between kernels) is what two counted
//! models take more than their kernels, per row, layer and channel. What a product of a four-bit weight takes more or less
//! is the difference of two counted models that are alike but for their bits. Against the models that were counted and
//! not used for this, the sum is right within a sixth (`tests` below).

use picoformer::config::{Activation, Architecture, Config, Head, Norm, Role};
use serde::Deserialize;
use std::sync::LazyLock;

#[derive(Deserialize)]
struct Count {
    core: String,
    case: String,
    instructions: f64,
    per: f64,
    source: String,
}

static RECORD: LazyLock<Vec<Count>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../records/bench.json")).unwrap_or_default()
});

/// The counts of one core.
#[derive(Clone, Copy, Debug)]
pub struct Counts<'a>(&'a str);

/// The widths that were counted.
const WIDTHS: [usize; 4] = [64, 128, 256, 512];
/// Outputs of the linear layers among them.
const OUTPUTS: usize = 512;

/// `y` at `x`, on the line through the two points around it.
fn on_line(points: &[(f64, f64)], x: f64) -> f64 {
    let behind = points.iter().position(|&(at, _)| at >= x).unwrap_or(points.len());
    let i = behind.clamp(1, points.len() - 1);
    let ((x0, y0), (x1, y1)) = (points[i - 1], points[i]);
    (y0 + (x - x0) * (y1 - y0) / (x1 - x0)).max(0.0)
}

impl<'a> Counts<'a> {
    /// Those of a core, if the record has it.
    pub fn of(core: &'a str) -> Option<Self> {
        RECORD.iter().any(|count| count.core == core).then_some(Self(core))
    }

    /// The instructions of a case, and what it is counted per.
    fn case(self, case: &str) -> Option<(f64, f64)> {
        let own = |count: &&Count| count.core == self.0 && count.case == case;
        let found = RECORD.iter().filter(|count| count.source == "ours").find(own)?;
        Some((found.instructions, found.per))
    }

    fn over_widths(self, x: usize, case: impl Fn(usize) -> String) -> Option<f64> {
        let points: Option<Vec<_>> =
            WIDTHS.iter().map(|&w| Some((w as f64, self.case(&case(w))?.0))).collect();
        Some(on_line(&points?, x as f64))
    }

    /// A row through a linear layer of eight bits; rows come one by one, or in tiles.
    fn eight(self, inputs: usize, outputs: usize, tiled: bool) -> Option<f64> {
        let rows = if tiled { 16 } else { 1 };
        let all = self.over_widths(inputs, |w| format!("linear/{w}x{OUTPUTS}/rows{rows}"))?;
        Some(all / (rows * OUTPUTS) as f64 * outputs as f64)
    }

    /// A row through a linear layer of a model.
    fn linear(self, c: &Config, role: Role, size: (usize, usize), tiled: bool) -> Option<f64> {
        let eight = self.eight(size.0, size.1, tiled)?;
        if !c.four_bits.contains(role) {
            return Some(eight);
        }
        Some((eight + self.four_bits_more(tiled)? * (size.0 * size.1) as f64).max(0.0))
    }

    /// Instructions that a product of a four-bit weight takes more than one of eight bits; fewer on some cores.
    fn four_bits_more(self, tiled: bool) -> Option<f64> {
        let c = &STORIES_4;
        let mut products = 2 * c.d_model * c.q_dim() + c.d_model * c.kv_dim();
        products = c.n_layers * (products + 3 * c.d_model * c.d_ff);
        let (eight, four) = if tiled {
            ("prefill/stories260k/64", "prefill/4bit-stories260k/64")
        } else {
            products += c.d_model * c.vocab_size; // the logits
            ("decode/stories260k", "decode/4bit-stories260k")
        };
        let each = |case| self.case(case).map(|(instructions, per)| instructions / per);
        Some((each(four)? - each(eight)?) / products as f64)
    }

    /// A query of one head over some keys.
    fn attention(self, head_dim: usize, keys: f64, tiled: bool) -> Option<f64> {
        let one = |dim: usize, t: usize| -> Option<(f64, f64)> {
            let case = format!("attention/d{dim}/t{t}{}", if tiled { "" } else { "/query1" });
            let queries = if tiled { t as f64 } else { 1.0 };
            Some((t as f64, self.case(&case)?.0 / queries))
        };
        let query = |dim| Some((dim as f64, on_line(&[one(dim, 64)?, one(dim, 256)?], keys)));
        Some(on_line(&[query(16)?, query(32)?], head_dim as f64))
    }

    /// A row of a layer, its cross-attention over `sources` keys included.
    fn layer(self, c: &Config, keys: f64, sources: f64, tiled: bool) -> Option<f64> {
        let (d, q, kv) = (c.d_model, c.q_dim(), c.kv_dim());
        let linear = |role, inputs, outputs| self.linear(c, role, (inputs, outputs), tiled);
        let norm = match c.norm {
            Norm::Layer => "layer_norm",
            Norm::Rms => "rms_norm",
        };
        let norm = self.over_widths(d, |w| format!("{norm}/{w}"))?;
        let activation = match c.activation {
            Activation::Silu => self.case("silu/172")?,
            Activation::GeluErf | Activation::GeluTanh => self.case("gelu/512")?,
            Activation::Relu => (1.0, 1.0),
        };
        let mut sum = linear(Role::Query, d, q)? + linear(Role::Key, d, kv)?;
        sum += linear(Role::Value, d, kv)? + linear(Role::Output, q, d)?;
        sum += if c.gated { linear(Role::Gate, d, c.d_ff)? } else { 0.0 };
        sum += linear(Role::Up, d, c.d_ff)? + linear(Role::Down, c.d_ff, d)?;
        sum += c.n_heads as f64 * self.attention(c.head_dim, keys, tiled)?;
        sum += 2.0 * norm + activation.0 / activation.1 * c.d_ff as f64;
        if sources > 0.0 {
            sum += linear(Role::CrossQuery, d, q)? + linear(Role::CrossOutput, q, d)? + norm;
            sum += c.n_heads as f64 * self.attention(c.head_dim, sources, tiled)?;
        }
        Some(sum)
    }

    /// Logits of a row.
    fn head(self, c: &Config) -> Option<f64> {
        match c.head {
            Head::None => Some(0.0),
            Head::TiedVocabulary => self.logits(c, Role::Embedding),
            _ => self.logits(c, Role::Head),
        }
    }

    fn logits(self, c: &Config, role: Role) -> Option<f64> {
        self.linear(c, role, (c.d_model, c.n_outputs()), false)
    }

    /// What a row takes beyond its kernels, per layer and channel.
    fn rest(self, tiled: bool) -> Option<f64> {
        let (c, keys, rows, case) = match tiled {
            true => (ENCODER, 64.0, 64.0, "encoder/l2h128t64"),
            false => (TALES, 64.0, 1.0, "decode/tales"),
        };
        let head = if tiled { 0.0 } else { self.head(&c)? };
        let kernels = rows * c.n_layers as f64 * self.layer(&c, keys, 0.0, tiled)? + head;
        let (counted, per) = self.case(case)?;
        // An encoder's inference has one answer for its 64 rows; a token is a row.
        let counted = if tiled { counted } else { counted / per };
        Some(((counted - kernels) / (rows * (c.n_layers * c.d_model) as f64)).max(0.0))
    }

    /// A row through all layers of one side.
    fn row(self, c: &Config, keys: f64, sources: f64, tiled: bool) -> Option<f64> {
        let rest = self.rest(tiled)? * c.d_model as f64;
        Some(c.n_layers as f64 * (self.layer(c, keys, sources, tiled)? + rest))
    }

    /// A whole input through an encoder, answer included.
    fn encoder(self, c: &Config, rows: usize) -> Option<f64> {
        let keys = if c.causal { rows as f64 / 2.0 } else { rows as f64 };
        let answers = if matches!(c.head, Head::TokenLabels) { rows } else { 1 };
        let frames = match c.frame_len {
            0 => 0.0,
            len => self.linear(c, Role::Embedding, (len, c.d_model), true)?,
        };
        let row = self.row(c, keys, 0.0, c.tile_rows > 1)? + frames;
        Some(rows as f64 * row + answers as f64 * self.head(c)?)
    }

    /// A token behind `keys` others.
    fn token(self, c: &Config, keys: f64, sources: f64) -> Option<f64> {
        Some(self.row(c, keys, sources, false)? + self.head(c)?)
    }

    /// A model's unit of work (see [`unit()`]).
    pub fn model(self, c: &Config) -> Option<f64> {
        let seen = |context: usize| match c.window {
            0 => context as f64 / 2.0,
            window => (context as f64 / 2.0).min(window as f64),
        };
        match c.architecture {
            Architecture::Encoder => self.encoder(c, c.context),
            Architecture::Decoder => self.token(c, seen(c.context), 0.0),
            Architecture::EncoderDecoder => {
                let (rows, tokens) = (c.context as f64, c.target_context);
                let target = c.decoder_side();
                let size = (c.d_model, c.kv_dim());
                let keys = self.linear(c, Role::CrossKey, size, true)?;
                let keys = (keys + self.linear(c, Role::CrossValue, size, true)?) * rows;
                let source = self.encoder(&c.encoder_side(), c.context)?;
                let each = self.token(&target, seen(tokens), rows)?;
                Some(source + target.n_layers as f64 * keys + tokens as f64 * each)
            }
        }
    }
}

impl Counts<'_> {
    /// The longest piece of work that an engine's `step` does, sampling left out: a tile of rows in one layer, or
    /// logits.
    pub fn step(self, c: &Config) -> Option<f64> {
        let context = c.context.max(c.target_context);
        let keys = if c.window > 0 { context.min(c.window) } else { context };
        let sources = if c.decoder_layers > 0 { c.context } else { 0 };
        let rows = c.tile_rows.max(c.beams).max(1) as f64;
        let one = self.layer(c, keys as f64, sources as f64, false)?;
        let layer = rows * (one + self.rest(false)? * c.d_model as f64);
        let beams = c.beams.max(1) as f64;
        let logits = beams * self.head(c)?.max(self.eight(c.d_model, c.n_outputs(), false)?);
        let pooled = self.linear(c, Role::Pooler, (c.d_model, c.d_model), false)?;
        let frames = rows * self.linear(c, Role::Embedding, (c.frame_len, c.d_model), false)?;
        Some((layer + frames + pooled).max(logits + pooled))
    }
}

/// What the estimate is for.
pub fn unit(c: &Config) -> &'static str {
    match c.architecture {
        Architecture::Encoder => "an input that fills the context",
        Architecture::Decoder => "a token with half of the context filled",
        Architecture::EncoderDecoder => "a source and a target that fill their contexts, greedily",
    }
}

/// `models/tales`, and the encoder that the bench makes up: whole models that were counted.
const TALES: Config = Config {
    norm: Norm::Rms,
    activation: Activation::Silu,
    head: Head::TiedVocabulary,
    gated: true,
    vocab_size: 1024,
    d_model: 96,
    n_layers: 4,
    n_heads: 3,
    n_kv_heads: 1,
    head_dim: 32,
    d_ff: 256,
    context: 256,
    ..Config::base(Architecture::Decoder)
};
/// stories260K as it is counted in four bits: a model that writes keeps `k` in eight.
const STORIES_4: Config = Config {
    vocab_size: 512,
    d_model: 64,
    n_layers: 5,
    n_heads: 8,
    n_kv_heads: 4,
    head_dim: 8,
    d_ff: 172,
    four_bits: TALES.roles().without(Role::Key),
    ..TALES
};
const ENCODER: Config = Config {
    d_model: 128,
    n_layers: 2,
    n_heads: 4,
    n_kv_heads: 4,
    head_dim: 32,
    d_ff: 512,
    context: 64,
    ..Config::base(Architecture::Encoder)
};

#[cfg(test)]
mod tests {
    use super::*;
    use picoformer::config::Roles;

    const STORIES: Config = Config { four_bits: Roles::NONE, ..STORIES_4 };
    const CORES: [&str; 6] =
        ["Cortex-M0+", "Cortex-M33", "Cortex-M4", "Cortex-M55", "Cortex-M7", "RV32IMAC"];

    /// The estimate over the count, of models that the estimate was not made from.
    #[test]
    fn other_counted_models_come_out_within_a_sixth() {
        for core in CORES {
            let counts = Counts::of(core).unwrap();
            let of = |case| counts.case(case).map(|(n, per)| n / per).unwrap();
            let near = |estimate: Option<f64>, case| {
                let ratio = estimate.unwrap() / of(case);
                assert!((5.0 / 6.0..7.0 / 6.0).contains(&ratio), "{core}, {case}: {ratio:.3}");
            };
            near(counts.token(&STORIES, 64.0, 0.0), "decode/stories260k");
            near(counts.token(&STORIES, 17.0, 0.0), "token/stories260k/16");
            near(counts.token(&STORIES_4, 17.0, 0.0), "token/4bit-stories260k/16");
            near(counts.token(&TALES, 17.0, 0.0), "token/tales/16");
        }
    }

    #[test]
    fn what_they_were_made_from_comes_out_exactly() {
        for core in CORES {
            let counts = Counts::of(core).unwrap();
            let (encoder, _) = counts.case("encoder/l2h128t64").unwrap();
            let found = 64.0 * counts.row(&ENCODER, 64.0, 0.0, true).unwrap();
            assert!((found / encoder - 1.0).abs() < 1e-9, "{core}");
        }
    }

    /// Four bits cost what two counted models say they do, on every core.
    #[test]
    fn four_bits_differ_as_they_were_counted() {
        for core in CORES {
            let counts = Counts::of(core).unwrap();
            let of = |case| counts.case(case).map(|(n, per)| n / per).unwrap();
            let found = counts.token(&STORIES_4, 64.0, 0.0).unwrap()
                - counts.token(&STORIES, 64.0, 0.0).unwrap();
            let counted = of("decode/4bit-stories260k") - of("decode/stories260k");
            assert!((found - counted).abs() < 1.0, "{core}: {found} of {counted}");
        }
    }

    #[test]
    fn more_work_takes_more_instructions() {
        let counts = Counts::of("Cortex-M4").unwrap();
        let base = counts.model(&TALES).unwrap();
        for more in [
            Config { n_layers: 5, ..TALES },
            Config { context: 512, ..TALES },
            Config { d_ff: 512, ..TALES },
            Config { vocab_size: 2048, ..TALES },
        ] {
            assert!(counts.model(&more).unwrap() > base);
        }
        assert!(Counts::of("Z80").is_none());
    }
}
