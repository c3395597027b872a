//! Tokenizers that have no `tokenizer.json`: what the original makes of their files, as one.

use super::settings::Settings;
use crate::account::parse_json;
use crate::error::{Error, Result, input, read_text};
use serde_json::{Map, Value, json};
use std::path::Path;

/// BERT's `vocab.txt`: a piece a line.
pub(super) fn vocab_txt(path: &Path, settings: Option<&Settings>) -> Result<Value> {
    if settings.is_some_and(|settings| settings.family() != "bert") {
        return Err(input(
            format!("`{}` is BERT's kind of vocabulary, the model is another", path.display()),
            "name its tokenizer.json with --tokenizer, or say --tokenizer none",
        ));
    }
    let text = read_text(path)?;
    let mut vocab = Map::new();
    for (id, piece) in text.lines().enumerate() {
        if vocab.insert(piece.to_owned(), json!(id)).is_some() {
            return Err(Error::Malformed {
                path: path.into(),
                what: "vocabulary of a piece a line",
                reason: format!("`{piece}` of line {} is there twice", id + 1),
            });
        }
    }
    let default = [json!(true), Value::Null, json!(true)];
    let [lower, accents, chinese] = settings.map_or(&default, Settings::rules);
    let special = |name: &str| vocab.get(name).map(|id| added(name, id));
    let tokens: Vec<Value> =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].into_iter().filter_map(special).collect();
    let around = ["[CLS]", "[SEP]"].map(|name| vocab.get(name).cloned());
    let [Some(cls), Some(sep)] = around else {
        return Err(Error::Malformed {
            path: path.into(),
            what: "vocabulary of a BERT",
            reason: "[CLS] or [SEP] is missing".into(),
        });
    };
    Ok(json!({
        "version": "1.0",
        "added_tokens": tokens,
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": chinese,
            "strip_accents": accents, "lowercase": lower },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "BertProcessing", "cls": ["[CLS]", cls], "sep": ["[SEP]", sep] },
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab },
    }))
}

/// GPT-2's `vocab.json`, with `merges.txt` beside it; BART has the same with tokens around a text.
pub(super) fn vocab_merges(path: &Path, settings: Option<&Settings>) -> Result<Value> {
    let family = settings.map_or("gpt2", Settings::family);
    if !matches!(family, "gpt2" | "bart") {
        return Err(input(
            format!("`{}` is GPT-2's kind of vocabulary, the model is another", path.display()),
            "name its tokenizer.json with --tokenizer, or say --tokenizer none",
        ));
    }
    let vocab = parse_json(path)?;
    let text = read_text(&path.with_file_name("merges.txt"))?;
    let lines = text.lines().filter(|line| !line.starts_with("#version") && !line.is_empty());
    let merges: Vec<&str> = lines.collect();
    let names: &[&str] = match family {
        "gpt2" => &["<|endoftext|>"],
        _ => &["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
    };
    let tokens: Vec<Value> =
        names.iter().filter_map(|name| vocab.get(*name).map(|id| added(name, id))).collect();
    let post = match (family, &vocab["<s>"], &vocab["</s>"]) {
        ("bart", cls, sep) if cls.is_u64() && sep.is_u64() => {
            json!({ "type": "RobertaProcessing", "cls": ["<s>", cls], "sep": ["</s>", sep],
                "trim_offsets": true, "add_prefix_space": false })
        }
        ("bart", ..) => {
            return Err(Error::Malformed {
                path: path.into(),
                what: "vocabulary of a BART",
                reason: "<s> or </s> is missing".into(),
            });
        }
        _ => json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false }),
    };
    Ok(json!({
        "version": "1.0",
        "added_tokens": tokens,
        "normalizer": null,
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": true },
        "post_processor": post,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
            "use_regex": true },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "vocab": vocab, "merges": merges,
            "byte_fallback": false, "fuse_unk": false },
    }))
}

/// ByT5's tokens, of which no file tells: padding, end, unknown, the bytes, and sentinels.
pub(super) fn byt5(settings: Option<&Settings>) -> Value {
    let vocab: Map<String, Value> =
        (0..256).map(|byte| (format!("<0x{byte:02X}>"), json!(byte + 3))).collect();
    let mut tokens: Vec<Value> = (0..)
        .zip(["<pad>", "</s>", "<unk>"])
        .map(|(id, name)| {
            let mut token = added(name, &json!(id));
            (token["lstrip"], token["rstrip"]) = (json!(true), json!(true));
            token
        })
        .collect();
    let extra = settings.and_then(Settings::extra_ids).unwrap_or(125);
    tokens.extend((0..extra).map(|i| added(&format!("<extra_id_{i}>"), &json!(259 + i))));
    let text = json!({ "Sequence": { "id": "A", "type_id": 0 } });
    let end = json!({ "SpecialToken": { "id": "</s>", "type_id": 0 } });
    json!({
        "version": "1.0",
        "added_tokens": tokens,
        "normalizer": null,
        "pre_tokenizer": null,
        "post_processor": { "type": "TemplateProcessing", "single": [text, end], "pair": [text, end],
            "special_tokens": { "</s>": { "id": "</s>", "ids": [1], "tokens": ["</s>"] } } },
        "decoder": { "type": "ByteFallback" },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "vocab": vocab, "merges": [],
            "byte_fallback": true, "fuse_unk": false },
    })
}

/// A special token.
fn added(name: &str, id: &Value) -> Value {
    json!({ "id": id, "content": name, "special": true, "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false })
}
