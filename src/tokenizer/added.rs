//! Added tokens: texts that are one token wherever they stand (`<extra_id_0>`, `<|user|>`), found before
//! anything else is done to a text, as the `tokenizers` crate finds them: the leftmost, of those the
//! longest. What lies between them is encoded by itself.
//!
//! ```text
//! u32 count, then for each: u32 token, u32 options      behind the pieces' text, with `FLAG_ADDED`
//! ```

use super::output::{EncodeError, Output};
use super::vocabulary::{SECOND, STRIP_BEFORE, STRIP_BEHIND, Vocabulary};

/// Encodes the parts of a text between its added tokens by `encode`, which is told whether a part is the
/// beginning of the text.
pub(super) fn split(
    v: &Vocabulary,
    text: &str,
    out: &mut Output,
    encode: &mut dyn FnMut(&str, bool, &mut Output) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mut begins = true;
    for (outer, token) in Parts::new(v, text, 0) {
        for (inner, second) in Parts::new(v, outer, SECOND) {
            let begins = core::mem::take(&mut begins);
            if !inner.is_empty() {
                encode(inner, begins, out)?;
            }
            second.into_iter().for_each(|token| out.push(token));
        }
        token.into_iter().for_each(|token| out.push(token));
    }
    Ok(())
}

/// One pass: what lies between the tokens whose options agree with `pass`, each with the token behind it; the last
/// part has none.
struct Parts<'p, 't> {
    v: &'p Vocabulary<'p>,
    text: Option<&'t str>,
    pass: u32,
}

impl<'p, 't> Parts<'p, 't> {
    fn new(v: &'p Vocabulary<'p>, text: &'t str, pass: u32) -> Self {
        Self { v, text: Some(text), pass }
    }
}

impl<'t> Iterator for Parts<'_, 't> {
    type Item = (&'t str, Option<u32>);

    #[inline(never)] // both passes by the same code
    fn next(&mut self) -> Option<Self::Item> {
        let text = self.text.take()?;
        let Some((at, len, token, options)) = first(self.v, text, self.pass) else {
            return Some((text, None));
        };
        let (before, behind) = text.split_at_checked(at).unwrap_or((text, ""));
        let behind = behind.get(len..).unwrap_or_default();
        self.text = Some(if options & STRIP_BEHIND != 0 { behind.trim_start() } else { behind });
        Some((if options & STRIP_BEFORE != 0 { before.trim_end() } else { before }, Some(token)))
    }
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
