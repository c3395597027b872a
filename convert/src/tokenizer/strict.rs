//! Every key of a `tokenizer.json` is accounted for.

use super::added::SPELLED;
use super::section::{TIED, parts, unsupported};
use crate::account::Document;
use crate::account::known::Known;
use crate::error::Result;
use serde_json::Value;

/// Refuses what the engine's rules leave out, key by key.
pub(super) fn account(json: &Value) -> Result<()> {
    let file = Document::of("tokenizer.json", json.clone())?;
    for key in ["model", "normalizer", "pre_tokenizer", "post_processor", "added_tokens", "decoder"]
    {
        file.get(key);
    }
    file.finish(&[FILE])?;
    model(json)?;
    for (key, list) in [
        ("normalizer", "normalizers"),
        ("pre_tokenizer", "pretokenizers"),
        ("post_processor", "processors"),
    ] {
        for part in parts(&json[key], list) {
            let document = Document::of(&format!("tokenizer.json: {key}"), part)?;
            document.finish(&[PARTS])?;
        }
    }
    for token in json["added_tokens"].as_array().into_iter().flatten() {
        Document::of("tokenizer.json: added_tokens", token.clone())?.finish(&[ADDED])?;
    }
    Ok(())
}

/// The model: what does not fit the engine's rules is no matter of taste.
fn model(json: &Value) -> Result<()> {
    let document = Document::of("tokenizer.json: model", json["model"].clone())?;
    document.finish(&[MODEL])?;
    let model = &json["model"];
    // The crate's default is 100 as well.
    if model["type"] == "WordPiece"
        && !matches!(model["max_input_chars_per_word"].as_u64(), None | Some(100))
    {
        let found = &model["max_input_chars_per_word"];
        return Err(unsupported("model.max_input_chars_per_word", found, "100"));
    }
    Ok(())
}

const FILE: &[Known] = &[
    Known::always("version", "of the format"),
    Known::always("truncation", "whoever encodes sets it anew"),
    Known::always("padding", "whoever encodes sets it anew"),
];

const MODEL: &[Known] = &[
    Known::always("type", "read"),
    Known::always("vocab", "read"),
    Known::always("merges", "read"),
    Known::always("unk_token", "read"),
    Known::always("byte_fallback", "read"),
    Known::always("fuse_unk", "read"),
    Known::always("unk_id", "read"),
    Known::always("max_input_chars_per_word", "read"),
    Known::always("continuing_subword_prefix", "read"),
    Known::always("end_of_word_suffix", "read"),
    Known::always("ignore_merges", "read"),
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
    Known::always("pretokenizers", "a sequence in a sequence"),
    Known::always("normalizers", "a sequence in a sequence"),
    Known::always("processors", "a sequence in a sequence"),
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
