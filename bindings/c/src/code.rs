//! Status codes and their texts. Numbers never change; new ones are added.

use core::ffi::c_char;

macro_rules! codes {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        $(#[doc = $text] pub const $name: i32 = $value;)*

        /// All codes, and their texts in the same order, each with a NUL at the end; the last is for others.
        const CODES: &[i8] = &[$($value),*];
        const TEXTS: &[u8] = concat!($($text, "\0",)* "unknown code\0").as_bytes();
    };
}

/// The text of a code, without numbers; it ends before a NUL.
pub fn text(code: i32) -> &'static [u8] {
    let mut rest = TEXTS;
    for _ in CODES.iter().take_while(|&&known| i32::from(known) != code) {
        rest = rest.get(end(rest) + 1..).unwrap_or_default();
    }
    rest.get(..end(rest)).unwrap_or_default()
}

/// Bytes before the first NUL.
fn end(text: &[u8]) -> usize {
    text.iter().position(|&byte| byte == 0).unwrap_or(text.len())
}

codes! {
    OK = 0, "done";
    WORKING = 1, "more steps are needed";
    TOKEN = 2, "a token was written";
    ENDED = 3, "the model ended the text";
    FULL = 4, "the context is full";
    LIMIT = 5, "the limit of tokens is reached";
    CANCELLED = 6, "the callback asked to stop";
    EVENT = 7, "something was detected";

    NULL = -1, "a pointer is null";
    NOT_OPEN = -2, "not open, of another kind, or moved";
    OBJECT_TOO_SMALL = -3, "the object's memory is too small (bytes)";
    OBJECT_MISALIGNED = -4, "the object is misaligned (bytes)";
    OTHER_VERSION = -5, "header and library differ in version";
    ARENA_MISALIGNED = -6, "the arena is misaligned (bytes)";
    BLOB_MISALIGNED = -7, "the blob is misaligned (bytes)";
    ARENA_TOO_SMALL = -8, "the arena is too small (bytes)";
    NOT_UTF8 = -9, "not UTF-8 from byte";
    NO_UNIT = -10, "the FPU, which the kernels need, is off";
    BAD_ARGUMENT = -11, "an argument is out of range";

    BLOB_TOO_SHORT = -20, "too short for a header (bytes)";
    BLOB_MAGIC = -21, "not a blob: it does not begin with PICO";
    BLOB_VERSION = -22, "unknown version of the blob";
    BLOB_CONFIG = -23, "a field of the header is out of range";
    BLOB_OTHER_MODEL = -24, "not this library's model: differs at byte";
    BLOB_LENGTH = -25, "wrong length of the blob (bytes)";
    BLOB_PADDING = -26, "padding that is not zero, at byte";
    BLOB_SECTION = -27, "a section is out of range, at byte";
    BLOB_UNKNOWN_SECTION = -28, "a section needs a newer library";
    BLOB_MISPLACED_SECTION = -29, "a section is out of order";
    BLOB_CUT_SECTION = -30, "a section ends beyond the blob";
    BLOB_TOKENIZER = -31, "a field of the tokenizer is out of range";
    BLOB_CONTRADICTION = -32, "a section does not fit the header";
    BLOB_CHECKSUM = -33, "wrong checksum of the blob";
    BLOB_OTHER = -34, "the blob is bad";

    WRONG_MODEL = -40, "the model cannot do that; needed";
    PACKING = -41, "no kernels for this --layout";
    TOO_MANY_KEYS = -42, "too many positions for the kernels";
    BEAM_TOO_WIDE = -43, "too wide a beam for this library";
    EMPTY = -44, "no input yet, or an empty one";
    TOO_LONG = -45, "too long for the context (positions)";
    IN_FLIGHT = -46, "steps are left";
    NO_LOGITS = -47, "nothing predicts the next token";
    TOKEN_RANGE = -48, "no such token";
    TOO_MANY_SAMPLES = -49, "too many samples for a call";
    FRAME_LENGTH = -50, "no whole frames";
    NO_SUCH_LABEL = -51, "no such label";
    OTHER = -52, "the model cannot run";
    SPLIT_PREFIX = -53, "a prefix must be fed at once";

    TEXT_TOO_LONG = -60, "no room for the text's tokens";
    UNKNOWN_CHARACTER = -61, "the vocabulary lacks a character";
    NOT_NORMALIZED = -62, "not in Unicode's form NFC at a character";
}

/// The text of a status code, without numbers; never null.
#[unsafe(no_mangle)]
pub extern "C" fn picoformer_status_text(code: i32) -> *const c_char {
    text(code).as_ptr().cast()
}
