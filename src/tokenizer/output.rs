//! What a tokenizer gives: tokens, or why there are none.

/// The id of a token.
pub type Token = u32;

/// Why a text cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum EncodeError {
    /// The buffer is too small. Byte-pair encoding needs room for every character before it merges.
    TooLong {
        /// A size that is certainly sufficient.
        needed: usize,
        /// Tokens that the buffer holds.
        given: usize,
    },
    /// A character has no token, and the tokenizer has no unknown token.
    UnknownCharacter {
        /// The character (WordPiece: the first of a word that has no pieces).
        character: char,
    },
    /// The bytes are not UTF-8.
    InvalidUtf8 {
        /// Length of the valid part at the beginning, in bytes.
        valid: usize,
    },
    /// The tokenizer reads texts in Unicode's normalization form C, and this one is not.
    NotNormalized {
        /// The first character for which another one would stand, alone or together with those before it.
        character: char,
    },
}

impl core::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLong { needed, given } => {
                write!(f, "the text needs room for {needed} tokens, there is room for {given}")
            }
            Self::UnknownCharacter { character } => {
                write!(f, "the character {character:?} has no token in the model's vocabulary")
            }
            Self::InvalidUtf8 { valid } => {
                write!(f, "the text is not UTF-8 from byte {valid} on")
            }
            Self::NotNormalized { character } => {
                write!(
                    f,
                    "the text is not in Unicode's normalization form C at the character {character:?}"
                )
            }
        }
    }
}

impl core::error::Error for EncodeError {}

/// Tokens being written. Tokens beyond the buffer are counted, so that the error can state the
/// need.
pub struct Output<'a> {
    pub(super) tokens: &'a mut [Token],
    pub(super) len: usize,
    pub(super) missing: usize,
}

impl<'a> Output<'a> {
    pub(super) fn new(tokens: &'a mut [Token]) -> Self {
        Self { tokens, len: 0, missing: 0 }
    }

    pub(super) fn push(&mut self, token: Token) {
        match self.tokens.get_mut(self.len) {
            Some(to) => {
                *to = token;
                self.len += 1;
            }
            None => self.missing += 1,
        }
    }

    /// The number of tokens, if all of them fit.
    pub(super) fn finish(self) -> Result<usize, EncodeError> {
        match self.missing {
            0 => Ok(self.len),
            missing => {
                Err(EncodeError::TooLong { needed: self.len + missing, given: self.tokens.len() })
            }
        }
    }
}

/// The algorithm of a tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// Every byte is a token.
    Bytes,
    /// Byte-pair encoding over characters with byte fallback (SentencePiece, Llama).
    Bpe,
    /// WordPiece (BERT).
    WordPiece,
    /// Byte-pair encoding over bytes (GPT-2).
    ByteLevel,
    /// The same with other words (Llama 3, Qwen).
    Cl100k,
    /// The most probable pieces (T5).
    Unigram,
}
