//! The pieces and merges of a tokenizer, read in place.
//!
//! ```text
//! 0   u8  kind              0 bytes, 1 byte-pair encoding, 2 WordPiece, 3 byte-level BPE, 4 Unigram,
//!                           5 byte-level BPE with the words of cl100k
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
//!     characters            (u32 first, u32 last, u32 class) sorted, see `word_piece`, `byte_level`, `nfc`,
//!                           `normalize`
//!     text                  the pieces' bytes
//!     added                 see `added`
//! ```

use super::output::Kind;
use super::steps::step;
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
/// Unigram, byte-pair encoding: a run of spaces is one, and none at the end of a text.
pub const FLAG_RUNS: u8 = 32;
/// A table of added tokens follows the text, see `added`.
pub const FLAG_ADDED: u8 = 64;
/// With [`FLAG_PREFIX`]: not behind an added token.
pub const FLAG_FIRST: u8 = 128;
/// Byte-level: a word that is a piece is this piece, whatever its merges give (`ignore_merges`).
pub const FLAG_WHOLE: u8 = 8;
/// Byte-pair encoding: neighbours without a piece are one unknown token.
pub const FLAG_FUSE: u8 = 16;
/// cl100k: a number has one digit.
pub const FLAG_DIGITS: u8 = 16;
/// Byte-level: texts are in Unicode's normalization form C.
pub const FLAG_NFC: u8 = 32;
/// Option of an added token: white space before it belongs to it.
pub const STRIP_BEFORE: u32 = 1;
/// White space behind it does.
pub const STRIP_BEHIND: u32 = 2;
/// It is looked for in what tokens without this option leave (`normalized` in `tokenizer.json`).
pub const SECOND: u32 = 4;
/// All options of an added token.
const OPTIONS: u32 = STRIP_BEFORE | STRIP_BEHIND | SECOND;
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
    pub(super) section: &'a [u8],
    pub(super) pieces: usize,
    pub(super) merges: usize,
    pub(super) characters: usize,
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
        if section[0] > 5 {
            return Err(TokenizerFormatError("kind"));
        }
        let (v, text) = (Self::read(section), read_u32(section, 24) as usize);
        let (pieces, merges) = (v.pieces, v.merges);
        if pieces == 0 || pieces > 1 << 16 || merges > 1 << 20 || text > 1 << 24 {
            return Err(TokenizerFormatError("pieces"));
        }
        let table = v.text_start() + text;
        let has_added = section[1] & FLAG_ADDED != 0;
        let added = if has_added { read_u32(section, table) as usize } else { 0 };
        // First of all: eight times a number that no vocabulary bounds wraps on a core of 32 bits.
        if added > pieces {
            return Err(TokenizerFormatError("length"));
        }
        if section.len() != table + if has_added { 4 + 8 * added } else { 0 } {
            return Err(TokenizerFormatError("length"));
        }
        let mut i = 0;
        while i < added {
            let at = table + 4 + 8 * i;
            let (token, options) = (read_u32(section, at) as usize, read_u32(section, at + 4));
            if token >= pieces || options & !OPTIONS != 0 {
                return Err(TokenizerFormatError("added tokens"));
            }
            // An empty one would be found everywhere.
            let piece = HEADER + 4 * token;
            if read_u32(section, piece) == read_u32(section, piece + 4) {
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
            4 => Kind::Unigram,
            _ => Kind::Cl100k,
        }
    }

    pub(super) const fn order_start(&self) -> usize {
        HEADER + 4 * (self.pieces + 1)
    }

    pub(super) const fn merges_start(&self) -> usize {
        self.order_start() + 2 * self.pieces
    }

    pub(super) const fn characters_start(&self) -> usize {
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
        step();
        let at = HEADER + 4 * token as usize;
        if token as usize >= self.pieces {
            return None;
        }
        let (from, to) = (read_u32(self.section, at), read_u32(self.section, at + 4));
        self.section.get(self.text_start()..)?.get(from as usize..to as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts that no vocabulary bounds are refused before they are multiplied: eight times the first ones wraps
    /// where addresses have 32 bits, and the wrapped length would be right.
    #[test]
    fn counts_that_wrap_are_refused() {
        // One empty piece, no merges, no text; then the table of added tokens.
        let mut section = [0; HEADER + 8 + 2 + 2 + 12];
        (section[1], section[4]) = (FLAG_ADDED, 1);
        section[8..24].fill(0xff);
        section[0] = 1;
        let table = HEADER + 8 + 2;
        let parse = |added: u32, token: u32, len: usize| {
            let mut section = section;
            section[table..table + 4].copy_from_slice(&added.to_le_bytes());
            section[table + 4..table + 8].copy_from_slice(&token.to_le_bytes());
            Vocabulary::parse(&section[..len]).map(|v| v.len()).map_err(|error| error.0)
        };
        assert_eq!(parse(0, 0, table + 4), Ok(1));
        for added in [1 << 29, (1 << 29) + 1, 1 << 30, 1 << 31, 3 << 29, u32::MAX] {
            for len in [table + 4, table + 12] {
                assert_eq!(parse(added, 0, len), Err("length"), "{added}");
            }
        }
        for token in [1, 1 << 30, (1 << 30) - 7, u32::MAX] {
            assert_eq!(parse(1, token, table + 12), Err("added tokens"), "{token}");
        }
        // An empty piece is none to look for.
        assert_eq!(parse(1, 0, table + 12), Err("added tokens"));
    }
}
