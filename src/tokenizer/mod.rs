//! Tokenizers on the device: no heap, vocabulary read in place from the blob.

mod added;
mod bpe;
mod byte_level;
mod cl100k;
mod lookup;
mod merge;
mod nfc;
mod normalize;
mod output;
mod score;
mod steps;
mod unigram;
pub mod vocabulary;
mod word_piece;

pub use output::{EncodeError, Kind, Token};
pub use vocabulary::{TokenizerFormatError, Vocabulary};

pub(crate) use merge::{Merge, scan, tree};

use output::Output;
use vocabulary::{FLAG_FIRST, FLAG_PREFIX};

/// A tokenizer in flash.
#[derive(Clone, Copy, Debug)]
pub struct Tokenizer<'a> {
    kind: Kind,
    vocabulary: Vocabulary<'a>,
}

/// How a text is encoded: what of it is linked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    /// The algorithm.
    pub(crate) kind: Kind,
    /// How byte pairs are merged.
    pub(crate) merge: Merge,
    /// Added tokens are looked for.
    pub(crate) added: bool,
}

/// The text of one token: an optional space, then bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// A space stands before the bytes.
    pub space: bool,
    /// The bytes; with a SentencePiece vocabulary, U+2581 in them stands for a space.
    pub bytes: &'a [u8],
    /// The byte of a byte token, instead of `bytes`.
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
        Ok(Self { kind: vocabulary.kind(), vocabulary })
    }

    /// Reads a section that [`Tokenizer::parse`] would accept; `None` if it is empty.
    pub(crate) const fn of_valid(section: &'a [u8]) -> Option<Self> {
        match Vocabulary::of_valid(section) {
            Some(vocabulary) => Some(Self { kind: vocabulary.kind(), vocabulary }),
            None => None,
        }
    }

    pub(crate) fn method(&self) -> Method {
        Method { kind: self.kind, merge: tree, added: self.vocabulary.has_added() }
    }

    /// Its algorithm.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The pieces.
    pub const fn vocabulary(&self) -> &Vocabulary<'a> {
        &self.vocabulary
    }

    /// Writes the tokens of `text`, with the special tokens that the model expects around it;
    /// returns how many. Added tokens within the text are found if the blob lists them; other names of special
    /// tokens (`[SEP]`) are ordinary text.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn encode(&self, text: &str, tokens: &mut [Token]) -> Result<usize, EncodeError> {
        self.encode_by(self.method(), text, tokens)
    }

    /// As [`Tokenizer::encode`] by `method`, which may be a compile-time constant.
    #[inline(always)] // so that the constant decides what is linked
    pub(crate) fn encode_by(
        &self,
        method: Method,
        text: &str,
        tokens: &mut [Token],
    ) -> Result<usize, EncodeError> {
        let mut out = Output::new(tokens);
        self.vocabulary.begin().into_iter().for_each(|begin| out.push(begin));
        match method.added {
            true => added::split(&self.vocabulary, text, &mut out, &mut |text, begins, out| {
                self.append(method, text, begins, out)
            })?,
            false => self.append(method, text, true, &mut out)?,
        }
        self.vocabulary.added_end().into_iter().for_each(|end| out.push(end));
        out.finish()
    }

    /// As [`Tokenizer::encode`] for bytes that may not be UTF-8.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn encode_bytes(&self, text: &[u8], tokens: &mut [Token]) -> Result<usize, EncodeError> {
        let text = core::str::from_utf8(text)
            .map_err(|error| EncodeError::InvalidUtf8 { valid: error.valid_up_to() })?;
        self.encode(text, tokens)
    }

    /// The number of special tokens that [`Tokenizer::encode`] puts around a text, even an empty
    /// one.
    pub fn specials(&self) -> usize {
        self.vocabulary.specials()
    }

    #[inline(always)]
    fn append(
        &self,
        method: Method,
        text: &str,
        begins: bool,
        out: &mut Output,
    ) -> Result<(), EncodeError> {
        let (v, merge) = (&self.vocabulary, method.merge);
        let prefix = v.flag(FLAG_PREFIX) && (begins || !v.flag(FLAG_FIRST));
        match method.kind {
            Kind::Bytes => text.bytes().try_for_each(|b| {
                let unknown = EncodeError::UnknownCharacter { character: b as char };
                out.push(v.byte(b).ok_or(unknown)?);
                Ok(())
            }),
            Kind::Bpe => bpe::encode(v, merge, text, prefix, out),
            Kind::WordPiece => word_piece::encode(v, text, out),
            Kind::ByteLevel => byte_level::encode(v, merge, byte_level::gpt2, text, out),
            Kind::Cl100k => byte_level::encode(v, merge, cl100k::word, text, out),
            Kind::Unigram => unigram::encode(v, text, prefix, out),
        }
    }

    /// The text of `token` after `previous`; `None` for an id outside the vocabulary. Begin and end
    /// token have no text. At the start, or after the begin token, SentencePiece's dummy space is
    /// dropped.
    pub fn decode(&self, previous: Option<Token>, token: Token) -> Option<Piece<'a>> {
        let v = &self.vocabulary;
        let (bytes, begin) = (v.piece(token)?, v.begin());
        let mut piece = Piece { space: false, bytes: &[], byte: None };
        if begin == Some(token) || v.end() == Some(token) {
            return Some(piece);
        }
        piece.byte = v.as_byte(token);
        if piece.byte.is_some() {
            return Some(piece);
        }
        piece.bytes = bytes;
        let first = previous.is_none() || previous == begin;
        match self.kind {
            Kind::WordPiece => match bytes.strip_prefix(b"##") {
                Some(rest) => piece.bytes = rest,
                None => piece.space = !first,
            },
            Kind::ByteLevel | Kind::Cl100k => {}
            Kind::Bytes | Kind::Bpe | Kind::Unigram => {
                let spaced = bytes.strip_prefix("\u{2581}".as_bytes()).or(bytes.strip_prefix(b" "));
                if let Some(rest) = spaced {
                    piece.bytes = rest;
                    piece.space = !(first && v.flag(FLAG_PREFIX));
                }
            }
        }
        Some(piece)
    }
}
