//! Optional sections: what may follow the fixed sections of a blob, each with a tag and a length.
//!
//! A new feature adds a tag here instead of a version of the format. The spelling of a [`Tag`] tells older
//! engines whether they may skip the section.

use super::bytes::{ALIGN, META_BYTES, read_u32};
use crate::config::round_up;

/// The name of an optional section: four ASCII letters. An engine that does not know the tag skips the
/// section if the first letter is lower case and otherwise refuses the blob, as PNG does with its chunks.
pub type Tag = [u8; 4];

/// Free text about the model, such as its origin, in UTF-8. See [`Model::note`](crate::Model::note).
pub const NOTE: Tag = *b"note";

/// The keys of the checkpoint that whoever converted it chose to ignore, a line each, in UTF-8. See
/// [`Model::ignored_keys`](crate::Model::ignored_keys).
pub const IGNORED: Tag = *b"igno";

/// What the logits of a classifier mean, where they are not those of one label of several: a `u32`, the code
/// of a [`Problem`](crate::config::Problem).
pub const PROBLEM: Tag = *b"Prob";

/// When an input is none of a classifier's labels, see [`Scope`](crate::scope::Scope).
pub const SCOPE: Tag = *b"Scop";

/// How many labels of a model of token labels are of the whole text, a `u32`: they are the first ones, and
/// the text's is that of the first row. The others are of words. See
/// [`Classifier::entities`](crate::Classifier::entities).
pub const TEXT_LABELS: Tag = *b"Span";

/// Which tokens may come next, see [`Rules`](crate::rules::Rules). Without them a model writes other texts.
pub const RULES: Tag = *b"Rule";

/// What keys are stored less: for every layer a row that is taken from all of its keys after their rotation,
/// `i16 × (n_layers, kv_dim)` in the units of the layers' keys. Softmax does not see a vector that is taken
/// from all keys of a head, and what is left has a finer scale. Only in decoders with rotary positions.
pub const KEY_BASE: Tag = *b"Base";

/// The front end of a model that hears, see [`AudioParameters`](crate::features::AudioParameters).
pub const AUDIO: Tag = *b"Audi";

/// The front end of a model that feels motions, see
/// [`MotionParameters`](crate::features::MotionParameters).
pub const MOTION: Tag = *b"Moti";

/// When the answers to a stream are events, see [`Trigger`](crate::features::Trigger).
pub const TRIGGER: Tag = *b"Trig";

/// Whether two tags are the same, for `const` code.
pub const fn is_same(a: Tag, b: Tag) -> bool {
    u32::from_be_bytes(a) == u32::from_be_bytes(b)
}

/// An optional section.
///
/// ```text
/// 0   tag      4 bytes
/// 4   length   u32: bytes of the data
/// 8   8 zero bytes
/// 16  data, then zeros up to a multiple of 16
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its name.
    pub tag: Tag,
    /// Its data; begins at a multiple of 16 bytes of the blob.
    pub data: &'a [u8],
}

impl Section<'_> {
    /// Bytes of a section with `length` bytes of data; `u32::MAX`, which no blob has, where they would not
    /// fit 2^30. Computed in 32 bits on every host, so that host tests see what a 32-bit core does.
    pub(crate) const fn bytes(length: u32) -> u32 {
        if length > 1 << 30 {
            u32::MAX
        } else {
            META_BYTES as u32 + round_up(length as usize, ALIGN) as u32
        }
    }
}

/// An iterator over the optional sections of a blob, see [`Model::sections`](crate::Model::sections).
#[derive(Clone, Copy, Debug)]
pub struct Sections<'a> {
    pub(crate) rest: &'a [u8],
}

impl<'a> Sections<'a> {
    /// [`Iterator::next`] for `const` code.
    pub(crate) const fn split_first(&mut self) -> Option<Section<'a>> {
        let (tag, length) = (read_u32(self.rest, 0).to_le_bytes(), read_u32(self.rest, 4));
        let bytes = Section::bytes(length) as usize;
        let Some((section, rest)) = self.rest.split_at_checked(bytes) else { return None };
        let Some((_, data)) = section.split_at_checked(META_BYTES) else { return None };
        let Some((data, _)) = data.split_at_checked(length as usize) else { return None };
        self.rest = rest;
        Some(Section { tag, data })
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = Section<'a>;

    fn next(&mut self) -> Option<Section<'a>> {
        self.split_first()
    }
}
