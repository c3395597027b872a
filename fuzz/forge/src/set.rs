//! A set of good blobs with the number of mutations of each, as a file: what a host and a board work through.
//!
//! ```text
//! u32 × 4   `SOAK`, number of blobs, seed, 1 if it is for boards
//! u32 × 4   of each blob: place from the file's begin, length, the first mutation, how many
//! bytes     the blobs, each at a multiple of 16
//! ```

use crate::{Outcome, Random, Room, Script, mutate, try_blob};
use picoformer::blob::Layout;
use picoformer::{Build, Model};

/// What a set begins with.
pub const MAGIC: u32 = u32::from_le_bytes(*b"SOAK");

/// A set in memory.
#[derive(Clone, Copy, Debug)]
pub struct Set<'a>(pub &'a [u8]);

/// One blob of a set.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The blob.
    pub blob: &'a [u8],
    /// Its first mutation.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// What mutations are drawn from.
    pub seed: u32,
}

impl<'a> Set<'a> {
    fn word(&self, index: usize) -> u32 {
        let bytes = self.0.get(4 * index..4 * index + 4);
        bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// Whether kernels are compared that refuse plain weights.
    pub fn is_for_board(self) -> bool {
        self.word(3) == 1
    }

    /// Its blobs; none of what is no set.
    pub fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        let blobs = if self.word(0) == MAGIC { self.word(1) as usize } else { 0 };
        (1..=blobs).filter_map(move |i| {
            let [start, len, first, count] = [0, 1, 2, 3].map(|j| self.word(4 * i + j));
            let blob = self.0.get(start as usize..)?.get(..len as usize)?;
            Some(Entry { blob, first, count, seed: self.word(2) })
        })
    }
}

impl Entry<'_> {
    /// Its mutations.
    pub fn indices(&self) -> core::ops::Range<u32> {
        self.first..self.first.saturating_add(self.count)
    }
}

/// Mutation `index` of a good blob, in `copy`, whose begin is aligned; returns its length.
pub fn forge(copy: &mut [u8], entry: &Entry, layout: &Layout, index: u32) -> usize {
    copy.copy_from_slice(entry.blob);
    let mut random = Random(u64::from(entry.seed) << 32 | u64::from(index));
    random.0 ^= (entry.blob.len() as u64) << 48;
    let mut script = [0; 48];
    random.fill(&mut script);
    // Mostly few changes: many are refused for the first one.
    let n = (5 << random.below(4)).min(script.len() as u32) as usize;
    mutate(copy, layout, Script(&script[..n]))
}

/// A hash over outcomes, of which [`Outcome::flags`] and the hash are added one after the other.
pub fn fold(hash: u64, flags: u8, outcome: u64) -> u64 {
    (hash.rotate_left(5) ^ outcome ^ u64::from(flags)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Works through all mutations of a blob; `each` is told the index and what became of it. `copy` has room for
/// the blob.
///
/// # Errors
/// The blob itself is refused, or does not fit.
#[inline(never)]
pub fn soak<B: Build>(
    entry: &Entry,
    copy: &mut [u8],
    room: &mut Room,
    mut each: impl FnMut(u32, Outcome),
) -> Result<(), &'static str> {
    let model = Model::parse_for::<B>(entry.blob).map_err(|_| "the blob itself is refused")?;
    let copy = copy.get_mut(..entry.blob.len()).ok_or("the blob is too long")?;
    for index in entry.indices() {
        let len = forge(copy, entry, model.layout(), index);
        each(index, try_blob::<B>(&copy[..len], room));
    }
    Ok(())
}
