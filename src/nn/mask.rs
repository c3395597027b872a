//! Masks: which keys a query sees.

use crate::config::KEY_BLOCK;

/// The keys that a query may see.
#[derive(Clone, Copy)]
pub enum Mask<'a> {
    /// All keys up to the query's own position.
    Causal,
    /// All keys.
    Bidirectional,
    /// The keys whose flag is true; positions beyond the flags are invisible.
    Padding(&'a [bool]),
    /// The last `n` keys up to the query's own position (Beltagy et al. 2020, "Longformer",
    /// causal).
    SlidingWindow(usize),
    /// The first `n` keys for every query, causal beyond (a prefix LM, Raffel et al. 2020, §3.2.1).
    Prefix(usize),
    /// The keys for which the function returns true, called with `(query, key)`.
    Predicate(&'a dyn Fn(usize, usize) -> bool),
}

impl core::fmt::Debug for Mask<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Causal => "Causal",
            Self::Bidirectional => "Bidirectional",
            Self::Padding(_) => "Padding",
            Self::SlidingWindow(_) => "SlidingWindow",
            Self::Prefix(_) => "Prefix",
            Self::Predicate(_) => "Predicate",
        })
    }
}

/// A mask: a [`Mask`] chosen at run time, or [`Prefix`], which is known at compile time.
pub trait Visibility: Copy {
    /// Every query sees all keys from the first to some last one, and the cache holds them in the
    /// order of their positions (no ring).
    const FROM_FIRST: bool;

    /// A range that contains all keys visible to `query`, of the first `keys`.
    fn range(&self, query: usize, keys: usize) -> (usize, usize);

    /// Whether all of the range is visible.
    fn is_run(&self) -> bool {
        true
    }

    /// Whether a key of the range is visible.
    fn sees(&self, query: usize, key: usize) -> bool {
        let _ = (query, key);
        true
    }
}

/// [`Mask::Prefix`].
#[derive(Clone, Copy, Debug)]
pub struct Prefix(pub usize);

impl Prefix {
    /// [`Mask::Causal`].
    pub const NONE: Self = Self(0);
    /// [`Mask::Bidirectional`].
    pub const ALL: Self = Self(usize::MAX);
}

impl Visibility for Prefix {
    const FROM_FIRST: bool = true;

    fn range(&self, query: usize, keys: usize) -> (usize, usize) {
        (0, keys.min(self.0.max(query + 1)))
    }
}

impl Visibility for Mask<'_> {
    const FROM_FIRST: bool = false;

    fn range(&self, query: usize, keys: usize) -> (usize, usize) {
        match *self {
            Self::Causal => (0, keys.min(query + 1)),
            Self::SlidingWindow(n) => ((query + 1).saturating_sub(n), keys.min(query + 1)),
            Self::Prefix(n) => (0, keys.min(n.max(query + 1))),
            Self::Bidirectional | Self::Padding(_) | Self::Predicate(_) => (0, keys),
        }
    }

    fn is_run(&self) -> bool {
        !matches!(self, Self::Padding(_) | Self::Predicate(_))
    }

    fn sees(&self, query: usize, key: usize) -> bool {
        match self {
            Self::Padding(flags) => flags.get(key).copied().unwrap_or(false),
            Self::Predicate(test) => test(query, key),
            _ => true,
        }
    }
}

/// The visible keys of the block that begins at `first`, one bit per key; `(low, high)` is the
/// query's range.
pub fn visible<M: Visibility>(
    mask: M,
    query: usize,
    first: usize,
    (low, high): (usize, usize),
) -> u16 {
    let keys = first.max(low)..(first + KEY_BLOCK).min(high);
    keys.filter(|&key| mask.sees(query, key)).fold(0, |bits, key| bits | 1 << (key - first))
}
