//! The choice of the pieces that a text needs.

use super::super::added::SPELLED;
use super::super::byte_level::{is_byte_level, visible};
use super::super::section::{crates, id, unsupported};
use super::pieces::Pieces;
use super::renumber::each_special;
use super::{merge_path, unigram, words};
use crate::error::{Result, input};
use crate::kept::Kept;
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use tokenizers::Tokenizer;

/// Most pieces that the tokenizer of a blob has.
const MOST: usize = 1 << 16;

/// Chooses the pieces for `text` from a tokenizer's JSON, as it is after all other files had their say;
/// `needed` are tokens that the model itself needs, and `known` is how many it has.
///
/// # Errors
/// A text that needs more pieces than a blob can have; a tokenizer that is damaged or of another kind.
pub fn select(json: &Value, path: &Path, text: &str, needed: &[u32], known: usize) -> Result<Kept> {
    let pieces = Pieces::of(json)?;
    let mut kept: BTreeSet<u32> = needed.iter().copied().collect();
    kept.extend(fixed(json, &pieces));
    let within = match json["model"]["type"] == "Unigram" {
        true => unigram::within(json, path, &pieces, text, &kept)?,
        false => None,
    };
    let (own, original) = within.as_ref().map_or((json, None), |(own, ids)| (own, Some(ids)));
    let id = |id: u32| original.map_or(Some(id), |kept| kept.original_id(id));
    let tokenizer = crates(own, path)?;
    kept.extend(encoded(&tokenizer, text)?.into_iter().filter_map(id));
    if let Some(spelling) = spelling(own, text) {
        kept.extend(encoded(&crates(&spelling, path)?, text)?.into_iter().filter_map(id));
    }
    match json["model"]["type"].as_str() {
        Some("BPE") => merge_path::close(json, &pieces, &mut kept),
        Some("WordPiece") => words::keep(&tokenizer, &pieces, text, &mut kept),
        Some("Unigram") => unigram::keep(json, &pieces, text, &mut kept),
        other => {
            let found = other.unwrap_or("missing");
            return Err(unsupported("model.type", found, "BPE, WordPiece, Unigram"));
        }
    }
    let count = kept.len();
    if count > MOST {
        return Err(input(
            format!(
                "--keep-vocabulary: the text needs {count} pieces, a blob's tokenizer has at most {MOST}"
            ),
            "a smaller text: one like those that the device will read and write",
        ));
    }
    Kept::new(known, kept).ok_or_else(|| {
        let tokens = pieces.by_id.len();
        input(
            format!("`{}` has {tokens} tokens, the model knows {known}", path.display()),
            "tokenizer and weights do not belong together; name another with --tokenizer",
        )
    })
}

/// Whether every text can be made of bytes, so that nothing is unknown.
pub fn ends_in_bytes(json: &Value) -> bool {
    json["model"]["byte_fallback"] == true || is_byte_level(json)
}

/// What no text may do without: the unknown token, the tokens around a text, and the bytes, of which any
/// text can be made.
fn fixed(json: &Value, pieces: &Pieces) -> BTreeSet<u32> {
    let model = &json["model"];
    let mut kept = BTreeSet::new();
    kept.extend(model["unk_token"].as_str().and_then(|unk| id(json, unk)));
    kept.extend(model["unk_id"].as_u64().and_then(|id| u32::try_from(id).ok()));
    each_special(&mut json["post_processor"].clone(), &mut |id| {
        kept.extend(u32::try_from(id).ok());
        None
    });
    // A space of SentencePiece's: with it the engine tells its kind of spaces from plain ones.
    kept.extend(pieces.id("\u{2581}"));
    if model["byte_fallback"] == true {
        kept.extend((0..=255).filter_map(|byte: u8| pieces.id(&format!("<0x{byte:02X}>"))));
    }
    if is_byte_level(json) {
        kept.extend((0..=255).filter_map(|byte| pieces.id(visible(byte).encode_utf8(&mut [0; 4]))));
    }
    kept
}

/// The tokenizer to which the special tokens that are in the text are ordinary text, as they are to the
/// engine unless asked; none if the text has no such.
fn spelling(json: &Value, text: &str) -> Option<Value> {
    let spelled = |token: &Value| {
        token[SPELLED] == true && token["content"].as_str().is_some_and(|name| text.contains(name))
    };
    json["added_tokens"].as_array()?.iter().find(|token| spelled(token))?;
    let mut json = json.clone();
    let names: HashSet<String> = json["added_tokens"]
        .as_array()?
        .iter()
        .filter(|token| spelled(token))
        .filter_map(|token| token["content"].as_str().map(str::to_owned))
        .collect();
    json["added_tokens"].as_array_mut()?.retain(|token| !spelled(token));
    // A Unigram would find them as pieces: none is found that has another name.
    for entry in json["model"]["vocab"].as_array_mut().into_iter().flatten() {
        if entry[0].as_str().is_some_and(|piece| names.contains(piece)) {
            entry[0] = format!("\u{E000}{}", entry[0].as_str().unwrap_or_default()).into();
        }
    }
    Some(json)
}

/// What the original makes of a text: of the whole, and of every line.
fn encoded(tokenizer: &Tokenizer, text: &str) -> Result<BTreeSet<u32>> {
    let mut ids = BTreeSet::new();
    for part in [text].into_iter().chain(text.lines()) {
        let encoding = tokenizer.encode_fast(part, true).map_err(|error| {
            input(
                format!("--keep-vocabulary: the tokenizer cannot encode the text: {error}"),
                "a text without what it names",
            )
        })?;
        ids.extend(encoding.get_ids());
    }
    Ok(ids)
}
