//! Tokenizers on the device: no heap, vocabulary read in place from the blob.

mod bpe;
pub mod vocabulary;
mod word_piece;

pub use vocabulary::{TokenizerFormatError, Vocabulary};

use vocabulary::FLAG_PREFIX;

/// The token of a piece of text.
pub type Token = u32;

/// Why a text cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum EncodeError {
    /// The buffer is full. (Byte-pair encoding needs room for every character before it merges.)
    TooLong {
        /// Tokens that the buffer holds.
        given: usize,
    },
    /// A character has no token, and the tokenizer none for the unknown.
    UnknownCharacter {
        /// The character (WordPiece: the first of a word that has no pieces).
        character: char,
    },
}

impl core::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLong { given } => write!(f, "the text needs more than {given} tokens"),
            Self::UnknownCharacter { character } => {
                write!(f, "the character {character:?} has no token in the model's vocabulary")
            }
        }
    }
}

impl core::error::Error for EncodeError {}

/// Tokens being written.
struct Output<'a> {
    tokens: &'a mut [Token],
    len: usize,
}

impl Output<'_> {
    fn push(&mut self, token: Token) -> Result<(), EncodeError> {
        let given = self.tokens.len();
        *self.tokens.get_mut(self.len).ok_or(EncodeError::TooLong { given })? = token;
        self.len += 1;
        Ok(())
    }
}

/// Which rules a tokenizer follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bytes,
    Bpe,
    WordPiece,
}

/// A tokenizer in flash.
#[derive(Clone, Copy, Debug)]
pub struct Tokenizer<'a> {
    kind: Kind,
    vocabulary: Vocabulary<'a>,
}

/// The text of one token: an optional space, then bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// A space stands before the bytes.
    pub space: bool,
    /// The bytes; in a vocabulary with U+2581 those may stand for spaces.
    pub bytes: &'a [u8],
    /// The byte that a byte token stands for, instead of `bytes`.
    pub byte: Option<u8>,
}

impl<'a> Tokenizer<'a> {
    /// Reads and checks a section.
    ///
    /// # Errors
    /// The field at fault.
    pub const fn parse(section: &'a [u8]) -> Result<Self, TokenizerFormatError> {
        let vocabulary = match Vocabulary::parse(section) {
            Ok(vocabulary) => vocabulary,
            Err(error) => return Err(error),
        };
        let kind = match section[0] {
            0 => Kind::Bytes,
            1 => Kind::Bpe,
            _ => Kind::WordPiece,
        };
        Ok(Self { kind, vocabulary })
    }

    /// The pieces.
    pub const fn vocabulary(&self) -> &Vocabulary<'a> {
        &self.vocabulary
    }

    /// The tokens of `text` with the special ones that the model expects around it. Returns how many.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn encode(&self, text: &str, tokens: &mut [Token]) -> Result<usize, EncodeError> {
        let mut out = Output { tokens, len: 0 };
        if let Some(begin) = self.vocabulary.begin() {
            out.push(begin)?;
        }
        self.append(text, &mut out)?;
        if let (Some(end), true) = (self.vocabulary.end(), word_piece::adds_end(&self.vocabulary)) {
            out.push(end)?;
        }
        Ok(out.len)
    }

    /// The tokens of `text` alone.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn encode_raw(&self, text: &str, tokens: &mut [Token]) -> Result<usize, EncodeError> {
        let mut out = Output { tokens, len: 0 };
        self.append(text, &mut out)?;
        Ok(out.len)
    }

    fn append(&self, text: &str, out: &mut Output) -> Result<(), EncodeError> {
        match self.kind {
            Kind::Bytes => text.bytes().try_for_each(|b| {
                let unknown = EncodeError::UnknownCharacter { character: b as char };
                out.push(self.vocabulary.byte(b).ok_or(unknown)?)
            }),
            Kind::Bpe => bpe::encode(&self.vocabulary, text, out),
            Kind::WordPiece => word_piece::encode(&self.vocabulary, text, out),
        }
    }

    /// The text of `token` after `previous`; `None` for an id outside the vocabulary. Special tokens
    /// give nothing. After the begin token (or at the start) SentencePiece's dummy space is dropped.
    pub fn decode(&self, previous: Option<Token>, token: Token) -> Option<Piece<'a>> {
        let v = &self.vocabulary;
        let bytes = v.piece(token)?;
        let nothing = Piece { space: false, bytes: &[], byte: None };
        if [v.begin(), v.end()].contains(&Some(token)) {
            return Some(nothing);
        }
        if let Some(byte) = v.as_byte(token) {
            return Some(Piece { byte: Some(byte), ..nothing });
        }
        let first = previous.is_none() || previous == v.begin();
        Some(match self.kind {
            Kind::WordPiece => match bytes.strip_prefix(b"##") {
                Some(rest) => Piece { bytes: rest, ..nothing },
                None => Piece { space: !first, bytes, ..nothing },
            },
            _ => {
                let spaced = bytes.strip_prefix("\u{2581}".as_bytes()).or(bytes.strip_prefix(b" "));
                let drop = first && v.flag(FLAG_PREFIX);
                match spaced {
                    Some(rest) => Piece { space: !drop, bytes: rest, ..nothing },
                    None => Piece { bytes, ..nothing },
                }
            }
        })
    }
}
