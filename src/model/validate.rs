//! What [`Model::parse`](super::Model::parse) checks inside the sections, so that nothing can fail later.

use super::part;
use crate::blob::{
    Header, LayerLayout, Layout, LinearLayout, META_BYTES, norm_bytes, position_bytes, read_i16,
    read_u8, read_u16, relative_bytes,
};
use crate::build::{self, Build};
use crate::config::*;
use crate::error::FormatError;
use crate::tokenizer::{TokenizerFormatError, Vocabulary};

/// Range of every power of two in a blob.
const EXPONENTS: core::ops::RangeInclusive<i16> = -100..=100;

/// Checks what is inside the sections. `const`, hence the loops by hand.
#[inline(never)]
pub(super) const fn validate<B: Build>(
    bytes: &[u8],
    header: &Header,
    found: &Layout,
) -> Result<(), FormatError> {
    macro_rules! check {
        ($result:expr) => {
            if let Err(error) = $result {
                return Err(error);
            }
        };
    }
    let (c, layout) = (build::config::<B>(&header.config), build::layout::<B>(found));
    let (tokenizer, labels) = (found.tokenizer, found.labels);
    check!(check_linear(bytes, layout.embedding, "embedding"));
    check!(check_position(bytes, layout.position, c));
    if c.embedding_norm {
        check!(check_norm(bytes, layout.embedding_norm, c, "embedding_norm"));
    }
    let mut i = 0;
    while i < c.n_layers {
        check!(check_layer(bytes, layout.layers + i * layout.layer.bytes, &layout.layer, c));
        i += 1;
    }
    if c.final_norm {
        check!(check_norm(bytes, layout.final_norm, c, "final_norm"));
    }
    if c.pooler {
        check!(check_linear(bytes, layout.pooler, "pooler"));
    }
    if c.decoder_layers > 0 {
        check!(check_decoder(bytes, layout, c));
    }
    if tokenizer.0 - layout.head.0 >= META_BYTES {
        check!(check_linear(bytes, layout.head, "head"));
    }
    if tokenizer.1 > 0
        && let Err(TokenizerFormatError(field)) =
            Vocabulary::parse(part(bytes, tokenizer.0, tokenizer.1))
    {
        return Err(FormatError::BadTokenizer { field });
    }
    check!(check_zero(bytes, tokenizer.0 + tokenizer.1, labels.0));
    check!(check_labels(bytes, labels, c.n_labels));
    check_zero(bytes, labels.0 + labels.1, found.bytes)
}

const fn check_position(bytes: &[u8], offset: usize, c: &Config) -> Result<(), FormatError> {
    let used = match c.position {
        Position::None => return Ok(()),
        Position::Learned => c.context * c.d_model * 2,
        Position::Sinusoidal => c.d_model / 2 * 4,
        Position::Rotary => c.head_dim / 2 * 4,
        Position::Relative => relative_bytes(c),
    };
    if let Err(error) = check_exponents(bytes, offset, 1, "position") {
        return Err(error);
    }
    if let Err(error) = check_zero(bytes, offset + 2, offset + META_BYTES) {
        return Err(error);
    }
    check_zero(bytes, offset + META_BYTES + used, offset + position_bytes(c))
}

/// The scales of an attention and its linear layers.
const fn check_attention(
    bytes: &[u8],
    base: usize,
    attention: usize,
    layers: [(usize, LinearLayout); 4],
) -> Result<(), FormatError> {
    let offset = base + attention;
    if read_u16(bytes, offset) > 1 << 15 {
        return Err(FormatError::BadSection { section: "attention", offset });
    }
    if let Err(error) = check_exponents(bytes, offset + 2, 1, "attention") {
        return Err(error);
    }
    if let Err(error) = check_zero(bytes, offset + 4, offset + META_BYTES) {
        return Err(error);
    }
    let names = ["q", "k", "v", "o"];
    let mut i = 0;
    while i < 4 {
        let at = (base + layers[i].0, layers[i].1);
        if let Err(error) = check_linear(bytes, at, names[i]) {
            return Err(error);
        }
        i += 1;
    }
    Ok(())
}

const fn check_layer(
    bytes: &[u8],
    base: usize,
    l: &LayerLayout,
    c: &Config,
) -> Result<(), FormatError> {
    macro_rules! check {
        ($result:expr) => {
            if let Err(error) = $result {
                return Err(error);
            }
        };
    }
    check!(check_attention(bytes, base, l.attention, [l.q, l.k, l.v, l.o]));
    if c.gated {
        check!(check_linear(bytes, (base + l.gate.0, l.gate.1), "gate"));
    }
    check!(check_linear(bytes, (base + l.up.0, l.up.1), "up"));
    check!(check_linear(bytes, (base + l.down.0, l.down.1), "down"));
    if matches!(c.norm_order, NormOrder::Post) {
        check!(check_norm(bytes, base + l.norm_1, c, "norm_1"));
        check!(check_norm(bytes, base + l.norm_2, c, "norm_2"));
    }
    Ok(())
}

const fn check_decoder(bytes: &[u8], layout: &Layout, c: &Config) -> Result<(), FormatError> {
    macro_rules! check {
        ($result:expr) => {
            if let Err(error) = $result {
                return Err(error);
            }
        };
    }
    let at = &layout.decoder;
    if c.separate_embedding {
        check!(check_linear(bytes, at.embedding, "decoder embedding"));
    }
    if at.embedding_norm > at.position {
        check!(check_position(bytes, at.position, &c.decoder_side()));
    }
    if c.embedding_norm {
        check!(check_norm(bytes, at.embedding_norm, c, "decoder embedding_norm"));
    }
    let mut i = 0;
    while i < c.decoder_layers {
        let (base, cross) = (at.layers + i * at.cross.bytes, &at.cross);
        check!(check_layer(bytes, base, &layout.layer, c));
        let linear = [cross.q, cross.k, cross.v, cross.o];
        check!(check_attention(bytes, base, cross.attention, linear));
        if matches!(c.norm_order, NormOrder::Post) {
            check!(check_norm(bytes, base + cross.norm, c, "cross norm"));
        }
        i += 1;
    }
    if c.final_norm {
        check!(check_norm(bytes, at.final_norm, c, "decoder final_norm"));
    }
    Ok(())
}

/// Labels are `n` times a `u16` length and as many bytes of UTF-8; or there are none at all.
const fn check_labels(bytes: &[u8], section: (usize, usize), n: usize) -> Result<(), FormatError> {
    const BAD: &str = "labels";
    if section.1 == 0 {
        return Ok(());
    }
    let (mut at, end) = (section.0, section.0 + section.1);
    let mut i = 0;
    while i < n {
        if at + 2 > end || at + 2 + read_u16(bytes, at) as usize > end {
            return Err(FormatError::BadSection { section: BAD, offset: at });
        }
        let len = read_u16(bytes, at) as usize;
        let text = part(bytes, at + 2, len);
        if core::str::from_utf8(text).is_err() {
            return Err(FormatError::BadSection { section: BAD, offset: at });
        }
        at += 2 + len;
        i += 1;
    }
    if at != end {
        return Err(FormatError::BadSection { section: BAD, offset: at });
    }
    Ok(())
}

const fn check_zero(bytes: &[u8], from: usize, to: usize) -> Result<(), FormatError> {
    let mut i = from;
    while i < to && i < bytes.len() {
        if read_u8(bytes, i) != 0 {
            return Err(FormatError::BadPadding { offset: i });
        }
        i += 1;
    }
    Ok(())
}

/// `n` exponents in a row.
const fn check_exponents(
    bytes: &[u8],
    offset: usize,
    n: usize,
    section: &'static str,
) -> Result<(), FormatError> {
    let mut i = 0;
    while i < n {
        let exponent = read_i16(bytes, offset + 2 * i);
        if exponent < *EXPONENTS.start() || exponent > *EXPONENTS.end() {
            return Err(FormatError::BadSection { section, offset });
        }
        i += 1;
    }
    Ok(())
}

const fn check_linear(
    bytes: &[u8],
    at: (usize, LinearLayout),
    section: &'static str,
) -> Result<(), FormatError> {
    let (offset, layout) = at;
    if let Err(error) = check_exponents(bytes, offset, 3, section) {
        return Err(error);
    }
    let bits = read_u16(bytes, offset + 6);
    if bits != 8 && bits != 12 {
        return Err(FormatError::BadSection { section, offset: offset + 6 });
    }
    if let Err(error) = check_zero(bytes, offset + 8, offset + META_BYTES) {
        return Err(error);
    }
    let weights_end = offset + layout.weights() + layout.weight_bytes();
    if let Err(error) = check_zero(bytes, weights_end, offset + layout.multipliers()) {
        return Err(error);
    }
    let mut i = 0;
    while i < layout.padded_out() {
        let at = offset + layout.multipliers() + 2 * i;
        if read_u16(bytes, at) > i16::MAX as u16 {
            return Err(FormatError::BadSection { section, offset: at });
        }
        i += 1;
    }
    let used = offset + layout.multipliers() + 2 * layout.padded_out();
    if let Err(error) = check_zero(bytes, used, offset + layout.biases()) {
        return Err(error);
    }
    if layout.has_bias {
        let used = offset + layout.biases() + 2 * layout.padded_out();
        return check_zero(bytes, used, offset + layout.bytes());
    }
    Ok(())
}

const fn check_norm(
    bytes: &[u8],
    offset: usize,
    config: &Config,
    section: &'static str,
) -> Result<(), FormatError> {
    if let Err(error) = check_exponents(bytes, offset, 2, section) {
        return Err(error);
    }
    if let Err(error) = check_zero(bytes, offset + 4, offset + META_BYTES) {
        return Err(error);
    }
    let row = config.d_model * 2;
    let mut at = offset + META_BYTES;
    while at < offset + norm_bytes(config) {
        if let Err(error) = check_zero(bytes, at + row, at + round_up(row, 16)) {
            return Err(error);
        }
        at += round_up(row, 16);
    }
    Ok(())
}
