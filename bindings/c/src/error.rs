//! `picoformer_error`: a code, what it is about, and the numbers needed and given.

use crate::code;
use core::ffi::c_char;
use picoformer::task::TaskError;
use picoformer::tokenizer::EncodeError;
use picoformer::{FormatError, RunError};

/// Bytes of [`CError::what`], its NUL included.
const WHAT: usize = 48;

/// `picoformer_error`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CError {
    code: i32,
    needed: u32,
    given: u32,
    what: [u8; WHAT],
}

/// An error on its way to C.
#[derive(Clone, Copy)]
pub struct Error {
    code: i32,
    needed: u32,
    given: u32,
    what: &'static str,
    /// A character or a tag, instead.
    letters: [u8; 4],
}

impl Error {
    /// A code alone.
    pub const fn new(code: i32) -> Self {
        Self { code, needed: 0, given: 0, what: "", letters: [0; 4] }
    }

    /// With what was needed and what was given.
    pub fn numbers(self, needed: usize, given: usize) -> Self {
        Self { needed: count(needed), given: count(given), ..self }
    }

    /// With a few words.
    pub const fn about(self, what: &'static str) -> Self {
        Self { what, ..self }
    }

    /// With a character at fault.
    fn character(self, character: char) -> Self {
        let mut letters = [0; 4];
        character.encode_utf8(&mut letters);
        Self { letters, ..self.numbers(0, character as usize) }
    }

    /// A null pointer, and which.
    pub const fn null(what: &'static str) -> Self {
        Self::new(code::NULL).about(what)
    }

    /// A pointer that is not a multiple of what it must be, a power of two.
    pub fn misaligned(code: i32, needed: usize, address: usize) -> Self {
        Self::new(code).numbers(needed, address & (needed - 1))
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Reports a result to C: the code is returned, and an error is written to `error`, unless that is null.
#[inline(never)]
pub fn report(error: *mut CError, result: Result<i32, Error>) -> i32 {
    match result {
        Ok(code) => code,
        Err(Error { code, needed, given, what: text, letters }) => {
            if !error.is_null() {
                let mut what = [0; WHAT];
                let bytes = if text.is_empty() { &letters } else { text.as_bytes() };
                for (to, from) in what.iter_mut().take(WHAT - 1).zip(bytes) {
                    *to = *from;
                }
                let found = CError { code, needed, given, what };
                // SAFETY: the caller promises memory for an error, or null. It may be misaligned only
                // if the caller's compiler is broken; an unaligned write costs nothing here.
                unsafe { error.write_unaligned(found) };
            }
            code
        }
    }
}

impl From<FormatError> for Error {
    #[inline(never)]
    fn from(error: FormatError) -> Self {
        let new = Self::new;
        let tagged =
            |code, tag: [u8; 4], offset| Self { letters: tag, ..new(code).numbers(0, offset) };
        match error {
            FormatError::TooShort { needed, given } => {
                new(code::BLOB_TOO_SHORT).numbers(needed, given)
            }
            FormatError::BadMagic { found } => Self {
                needed: u32::from_le_bytes(*b"PICO"),
                given: u32::from_le_bytes(found),
                ..new(code::BLOB_MAGIC)
            },
            FormatError::UnsupportedVersion { supported, found } => {
                new(code::BLOB_VERSION).numbers(supported.into(), found.into())
            }
            FormatError::BadConfig { field } => new(code::BLOB_CONFIG).about(field),
            FormatError::OtherModel { offset } => new(code::BLOB_OTHER_MODEL).numbers(0, offset),
            FormatError::WrongLength { needed, given } => {
                new(code::BLOB_LENGTH).numbers(needed, given)
            }
            FormatError::BadPadding { offset } => new(code::BLOB_PADDING).numbers(0, offset),
            FormatError::BadSection { section, offset } => {
                new(code::BLOB_SECTION).numbers(0, offset).about(section)
            }
            FormatError::UnknownSection { tag, offset } => {
                tagged(code::BLOB_UNKNOWN_SECTION, tag, offset)
            }
            FormatError::MisplacedSection { tag, offset } => {
                tagged(code::BLOB_MISPLACED_SECTION, tag, offset)
            }
            FormatError::CutSection { tag, offset } => tagged(code::BLOB_CUT_SECTION, tag, offset),
            FormatError::BadTokenizer { field } => new(code::BLOB_TOKENIZER).about(field),
            FormatError::Contradiction { section, .. } => {
                new(code::BLOB_CONTRADICTION).about(section)
            }
            FormatError::BadChecksum { expected, found } => {
                Self { needed: expected, given: found, ..new(code::BLOB_CHECKSUM) }
            }
            FormatError::Misaligned => new(code::BLOB_MISALIGNED),
            _ => new(code::BLOB_OTHER),
        }
    }
}

impl From<RunError> for Error {
    #[inline(never)]
    fn from(error: RunError) -> Self {
        let new = Self::new;
        match error {
            RunError::ArenaTooSmall { part, needed, given } => {
                new(code::ARENA_TOO_SMALL).numbers(needed, given).about(part)
            }
            RunError::MisalignedArena { part } => new(code::ARENA_MISALIGNED).about(part),
            RunError::MisalignedModel { given } => new(code::BLOB_MISALIGNED).numbers(4, given),
            RunError::WrongModel { needed } => new(code::WRONG_MODEL).about(needed),
            RunError::UnsupportedPacking { layout, .. } => new(code::PACKING).about(layout),
            RunError::TooManyKeys { needed, given } => {
                new(code::TOO_MANY_KEYS).numbers(needed, given)
            }
            RunError::BeamTooWide { needed, given } => {
                new(code::BEAM_TOO_WIDE).numbers(needed, given)
            }
            RunError::EmptyInput => new(code::EMPTY),
            RunError::TooLong { needed, given }
            | RunError::LimitOutOfRange { greatest: given, given: needed } => {
                new(code::TOO_LONG).numbers(needed, given)
            }
            RunError::SplitPrefix { needed, given } => {
                new(code::SPLIT_PREFIX).numbers(needed, given)
            }
            RunError::InFlight => new(code::IN_FLIGHT),
            RunError::NoLogits => new(code::NO_LOGITS),
            RunError::TokenOutOfRange { token, vocab_size } => {
                new(code::TOKEN_RANGE).numbers(vocab_size, token as usize)
            }
            RunError::NoSuchLabel { labels, given } => {
                new(code::NO_SUCH_LABEL).numbers(labels, given)
            }
            RunError::TooManySamples { limit, given } => {
                new(code::TOO_MANY_SAMPLES).numbers(limit, given)
            }
            RunError::WrongFrameLength { needed, given } => {
                new(code::FRAME_LENGTH).numbers(needed, given)
            }
            _ => new(code::OTHER),
        }
    }
}

impl From<EncodeError> for Error {
    #[inline(never)]
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TooLong { needed, given } => {
                Self::new(code::TEXT_TOO_LONG).numbers(needed, given)
            }
            EncodeError::UnknownCharacter { character } => {
                Self::new(code::UNKNOWN_CHARACTER).character(character)
            }
            EncodeError::InvalidUtf8 { valid } => Self::new(code::NOT_UTF8).numbers(0, valid),
            EncodeError::NotNormalized { character } => {
                Self::new(code::NOT_NORMALIZED).character(character)
            }
        }
    }
}

impl From<TaskError> for Error {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Encode(error) => error.into(),
            TaskError::Run(error) => error.into(),
            TaskError::Write => Self::new(code::CANCELLED),
            TaskError::Incomplete => Self::new(code::LIMIT),
        }
    }
}

/// Writes the text of an error with its numbers: at most `bytes` bytes, always ended by a NUL (unless
/// `bytes` is 0). Returns the bytes of the whole text, its NUL included.
///
/// # Safety
/// `error` is null or an error that this library filled in; `out` has room for `bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn picoformer_error_text(
    error: *const CError,
    out: *mut c_char,
    bytes: usize,
) -> usize {
    let mut text = Text { out: out.cast(), room: if out.is_null() { 0 } else { bytes }, len: 0 };
    if error.is_null() {
        text.add(b"no error given");
    } else {
        // SAFETY: by this function's contract.
        let CError { code, needed, given, what } = unsafe { error.read_unaligned() };
        text.add(code::text(code));
        let words = what.split(|&byte| byte == 0).next().unwrap_or_default();
        if !words.is_empty() {
            text.add(b": ");
            text.add(words);
        }
        if needed > 0 {
            text.add(b", needed ");
            text.number(needed);
        }
        if needed > 0 || given > 0 {
            text.add(b", given ");
            text.number(given);
        }
    }
    text.end()
}

/// Memory of the caller that a text is written to.
struct Text {
    out: *mut u8,
    room: usize,
    len: usize,
}

impl Text {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.len + 1 < self.room {
                // SAFETY: the caller gave memory for `room` bytes.
                unsafe { self.out.add(self.len).write(byte) };
            }
            self.len += 1;
        }
    }

    #[inline(never)]
    fn number(&mut self, mut n: u32) {
        let mut digits = [0; 10];
        let mut len = 0;
        for to in digits.iter_mut().rev() {
            *to = b'0' + (n % 10) as u8;
            (n, len) = (n / 10, len + 1);
            if n == 0 {
                break;
            }
        }
        self.add(digits.get(digits.len() - len..).unwrap_or_default());
    }

    fn end(self) -> usize {
        if self.room > 0 {
            let at = self.len.min(self.room - 1);
            // SAFETY: as in `add`.
            unsafe { self.out.add(at).write(0) };
        }
        self.len + 1
    }
}
