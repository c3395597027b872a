//! Every key of a `tokenizer.json` is accounted for.

use super::added::SPELLED;
use super::decoder;
use super::section::{TIED, parts, unsupported};
use crate::account::known::Known;
use crate::account::{Document, shown};
use crate::error::Result;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
};

/// Refuses a part of another form than the `tokenizers` crate writes and reads, as it would. The model's lists
/// are read later, piece by piece.
pub(super) fn form(json: &Value) -> Result<()> {
    if json.get("version").is_some_and(|version| version != "1.0") {
        return Err(unsupported("version", &json["version"], "\"1.0\""));
    }
    each::<NormalizerWrapper>(json, "normalizer", "normalizers")?;
    each::<PreTokenizerWrapper>(json, "pre_tokenizer", "pretokenizers")?;
    each::<PostProcessorWrapper>(json, "post_processor", "processors")?;
    each::<DecoderWrapper>(json, "decoder", "decoders")?;
    match &json["added_tokens"] {
        Value::Null => {}
        Value::Array(list) => {
            for token in list {
                read::<AddedToken>("added_tokens", token)?;
            }
        }
        other => return Err(unsupported("added_tokens", shown(other), "a list of tokens")),
    }
    Ok(())
}

/// Reads every part under a key as the crate does.
fn each<T: DeserializeOwned>(json: &Value, key: &str, list: &str) -> Result<()> {
    // The crate panics at a damaged map of characters; ours is read by the importer, which refuses it.
    let map = |part: &&Value| part.get("precompiled_charsmap").is_some();
    parts(&json[key], list)
        .iter()
        .filter(|part| !map(part))
        .try_for_each(|part| read::<T>(key, part))
}

fn read<T: DeserializeOwned>(key: &str, part: &Value) -> Result<()> {
    // Through text: the crate's types do not read from values alike.
    serde_json::from_str::<T>(&part.to_string()).map(|_| ()).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" at line").next().unwrap_or_default();
        unsupported(key, shown(part), &format!("what the tokenizers library reads ({reason})"))
    })
}

/// Refuses what the engine's rules leave out, key by key.
pub(super) fn account(json: &Value) -> Result<()> {
    const NAME: &str = "tokenizer.json";
    let file = Document::of(NAME, json.clone())?;
    for key in ["model", "normalizer", "pre_tokenizer", "post_processor", "added_tokens", "decoder"]
    {
        file.get(key);
    }
    file.finish(&[FILE])?;
    model(&Document::within(NAME, "model", json["model"].clone())?)?;
    for (key, list) in [
        ("normalizer", "normalizers"),
        ("pre_tokenizer", "pretokenizers"),
        ("post_processor", "processors"),
        ("decoder", "decoders"),
    ] {
        let whole = &json[key];
        if whole["type"] == "Sequence" {
            let sequence = Document::within(NAME, key, whole.clone())?;
            sequence.finish(&[&[Known::always("type", "read"), Known::always(list, "read")]])?;
            for (i, part) in parts(whole, list).into_iter().enumerate() {
                let within = format!("{key}.{list}.{i}");
                Document::within(NAME, &within, part)?.finish(&[PARTS])?;
            }
        } else {
            Document::within(NAME, key, whole.clone())?.finish(&[PARTS])?;
        }
    }
    for (i, part) in parts(&json["post_processor"], "processors").iter().enumerate() {
        for (name, token) in part["special_tokens"].as_object().into_iter().flatten() {
            let within = match json["post_processor"]["type"] == "Sequence" {
                true => format!("post_processor.processors.{i}.special_tokens.{name}"),
                false => format!("post_processor.special_tokens.{name}"),
            };
            Document::within(NAME, &within, token.clone())?.finish(&[TEMPLATE])?;
        }
    }
    for (i, token) in json["added_tokens"].as_array().into_iter().flatten().enumerate() {
        Document::within(NAME, &format!("added_tokens.{i}"), token.clone())?.finish(&[ADDED])?;
    }
    decoder::account(json)
}

/// The model: what does not fit the engine's rules is no matter of taste.
fn model(model: &Document) -> Result<()> {
    for key in ["byte_fallback", "fuse_unk", "ignore_merges"] {
        model.flag(key)?;
    }
    for key in ["type", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"] {
        model.text(key)?;
    }
    model.count("unk_id")?;
    // The crate's default is 100 as well.
    let longest = model.size("max_input_chars_per_word")?;
    if model.root()["type"] == "WordPiece" && longest.is_some_and(|n| n != 100) {
        return Err(model.refuse("max_input_chars_per_word", "100"));
    }
    model.finish(&[MODEL])
}

const FILE: &[Known] = &[
    Known::always("version", "of the format"),
    Known::always("truncation", "whoever encodes sets it anew"),
    Known::always("padding", "whoever encodes sets it anew"),
];

const MODEL: &[Known] = &[
    Known::always("vocab", "read"),
    Known::always("merges", "read"),
    Known::always(TIED, "ours"),
    Known::only("dropout", &["0.0"], "merges left out by chance"),
];

/// Keys of the parts whose types the tokenizers read; a part of another type is refused there.
const PARTS: &[Known] = &[
    Known::always("type", "read"),
    // BertNormalizer: the crate is asked what every character becomes.
    Known::always("clean_text", "read"),
    Known::always("handle_chinese_chars", "read"),
    Known::always("strip_accents", "read"),
    Known::always("lowercase", "read"),
    // Prepend, Replace.
    Known::always("prepend", "read"),
    Known::always("pattern", "read"),
    Known::always("content", "read"),
    // ByteLevel, Metaspace.
    Known::always("add_prefix_space", "read"),
    Known::always("trim_offsets", "offsets are not asked for"),
    Known::always("use_regex", "read"),
    Known::only("replacement", &["\"\u{2581}\""], "SentencePiece's space"),
    Known::always("prepend_scheme", "read"),
    Known::always("split", "read"),
    Known::always("str_rep", "the replacement again"),
    // Post-processors.
    Known::always("single", "read"),
    Known::always("pair", "two texts"),
    Known::always("special_tokens", "read"),
    Known::always("cls", "read"),
    Known::always("sep", "read"),
    // Parts that are refused by their type.
    Known::always("behavior", "of Split"),
    Known::always("invert", "of Split"),
    Known::always("individual_digits", "of Digits"),
    Known::always("precompiled_charsmap", "read"),
    Known::always("strip_left", "of Strip"),
    Known::always("strip_right", "of Strip"),
    // Decoders.
    Known::always("prefix", "of WordPiece: encoders write nothing"),
    Known::always("cleanup", "of WordPiece: encoders write nothing"),
    Known::always("start", "read"),
    Known::always("stop", "read"),
    Known::always("decoders", "a sequence in a sequence"),
    Known::always("pretokenizers", "a sequence in a sequence"),
    Known::always("normalizers", "a sequence in a sequence"),
    Known::always("processors", "a sequence in a sequence"),
];

/// Keys of a token in a template.
const TEMPLATE: &[Known] = &[
    Known::always("id", "its name"),
    Known::always("ids", "read"),
    Known::always("tokens", "names of the ids"),
];

const ADDED: &[Known] = &[
    Known::always("id", "read"),
    Known::always("content", "read"),
    Known::always("special", "read"),
    Known::always("single_word", "read"),
    Known::always("lstrip", "read"),
    Known::always("rstrip", "read"),
    Known::always("normalized", "read"),
    Known::always(SPELLED, "ours"),
];
