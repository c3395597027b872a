//! What the engine is compiled for: the kernels of a core and, for firmware with a single model,
//! the hyperparameters of that model.
//!
//! A [`Config`] known at compile time decides what is linked: a model without relative positions
//! needs no code for them, RMSNorm no LayerNorm, SiLU no GELU table. Sizes and offsets become
//! constants. Results do not change.

use crate::arena::Lengths;
use crate::blob::{
    AUDIO, Expected, KEY_BASE, Layout, MOTION, PROBLEM, RULES, SCOPE, TEXT_LABELS, TRIGGER, Tag,
    is_same,
};
use crate::config::{Architecture, Config, Head, Input, Position, Problem, SEGMENT, Side};
use crate::kernels::Kernels;
use crate::tokenizer::{self, Kind, Method, Tokenizer};
use core::marker::PhantomData;

/// What an engine is compiled for: a set of kernels and, optionally, the one model that it runs.
/// All [`Kernels`] are builds for any model; [`specialize!`](crate::specialize!) declares one for a
/// single model.
pub trait Build {
    /// The inner loops.
    type Kernels: Kernels;

    /// The only model that this build runs; `None` runs every model. Hyperparameters that
    /// [`Config::validate`] refuses fail the build.
    const MODEL: Option<Known> = None;
}

impl<K: Kernels> Build for K {
    type Kernels = K;
}

/// The compile-time description of a model. [`Model::known`](crate::Model::known) returns it for a
/// model in the image; for one that is flashed separately, write it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its hyperparameters. Narrower beams than this one are accepted, wider ones are not.
    pub config: Config,
    /// The rules of its tokenizer, if it has one.
    pub tokenizer: Option<Kind>,
    /// Its tokenizer looks for added tokens in a text.
    pub added_tokens: bool,
    /// Whether it has [`Rules`](crate::rules::Rules) of generation.
    pub rules: bool,
    /// What its labels are.
    pub problem: Problem,
    /// Whether its keys are stored less a [base](crate::blob::KEY_BASE).
    pub key_base: bool,
    /// Whether an input may be none of its labels, see [`Scope`](crate::scope::Scope).
    pub out_of_scope: bool,
    /// How many of its token labels are of the whole text.
    pub text_labels: usize,
}

impl Known {
    /// A model with a tokenizer of this kind, if any, and without what optional sections add, but for the base
    /// of keys, which the converter gives every decoder that may have one.
    pub const fn new(config: Config, tokenizer: Option<Kind>) -> Self {
        let problem = match config.n_labels {
            1 => Problem::MultiLabel,
            _ => Problem::SingleLabel,
        };
        Self {
            config,
            tokenizer,
            added_tokens: false,
            rules: false,
            problem,
            key_base: config.has_key_base(),
            out_of_scope: false,
            text_labels: 0,
        }
    }
}

/// Constants that follow from `Build::MODEL`.
struct Facts<B>(PhantomData<B>);

impl<B: Build> Facts<B> {
    const HEADER: Option<Expected> = match B::MODEL {
        Some(known) => {
            let expected = Expected::new(known.config);
            assert!(expected.is_some(), "the hyperparameters of `Build::MODEL` are not valid");
            expected
        }
        None => None,
    };
    const LENGTHS: Option<Lengths> = match B::MODEL {
        Some(known) => Some(Lengths::new(&known.config)),
        None => None,
    };
}

/// The expected header of the only model.
#[inline(always)]
pub(crate) const fn header<B: Build>() -> Option<&'static Expected> {
    const { &Facts::<B>::HEADER }.as_ref()
}

/// The hyperparameters: those of `Build::MODEL`, or else the ones found in the blob.
#[inline(always)]
pub const fn config<B: Build>(found: &Config) -> &Config {
    match header::<B>() {
        Some(known) => &known.config,
        None => found,
    }
}

/// The offsets of all sections except tokenizer and labels.
#[inline(always)]
pub(crate) const fn layout<B: Build>(found: &Layout) -> &Layout {
    match header::<B>() {
        Some(known) => &known.layout,
        None => found,
    }
}

/// The method of the tokenizer. For a single model, whose buffer is as short as its context, byte pairs are
/// merged by the least code.
#[inline(always)]
pub(crate) fn tokenizer<B: Build>(found: &Tokenizer) -> Method {
    match B::MODEL {
        Some(Known { tokenizer: Some(kind), added_tokens: added, .. }) => {
            Method { kind, merge: tokenizer::scan, added }
        }
        _ => found.method(),
    }
}

/// The lengths of a model's buffers.
#[inline(always)]
pub(crate) fn lengths<B: Build>(config: &Config) -> Lengths {
    match const { &Facts::<B>::LENGTHS } {
        Some(known) => *known,
        None => Lengths::new(config),
    }
}

/// The side of a layer.
#[inline(always)]
pub(crate) const fn side<B: Build>(found: Side) -> Side {
    let Some(known) = header::<B>() else { return found };
    match known.config.architecture {
        Architecture::Encoder => Side::Encoder,
        Architecture::Decoder => Side::Decoder,
        Architecture::EncoderDecoder => found,
    }
}

/// Positions that a layer of the cache holds; the two sides of an encoder-decoder differ.
#[inline(always)]
pub(crate) const fn cache_rows<B: Build>(found: usize) -> usize {
    match header::<B>() {
        Some(known) if !has_beams::<B>() => known.config.cache_rows(),
        _ => found,
    }
}

/// How positions enter.
#[inline(always)]
pub(crate) const fn position<B: Build>(found: Position) -> Position {
    match header::<B>() {
        Some(known) => known.config.position,
        None => found,
    }
}

/// Whether scores may have biases.
pub(crate) const fn has_relative_positions<B: Build>() -> bool {
    match header::<B>() {
        Some(known) => matches!(known.config.position, Position::Relative),
        None => true,
    }
}

/// Whether a linear layer may read rows wider than [`SEGMENT`].
pub(crate) const fn has_wide_rows<B: Build>() -> bool {
    let Some(Expected { config: c, .. }) = header::<B>() else { return true };
    c.d_model > SEGMENT || c.q_dim() > SEGMENT || c.d_ff > SEGMENT || c.frame_len > SEGMENT
}

/// Whether a linear layer may have weights of four bits.
pub(crate) const fn has_nibbles<B: Build>() -> bool {
    let Some(Expected { config: c, .. }) = header::<B>() else { return true };
    !c.four_bits.is_empty()
}

/// Whether a text may be subject to rules.
pub(crate) const fn has_rules<B: Build>() -> bool {
    match B::MODEL {
        Some(known) => known.rules,
        None => true,
    }
}

/// Whether keys may be stored less a base.
pub(crate) const fn has_key_base<B: Build>() -> bool {
    match B::MODEL {
        Some(known) => known.key_base,
        None => true,
    }
}

/// Whether labels may be something else than one of several, or a single one.
pub(crate) const fn has_problems<B: Build>() -> bool {
    match B::MODEL {
        Some(known) => known.problem as u8 != Known::new(known.config, None).problem as u8,
        None => true,
    }
}

/// What the labels are.
pub(crate) const fn problem<B: Build>(found: Problem) -> Problem {
    match B::MODEL {
        Some(known) => known.problem,
        None => found,
    }
}

/// Whether an input may be none of the labels.
pub(crate) const fn has_scope<B: Build>() -> bool {
    match B::MODEL {
        Some(known) => known.out_of_scope,
        None => true,
    }
}

/// Whether some token labels may be of the whole text.
pub(crate) const fn has_text_labels<B: Build>() -> bool {
    match B::MODEL {
        Some(known) => known.text_labels > 0,
        None => true,
    }
}

/// How many token labels are of the whole text.
pub(crate) const fn text_labels<B: Build>(found: usize) -> usize {
    match B::MODEL {
        Some(known) => known.text_labels,
        None => found,
    }
}

/// Whether a build reads blobs with an optional section of this tag: it may skip the section, or knows
/// it, in models that have a use for it.
pub(crate) const fn reads<B: Build>(tag: Tag, found: &Config) -> bool {
    let c = config::<B>(found);
    let frames = matches!(c.input, Input::Frames)
        && (is_same(tag, AUDIO) || is_same(tag, MOTION) || is_same(tag, TRIGGER));
    let writes = matches!(c.head, Head::TiedVocabulary | Head::Vocabulary);
    let rules = has_rules::<B>() && writes && is_same(tag, RULES);
    let problem = has_problems::<B>() && is_same(tag, PROBLEM);
    let scope = has_scope::<B>() && is_same(tag, SCOPE);
    let labels = (problem || scope) && matches!(c.head, Head::Classifier);
    let texts = has_text_labels::<B>() && is_same(tag, TEXT_LABELS);
    let words = texts && matches!(c.head, Head::TokenLabels);
    let keys = has_key_base::<B>() && c.has_key_base() && is_same(tag, KEY_BASE);
    tag[0].is_ascii_lowercase() || frames || rules || labels || words || keys
}

/// Whether rows may be hypotheses of a search.
pub(crate) const fn has_beams<B: Build>() -> bool {
    let Some(Expected { config: c, .. }) = header::<B>() else { return true };
    matches!(c.architecture, Architecture::EncoderDecoder)
}

/// Whether a linear layer may have a bias.
pub(crate) const fn has_biases<B: Build>() -> bool {
    let Some(Expected { config: c, .. }) = header::<B>() else { return true };
    let frames = matches!(c.input, Input::Frames);
    let layers = c.qkv_bias || c.output_bias || c.up_bias || c.down_bias;
    layers || c.head_bias || c.pooler || frames
}
