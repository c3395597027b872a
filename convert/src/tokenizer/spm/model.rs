//! SentencePiece's models (`spiece.model`, `tokenizer.model`): the message `ModelProto` of its
//! `sentencepiece_model.proto`.

use super::protobuf::{Field, fields};
use crate::error::{Error, Result, read};
use std::path::Path;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) score: f32,
    pub(super) kind: Kind,
}

/// A model: its pieces by id, and the options that encoding depends on.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) pieces: Vec<Piece>,
    /// 1 Unigram, 2 byte-pair encoding, 3 words, 4 characters.
    pub(super) algorithm: u64,
    pub(super) byte_fallback: bool,
    pub(super) space_behind: bool,
    pub(super) begin: Option<usize>,
    pub(super) charsmap: Vec<u8>,
    pub(super) dummy_prefix: bool,
    pub(super) single_spaces: bool,
    pub(super) visible_spaces: bool,
    /// What is written is normalized too.
    pub(super) denormalizes: bool,
}

impl Model {
    /// Reads a model.
    pub(super) fn read(path: &Path) -> Result<Self> {
        Self::parse(&read(path)?).ok_or_else(|| Error::Malformed {
            path: path.into(),
            what: "SentencePiece model",
            reason: "its message cannot be read".into(),
        })
    }

    /// Of a field that comes more than once, the last counts; of a part, its fields.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut model = Self {
            pieces: Vec::new(),
            algorithm: 1,
            byte_fallback: false,
            space_behind: false,
            begin: Some(1),
            charsmap: Vec::new(),
            dummy_prefix: true,
            single_spaces: true,
            visible_spaces: true,
            denormalizes: false,
        };
        for (number, field) in fields(bytes)? {
            match number {
                1 => model.pieces.push(piece(field.bytes()?)?),
                2 => model.trainer(field.bytes()?)?,
                3 => model.normalizer(field.bytes()?)?,
                5 => {
                    let map =
                        fields(field.bytes()?)?.into_iter().filter(|(number, _)| *number == 2);
                    let maps =
                        |(_, map): (u64, Field)| map.bytes().is_some_and(|map| !map.is_empty());
                    model.denormalizes |= map.into_iter().any(maps);
                }
                _ => {}
            }
        }
        (!model.pieces.is_empty()).then_some(model)
    }

    fn trainer(&mut self, bytes: &[u8]) -> Option<()> {
        for (number, field) in fields(bytes)? {
            match number {
                3 => self.algorithm = field.number()?,
                24 => self.space_behind = field.number()? != 0,
                35 => self.byte_fallback = field.number()? != 0,
                // An id of −1 means that there is none.
                41 => self.begin = usize::try_from(field.number()? as i64).ok(),
                _ => {}
            }
        }
        Some(())
    }

    fn normalizer(&mut self, bytes: &[u8]) -> Option<()> {
        for (number, field) in fields(bytes)? {
            match number {
                2 => self.charsmap = field.bytes()?.to_vec(),
                3 => self.dummy_prefix = field.number()? != 0,
                4 => self.single_spaces = field.number()? != 0,
                5 => self.visible_spaces = field.number()? != 0,
                _ => {}
            }
        }
        Some(())
    }
}

fn piece(bytes: &[u8]) -> Option<Piece> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: Kind::Normal };
    for (number, field) in fields(bytes)? {
        match number {
            1 => piece.text = String::from_utf8(field.bytes()?.to_vec()).ok()?,
            2 => piece.score = field.float()?,
            3 => {
                piece.kind = match field.number()? {
                    1 => Kind::Normal,
                    2 => Kind::Unknown,
                    3 => Kind::Control,
                    4 => Kind::UserDefined,
                    5 => Kind::Unused,
                    6 => Kind::Byte,
                    _ => return None,
                }
            }
            _ => {}
        }
    }
    Some(piece)
}
