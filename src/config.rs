//! Hyperparameters of one transformer and every size that follows from them.
//!
//! A [`Config`] is plain data: it can be read from a blob in `const` context, printed, compared.
//! It imports only the [`Packing`] of its weights.

mod base;
mod bits;
mod roles;

pub use bits::{Role, Roles};

use crate::matrix::Packing;

/// What the model is made of (Vaswani et al. 2017, "Attention Is All You Need", figure 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Architecture {
    /// All rows at once (BERT); bidirectional layers, or causal ones.
    Encoder = 0,
    /// Causal layers with a key/value cache (GPT-2, Llama).
    Decoder = 1,
    /// An encoder, and a decoder whose layers also attend to the encoder's last rows (T5, BART,
    /// Marian).
    EncoderDecoder = 2,
}

/// One of the two stacks of layers in that figure. A model with one stack is on the side that its
/// [`Architecture`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// On the left: bidirectional.
    Encoder,
    /// On the right: causal.
    Decoder,
}

/// Where the rows of the residual stream come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Input {
    /// Token ids, looked up in an embedding table of `vocab_size` rows.
    Tokens = 0,
    /// Frames of `frame_len` features each (audio, motion, image patches) through a linear layer.
    Frames = 1,
}

/// How positions enter the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Position {
    /// Nothing is added.
    None = 0,
    /// A table of `context` rows is added to the embedding.
    Learned = 1,
    /// `sin` in the first half of the row, `cos` in the second (Vaswani et al. 2017, §3.5, in the
    /// order Marian uses), computed on the fly from a table of frequencies.
    Sinusoidal = 2,
    /// `q` and `k` are rotated (Su et al. 2021, "RoFormer", §3.2.2); pairs are neighbours.
    Rotary = 3,
    /// A bias per head and distance is added to the scores (Raffel et al. 2020, "T5", §2.1), the
    /// same in every layer; distances beyond `relative_distance` count as the greatest one.
    Relative = 4,
}

/// Which normalisation the layers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Norm {
    /// LayerNorm (Ba et al. 2016).
    Layer = 0,
    /// RMSNorm (Zhang & Sennrich 2019).
    Rms = 1,
}

/// Where the normalisation stands (Xiong et al. 2020, "On Layer Normalization in the Transformer").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NormOrder {
    /// Before attention and feed-forward; its gain and bias are folded into the next linear layer.
    Pre = 0,
    /// After the residual addition.
    Post = 1,
}

/// The non-linearity of the feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu = 0,
    /// `x Φ(x)` with the exact error function (Hendrycks & Gimpel 2016).
    GeluErf = 1,
    /// The tanh approximation of GELU (GPT-2's `gelu_new`).
    GeluTanh = 2,
    /// `x σ(x)` (Elfwing et al. 2018), also called swish.
    Silu = 3,
}

/// What the last hidden rows become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Head {
    /// Nothing: the hidden rows are the answer.
    None = 0,
    /// Logits over the vocabulary from the embedding table itself.
    TiedVocabulary = 1,
    /// Logits over the vocabulary from a separate matrix.
    Vocabulary = 2,
    /// One of `n_labels` labels for the whole input, from the pooled row.
    Classifier = 3,
    /// One of `n_labels` labels for each row.
    TokenLabels = 4,
    /// The pooled row, or `n_labels` numbers that a dense layer makes of it, scaled to length one or, with
    /// [`Config::own_length`], as it is
    /// (Reimers & Gurevych 2019, "Sentence-BERT").
    Embedding = 5,
}

/// What the logits of a [`Head::Classifier`] mean. The numbers are the codes in a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Problem {
    /// One of several labels is right: probabilities are their softmax.
    SingleLabel = 0,
    /// Each label is right or not: probabilities are sigmoids. A single label always is one of these.
    MultiLabel = 1,
    /// They are no logits but the values asked for.
    Regression = 2,
}

impl Problem {
    /// The problem of a code and a number of labels; `None` for an unknown code.
    pub const fn of_code(code: u32, n_labels: usize) -> Option<Self> {
        match code {
            0 if n_labels == 1 => Some(Self::MultiLabel),
            0 => Some(Self::SingleLabel),
            1 => Some(Self::MultiLabel),
            2 => Some(Self::Regression),
            _ => None,
        }
    }
}

/// How rows become one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Pooling {
    /// The first row (`[CLS]`).
    First = 0,
    /// The mean of all rows.
    Mean = 1,
    /// The last row; with [`Config::suppressed_token`], the last one that is not this token (padding).
    Last = 2,
    /// The greatest number of all rows, channel by channel.
    Max = 3,
}

/// Keys per block of the streaming softmax. Part of the numerics: the running maximum is updated
/// once per block, so this number is the same on every core and for every tile size.
pub const KEY_BLOCK: usize = 16;
/// Inputs per partial sum of a linear layer, so that `256 Σ w x` stays in 32 bits:
/// 256 · 127² · 512 < 2³¹.
pub const SEGMENT: usize = 512;
/// Widest beam of a search.
pub const MAX_BEAMS: usize = 8;

/// Hyperparameters of one model. Every field is in the blob's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Encoder, decoder or both.
    pub architecture: Architecture,
    /// Tokens or frames.
    pub input: Input,
    /// How positions enter.
    pub position: Position,
    /// LayerNorm or RMSNorm.
    pub norm: Norm,
    /// Pre-norm or post-norm.
    pub norm_order: NormOrder,
    /// Non-linearity of the feed-forward part.
    pub activation: Activation,
    /// What comes out.
    pub head: Head,
    /// How a classifier or embedding pools its rows.
    pub pooling: Pooling,
    /// Packing of the weights of eight bits.
    pub packing: Packing,
    /// The linear layers whose weights have four bits ([`Packing::Nibbles`]).
    pub four_bits: Roles,
    /// Feed-forward is `down(activation(gate x) ⊙ up x)` (Shazeer 2020, "GLU Variants").
    pub gated: bool,
    /// `q`, `k`, `v` have a bias (also when a norm's bias was folded into them).
    pub qkv_bias: bool,
    /// The attention output projection has a bias.
    pub output_bias: bool,
    /// `gate` and `up` have a bias.
    pub up_bias: bool,
    /// `down` has a bias.
    pub down_bias: bool,
    /// The head has a bias.
    pub head_bias: bool,
    /// The embedding is normalised before the first layer (BERT).
    pub embedding_norm: bool,
    /// The last layer's rows are normalised (pre-norm models).
    pub final_norm: bool,
    /// A dense layer with tanh stands between pooled row and classifier (BERT's pooler).
    pub pooler: bool,
    /// The decoder of an encoder-decoder has an embedding table of its own.
    pub separate_embedding: bool,
    /// An encoder whose rows see themselves and those before them alone (the body of a decoder that
    /// classifies or embeds).
    pub causal: bool,
    /// The dense layer of an embedding has tanh.
    pub head_tanh: bool,
    /// An embedding keeps its length (Q15.16); otherwise it is scaled to length one (Q1.30).
    pub own_length: bool,
    /// Rows of the embedding table; 0 for frame input.
    pub vocab_size: usize,
    /// Features per frame; 0 for token input.
    pub frame_len: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Layers; in an encoder-decoder, those of the encoder.
    pub n_layers: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key/value heads (grouped-query attention, Ainslie et al. 2023); divides `n_heads`.
    pub n_kv_heads: usize,
    /// Width of a head; a multiple of 4 (the converter pads with zeros).
    pub head_dim: usize,
    /// Width of the feed-forward part.
    pub d_ff: usize,
    /// Maximum number of rows: positions of the cache, or rows of one encoder input (a source).
    pub context: usize,
    /// Keys that a query of a decoder or causal encoder sees at most, its own included; 0 means all.
    pub window: usize,
    /// Labels of a classifier, or the numbers of an embedding that a dense layer makes; 0 without them.
    pub n_labels: usize,
    /// Rows that share one pass over the weights.
    pub tile_rows: usize,
    /// Encoder-decoder: layers of the decoder. Otherwise 0, like all fields below.
    pub decoder_layers: usize,
    /// Encoder-decoder: positions of the decoder, the start token included.
    pub target_context: usize,
    /// Hypotheses that a search keeps (beam width); 1 is greedy.
    pub beams: usize,
    /// Relative positions: distances told apart in each direction.
    pub relative_distance: usize,
    /// The token that a target begins with; it is not part of the answer.
    pub start_token: usize,
    /// The token that ends a target.
    pub end_token: usize,
    /// A token that is never generated (Marian's padding), plus 1; 0: none. An encoder that pools
    /// the last row leaves it out at the end of an input.
    pub suppressed_token: usize,
    /// The token that every target begins with after the start token (BART), plus 1; 0: any.
    pub forced_token: usize,
}

/// Why a [`Config`] cannot be run: the name of the field at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConfigError(pub &'static str);

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the value of `{}` is out of range or does not fit the others", self.0)
    }
}

impl core::error::Error for ConfigError {}

/// Numbers in the caches together, and in the residual stream, at most.
const SIZE: u64 = 1 << 29;

/// The greater of two sizes.
pub(crate) const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// `n` rounded up to a multiple of `of`, a power of two.
pub const fn round_up(n: usize, of: usize) -> usize {
    (n + of - 1) & !(of - 1)
}

impl Config {
    /// Checks the range of every field and that the fields are consistent.
    ///
    /// Bounds: widths up to 8192 (so 32-bit accumulators stay exact), vocabulary and context up to
    /// 2²⁰, and 2²⁹ numbers each in the caches and in the residual stream, with the widest beam that
    /// [`Model::with_beams`](crate::Model::with_beams) may set: so no derived size overflows 32-bit
    /// arithmetic.
    pub const fn validate(&self) -> Result<(), ConfigError> {
        macro_rules! check {
            ($ok:expr, $name:expr) => {
                if !$ok {
                    return Err(ConfigError($name));
                }
            };
        }
        let tokens = matches!(self.input, Input::Tokens);
        let both = matches!(self.architecture, Architecture::EncoderDecoder);
        let relative = matches!(self.position, Position::Relative);
        let vocabulary = matches!(self.head, Head::TiedVocabulary | Head::Vocabulary);
        let labelled = matches!(self.head, Head::Classifier | Head::TokenLabels);
        check!(
            self.d_model >= 4 && self.d_model <= 8192 && self.d_model.is_multiple_of(4),
            "d_model"
        );
        check!(self.d_ff >= 1 && self.d_ff <= 8192, "d_ff");
        check!(self.n_layers >= 1 && self.n_layers <= 256, "n_layers");
        check!(self.n_heads >= 1 && self.n_heads <= 256, "n_heads");
        check!(self.n_kv_heads >= 1 && self.n_heads.is_multiple_of(self.n_kv_heads), "n_kv_heads");
        check!(
            self.head_dim >= 4 && self.head_dim <= 256 && self.head_dim.is_multiple_of(4),
            "head_dim"
        );
        check!(self.n_heads * self.head_dim <= 8192, "head_dim");
        check!(self.context >= 1 && self.context <= 1 << 20, "context");
        check!(self.window <= self.context, "window");
        let encoder = matches!(self.architecture, Architecture::Encoder);
        let embeds = matches!(self.head, Head::Embedding);
        check!(encoder || !self.causal, "causal");
        let causal = self.causal || matches!(self.architecture, Architecture::Decoder);
        check!(causal || self.window == 0, "window");
        check!(self.tile_rows >= 1 && self.tile_rows <= 64, "tile_rows");
        check!(tokens == (self.vocab_size > 0) && self.vocab_size <= 1 << 20, "vocab_size");
        check!(tokens != (self.frame_len > 0) && self.frame_len <= 8192, "frame_len");
        check!(tokens || !vocabulary, "head");
        check!(embeds || labelled == (self.n_labels > 0), "n_labels");
        check!(self.n_labels <= 65536, "n_labels");
        let dense = embeds && self.n_labels > 0;
        check!(!self.head_bias || labelled || vocabulary || dense, "head_bias");
        check!(!self.head_tanh || dense, "head_tanh");
        check!(!self.own_length || embeds, "own_length");
        check!(!self.pooler || matches!(self.head, Head::Classifier | Head::Embedding), "pooler");
        check!(encoder != vocabulary, "head");
        check!(
            matches!(self.norm, Norm::Layer) || matches!(self.norm_order, NormOrder::Pre),
            "norm_order"
        );
        check!(both == (self.decoder_layers > 0) && self.decoder_layers <= 256, "decoder_layers");
        check!(
            both == (self.target_context > 0) && self.target_context <= 1 << 16,
            "target_context"
        );
        check!(both == (self.beams > 0) && self.beams <= MAX_BEAMS, "beams");
        check!(!both || tokens, "input");
        check!(!both || !matches!(self.position, Position::Rotary), "position");
        check!(both || !self.separate_embedding, "separate_embedding");
        check!(self.four_bits.except(self.roles()).is_empty(), "four_bits");
        check!(!relative || both || encoder, "position");
        check!(
            relative == (self.relative_distance > 0) && self.relative_distance <= 1 << 12,
            "relative_distance"
        );
        let known = if both { self.vocab_size } else { 1 };
        check!(self.start_token < known, "start_token");
        check!(self.end_token < known, "end_token");
        // A vocabulary of one token has none to spare.
        let suppressible = match (both, encoder && tokens && matches!(self.pooling, Pooling::Last))
        {
            (true, _) if known > 1 => known,
            (_, true) => self.vocab_size,
            _ => 0,
        };
        check!(self.suppressed_token <= suppressible, "suppressed_token");
        check!(self.forced_token <= known && (both || self.forced_token == 0), "forced_token");
        // What every target begins with is not what none ever has.
        let both_ways = both && self.forced_token == self.suppressed_token;
        check!(!both_ways || self.forced_token == 0, "forced_token");
        // In 64 bits: on a 32-bit core a hostile header must not wrap the arena's size.
        let (width, source) = (self.kv_dim() as u64 + self.n_kv_heads as u64, self.source_keys());
        let rows = self.rows() as u64 * self.d_model as u64;
        check!((self.cache_rows() + source) as u64 * width <= SIZE && rows <= SIZE, "context");
        let keys = (self.keys(MAX_BEAMS) + source) as u64;
        check!(keys * width <= SIZE, if both { "target_context" } else { "context" });
        Ok(())
    }

    /// The unit of the outputs is `2^` this: logits and embeddings of any length are Q15.16, embeddings of
    /// length one Q1.30.
    pub const fn output_exponent(&self) -> i32 {
        match self.head {
            Head::Embedding if !self.own_length => -30,
            _ => -16,
        }
    }

    /// The encoder of an encoder-decoder as a model of its own.
    pub const fn encoder_side(&self) -> Self {
        Self { architecture: Architecture::Encoder, head: Head::None, ..*self }
    }

    /// The decoder of an encoder-decoder as a model of its own.
    pub const fn decoder_side(&self) -> Self {
        Self {
            architecture: Architecture::Decoder,
            n_layers: self.decoder_layers,
            context: self.target_context,
            ..*self
        }
    }

    /// Width of all query heads together.
    pub const fn q_dim(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// Width of all key (or value) heads together.
    pub const fn kv_dim(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }

    /// Whether keys may be stored less a [base](crate::blob::KEY_BASE): in a decoder that rotates them.
    /// Elsewhere it goes into the bias of `k`.
    pub const fn has_key_base(&self) -> bool {
        matches!(self.architecture, Architecture::Decoder)
            && matches!(self.position, Position::Rotary)
    }

    /// Width of a tile's rows: queries, hidden rows, or rows of the residual stream.
    pub const fn tile_width(&self) -> usize {
        max(max(self.q_dim(), self.d_ff), self.d_model)
    }

    /// Positions that the key/value cache holds: the context, or a ring of the window plus one tile
    /// if that is shorter, rounded up to whole blocks of [`KEY_BLOCK`] keys.
    pub const fn cache_rows(&self) -> usize {
        // An encoder writes all keys of a layer before the first row attends.
        let ring = self.window > 0 && !matches!(self.architecture, Architecture::Encoder);
        let needed = if ring && self.window + self.tile_rows < self.context {
            // The ring must hold the window of the first row of a tile while the last is written,
            // and no block may be shared by the oldest visible key and the newest one.
            self.window + self.tile_rows + KEY_BLOCK
        } else {
            self.context
        };
        round_up(needed, KEY_BLOCK)
    }

    /// Rows of the residual stream: an encoder holds its whole input, a decoder a tile.
    pub const fn rows(&self) -> usize {
        match self.architecture {
            Architecture::Encoder => self.context,
            Architecture::Decoder => self.tile_rows,
            // One side after the other.
            Architecture::EncoderDecoder => {
                // Any number, see `Model::with_beams`.
                let beams = if self.beams > MAX_BEAMS { MAX_BEAMS } else { self.beams };
                max(self.context, max(beams, self.tile_rows))
            }
        }
    }

    /// Positions in all layers of the key/value cache; an encoder's layers share one. In an
    /// encoder-decoder with `beams` hypotheses, one side uses it after the other.
    pub const fn keys(&self, beams: usize) -> usize {
        match self.architecture {
            Architecture::Encoder => self.cache_rows(),
            Architecture::Decoder => self.n_layers * self.cache_rows(),
            Architecture::EncoderDecoder => {
                let hypotheses = beams * self.decoder_layers * self.decoder_side().cache_rows();
                max(self.cache_rows(), hypotheses)
            }
        }
    }

    /// Positions in all layers of the cache of an encoder-decoder's source; otherwise 0.
    pub const fn source_keys(&self) -> usize {
        self.decoder_layers * self.cache_rows()
    }

    /// Outputs of the head per row: vocabulary, labels, or the width of the hidden row.
    pub const fn n_outputs(&self) -> usize {
        match self.head {
            Head::TiedVocabulary | Head::Vocabulary => self.vocab_size,
            Head::Classifier | Head::TokenLabels => self.n_labels,
            Head::Embedding if self.n_labels > 0 => self.n_labels,
            Head::Embedding | Head::None => self.d_model,
        }
    }
}
