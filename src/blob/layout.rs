//! Where every section of a blob lies, computed from the [`Config`]: the single source of offsets.

use super::bytes::{ALIGN, HEADER_BYTES, META_BYTES};
use crate::config::*;
use crate::matrix::Packing;

/// Where the parts of one linear layer lie, relative to its beginning.
///
/// ```text
/// 0   i16 weight_exponent   real weight = w · multiplier[row] · 2^weight_exponent
/// 2   i16 bias_exponent     real bias = bias[row] · 2^bias_exponent
/// 4   i16 output_exponent   16-bit results are in units of 2^output_exponent
/// 6   u16 input_bits        8: input rows in −127…127; 12: in −2047…2047, for weights of eight bits
/// 8   8 zero bytes
/// 16  weights               packed: out_dim rounded up to a multiple of 4, in_dim to one of 4, or of 8
///                           if weights have four bits
///     multipliers           u16 (0…32767) × padded out_dim
///     biases                i16 × padded out_dim, if the layer has a bias
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearLayout {
    /// Outputs.
    pub out_dim: usize,
    /// Inputs.
    pub in_dim: usize,
    /// The layer has a bias.
    pub has_bias: bool,
    /// How the weights are packed.
    pub packing: Packing,
}

impl LinearLayout {
    /// Layout of a layer of `in_dim` inputs and `out_dim` outputs.
    pub const fn new(out_dim: usize, in_dim: usize, has_bias: bool, packing: Packing) -> Self {
        Self { out_dim, in_dim, has_bias, packing }
    }
    /// Outputs, rounded up to a multiple of 4.
    pub const fn padded_out(&self) -> usize {
        round_up(self.out_dim, 4)
    }
    /// Inputs, rounded up to a multiple of [`Packing::inputs_per_word`].
    pub const fn padded_in(&self) -> usize {
        round_up(self.in_dim, self.packing.inputs_per_word())
    }
    /// Bytes of the packed weights.
    pub const fn weight_bytes(&self) -> usize {
        self.packing.matrix_bytes(self.padded_out(), self.padded_in())
    }
    /// Offset of the packed weights.
    pub const fn weights(&self) -> usize {
        META_BYTES
    }
    /// Offset of the multipliers.
    pub const fn multipliers(&self) -> usize {
        META_BYTES + round_up(self.weight_bytes(), ALIGN)
    }
    /// Offset of the biases (end of the multipliers).
    pub const fn biases(&self) -> usize {
        self.multipliers() + round_up(self.padded_out() * 2, ALIGN)
    }
    /// Bytes of the whole layer.
    pub const fn bytes(&self) -> usize {
        let bias = if self.has_bias { round_up(self.padded_out() * 2, ALIGN) } else { 0 };
        self.biases() + bias
    }
}

/// A linear layer and where it begins: in the blob, or in its transformer layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its first byte.
    pub offset: usize,
    /// Its shape.
    pub layout: LinearLayout,
}

impl Placed {
    /// Offset of what follows.
    pub const fn end(&self) -> usize {
        self.offset + self.layout.bytes()
    }
}

/// Bytes of a norm with explicit gain (and bias for LayerNorm):
///
/// ```text
/// 0   i16 gain_exponent     real gain = gain · 2^gain_exponent
/// 2   i16 bias_exponent     real bias = bias · 2^bias_exponent
/// 4   12 zero bytes
/// 16  gains                 i16 × d_model, padded to 16 bytes
///     biases                i16 × d_model, padded to 16 bytes, LayerNorm only
/// ```
pub const fn norm_bytes(config: &Config) -> usize {
    let row = round_up(config.d_model * 2, ALIGN);
    META_BYTES + if matches!(config.norm, Norm::Layer) { 2 * row } else { row }
}

/// Bytes of the position section:
///
/// ```text
/// 0   i16 exponent          Learned: real = entry · 2^exponent; Sinusoidal: real = sin · 2^exponent,
///                           sin in Q1.14; Rotary: zero
/// 2   14 zero bytes (Relative: unit of an entry, real bias of a score in log2 = entry · 2^exponent)
/// 16  Learned: i16 × context × d_model. Sinusoidal: u32 × d_model/2, Rotary: u32 × head_dim/2:
///     frequencies in turns per position, Q0.32. Relative: i16 × n_heads × (2 · relative_distance + 1),
///     for key − query = −relative_distance … relative_distance
/// ```
pub const fn position_bytes(config: &Config) -> usize {
    match config.position {
        Position::None => 0,
        Position::Learned => META_BYTES + round_up(config.context * config.d_model * 2, ALIGN),
        Position::Sinusoidal => META_BYTES + round_up(config.d_model / 2 * 4, ALIGN),
        Position::Rotary => META_BYTES + round_up(config.head_dim / 2 * 4, ALIGN),
        Position::Relative => META_BYTES + round_up(relative_bytes(config), ALIGN),
    }
}

/// Bytes of a table of relative positions.
pub const fn relative_bytes(config: &Config) -> usize {
    config.n_heads * (2 * config.relative_distance + 1) * 2
}

/// Where the parts of an attention lie, relative to the beginning of its layer, in this order.
///
/// ```text
/// scores      16 bytes: u16 score_multiplier, i16 score_exponent, 12 zero bytes
/// q k v o     linear layers; k and v of a cross-attention read the encoder's last rows
/// norm        post-norm only
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionLayout {
    /// Score in log2 units = `q·k · max|q| · max|k| · multiplier · 2^exponent`.
    pub scores: usize,
    /// Query projection.
    pub q: Placed,
    /// Key projection.
    pub k: Placed,
    /// Value projection.
    pub v: Placed,
    /// Output projection.
    pub o: Placed,
    /// Norm after attention (post-norm).
    pub norm: usize,
    /// Offset of what follows.
    pub end: usize,
}

impl AttentionLayout {
    /// An attention that begins at `scores`; `roles` are those of q, k, v and o. A cross-attention's is the
    /// same: its query reads a row that a pre-norm has normalised, so it has a bias as the layer's own.
    const fn new(c: &Config, scores: usize, roles: [Role; 4]) -> Self {
        let [q, k, v, o] = roles;
        let q = Placed {
            offset: scores + META_BYTES,
            layout: LinearLayout::new(c.q_dim(), c.d_model, c.qkv_bias, c.packing_of(q)),
        };
        let k = Placed {
            offset: q.end(),
            layout: LinearLayout::new(c.kv_dim(), c.d_model, c.qkv_bias, c.packing_of(k)),
        };
        let v = Placed {
            offset: k.end(),
            layout: LinearLayout::new(c.kv_dim(), c.d_model, c.qkv_bias, c.packing_of(v)),
        };
        let o = Placed {
            offset: v.end(),
            layout: LinearLayout::new(c.d_model, c.q_dim(), c.output_bias, c.packing_of(o)),
        };
        let norm = o.end();
        Self { scores, q, k, v, o, norm, end: norm + post_norm_bytes(c) }
    }
}

/// Bytes of the norm after a part of a layer: none in a pre-norm model.
const fn post_norm_bytes(c: &Config) -> usize {
    if matches!(c.norm_order, NormOrder::Post) { norm_bytes(c) } else { 0 }
}

/// Where the parts of one layer lie, relative to its beginning, in this order.
///
/// ```text
/// attention   see [`AttentionLayout`]
/// gate        gated only
/// up down     linear layers
/// norm        post-norm only
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerLayout {
    /// Self-attention.
    pub attention: AttentionLayout,
    /// Gate of the feed-forward part.
    pub gate: Placed,
    /// First linear layer of the feed-forward part.
    pub up: Placed,
    /// Second linear layer of the feed-forward part.
    pub down: Placed,
    /// Norm after the feed-forward part (post-norm).
    pub norm: usize,
    /// Bytes of the layer.
    pub bytes: usize,
}

impl LayerLayout {
    /// Layout of every layer of a model.
    pub const fn new(c: &Config) -> Self {
        let attention =
            AttentionLayout::new(c, 0, [Role::Query, Role::Key, Role::Value, Role::Output]);
        let gate = Placed {
            offset: attention.end,
            layout: LinearLayout::new(c.d_ff, c.d_model, c.up_bias, c.packing_of(Role::Gate)),
        };
        let up = Placed {
            offset: if c.gated { gate.end() } else { gate.offset },
            layout: LinearLayout::new(c.d_ff, c.d_model, c.up_bias, c.packing_of(Role::Up)),
        };
        let down = Placed {
            offset: up.end(),
            layout: LinearLayout::new(c.d_model, c.d_ff, c.down_bias, c.packing_of(Role::Down)),
        };
        let norm = down.end();
        Self { attention, gate, up, down, norm, bytes: norm + post_norm_bytes(c) }
    }
}

/// Where the sections of an encoder-decoder's decoder lie. All empty for other models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderLayout {
    /// The decoder's own embedding table, if separate.
    pub embedding: Placed,
    /// Learned positions (`target_context` rows) or relative ones; sinusoids are the encoder's.
    pub position: usize,
    /// Norm of the embedding, if any.
    pub embedding_norm: usize,
    /// The first decoder layer.
    pub layers: usize,
    /// Cross-attention within a layer; it follows the parts of [`LayerLayout`].
    pub cross: AttentionLayout,
    /// Bytes of a decoder layer.
    pub layer_bytes: usize,
    /// Norm of the last rows, if any.
    pub final_norm: usize,
    /// End of the decoder.
    pub end: usize,
}

impl DecoderLayout {
    const fn new(c: &Config, start: usize) -> Self {
        let both = c.decoder_layers > 0;
        let norm = norm_bytes(c);
        let embedding =
            Placed { offset: start, layout: Layout::embedding_layout(c, Role::DecoderEmbedding) };
        let position = if c.separate_embedding { embedding.end() } else { start };
        let has_position = both && matches!(c.position, Position::Learned | Position::Relative);
        let position_len = if has_position { position_bytes(&c.decoder_side()) } else { 0 };
        let embedding_norm = position + position_len;
        let layers = embedding_norm + if both && c.embedding_norm { norm } else { 0 };
        let roles = [Role::CrossQuery, Role::CrossKey, Role::CrossValue, Role::CrossOutput];
        let cross = AttentionLayout::new(c, LayerLayout::new(c).bytes, roles);
        let layer_bytes = cross.end;
        let final_norm = layers + layer_bytes * c.decoder_layers;
        let end = final_norm + if both && c.final_norm { norm } else { 0 };
        Self { embedding, position, embedding_norm, layers, cross, layer_bytes, final_norm, end }
    }
}

/// Where every section of a blob lies. The single source of offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Embedding table (token input: a linear layer of `vocab_size` outputs and `d_model` inputs,
    /// its rows are looked up) or frame projection (`d_model` outputs, `frame_len` inputs, bias).
    pub embedding: Placed,
    /// Positions, see [`position_bytes`].
    pub position: usize,
    /// Norm of the embedding, if any.
    pub embedding_norm: usize,
    /// The first layer.
    pub layers: usize,
    /// Within a layer.
    pub layer: LayerLayout,
    /// Norm of the last rows, if any.
    pub final_norm: usize,
    /// Pooler, if any: `d_model` → `d_model` with bias.
    pub pooler: Placed,
    /// The decoder of an encoder-decoder.
    pub decoder: DecoderLayout,
    /// Head: an untied vocabulary matrix, a classifier, or the dense layer of an embedding.
    pub head: Placed,
    /// Tokenizer section; its length is in the header.
    pub tokenizer: (usize, usize),
    /// Label names; its length is in the header.
    pub labels: (usize, usize),
    /// End of the sections above: the length of a blob without optional sections. With some, the first
    /// begins here.
    pub end: usize,
}

impl Layout {
    /// Computes every offset from a valid configuration and the lengths of the two sections that
    /// do not follow from it. `None` if the blob would not fit 32-bit offsets.
    pub const fn new(c: &Config, tokenizer_bytes: usize, labels_bytes: usize) -> Option<Self> {
        // Everything is computed in 64 bits first: on a 32-bit core a hostile header must not wrap.
        if Self::total(c) > 1 << 30 {
            return None;
        }
        let norm = norm_bytes(c);
        let embedding =
            Placed { offset: HEADER_BYTES, layout: Self::embedding_layout(c, Role::Embedding) };
        let position = embedding.end();
        let embedding_norm = position + position_bytes(c);
        let layers = embedding_norm + if c.embedding_norm { norm } else { 0 };
        let layer = LayerLayout::new(c);
        let final_norm = layers + layer.bytes * c.n_layers;
        let pooler = Placed {
            offset: final_norm + if c.final_norm { norm } else { 0 },
            layout: LinearLayout::new(c.d_model, c.d_model, true, c.packing_of(Role::Pooler)),
        };
        let decoder = DecoderLayout::new(c, if c.pooler { pooler.end() } else { pooler.offset });
        let head = Placed {
            offset: decoder.end,
            layout: LinearLayout::new(
                c.n_outputs(),
                c.d_model,
                c.head_bias,
                c.packing_of(Role::Head),
            ),
        };
        let tokenizer = if c.has_head() { head.end() } else { head.offset };
        let mut layout = Self {
            embedding,
            position,
            embedding_norm,
            layers,
            layer,
            final_norm,
            pooler,
            decoder,
            head,
            tokenizer: (tokenizer, 0),
            labels: (tokenizer, 0),
            end: tokenizer,
        };
        if layout.place(tokenizer_bytes, labels_bytes) { Some(layout) } else { None }
    }

    /// Gives a tokenizer and labels of these lengths their places, the last of the fixed sections. False
    /// if the blob would not fit 32-bit offsets.
    pub const fn place(&mut self, tokenizer_bytes: usize, labels_bytes: usize) -> bool {
        let start = self.tokenizer.0;
        if start > 1 << 30 || tokenizer_bytes > 1 << 29 || labels_bytes > 1 << 29 {
            return false;
        }
        let labels = start + round_up(tokenizer_bytes, ALIGN);
        self.tokenizer = (start, tokenizer_bytes);
        self.labels = (labels, labels_bytes);
        self.end = labels + round_up(labels_bytes, ALIGN);
        self.end <= 1 << 30
    }

    /// A tied head's bias stands with the table.
    const fn embedding_layout(c: &Config, role: Role) -> LinearLayout {
        let bias = c.head_bias && matches!(c.head, Head::TiedVocabulary);
        let packing = c.packing_of(role);
        match c.input {
            Input::Tokens => LinearLayout::new(c.vocab_size, c.d_model, bias, packing),
            Input::Frames => LinearLayout::new(c.d_model, c.frame_len, true, packing),
        }
    }

    /// Upper bound of the blob's length in 64 bits.
    const fn total(c: &Config) -> u64 {
        let d = c.d_model as u64 + 32;
        let linear = (c.q_dim() as u64 + 2 * c.kv_dim() as u64 + 32) * (d + 8) * 2
            + 3 * (c.d_ff as u64 + 32) * (d + 8)
            + 16 * d;
        let input = if c.vocab_size > c.frame_len { c.vocab_size } else { c.frame_len } as u64;
        let positions = c.context as u64 + c.target_context as u64;
        let tables = (2 * input + 2 * positions + c.n_outputs() as u64 + 64) * (d + 8);
        linear * (c.n_layers as u64 + 2 * c.decoder_layers as u64)
            + tables
            + 4 * relative_bytes(c) as u64
            + (d + 8) * d
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Architecture;

    /// What the lemmas of `tools/proofs` say of a layer and of a whole layout.
    #[test]
    fn no_layout_is_longer_than_its_bound() {
        let sizes = [1usize, 3, 4, 5, 8, 15, 16, 17, 100, 512, 4093, 8192];
        for out in sizes.into_iter().chain([65_536, 1 << 20]) {
            for inputs in sizes {
                // What 32 bits cannot count is refused before: `Layout::total`.
                let bound = (out as u64 + 32) * (inputs as u64 + 40);
                if usize::try_from(bound).is_err() {
                    continue;
                }
                for (bias, packing) in [(false, Packing::Paired), (true, Packing::Plain)] {
                    let bytes = LinearLayout::new(out, inputs, bias, packing).bytes() as u64;
                    assert!(bytes <= bound, "{out} {inputs} {bias}: {bytes}");
                }
            }
        }
        let mut state = 1u64;
        let mut below = |n: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % n
        };
        let mut found = 0;
        for _ in 0..if cfg!(miri) { 400 } else { 20_000 } {
            // Sizes of all magnitudes.
            let mut size = |most: usize| {
                let bits = below(most.ilog2() as u64 + 1);
                (1 + below(1 << bits) as usize).min(most)
            };
            let heads = size(64);
            let mut c = Config {
                vocab_size: size(1 << 16),
                d_model: 4 * size(2048),
                n_layers: size(256),
                n_heads: heads,
                n_kv_heads: heads,
                head_dim: 4 * size(32),
                d_ff: size(8192),
                context: size(1 << 16),
                ..Config::base(Architecture::Decoder)
            };
            c.head = Head::TiedVocabulary;
            if below(2) == 0 {
                c.architecture = Architecture::EncoderDecoder;
                (c.decoder_layers, c.target_context, c.beams) = (1 + below(256) as usize, 9, 8);
                c.separate_embedding = below(2) == 0;
                c.position = [Position::Learned, Position::Relative][below(2) as usize];
                c.relative_distance = matches!(c.position, Position::Relative) as usize * 4096;
            }
            if c.validate().is_ok()
                && let Some(layout) = Layout::new(&c, 0, 0)
            {
                assert!(layout.end as u64 <= Layout::total(&c), "{c:?}");
                found += 1;
            }
        }
        assert!(found > 5, "{found}");
    }
}
