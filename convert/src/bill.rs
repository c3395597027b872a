//! The exact bill of a blob: flash by section, RAM by buffer.

use crate::kept::Kept;
use crate::longest::{Longest, longest};
use crate::scope::score_name;
use crate::weight_bits::weight_bits;
use picoformer::Model;
use picoformer::arena::buffers;
use picoformer::blob::{ALIGN, META_BYTES, Section};
use picoformer::config::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a model is and costs. The fields are the keys of `picoformer inspect --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Bill {
    /// `encoder`, `decoder` or `encoder-decoder`.
    pub architecture: &'static str,
    /// What it takes: `tokens`, `frames`, or what its front end makes frames of, `audio` or `motion`.
    pub input: &'static str,
    /// Samples a second that the front end wants; 0 without one, or if the model does not say.
    pub sample_rate: u32,
    /// Whether a stream of samples gives events.
    pub trigger: bool,
    /// What it answers: `tokens`, `label`, `labels`, `embedding` or `hidden`.
    pub answers: &'static str,
    /// Weights of the checkpoint.
    pub parameters: u32,
    /// Bytes of the checkpoint in f32: four a weight.
    pub checkpoint_bytes: u64,
    /// Bytes that training it needs, activations not counted, with AdamW in f32: 4 for a weight, 4 for its
    /// gradient, 8 for the optimiser's two means (Kingma & Ba 2015, algorithm 1).
    pub training_bytes: u64,
    /// Bytes of flash.
    pub flash_bytes: usize,
    /// Bytes of RAM, stack not counted.
    pub arena_bytes: usize,
    /// Positions; in an encoder-decoder, those of the source.
    pub context: usize,
    /// Encoder-decoder: positions of the target; otherwise 0.
    pub target_context: usize,
    /// Encoder-decoder: hypotheses that a search keeps, for which the RAM is; otherwise 0.
    pub beams: usize,
    /// Tokens of the vocabulary.
    pub vocab_size: usize,
    /// Where the blob has a part of its original's vocabulary: how many tokens it kept.
    pub kept_pieces: Option<usize>,
    /// Likewise: tokens of the original's vocabulary.
    pub original_vocab_size: Option<usize>,
    /// Labels of a classifier.
    pub n_labels: usize,
    /// Numbers of an embedding.
    pub embedding_dim: Option<usize>,
    /// Of an embedding: whether it is scaled to length one.
    pub unit_length: Option<bool>,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Layers; in an encoder-decoder, those of the encoder.
    pub n_layers: usize,
    /// Encoder-decoder: layers of the decoder; otherwise 0.
    pub decoder_layers: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key/value heads.
    pub n_kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the feed-forward part.
    pub d_ff: usize,
    /// Keys a query sees at most; 0: all.
    pub window: usize,
    /// Rows that share a pass over the flash.
    pub tile_rows: usize,
    /// How weights of eight bits are packed.
    pub layout: &'static str,
    /// Bits a weight of all linear layers, scales included.
    pub bits_per_weight: f64,
    /// The same by part, which is alike in all layers: `embedding`, `q`, `k` and so on.
    pub bits_per_weight_by_layer: BTreeMap<&'static str, f64>,
    /// Whether the blob has a tokenizer.
    pub tokenizer: bool,
    /// What a classifier's labels are, in transformers' words: `single_label_classification`,
    /// `multi_label_classification` (also a single label), `regression`.
    pub problem_type: Option<&'static str>,
    /// When an input is none of a classifier's labels, if the model says so.
    pub out_of_scope: Option<OutOfScope>,
    /// How many of the labels of tokens, the first ones, are of the whole text.
    pub text_labels: usize,
    /// Keys of the checkpoint that were ignored deliberately.
    pub ignored_keys: Vec<String>,
    /// Free text about the model, if the blob has any.
    pub note: Option<String>,
    /// Elements of the arena's four parts, for [`picoformer::Arena`].
    pub arena: [usize; 4],
    /// Flash by section.
    pub sections: Vec<Item>,
    /// RAM by buffer.
    pub buffers: Vec<Item>,
    /// Instructions at most between two returns, by core: a bound with a margin, for a watchdog.
    pub longest: Vec<Longest>,
}

/// When an input is none of the labels.
#[derive(Clone, Debug, Serialize)]
pub struct OutOfScope {
    /// `log_probability` or `energy`.
    pub score: &'static str,
    /// An input with a lower score is none of the labels, nats.
    pub threshold: f64,
    /// The label that stands for none, if one does.
    pub label: Option<String>,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    /// What for.
    pub name: String,
    /// How many.
    pub bytes: usize,
}

fn item(name: impl Into<String>, bytes: usize) -> Item {
    Item { name: name.into(), bytes }
}

/// Writes the bill of a parsed model.
pub fn bill(model: &Model) -> Bill {
    let (c, size, features) = (*model.config(), model.arena(), model.features());
    let (input, sample_rate) = match (features.audio, features.motion, c.input) {
        (Some(audio), ..) => ("audio", audio.sample_rate),
        (_, Some(motion), _) => ("motion", motion.sample_rate.unwrap_or(0)),
        (.., Input::Frames) => ("frames", 0),
        (.., Input::Tokens) => ("tokens", 0),
    };
    let kept = Kept::of(model);
    let (bits_per_weight, bits_per_weight_by_layer) = weight_bits(&c, model.layout());
    let embedding = (c.head == Head::Embedding).then_some(c.n_outputs());
    Bill {
        architecture: match c.architecture {
            Architecture::Encoder => "encoder",
            Architecture::Decoder => "decoder",
            Architecture::EncoderDecoder => "encoder-decoder",
        },
        input,
        sample_rate,
        trigger: features.trigger.is_some(),
        answers: match c.head {
            Head::Vocabulary | Head::TiedVocabulary => "tokens",
            Head::Classifier => "label",
            Head::TokenLabels => "labels",
            Head::Embedding => "embedding",
            Head::None => "hidden",
        },
        parameters: model.header().parameters,
        checkpoint_bytes: model.header().parameters as u64 * 4,
        training_bytes: model.header().parameters as u64 * 16,
        flash_bytes: model.flash_bytes(),
        arena_bytes: size.total_bytes(),
        context: c.context,
        target_context: c.target_context,
        beams: c.beams,
        vocab_size: c.vocab_size,
        kept_pieces: kept.as_ref().map(|kept| kept.ids().len()),
        original_vocab_size: kept.map(|kept| kept.original_size()),
        n_labels: if embedding.is_some() { 0 } else { c.n_labels },
        embedding_dim: embedding,
        unit_length: embedding.map(|_| !c.own_length),
        d_model: c.d_model,
        n_layers: c.n_layers,
        decoder_layers: c.decoder_layers,
        n_heads: c.n_heads,
        n_kv_heads: c.n_kv_heads,
        head_dim: c.head_dim,
        d_ff: c.d_ff,
        window: c.window,
        tile_rows: c.tile_rows,
        layout: c.packing.name(),
        bits_per_weight,
        bits_per_weight_by_layer,
        tokenizer: model.header().tokenizer_bytes > 0,
        problem_type: (c.head == Head::Classifier).then(|| match model.problem() {
            Problem::SingleLabel => "single_label_classification",
            Problem::MultiLabel => "multi_label_classification",
            Problem::Regression => "regression",
        }),
        out_of_scope: model.scope().map(|scope| OutOfScope {
            score: score_name(scope.score),
            threshold: scope.threshold as f64 / 65536.0,
            label: scope.none().map(|label| model.label(label).unwrap_or_default().to_owned()),
        }),
        text_labels: model.text_labels(),
        ignored_keys: model.ignored_keys().map(str::to_owned).collect(),
        note: model.note().map(str::to_owned),
        arena: [size.bytes, size.halves, size.words, size.tokens],
        sections: sections(model),
        buffers: buffers(&c)
            .iter()
            .chain(&features.buffers(&c))
            .filter(|buffer| buffer.len > 0)
            .map(|buffer| item(buffer.name, buffer.bytes()))
            .collect(),
        longest: longest(model),
    }
}

/// Every byte of the blob belongs to exactly one section.
fn sections(model: &Model) -> Vec<Item> {
    let (c, l) = (model.config(), model.layout());
    let starts = [
        ("header", 0),
        ("embedding", l.embedding.offset),
        ("positions", l.position),
        ("embedding_norm", l.embedding_norm),
        ("layers", l.layers),
        ("final_norm", l.final_norm),
        ("pooler", l.pooler.offset),
        ("decoder embedding", l.decoder.embedding.offset),
        ("decoder positions", l.decoder.position),
        ("decoder embedding_norm", l.decoder.embedding_norm),
        ("decoder layers", l.decoder.layers),
        ("decoder final_norm", l.decoder.final_norm),
        ("head", l.head.offset),
        ("tokenizer", l.tokenizer.0),
        ("labels", l.labels.0),
        ("end", l.end),
    ];
    let mut items = Vec::new();
    for pair in starts.windows(2) {
        let bytes = pair[1].1 - pair[0].1;
        if pair[0].0 == "layers" {
            items.extend((0..c.n_layers).map(|i| item(format!("layer {i}"), l.layer.bytes)));
        } else if pair[0].0 == "decoder layers" {
            let layer = |i| item(format!("decoder layer {i}"), l.decoder.layer_bytes);
            items.extend((0..c.decoder_layers).map(layer));
        } else if bytes > 0 {
            items.push(item(pair[0].0, bytes));
        }
    }
    let optional = |s: Section| {
        item(s.tag.escape_ascii().to_string(), META_BYTES + round_up(s.data.len(), ALIGN))
    };
    items.extend(model.sections().map(optional));
    items
}

impl std::fmt::Display for Bill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} that answers with {}, {} parameters",
            self.architecture, self.answers, self.parameters
        )?;
        writeln!(
            f,
            "its checkpoint in f32 has {} bytes; training it with AdamW needs {} (weights, gradients and two \
             means), and activations",
            self.checkpoint_bytes, self.training_bytes
        )?;
        writeln!(
            f,
            "{} layers, width {}, {} heads of {} ({} for keys and values), feed-forward {}, context {}{}",
            self.n_layers,
            self.d_model,
            self.n_heads,
            self.head_dim,
            self.n_kv_heads,
            self.d_ff,
            self.context,
            if self.window > 0 { format!(", window {}", self.window) } else { String::new() },
        )?;
        if self.decoder_layers > 0 {
            writeln!(
                f,
                "decoder: {} layers, targets up to {} tokens, RAM for {} hypotheses",
                self.decoder_layers, self.target_context, self.beams
            )?;
        }
        let rate = format!("{} samples a second", self.sample_rate);
        let input = match self.input {
            "tokens" => format!(
                "vocabulary {}{}{}",
                self.vocab_size,
                self.original_vocab_size
                    .map_or_else(String::new, |n| format!(" of the original's {n}")),
                if self.tokenizer { " with tokenizer" } else { ", no tokenizer (ids in, ids out)" },
            ),
            "frames" => "frames in, no front end".into(),
            kind if self.sample_rate > 0 => format!("{kind} in, {rate}"),
            kind => format!("{kind} in"),
        };
        writeln!(
            f,
            "{input}{}{}, weights packed `{}`, {} rows a tile",
            if self.trigger { ", a stream of it gives events" } else { "" },
            match (self.n_labels, self.embedding_dim) {
                (0, None) => String::new(),
                (0, Some(dim)) if self.unit_length == Some(false) => {
                    format!(", embeddings of {dim} numbers, of any length")
                }
                (0, Some(dim)) => format!(", embeddings of {dim} numbers, of length one"),
                (labels, _) => format!(", {labels} labels"),
            },
            self.layout,
            self.tile_rows,
        )?;
        if let Some(problem) = self.problem_type {
            writeln!(f, "its labels: {problem}")?;
        }
        if let Some(OutOfScope { score, threshold, label }) = &self.out_of_scope {
            let label =
                label.as_ref().map_or_else(String::new, |l| format!(", `{l}` stands for none"));
            writeln!(f, "none of its labels: {score} below {threshold:.4}{label}")?;
        }
        if self.text_labels > 0 {
            writeln!(f, "{} labels are of the whole text, the others of words", self.text_labels)?;
        }
        if !self.ignored_keys.is_empty() {
            writeln!(f, "ignored keys: {}", self.ignored_keys.join(", "))?;
        }
        if let Some(note) = &self.note {
            writeln!(f, "note: {}", note.replace(char::is_control, " "))?;
        }
        writeln!(f, "\nflash {:>31} bytes", self.flash_bytes)?;
        for item in &self.sections {
            writeln!(f, "  {:<24}{:>11}", item.name, item.bytes)?;
        }
        writeln!(f, "\nRAM (arena) {:>25} bytes", self.arena_bytes)?;
        for item in &self.buffers {
            writeln!(f, "  {:<24}{:>11}", item.name, item.bytes)?;
        }
        if !self.longest.is_empty() {
            writeln!(
                f,
                "\ninstructions at most between two returns, and bytes of stack (docs/C.md)"
            )?;
            writeln!(f, "  {:<24}{:>11}{:>11}{:>11}{:>11}", "", "step", "begin", "parse", "stack")?;
        }
        for Longest { core, step, begin, parse, stack_bytes } in &self.longest {
            writeln!(f, "  {core:<24}{step:>11}{begin:>11}{parse:>11}{stack_bytes:>11}")?;
        }
        let [bytes, halves, words, tokens] = self.arena;
        write!(f, "\nstatic ARENA: Arena<{bytes}, {halves}, {words}, {tokens}>")
    }
}
