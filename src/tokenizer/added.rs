//! Added tokens: texts that are one token wherever they stand (`<extra_id_0>`, `<|user|>`), found before
//! anything else is done to a text, as the `tokenizers` crate finds them: the leftmost, of those the
//! longest. What lies between them is encoded by itself.
//!
//! ```text
//! u32 count, then for each: u32 token, u32 options      behind the pieces' text, with `FLAG_ADDED`
//! ```

use super::output::{EncodeError, Output};
use super::vocabulary::Vocabulary;

/// White space before the token belongs to it.
pub const STRIP_BEFORE: u32 = 1;
/// White space behind the token belongs to it.
pub const STRIP_BEHIND: u32 = 2;
/// Is looked for in what tokens without this option leave (`normalized` in `tokenizer.json`).
pub const SECOND: u32 = 4;
/// All options.
pub const OPTIONS: u32 = 7;

/// Encodes the parts of a text between its added tokens by `encode`, which is told whether a part is the
/// beginning of the text.
pub(super) fn split(
    v: &Vocabulary,
    text: &str,
    out: &mut Output,
    encode: &mut dyn FnMut(&str, bool, &mut Output) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mut begins = true;
    parts(v, text, 0, out, &mut |text, out| {
        parts(v, text, SECOND, out, &mut |text, out| {
            let begins = core::mem::take(&mut begins);
            if text.is_empty() { Ok(()) } else { encode(text, begins, out) }
        })
    })
}

/// One pass: the tokens whose options agree with `pass`, and `rest` for what lies between.
fn parts(
    v: &Vocabulary,
    text: &str,
    pass: u32,
    out: &mut Output,
    rest: &mut dyn FnMut(&str, &mut Output) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mut text = text;
    while let Some((at, len, token, options)) = first(v, text, pass) {
        let (before, behind) = text.split_at_checked(at).unwrap_or((text, ""));
        let behind = behind.get(len..).unwrap_or_default();
        rest(if options & STRIP_BEFORE != 0 { before.trim_end() } else { before }, out)?;
        out.push(token);
        text = if options & STRIP_BEHIND != 0 { behind.trim_start() } else { behind };
    }
    rest(text, out)
}

/// Where the first token of a pass begins, its length, its id and its options.
fn first(v: &Vocabulary, text: &str, pass: u32) -> Option<(usize, usize, u32, u32)> {
    text.char_indices().find_map(|(at, _)| {
        let rest = text.as_bytes().get(at..)?;
        let here = v.added().filter(|&(token, options)| {
            options & SECOND == pass && v.piece(token).is_some_and(|piece| rest.starts_with(piece))
        });
        let length = |token| v.piece(token).map_or(0, <[u8]>::len);
        let (token, options) = here.max_by_key(|&(token, _)| length(token))?;
        Some((at, length(token), token, options))
    })
}
