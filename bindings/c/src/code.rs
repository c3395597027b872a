//! Status codes and their texts. Numbers never change; new ones are added.

use core::ffi::{CStr, c_char};

macro_rules! codes {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        $(#[doc = $text] pub const $name: i32 = $value;)*

        /// The text of a code, without numbers.
        pub fn text(code: i32) -> &'static CStr {
            const CODES: &[(i32, &CStr)] = &[$(($value, match CStr::from_bytes_with_nul(
                concat!($text, "\0").as_bytes(),
            ) {
                Ok(text) => text,
                Err(_) => panic!("a NUL in a text"),
            })),*];
            let found = CODES.iter().find(|(known, _)| *known == code);
            found.map_or(c"unknown code", |(_, text)| text)
        }
    };
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
    NOT_OPEN = -2, "the object was not opened, was opened as something else, or has moved";
    OBJECT_TOO_SMALL = -3, "the memory for the object is too small (bytes)";
    OBJECT_MISALIGNED = -4, "the memory for the object is misaligned (bytes)";
    OTHER_VERSION = -5, "header and library are of different versions";
    ARENA_MISALIGNED = -6, "the arena is misaligned (bytes)";
    BLOB_MISALIGNED = -7, "the blob is misaligned (bytes)";
    ARENA_TOO_SMALL = -8, "the arena is too small (bytes)";
    NOT_UTF8 = -9, "the text is not UTF-8 from this byte on";
    NO_UNIT = -10, "the floating-point and vector unit is switched off, and the kernels need it";
    BAD_ARGUMENT = -11, "an argument is out of range";

    BLOB_TOO_SHORT = -20, "the blob is too short for a header (bytes)";
    BLOB_MAGIC = -21, "not a blob: it does not begin with PICO";
    BLOB_VERSION = -22, "the blob has another version of the format";
    BLOB_CONFIG = -23, "a field of the blob's header is out of range";
    BLOB_OTHER_MODEL = -24, "not the model that this library is for: the header differs at this byte";
    BLOB_LENGTH = -25, "the blob has not the length that its header asks for (bytes)";
    BLOB_PADDING = -26, "this byte of the blob is padding and must be zero";
    BLOB_SECTION = -27, "a section of the blob holds a value outside its range, at byte";
    BLOB_UNKNOWN_SECTION = -28, "a section of the blob needs a newer library, or one for models with it";
    BLOB_MISPLACED_SECTION = -29, "a section of the blob is out of order or a duplicate";
    BLOB_CUT_SECTION = -30, "a section ends beyond the blob";
    BLOB_TOKENIZER = -31, "a field of the blob's tokenizer is out of range";
    BLOB_CONTRADICTION = -32, "a section of the blob does not fit its header";
    BLOB_CHECKSUM = -33, "the blob's checksum is wrong";
    BLOB_OTHER = -34, "the blob is bad";

    WRONG_MODEL = -40, "the model cannot do that; needed is";
    PACKING = -41, "these kernels cannot read weights packed so: convert with another --layout";
    TOO_MANY_KEYS = -42, "the model attends to more positions than the kernels can";
    BEAM_TOO_WIDE = -43, "the beam is wider than this library is for";
    EMPTY = -44, "the input is empty, or there is none yet";
    TOO_LONG = -45, "the input is too long for the context (positions)";
    IN_FLIGHT = -46, "the steps of the input before are not done";
    NO_LOGITS = -47, "nothing predicts the next token";
    TOKEN_RANGE = -48, "a token is outside the vocabulary";
    TOO_MANY_SAMPLES = -49, "more samples than one call takes";
    FRAME_LENGTH = -50, "the features are not whole frames";
    NO_SUCH_LABEL = -51, "the model has no such label";
    OTHER = -52, "the model cannot run";
    SPLIT_PREFIX = -53, "a prefix must be fed at once";

    TEXT_TOO_LONG = -60, "the text needs room for more tokens than there is";
    UNKNOWN_CHARACTER = -61, "a character has no token in the model's vocabulary";
}

/// The text of a status code, without numbers; never null.
#[unsafe(no_mangle)]
pub extern "C" fn picoformer_status_text(code: i32) -> *const c_char {
    text(code).as_ptr()
}
