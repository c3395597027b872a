//! The pieces of a vocabulary that a blob keeps, and their ids in the original.

use picoformer::Model;
use picoformer::blob::Tag;

/// The tag of the section that a blob with a part of its original's vocabulary has. Engines skip it.
///
/// ```text
/// 0   original    u32: tokens of the original's vocabulary
/// 4   gaps        for every token of the blob, in order: how many ids of the original were dropped between
///                 it and the one before it, in LEB128 (7 bits a byte, low ones first)
/// ```
pub const ORIGINAL: Tag = *b"orig";

/// Tokens that are kept, in the order of their ids: the new id of a token is its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    original: usize,
    ids: Vec<u32>,
}

impl Kept {
    /// Keeps `ids` of a vocabulary of `original` tokens; `None` for an id beyond it, or none at all.
    pub fn new(original: usize, ids: impl IntoIterator<Item = u32>) -> Option<Self> {
        let mut ids: Vec<u32> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        ids.last().filter(|&&last| (last as usize) < original)?;
        Some(Self { original, ids })
    }

    /// What a blob remembers; `None` if it has the whole vocabulary, or no readable section.
    pub fn of(model: &Model) -> Option<Self> {
        let section = model.sections().find(|section| section.tag == ORIGINAL)?;
        let kept = Self::from_bytes(section.data)?;
        (kept.ids.len() == model.config().vocab_size).then_some(kept)
    }

    /// Tokens of the original's vocabulary.
    pub fn original_size(&self) -> usize {
        self.original
    }

    /// The original's ids, by new id.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The new id of a token of the original; `None` if it was dropped.
    pub fn new_id(&self, original: u32) -> Option<u32> {
        self.ids.binary_search(&original).ok().map(|place| place as u32)
    }

    /// The original's id of a token.
    pub fn original_id(&self, id: u32) -> Option<u32> {
        self.ids.get(id as usize).copied()
    }

    /// The data of the section [`ORIGINAL`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = (self.original as u32).to_le_bytes().to_vec();
        let mut next = 0;
        for &id in &self.ids {
            let mut gap = id - next;
            while gap >= 0x80 {
                bytes.push(gap as u8 | 0x80);
                gap >>= 7;
            }
            bytes.push(gap as u8);
            next = id + 1;
        }
        bytes
    }

    /// Reads the data of a section; `None` if they are not of this form.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (original, gaps) = bytes.split_first_chunk::<4>()?;
        let original = u32::from_le_bytes(*original);
        let (mut ids, mut next, mut gap, mut bits) = (Vec::new(), 0u32, 0u32, 0);
        for &byte in gaps {
            gap |= (byte as u32 & 0x7f).checked_shl(bits)?;
            bits += 7;
            if byte < 0x80 {
                let id = next.checked_add(gap).filter(|&id| id < original)?;
                ids.push(id);
                (next, gap, bits) = (id + 1, 0, 0);
            }
        }
        (bits == 0).then(|| Self::new(original as usize, ids))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_read_as_it_was_written() {
        for ids in [vec![0], vec![0, 1, 127, 128, 129, 600, 250_111], (0..300).collect()] {
            let kept = Kept::new(250_112, ids.clone()).unwrap();
            assert_eq!(Kept::from_bytes(&kept.to_bytes()).unwrap(), kept);
            for (new, &old) in (0..).zip(&ids) {
                assert_eq!((kept.new_id(old), kept.original_id(new)), (Some(new), Some(old)));
            }
        }
        assert_eq!(Kept::new(250_112, [4, 2, 4]).unwrap().ids(), [2, 4]);
        assert_eq!(Kept::new(9, [9]), None);
        assert_eq!(Kept::new(9, []), None);
    }

    #[test]
    fn damaged_sections_are_none() {
        let kept = Kept::new(1000, [3, 500]).unwrap().to_bytes();
        for len in 0..kept.len() {
            assert!(Kept::from_bytes(&kept[..len]).is_none_or(|cut| cut.ids() == [3]), "{len}");
        }
        assert_eq!(Kept::from_bytes(&[9, 0, 0, 0, 9]), None);
        assert_eq!(Kept::from_bytes(&[255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]), None);
        assert_eq!(Kept::from_bytes(&[255, 255, 255, 255, 255, 255, 255, 255, 15, 0]), None);
    }
}
