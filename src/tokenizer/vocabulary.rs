//! The pieces and merges of a tokenizer, read in place.
//!
//! ```text
//! 0   u8  kind              0 bytes, 1 byte-pair encoding, 2 WordPiece, 3 byte-level BPE, 4 Unigram
//! 1   u8  flags             see `FLAG_…`
//! 2   u16 characters        entries of the character table (WordPiece, byte-level BPE)
//! 4   u32 pieces
//! 8   u32 begin             token before a text, or 0xffffffff
//! 12  u32 end               token after a text (WordPiece) or at the end of a generated one
//! 16  u32 unknown
//! 20  u32 bytes             token of byte 0 (byte fallback), or 0xffffffff
//! 24  u32 text_bytes        length of all pieces together
//! 28  u32 merges
//! 32  offsets               u32 × (pieces + 1) into the text
//!     order                 u16 × pieces: ids sorted by their bytes
//!     merges                (u16 left, u16 right, u16 rank, u16 result) sorted by (left, right)
//!                           Unigram: u64 × (pieces + 1), the sizes of the log-probabilities as the bits
//!                           of an f64, the last one that of a character without a piece
//!     characters            (u32 first, u32 last, u32 class) sorted, see `word_piece`, `byte_level`, `normalize`
//!     text                  the pieces' bytes
//!     added                 see `added`
//! ```

use super::added::OPTIONS;
use super::output::Kind;
use crate::blob::{read_u8, read_u16, read_u32, read_u64};

/// Length of the section's header.
pub const HEADER: usize = 32;
/// A space is put before the text (SentencePiece's dummy prefix).
pub const FLAG_PREFIX: u8 = 1;
/// Characters without a piece become bytes.
pub const FLAG_BYTES: u8 = 2;
/// An end token is added to an encoded text.
pub const FLAG_ADD_END: u8 = 4;
/// With [`FLAG_PREFIX`]: not before a text that begins with a space already (`Metaspace`).
pub const FLAG_PREFIX_ONCE: u8 = 8;
/// Unigram: white space separates words, however much of it.
pub const FLAG_WORDS: u8 = 16;
/// Unigram: a run of spaces is one, and none at the end of a text.
pub const FLAG_RUNS: u8 = 32;
/// A table of added tokens follows the text, see `added`.
pub const FLAG_ADDED: u8 = 64;
/// With [`FLAG_PREFIX`]: not behind an added token.
pub const FLAG_FIRST: u8 = 128;
/// "No such token".
pub const NONE: u32 = u32::MAX;

/// Why a tokenizer section cannot be read: the name of the field at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TokenizerFormatError(pub &'static str);

impl core::fmt::Display for TokenizerFormatError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the tokenizer section's `{}` is out of range", self.0)
    }
}

impl core::error::Error for TokenizerFormatError {}

/// A validated section.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    section: &'a [u8],
    pieces: usize,
    merges: usize,
    characters: usize,
}

impl<'a> Vocabulary<'a> {
    /// Checks every length, offset and id once.
    ///
    /// # Errors
    /// The field at fault.
    pub const fn parse(section: &'a [u8]) -> Result<Self, TokenizerFormatError> {
        if section.len() < HEADER {
            return Err(TokenizerFormatError("length"));
        }
        if section[0] > 4 {
            return Err(TokenizerFormatError("kind"));
        }
        let (v, text) = (Self::read(section), read_u32(section, 24) as usize);
        let (pieces, merges) = (v.pieces, v.merges);
        if pieces == 0 || pieces > 1 << 16 || merges > 1 << 20 || text > 1 << 24 {
            return Err(TokenizerFormatError("pieces"));
        }
        let table = v.text_start() + text;
        let added =
            if section[1] & FLAG_ADDED == 0 { 0 } else { read_u32(section, table) as usize };
        let table_bytes = if section[1] & FLAG_ADDED == 0 { 0 } else { 4 + 8 * added };
        if added > pieces || section.len() != table + table_bytes {
            return Err(TokenizerFormatError("length"));
        }
        let mut i = 0;
        while i < added {
            let at = table + 4 + 8 * i;
            let (token, options) = (read_u32(section, at) as usize, read_u32(section, at + 4));
            let piece = HEADER + 4 * token;
            // An empty one would be found everywhere.
            if token >= pieces
                || options & !OPTIONS != 0
                || read_u32(section, piece) == read_u32(section, piece + 4)
            {
                return Err(TokenizerFormatError("added tokens"));
            }
            i += 1;
        }
        let mut i = 0;
        while i < 4 {
            let token = read_u32(section, 8 + 4 * i);
            // A whole alphabet of bytes begins at the last of the four.
            let last = if i == 3 { token.saturating_add(255) } else { token };
            if token != NONE && last as usize >= pieces {
                return Err(TokenizerFormatError("special tokens"));
            }
            i += 1;
        }
        // Without an alphabet, no byte has a token.
        if matches!(v.kind(), Kind::Bytes) && v.special(20).is_none() {
            return Err(TokenizerFormatError("special tokens"));
        }
        if read_u32(section, HEADER) != 0 {
            return Err(TokenizerFormatError("offsets"));
        }
        let mut i = 0;
        while i < pieces {
            let next = read_u32(section, HEADER + 4 * i + 4);
            if next < read_u32(section, HEADER + 4 * i) || next as usize > text {
                return Err(TokenizerFormatError("offsets"));
            }
            if read_u16(section, v.order_start() + 2 * i) as usize >= pieces {
                return Err(TokenizerFormatError("order"));
            }
            i += 1;
        }
        if read_u32(section, HEADER + 4 * pieces) as usize != text {
            return Err(TokenizerFormatError("offsets"));
        }
        let unigram = matches!(v.kind(), Kind::Unigram);
        if unigram && merges != pieces + 1 {
            return Err(TokenizerFormatError("scores"));
        }
        let mut i = 0;
        while i < merges {
            if unigram {
                let size = read_u64(section, v.merges_start() + 8 * i);
                // Zero, or 2^-60 … 2^20: sums neither vanish nor overflow.
                if size != 0 && (size >> 52 < 963 || size >> 52 > 1043) {
                    return Err(TokenizerFormatError("scores"));
                }
            } else if read_u16(section, v.merges_start() + 8 * i + 6) as usize >= pieces {
                return Err(TokenizerFormatError("merges"));
            }
            i += 1;
        }
        Ok(v)
    }

    const fn read(section: &'a [u8]) -> Self {
        Self {
            section,
            pieces: read_u32(section, 4) as usize,
            merges: read_u32(section, 28) as usize,
            characters: read_u16(section, 2) as usize,
        }
    }

    /// Reads a section that [`Vocabulary::parse`] would accept; `None` if it is empty.
    pub(super) const fn of_valid(section: &'a [u8]) -> Option<Self> {
        if section.is_empty() { None } else { Some(Self::read(section)) }
    }

    /// The algorithm that the pieces are for.
    pub(super) const fn kind(&self) -> Kind {
        match read_u8(self.section, 0) {
            0 => Kind::Bytes,
            1 => Kind::Bpe,
            2 => Kind::WordPiece,
            3 => Kind::ByteLevel,
            _ => Kind::Unigram,
        }
    }

    const fn order_start(&self) -> usize {
        HEADER + 4 * (self.pieces + 1)
    }

    const fn merges_start(&self) -> usize {
        self.order_start() + 2 * self.pieces
    }

    const fn characters_start(&self) -> usize {
        self.merges_start() + 8 * self.merges
    }

    const fn text_start(&self) -> usize {
        self.characters_start() + 12 * self.characters
    }

    /// Whether a text is searched for added tokens.
    pub(crate) const fn has_added(&self) -> bool {
        read_u8(self.section, 1) & FLAG_ADDED != 0
    }

    /// The added tokens and their options.
    pub(super) fn added(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let table = self.text_start() + read_u32(self.section, 24) as usize;
        let count = if self.has_added() { read_u32(self.section, table) as usize } else { 0 };
        let entry = move |i| {
            let at = table + 4 + 8 * i;
            (read_u32(self.section, at), read_u32(self.section, at + 4))
        };
        (0..count).map(entry)
    }

    /// Number of tokens.
    pub const fn len(&self) -> usize {
        self.pieces
    }

    /// Always false: a section has at least one piece.
    pub const fn is_empty(&self) -> bool {
        self.pieces == 0
    }

    /// Whether a flag is set.
    pub const fn flag(&self, flag: u8) -> bool {
        read_u8(self.section, 1) & flag != 0
    }

    const fn special(&self, offset: usize) -> Option<u32> {
        let token = read_u32(self.section, offset);
        if token == NONE { None } else { Some(token) }
    }

    /// Token that is added after an encoded text.
    pub const fn added_end(&self) -> Option<u32> {
        if self.flag(FLAG_ADD_END) { self.end() } else { None }
    }

    /// The number of special tokens that are added around an encoded text.
    pub const fn specials(&self) -> usize {
        self.begin().is_some() as usize + self.added_end().is_some() as usize
    }

    /// Token before a text.
    pub const fn begin(&self) -> Option<u32> {
        self.special(8)
    }

    /// Token after a text.
    pub const fn end(&self) -> Option<u32> {
        self.special(12)
    }

    /// Token for text that has no other.
    pub fn unknown(&self) -> Option<u32> {
        self.special(16)
    }

    /// Token of byte `byte`.
    pub fn byte(&self, byte: u8) -> Option<u32> {
        self.special(20).map(|first| first.saturating_add(byte as u32))
    }

    /// The byte that a token stands for.
    pub fn as_byte(&self, token: u32) -> Option<u8> {
        self.special(20).and_then(|first| u8::try_from(token.checked_sub(first)?).ok())
    }

    /// The bytes of a token; `None` outside the vocabulary.
    pub fn piece(&self, token: u32) -> Option<&'a [u8]> {
        let at = HEADER + 4 * token as usize;
        if token as usize >= self.pieces {
            return None;
        }
        let (from, to) = (read_u32(self.section, at), read_u32(self.section, at + 4));
        self.section.get(self.text_start()..)?.get(from as usize..to as usize)
    }

    /// The token of some bytes, by binary search.
    pub fn find(&self, bytes: &[u8]) -> Option<u32> {
        let (mut low, mut high) = (0, self.pieces);
        while low < high {
            let middle = low + (high - low) / 2;
            let token = read_u16(self.section, self.order_start() + 2 * middle) as u32;
            match self.piece(token)?.cmp(bytes) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
                core::cmp::Ordering::Equal => return Some(token),
            }
        }
        None
    }

    /// Token and bytes of the piece at `place` in the order of the pieces' bytes.
    pub(super) fn ordered(&self, place: usize) -> Option<(u32, &'a [u8])> {
        let at = self.order_start() + 2 * place;
        let token = (place < self.pieces).then(|| read_u16(self.section, at) as u32)?;
        Some((token, self.piece(token)?))
    }

    /// Where in the order the pieces are that begin with `prefix`, by binary search between the two
    /// places of `range`.
    pub(super) fn narrow(&self, range: (usize, usize), prefix: &[u8]) -> (usize, usize) {
        let begin = |place| {
            let piece = self.ordered(place).map_or(&[][..], |(_, piece)| piece);
            piece.get(..prefix.len()).unwrap_or(piece)
        };
        let bound = |mut low: usize, is_before: &dyn Fn(&[u8]) -> bool| {
            let mut high = range.1;
            while low < high {
                let middle = low + (high - low) / 2;
                if is_before(begin(middle)) { low = middle + 1 } else { high = middle }
            }
            low
        };
        let first = bound(range.0, &|piece| piece < prefix);
        (first, bound(first, &|piece| piece <= prefix))
    }

    /// Size of a piece's log-probability, the bits of an `f64`: Unigram's score with its sign dropped. That
    /// of a character without a piece is behind the last one's.
    pub(super) fn score(&self, token: u32) -> u64 {
        read_u64(self.section, self.merges_start() + 8 * token as usize)
    }

    /// All pairs of tokens that can be merged.
    pub(super) fn merges(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        (0..self.merges).map(|i| {
            let at = self.merges_start() + 8 * i;
            (read_u16(self.section, at) as u32, read_u16(self.section, at + 2) as u32)
        })
    }

    /// `(rank, result)` of merging two tokens, by binary search.
    pub fn merge(&self, left: u32, right: u32) -> Option<(u16, u32)> {
        let (mut low, mut high) = (0, self.merges);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = self.merges_start() + 8 * middle;
            let pair = (read_u16(self.section, at) as u32, read_u16(self.section, at + 2) as u32);
            match pair.cmp(&(left, right)) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
                core::cmp::Ordering::Equal => {
                    let result = read_u16(self.section, at + 6);
                    return Some((read_u16(self.section, at + 4), result as u32));
                }
            }
        }
        None
    }

    /// Class of a character and its position within the range, from the character table by binary
    /// search; `None` outside all ranges.
    pub fn character(&self, c: u32) -> Option<(u32, u32)> {
        let (mut low, mut high) = (0, self.characters);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = self.characters_start() + 12 * middle;
            let (first, last) = (read_u32(self.section, at), read_u32(self.section, at + 4));
            if last < c {
                low = middle + 1;
            } else if first > c {
                high = middle;
            } else {
                return Some((read_u32(self.section, at + 8), c - first));
            }
        }
        None
    }
}
