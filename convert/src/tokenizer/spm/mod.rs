//! SentencePiece's models without a `tokenizer.json`: made into one that encodes as its library does.
//!
//! Names of control pieces (`</s>`) in a text are ordinary text to the library, and so they are here.

mod model;
mod protobuf;

use super::added::SPELLED;
use super::json::from_value;
use super::settings::Settings;
use crate::error::{self, Error, Result};
use model::{Kind, Model, Piece};
use serde_json::{Map, Value, json};
use std::path::Path;

/// U+2581, SentencePiece's space.
const SPACE: &str = "\u{2581}";
/// Sentinels that the class of T5's tokenizer adds, unless told otherwise.
const EXTRA_IDS: usize = 100;

/// The section of a model alone, with nothing around a text.
///
/// # Errors
/// A damaged file; options that cannot be done, by name.
pub fn from_sentencepiece(path: &Path) -> Result<Vec<u8>> {
    from_value(&json(path, None)?, path)
}

/// The JSON of a model's tokenizer.
///
/// # Errors
/// A damaged file; options that cannot be done, by name.
pub(super) fn json(path: &Path, settings: Option<&Settings>) -> Result<Value> {
    let model = Model::read(path)?;
    let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    let refused = |key: &str, found: String, supported: &str| {
        Err(error::unsupported(&file, key, found, supported))
    };
    if !model.visible_spaces {
        return refused("escape_whitespaces", "false".into(), "true: spaces are U+2581");
    }
    if model.space_behind {
        return refused(
            "treat_whitespace_as_suffix",
            "true".into(),
            "false: a space before a word",
        );
    }
    if model.denormalizes {
        return refused(
            "denormalizer_spec",
            "a map".into(),
            "none: a text is written as its pieces are",
        );
    }
    for (kind, name) in [(Kind::Unused, "UNUSED"), (Kind::UserDefined, "USER_DEFINED")] {
        if let Some(piece) = model.pieces.iter().find(|piece| piece.kind == kind) {
            let supported = "pieces that are found by their scores alone";
            return refused("type", format!("{name}: \"{}\"", piece.text), supported);
        }
    }
    let mut json = match model.algorithm {
        1 => unigram(&model, &refused)?,
        2 => pairs(&model, &refused)?,
        other => return refused("model_type", other.to_string(), "1 (UNIGRAM), 2 (BPE)"),
    };
    around(&mut json, &model, settings, path)?;
    Ok(json)
}

type Refused<'a> = dyn Fn(&str, String, &str) -> Result<Value> + 'a;

/// A Unigram, as transformers makes it for T5.
fn unigram(model: &Model, refused: &Refused) -> Result<Value> {
    if model.byte_fallback {
        return refused("byte_fallback", "true".into(), "false in a Unigram");
    }
    for (key, on) in [
        ("add_dummy_prefix", model.dummy_prefix),
        ("remove_extra_whitespaces", model.single_spaces),
    ] {
        if !on {
            return refused(key, "false".into(), "true in a Unigram");
        }
    }
    if model.charsmap.is_empty() {
        let supported =
            "a map of characters in a Unigram, as with --normalization_rule_name=nmt_nfkc";
        return refused("precompiled_charsmap", "none".into(), supported);
    }
    let mut vocab = Vec::new();
    for Piece { text, score, .. } in &model.pieces {
        // Words are looked at one by one.
        if text.char_indices().any(|(at, c)| at > 0 && c == '\u{2581}') {
            return refused("pieces", format!("\"{text}\""), "a space only where a piece begins");
        }
        vocab.push(json!([text, f64::from(*score)]));
    }
    let unknown = model.pieces.iter().position(|piece| piece.kind == Kind::Unknown);
    Ok(json!({
        "version": "1.0",
        "normalizer": { "type": "Precompiled", "precompiled_charsmap": base64::encode(&model.charsmap) },
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [{ "type": "WhitespaceSplit" },
            { "type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": true }] },
        "decoder": { "type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": true },
        "model": { "type": "Unigram", "unk_id": unknown, "vocab": vocab, "byte_fallback": false },
    }))
}

/// Byte-pair encoding: the pair whose result has the highest score is merged, the leftmost of equals.
fn pairs(model: &Model, refused: &Refused) -> Result<Value> {
    if !model.charsmap.is_empty() {
        let supported = "none in a byte-pair encoding, as with --normalization_rule_name=identity";
        return refused("precompiled_charsmap", "a map".into(), supported);
    }
    let mut vocab = Map::new();
    for (id, Piece { text, .. }) in model.pieces.iter().enumerate() {
        if vocab.insert(text.clone(), json!(id)).is_some() {
            return refused("pieces", format!("\"{text}\" twice"), "every piece once");
        }
    }
    let normal = |text: &str| {
        let id = vocab.get(text).and_then(Value::as_u64)?;
        model.pieces.get(id as usize).filter(|piece| piece.kind == Kind::Normal)
    };
    let mut results: Vec<&Piece> =
        model.pieces.iter().filter(|piece| piece.kind == Kind::Normal).collect();
    results.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut merges = Vec::new();
    for (i, Piece { text, score, .. }) in results.iter().enumerate() {
        let characters = text.char_indices().skip(1);
        let halves = characters.map(|(at, _)| text.split_at(at));
        let before = merges.len();
        merges.extend(
            halves
                .filter(|(left, right)| normal(left).is_some() && normal(right).is_some())
                .map(|(left, right)| json!([left, right])),
        );
        let rival = results.get(i + 1).is_some_and(|next| next.score == *score);
        if merges.len() > before && rival && results[i + 1].text.chars().count() > 1 {
            let supported = "a score of its own for every piece of several characters";
            return refused("pieces", format!("\"{text}\": {score}, like another"), supported);
        }
    }
    let mut normalizers = Vec::new();
    if model.single_spaces {
        normalizers.extend([
            json!({ "type": "Replace", "pattern": { "Regex": super::merges::ENDS }, "content": "" }),
            json!({ "type": "Replace", "pattern": { "Regex": " {2,}" }, "content": " " }),
        ]);
    }
    if model.dummy_prefix {
        normalizers.push(json!({ "type": "Prepend", "prepend": SPACE }));
    }
    normalizers.push(json!({ "type": "Replace", "pattern": { "String": " " }, "content": SPACE }));
    let unknown = model.pieces.iter().find(|piece| piece.kind == Kind::Unknown);
    Ok(json!({
        "version": "1.0",
        "normalizer": { "type": "Sequence", "normalizers": normalizers },
        "pre_tokenizer": null,
        "decoder": null,
        "model": { "type": "BPE", "dropout": null, "unk_token": unknown.map(|piece| &piece.text), "vocab": vocab,
            "merges": merges, "byte_fallback": model.byte_fallback, "fuse_unk": true, super::section::TIED: true },
    }))
}

/// Special tokens: those of the model, T5's sentinels, and what stands around a text.
fn around(json: &mut Value, model: &Model, settings: Option<&Settings>, path: &Path) -> Result<()> {
    let special = |id: usize, content: &str| {
        json!({ "id": id, "content": content, "special": true, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false })
    };
    let mut added = Vec::new();
    for (id, piece) in model.pieces.iter().enumerate() {
        if matches!(piece.kind, Kind::Control | Kind::Unknown) && !piece.text.is_empty() {
            let mut token = special(id, &piece.text);
            token[SPELLED] = true.into();
            added.push(token);
        }
    }
    let family = settings.map_or("", Settings::family);
    let size = model.pieces.len();
    if family == "t5" {
        let extra = settings.and_then(Settings::extra_ids).unwrap_or(EXTRA_IDS);
        added.extend((0..extra).map(|i| special(size + extra - 1 - i, &format!("<extra_id_{i}>"))));
    }
    json["added_tokens"] = added.into();
    let own = |name: &str| model.pieces.iter().position(|piece| piece.text == name);
    let begin = model.begin.and_then(|id| Some((model.pieces.get(id)?.text.as_str(), id)));
    let end = own("</s>").map(|id| ("</s>", id));
    let (before, after) = match family {
        "llama" | "mistral" => (true, false),
        "t5" => (false, true),
        _ => (false, false),
    };
    let [first, last] = settings.map_or([None; 2], Settings::around);
    let sides = [(first.unwrap_or(before), begin), (last.unwrap_or(after), end)];
    let mut template = vec![json!({ "Sequence": { "id": "A", "type_id": 0 } })];
    let mut specials = Map::new();
    for (i, (wanted, token)) in sides.into_iter().enumerate() {
        let Some((name, id)) = token else {
            if wanted {
                return Err(Error::Malformed {
                    path: path.into(),
                    what: "SentencePiece model of this family",
                    reason: format!("it has no {} token", ["begin", "end"][i]),
                });
            }
            continue;
        };
        if wanted {
            let place = if i == 0 { 0 } else { template.len() };
            template.insert(place, json!({ "SpecialToken": { "id": name, "type_id": 0 } }));
            specials.insert(name.into(), json!({ "id": name, "ids": [id], "tokens": [name] }));
        }
    }
    json["post_processor"] = match specials.is_empty() {
        true => Value::Null,
        false => json!({ "type": "TemplateProcessing", "single": template, "pair": template,
            "special_tokens": specials }),
    };
    Ok(())
}
