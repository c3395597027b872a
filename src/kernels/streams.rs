//! Operands of attention: queries, the keys and values that they read, and their visibility.

use super::formats::Formats;
use super::lanes::{Bits, Lanes, RowCount, Sums};
use super::weights::Matrix;
use crate::config::KEY_BLOCK;
use crate::fixed::decode_scale;

/// The running softmax of one query over blocks of keys (Milakov & Gimelshein 2018, §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Softmax {
    /// Largest score so far.
    pub maximum: i32,
    /// Sum of the numerators, relative to `maximum`.
    pub sum: u32,
    /// Converts differences of scores to units of 1/256 log2, Q0.32; see [`Kernels::attend`](super::Kernels::attend).
    pub factor: u32,
}

impl Softmax {
    /// The state before any key.
    #[inline(always)]
    pub const fn new(factor: u32) -> Self {
        Self { maximum: i32::MIN, sum: 0, factor }
    }
}

/// The factor of a [`Softmax`] whose scores are in units of 2⁻¹⁶ log2.
pub const BIASED_FACTOR: u32 = 1 << 24;

/// Biases added to the scores of one or two queries for the keys of a block.
#[derive(Clone, Copy, Debug)]
pub struct Biases {
    /// Converts scores to units of 1/256 log2, Q0.32: the [`Softmax::factor`] without biases.
    pub factors: [u32; 2],
    /// In units of 2⁻¹⁶ log2.
    pub biases: [[i32; KEY_BLOCK]; 2],
}

/// The blocks of one head of one layer, in the order of their positions. A block is [`KEY_BLOCK`]
/// positions: keys packed as weights of `KEY_BLOCK` outputs and `head_dim` inputs, values as int8
/// `(head_dim, KEY_BLOCK)`, and a [scale](crate::fixed::scale_code) for each.
#[derive(Clone, Copy, Debug)]
pub struct KeyRun<'a> {
    /// Keys, from the first block on.
    pub keys: &'a [u8],
    /// Scales of the keys.
    pub key_codes: &'a [u8],
    /// Values.
    pub values: &'a [u8],
    /// Scales of the values.
    pub value_codes: &'a [u8],
    /// Bytes of keys (and of values) from one block to the next.
    pub stride: usize,
    /// Scales from one block to the next.
    pub code_stride: usize,
}

/// The keys that one or two queries see.
#[derive(Clone, Copy, Debug)]
pub enum Visible<'a> {
    /// Number of keys, counted from the first of the run; the second query sees at least as many as
    /// the first.
    First([usize; 2]),
    /// Keys of the first block only: bit `j` says whether a query sees key `j`.
    Block {
        /// One bit set per query.
        keys: [u16; 2],
        /// Added to the scores.
        biases: Option<&'a Biases>,
    },
}

/// One or two queries of the same key/value head, with the state of their attention.
#[derive(Debug)]
pub struct Queries<'a, K> {
    /// 8-bit lanes, for keys in [`Kernels::KEY_PACKING`](super::Kernels::KEY_PACKING).
    pub(super) lanes: Lanes<'a, K>,
    /// For a single query, the second is not used.
    pub(super) states: [Softmax; 2],
    /// Weighted values, `(head_dim, rows)`.
    pub(super) sums: &'a mut [i32],
}

impl<'a, K: Formats> Queries<'a, K> {
    /// Queries that have seen nothing yet. `factors`: see [`Softmax::factor`].
    ///
    /// `None` if the lanes are not 8-bit lanes for [`Kernels::KEY_PACKING`](super::Kernels::KEY_PACKING), or if `sums` is
    /// shorter than one number per query and dimension.
    #[inline(always)]
    pub fn new(lanes: Lanes<'a, K>, factors: [u32; 2], sums: &'a mut [i32]) -> Option<Self> {
        let fits = matches!(lanes.bits, Bits::Eight)
            && lanes.packing as u8 == const { K::KEY_PACKING as u8 };
        let sums = sums.get_mut(..lanes.inputs() * lanes.rows.get()).filter(|_| fits)?;
        sums.fill(0);
        Some(Self { lanes, states: factors.map(Softmax::new), sums })
    }

    /// Number of queries.
    #[inline(always)]
    pub fn rows(&self) -> RowCount {
        self.lanes.rows
    }

    /// The state of query `row`: its softmax and its sums. `None` beyond the last query.
    #[inline(always)]
    pub fn query(&self, row: usize) -> Option<(Softmax, Sums<'_>)> {
        let sums = Sums::new(self.sums, self.lanes.rows, row)?;
        Some((*self.states.get(row)?, sums))
    }
}

/// Queries, and the keys that they are to attend to.
#[derive(Debug)]
pub struct Attend<'q, 'a, K> {
    pub(super) queries: &'q mut Queries<'a, K>,
    /// At multiples of four bytes; contains all blocks that a query sees.
    pub(super) run: KeyRun<'q>,
    /// For a single query, both entries are equal.
    pub(super) visible: Visible<'q>,
    /// Right shift of numerators times scales of the values: 15 … 31.
    pub(super) shift: u32,
    /// Number of blocks that any query sees.
    pub(super) blocks: usize,
}

impl<'q, 'a, K: Formats> Attend<'q, 'a, K> {
    /// `None` if visible blocks lie beyond `run` or overlap, if keys, values or `run.stride` are not multiples
    /// of four bytes, if the second query sees fewer keys than the first or either more than
    /// [`Kernels::MAX_KEYS`](super::Kernels::MAX_KEYS), or if `shift` is not in 15 … 31.
    #[inline(always)]
    pub fn new(
        queries: &'q mut Queries<'a, K>,
        run: KeyRun<'q>,
        visible: Visible<'q>,
        shift: u32,
    ) -> Option<Self> {
        let one = matches!(queries.lanes.rows, RowCount::One);
        let (visible, blocks) = match visible {
            Visible::First([first, second]) => {
                let second = if one { first } else { second };
                if first > second || second > K::MAX_KEYS {
                    return None;
                }
                (Visible::First([first, second]), second.div_ceil(KEY_BLOCK))
            }
            Visible::Block { keys: [first, second], biases } => {
                let keys = if one { [first; 2] } else { [first, second] };
                (Visible::Block { keys, biases }, 1)
            }
        };
        let before = blocks.saturating_sub(1);
        let used = (blocks > 0) as usize;
        let data = before.checked_mul(run.stride)?.checked_add(used * queries.block_bytes())?;
        let codes = before.checked_mul(run.code_stride)?.checked_add(used * KEY_BLOCK)?;
        let addresses = run.keys.as_ptr().addr() | run.values.as_ptr().addr() | run.stride;
        // Overlapping blocks have no bound on their number, and so on the time.
        let apart = run.stride >= queries.block_bytes() && run.code_stride >= KEY_BLOCK;
        let fits = (blocks <= 1 || apart)
            && run.keys.len().min(run.values.len()) >= data
            && run.key_codes.len().min(run.value_codes.len()) >= codes
            && addresses.is_multiple_of(4)
            && (15..=31).contains(&shift);
        if fits { Some(Self { queries, run, visible, shift, blocks }) } else { None }
    }

    /// Calls `attend` for each block in turn, with the keys of the block that each query sees.
    #[inline(always)]
    pub(super) fn by_blocks(
        self,
        mut attend: impl FnMut(&mut Queries<'a, K>, &KeyBlock, [u16; 2], Option<&Biases>),
    ) {
        let (first, biases) = match self.visible {
            Visible::First(first) => (Some(first), None),
            Visible::Block { biases, .. } => (None, biases),
        };
        let bytes = self.queries.block_bytes();
        for index in 0..self.blocks {
            let Some(block) = KeyBlock::new(&self.run, index, bytes) else { return };
            let seen = match (first, self.visible) {
                (None, Visible::Block { keys, .. }) => keys,
                (first, _) => first.unwrap_or_default().map(|keys| {
                    let keys = keys.saturating_sub(index * KEY_BLOCK).min(KEY_BLOCK);
                    ((1u32 << keys) - 1) as u16
                }),
            };
            attend(self.queries, &block, seen, biases);
        }
    }

    /// Number of multiplications of queries by keys and of numerators by values; for tests that
    /// count work.
    pub fn products(&self) -> usize {
        2 * self.blocks * self.queries.block_bytes() * self.queries.lanes.rows.get()
    }
}

impl<K> Queries<'_, K> {
    /// Size in bytes of the keys of a block, and of its values.
    #[inline(always)]
    pub(super) fn block_bytes(&self) -> usize {
        4 * self.lanes.words * KEY_BLOCK
    }
}

/// How many keys a query sees of a block, if they are the first ones.
#[allow(dead_code)] // not every backend asks
#[inline(always)]
pub(super) fn prefix(seen: u16) -> Option<usize> {
    (seen & seen.wrapping_add(1) == 0).then_some(seen.trailing_ones() as usize)
}

/// One block of a [`KeyRun`].
#[derive(Clone, Copy, Debug)]
pub struct KeyBlock<'a> {
    /// `(KEY_BLOCK, head_dim)`, packed, at a multiple of four bytes.
    pub(super) keys: &'a [u8],
    pub(super) key_codes: &'a [u8; KEY_BLOCK],
    /// `(head_dim, KEY_BLOCK)`, at a multiple of four bytes.
    pub(super) values: &'a [u8],
    pub(super) value_codes: &'a [u8; KEY_BLOCK],
}

impl<'a> KeyBlock<'a> {
    /// Block `index`, with `bytes` bytes of keys.
    #[inline(always)]
    fn new(run: &KeyRun<'a>, index: usize, bytes: usize) -> Option<Self> {
        let (data, codes) = (index * run.stride, index * run.code_stride);
        Some(Self {
            keys: run.keys.get(data..data + bytes)?,
            key_codes: run.key_codes.get(codes..)?.first_chunk()?,
            values: run.values.get(data..data + bytes)?,
            value_codes: run.value_codes.get(codes..)?.first_chunk()?,
        })
    }

    /// The keys as a matrix of [`KEY_BLOCK`] outputs.
    #[inline(always)]
    pub(super) fn matrix<K: Formats>(&self) -> Option<Matrix<'a>> {
        Matrix::new(self.keys, K::KEY_PACKING, KEY_BLOCK, self.keys.len() / KEY_BLOCK)
    }

    /// The keys' scales, decoded.
    #[inline(always)]
    pub(super) fn key_scales(&self) -> [u16; KEY_BLOCK] {
        self.key_codes.map(|code| decode_scale(code) as u16)
    }

    /// The values' scales, decoded.
    #[inline(always)]
    pub(super) fn value_scales(&self) -> [u16; KEY_BLOCK] {
        self.value_codes.map(|code| decode_scale(code) as u16)
    }
}
