//! Added tokens that a text is searched for.

use super::section::{Section, parts, unsupported};
use crate::account::shown;
use crate::error::Result;
use picoformer::tokenizer::vocabulary::{
    FLAG_ADDED, FLAG_FIRST, SECOND, STRIP_BEFORE, STRIP_BEHIND,
};
use serde_json::Value;

/// The mark of a token that is ordinary text in a text; no key of `tokenizer.json`.
pub(super) const SPELLED: &str = "spelled";

/// Puts the added tokens of `json` into a section.
pub(super) fn add(section: &mut Section, json: &Value) -> Result<()> {
    for token in json["added_tokens"].as_array().into_iter().flatten() {
        let refused = |supported: &str| Err(unsupported("added_tokens", shown(token), supported));
        let (Some(content), Some(id)) = (token["content"].as_str(), token["id"].as_u64()) else {
            return refused("tokens with a `content` and an `id`");
        };
        if token[SPELLED] == true || content.is_empty() {
            continue;
        }
        if token["single_word"] == true {
            return refused("`single_word` false: found wherever it stands");
        }
        // What NFC makes of such tokens is checked where it is read.
        let normalizer = &json["normalizer"];
        if token["normalized"] == true && !normalizer.is_null() && normalizer["type"] != "NFC" {
            return refused(
                "`normalized` false where there is a normalizer: found in the text as it is",
            );
        }
        let option = |key: &str, bit: u32| if token[key] == true { bit } else { 0 };
        let options = option("lstrip", STRIP_BEFORE)
            | option("rstrip", STRIP_BEHIND)
            | option("normalized", SECOND);
        section.added.push((id as u32, options));
        section.pieces[id as usize] = content.into();
    }
    if !section.added.is_empty() {
        section.flags |= FLAG_ADDED;
        let first = |part: &Value| part["prepend_scheme"] == "first";
        if parts(&json["pre_tokenizer"], "pretokenizers").iter().any(first) {
            section.flags |= FLAG_FIRST;
        }
    }
    Ok(())
}
