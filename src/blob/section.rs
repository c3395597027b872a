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

/// The front end of a model that hears, see [`AudioParameters`](crate::features::AudioParameters).
pub const AUDIO: Tag = *b"Audi";

/// The front end of a model that feels motions, see
/// [`MotionParameters`](crate::features::MotionParameters).
pub const MOTION: Tag = *b"Moti";

/// When the answers to a stream are events, see [`Trigger`](crate::features::Trigger).
pub const TRIGGER: Tag = *b"Trig";

/// Every tag that this engine knows; those that begin with an upper-case letter, in models of frames.
pub const TAGS: [Tag; 4] = [AUDIO, MOTION, TRIGGER, NOTE];

/// Whether an engine may read a blob with this section: it knows the tag, or may skip it. A model
/// of tokens has no front end.
pub const fn is_readable(tag: Tag, frames: bool) -> bool {
    let mut i = 0;
    while frames && i < TAGS.len() {
        if u32::from_be_bytes(TAGS[i]) == u32::from_be_bytes(tag) {
            return true;
        }
        i += 1;
    }
    tag[0].is_ascii_lowercase()
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
