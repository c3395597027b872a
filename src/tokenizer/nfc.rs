//! Whether a text is in Unicode's normalization form C (Unicode Standard Annex 15), as nearly all texts are: a
//! tokenizer that was trained on this form (Qwen, GPT-NeoX) reads others wrongly. To bring a text into it
//! needs room for the text and all of Unicode's decompositions; to see that it is in it needs a part of them.
//!
//! A text is in this form if nothing in it would be replaced, put into another order, or composed with the
//! character before it. The converter computes what each character, and each pair, becomes:
//!
//! ```text
//! MARKS + c                bits 0 … 7 the combining class of c, bit 8: is replaced, bits 9 …: k + 1, is
//!                          mark k of the pairs. No entry: 0
//! PAIRS + k · 2^21 + c     c with mark k is not in this form
//! ```

use super::normalize::{MARKS, pair};
use super::output::EncodeError;
use super::vocabulary::Vocabulary;

/// A character that is always replaced.
const REPLACED: u32 = 1 << 8;

/// Fails at the first character that another would stand for.
pub(super) fn check(v: &Vocabulary, text: &str) -> Result<(), EncodeError> {
    // The last character that marks belong to, and the combining class of the last mark behind it.
    let (mut base, mut before) = (None, None);
    for c in text.chars() {
        let entry = v.character(MARKS + c as u32).map_or(0, |(class, _)| class);
        let class = entry & 0xff;
        // A mark is not seen behind another of its own class, and what is none only right behind the base.
        let seen = before.is_none_or(|before| before < class);
        let composes = |base| match (entry >> 9).checked_sub(1) {
            Some(k) => pair(k, base).and_then(|place| v.character(place)).is_some(),
            None => hangul(base, c),
        };
        let disordered = class > 0 && before.is_some_and(|before| before > class);
        if entry & REPLACED != 0 || disordered || seen && base.is_some_and(composes) {
            return Err(EncodeError::NotNormalized { character: c });
        }
        (base, before) = if class == 0 { (Some(c), None) } else { (base, Some(class)) };
    }
    Ok(())
}

/// Whether two characters are one Hangul syllable (Unicode, section 3.12).
fn hangul(base: char, next: char) -> bool {
    let (base, next) = (base as u32, next as u32);
    match base {
        0x1100..=0x1112 => matches!(next, 0x1161..=0x1175),
        0xAC00..=0xD7A3 => (base - 0xAC00).is_multiple_of(28) && matches!(next, 0x11A8..=0x11C2),
        _ => false,
    }
}
