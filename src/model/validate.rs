//! What [`Model::parse`](super::Model::parse) checks inside the sections, so that nothing can fail later.

mod optional;

use crate::blob::{
    AttentionLayout, Header, LayerLayout, Layout, META_BYTES, Placed, norm_bytes, part,
    position_bytes, read_i16, read_u8, read_u16, relative_bytes,
};
use crate::config::*;
use crate::error::FormatError;
use crate::target::{self, Build};
use crate::tokenizer::{TokenizerFormatError, Vocabulary};

/// Greatest magnitude of a power of two in a blob.
const EXPONENT: u16 = 100;

/// Checks what is inside the sections. `const`, hence the loops by hand.
#[inline(never)]
pub(super) const fn validate<B: Build>(
    bytes: &[u8],
    header: &Header,
    found: &Layout,
) -> Result<(), FormatError> {
    let (c, layout) = (target::config::<B>(&header.config), target::layout::<B>(found));
    let (tokenizer, labels) = (found.tokenizer, found.labels);
    let mut sections = Sections { bytes, result: Ok(()) };
    sections.linear(0, &layout.embedding, "embedding");
    sections.position(layout.position, c);
    if c.embedding_norm {
        sections.norm(layout.embedding_norm, c, "embedding_norm");
    }
    let mut i = 0;
    while i < c.n_layers {
        sections.layer(layout.layers + i * layout.layer.bytes, &layout.layer, c);
        i += 1;
    }
    if c.final_norm {
        sections.norm(layout.final_norm, c, "final_norm");
    }
    if c.pooler {
        sections.linear(0, &layout.pooler, "pooler");
    }
    if c.decoder_layers > 0 {
        sections.decoder(layout, c);
    }
    if tokenizer.0 - layout.head.offset >= META_BYTES {
        sections.linear(0, &layout.head, "head");
    }
    if tokenizer.1 > 0 {
        sections.tokenizer(tokenizer, c);
    }
    sections.zero(tokenizer.0 + tokenizer.1, labels.0);
    if labels.1 > 0 {
        // The numbers of an embedding's dense layer have no names.
        let named = matches!(c.head, Head::Classifier | Head::TokenLabels);
        sections.labels(labels, if named { c.n_labels } else { 0 });
    }
    sections.zero(labels.0 + labels.1, found.end);
    sections.optional::<B>(found.end, c);
    if matches!(c.input, Input::Frames) {
        sections.features(found.end, c);
    }
    if target::has_rules::<B>() {
        sections.rules(found.end, c);
    }
    if target::has_key_base::<B>() {
        sections.key_base(found.end, c);
    }
    if target::has_problems::<B>() {
        sections.problem(found.end, c);
    }
    if target::has_scope::<B>() {
        sections.scope(found.end, c);
    }
    if target::has_text_labels::<B>() {
        sections.text_labels(found.end, c);
    }
    sections.result
}

/// A blob being checked: the first error stays. Going on after it costs no code.
struct Sections<'a> {
    bytes: &'a [u8],
    result: Result<(), FormatError>,
}

impl Sections<'_> {
    const fn fail(&mut self, error: FormatError) {
        if self.result.is_ok() {
            self.result = Err(error);
        }
    }

    #[inline(never)]
    const fn bad(&mut self, section: &'static str, offset: usize) {
        self.fail(FormatError::BadSection { section, offset });
    }

    #[inline(never)]
    const fn zero(&mut self, from: usize, to: usize) {
        let mut i = from;
        while i < to && i < self.bytes.len() {
            if read_u8(self.bytes, i) != 0 {
                self.fail(FormatError::BadPadding { offset: i });
                return;
            }
            i += 1;
        }
    }

    /// `n` exponents in a row at the beginning of a section, zeros from byte `rest` of it to byte 16.
    #[inline(never)]
    const fn meta(&mut self, offset: usize, n: usize, rest: usize, section: &'static str) {
        let mut i = 0;
        while i < n {
            if read_i16(self.bytes, offset + 2 * i).unsigned_abs() > EXPONENT {
                self.bad(section, offset);
            }
            i += 1;
        }
        self.zero(offset + rest, offset + META_BYTES);
    }

    const fn position(&mut self, offset: usize, c: &Config) {
        let used = match c.position {
            Position::None => return,
            Position::Learned => c.context * c.d_model * 2,
            Position::Sinusoidal => c.d_model / 2 * 4,
            Position::Rotary => c.head_dim / 2 * 4,
            Position::Relative => relative_bytes(c),
        };
        self.meta(offset, 1, 2, "position");
        self.zero(offset + META_BYTES + used, offset + position_bytes(c));
    }

    /// The scales of an attention and its linear layers.
    const fn attention(&mut self, base: usize, at: &AttentionLayout) {
        let offset = base + at.scores;
        if read_u16(self.bytes, offset) > 1 << 15 {
            self.bad("attention", offset);
        }
        if read_i16(self.bytes, offset + 2).unsigned_abs() > EXPONENT {
            self.bad("attention", offset + 2);
        }
        self.meta(offset, 0, 4, "attention");
        self.linear(base, &at.q, "q");
        self.linear(base, &at.k, "k");
        self.linear(base, &at.v, "v");
        self.linear(base, &at.o, "o");
    }

    const fn layer(&mut self, base: usize, l: &LayerLayout, c: &Config) {
        self.attention(base, &l.attention);
        if c.gated {
            self.linear(base, &l.gate, "gate");
        }
        self.linear(base, &l.up, "up");
        self.linear(base, &l.down, "down");
        if matches!(c.norm_order, NormOrder::Post) {
            self.norm(base + l.attention.norm, c, "norm_1");
            self.norm(base + l.norm, c, "norm_2");
        }
    }

    #[inline(never)]
    const fn decoder(&mut self, layout: &Layout, c: &Config) {
        let at = &layout.decoder;
        if c.separate_embedding {
            self.linear(0, &at.embedding, "decoder embedding");
        }
        if at.embedding_norm > at.position {
            self.position(at.position, &c.decoder_side());
        }
        if c.embedding_norm {
            self.norm(at.embedding_norm, c, "decoder embedding_norm");
        }
        let mut i = 0;
        while i < c.decoder_layers {
            let (base, cross) = (at.layers + i * at.layer_bytes, &at.cross);
            self.layer(base, &layout.layer, c);
            self.attention(base, cross);
            if matches!(c.norm_order, NormOrder::Post) {
                self.norm(base + cross.norm, c, "cross norm");
            }
            i += 1;
        }
        if c.final_norm {
            self.norm(at.final_norm, c, "decoder final_norm");
        }
    }

    /// A tokenizer, and that the model can be fed what it gives.
    const fn tokenizer(&mut self, section: (usize, usize), c: &Config) {
        let section = part(self.bytes, section.0, section.1);
        let vocabulary = match Vocabulary::parse(section) {
            Ok(vocabulary) => vocabulary,
            Err(TokenizerFormatError(field)) => {
                return self.fail(FormatError::BadTokenizer { field });
            }
        };
        let field = if matches!(c.input, Input::Frames) {
            "input"
        } else if vocabulary.len() > c.vocab_size {
            "vocab_size"
        } else if vocabulary.specials() >= c.context {
            "context" // no room for a text
        } else {
            return;
        };
        self.fail(FormatError::Contradiction { section: "tokenizer", field });
    }

    /// Labels are `n` times a `u16` length and as many bytes of UTF-8.
    const fn labels(&mut self, section: (usize, usize), n: usize) {
        let (mut at, end) = (section.0, section.0 + section.1);
        let mut i = 0;
        while i < n {
            let len = read_u16(self.bytes, at) as usize;
            let text = part(self.bytes, at + 2, len);
            if at + 2 + len > end || core::str::from_utf8(text).is_err() {
                self.bad("labels", at);
                return;
            }
            at += 2 + len;
            i += 1;
        }
        if at != end {
            self.bad("labels", at);
        }
    }

    #[inline(never)]
    const fn linear(&mut self, base: usize, at: &Placed, section: &'static str) {
        let (offset, layout) = (base + at.offset, &at.layout);
        self.meta(offset, 3, 8, section);
        let bits = read_u16(self.bytes, offset + 6);
        if bits != 8 && (bits != 12 || layout.packing.bits() != 8) {
            self.bad(section, offset + 6);
        }
        let multipliers = offset + layout.multipliers();
        self.zero(offset + layout.weights() + layout.weight_bytes(), multipliers);
        let mut i = 0;
        while i < layout.padded_out() {
            if read_i16(self.bytes, multipliers + 2 * i) < 0 {
                self.bad(section, multipliers + 2 * i);
            }
            i += 1;
        }
        let biases = offset + layout.biases();
        self.zero(multipliers + 2 * layout.padded_out(), biases);
        if layout.has_bias {
            self.zero(biases + 2 * layout.padded_out(), offset + layout.bytes());
        }
    }

    #[inline(never)]
    const fn norm(&mut self, offset: usize, c: &Config, section: &'static str) {
        self.meta(offset, 2, 4, section);
        let row = c.d_model * 2;
        let mut at = offset + META_BYTES;
        while at < offset + norm_bytes(c) {
            self.zero(at + row, at + round_up(row, 16));
            at += round_up(row, 16);
        }
    }
}
