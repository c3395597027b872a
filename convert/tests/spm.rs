//! SentencePiece's own models, and bytes as ByT5 has them, against the ids of their libraries
//! (`tests/golden/spm.py`).

mod common;

use common::checkpoints::{Folder, copy};
use picoformer::tokenizer::{Kind, Tokenizer};
use picoformer_convert::tokenizer::{from_json, from_sentencepiece};
use serde_json::{Value, json};
use std::path::PathBuf;

fn golden(file: &str) -> PathBuf {
    common::root().join("tests/golden/spm").join(file)
}

fn expected() -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden("ids.json")).unwrap()).unwrap()
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let mut ids = vec![0; 4 * text.len() + 8];
    let n = tokenizer.encode(text, &mut ids).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    ids.truncate(n);
    ids
}

fn crc(ids: &[u32]) -> u64 {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    crc32fast::hash(&bytes).into()
}

/// The sentences of two models, as the script reads them.
fn sentences() -> Vec<String> {
    let models = common::root().join("models");
    let mut texts = Vec::new();
    for file in ["intent/test.jsonl", "intent/val.jsonl"] {
        for line in std::fs::read_to_string(models.join(file)).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            texts.push(row["text"].as_str().unwrap().to_owned());
        }
    }
    let tales = (0..100).map(|i| models.join(format!("tales/test/{i}.txt")));
    for file in tales.filter(|file| file.is_file()) {
        let text = std::fs::read_to_string(file).unwrap();
        texts.extend(text.split('\n').map(String::from));
    }
    texts
}

/// Compares a tokenizer with what the script found; returns the number of ids.
fn compare(name: &str, section: &[u8], begin: bool) -> usize {
    let golden = expected();
    let theirs = &golden["models"][name];
    let tokenizer = Tokenizer::parse(section).unwrap();
    let own = |text: &str| encode(&tokenizer, text).split_off(begin as usize);
    let ids: Vec<u32> = sentences().iter().flat_map(|text| own(text)).collect();
    assert_eq!(ids.len() as u64, theirs["ids"].as_u64().unwrap(), "{name}");
    assert_eq!(crc(&ids), theirs["sentences"].as_u64().unwrap(), "{name}");
    let mut as_converted = 0;
    for (i, text) in golden["texts"].as_array().unwrap().iter().enumerate() {
        let text = text.as_str().unwrap();
        // Where transformers differs from the library, the engine does as transformers.
        let converted = theirs["converted"][i.to_string()].as_u64();
        as_converted += converted.is_some() as usize;
        let expected = converted.or(theirs["texts"][i].as_u64()).unwrap();
        assert_eq!(crc(&own(text)), expected, "{name}: {text:?} {:?}", own(text));
    }
    println!(
        "{name}: {} ids of sentences and 500 hostile texts equal, {as_converted} of these as transformers",
        ids.len()
    );
    ids.len()
}

#[test]
fn sentence_piece_models_equal_the_library() {
    let kinds = [
        ("t5", Kind::Unigram),
        ("llama", Kind::Bpe),
        ("llama2c", Kind::Bpe),
        ("characters", Kind::Bpe),
        ("plain", Kind::Bpe),
    ];
    for (name, kind) in kinds {
        let section = from_sentencepiece(&golden(&format!("{name}.model"))).unwrap();
        assert_eq!(Tokenizer::parse(&section).unwrap().kind(), kind);
        assert!(compare(name, &section, false) > 100_000);
    }
}

/// A golden checkpoint with a vocabulary of another size.
fn sized(name: &str, tokens: usize) -> Folder {
    copy(name).set("vocab_size", json!(tokens)).weights(|tensors| {
        for (name, (_, shape, data)) in tensors {
            if ["shared.weight", "embed_tokens.weight", "lm_head.weight"]
                .iter()
                .any(|end| name.ends_with(end))
            {
                data.resize(data.len() / shape[0] * tokens, 0);
                shape[0] = tokens;
            }
        }
    })
}

fn with_model(folder: Folder, file: &str, model: &str) -> Folder {
    folder.write(file, std::fs::read(golden(model)).unwrap())
}

/// Beside a checkpoint: T5 has its sentinels and an end behind a text, Llama a begin before it.
#[test]
fn families_have_their_tokens() {
    let t5 = with_model(sized("t5-tied", 680), "spiece.model", "t5.model").model();
    let tokenizer = Tokenizer::parse(&t5.tokenizer).unwrap();
    let found = encode(&tokenizer, "the <extra_id_0> king<extra_id_99></s>");
    assert_eq!((found[1], found.last()), (679, Some(&1)));
    assert!(found.contains(&580));
    // The name of the end is ordinary text.
    assert_eq!(found.iter().filter(|&&id| id == 1).count(), 1);
    let llama = with_model(sized("mistral", 700), "tokenizer.model", "llama.model");
    let tokenizer = llama.model().tokenizer;
    assert_eq!(encode(&Tokenizer::parse(&tokenizer).unwrap(), "")[..], [1]);
    compare("llama", &tokenizer, true);
    let both = with_model(sized("mistral", 700), "tokenizer.model", "llama.model")
        .write("tokenizer_config.json", r#"{"add_bos_token": false, "add_eos_token": true}"#);
    let tokenizer = both.model().tokenizer;
    assert_eq!(encode(&Tokenizer::parse(&tokenizer).unwrap(), "")[..], [2]);
}

#[test]
fn byt5_equals_transformers() {
    let golden = expected();
    let folder = sized("t5-tied", 384).write(
        "tokenizer_config.json",
        r#"{"tokenizer_class": "ByT5Tokenizer", "extra_ids": 125}"#,
    );
    let model = folder.model();
    let tokenizer = Tokenizer::parse(&model.tokenizer).unwrap();
    assert_eq!(tokenizer.kind(), Kind::Bytes);
    let texts = golden["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    for (text, expected) in texts.zip(golden["byt5"].as_array().unwrap()) {
        assert_eq!(crc(&encode(&tokenizer, text)), expected.as_u64().unwrap(), "{text:?}");
    }
    let found = encode(&tokenizer, "é<extra_id_12>x<extra_id_124>");
    assert_eq!(found, [198, 172, 271, 123, 383, 1]);
}

/// A model's bytes with another value of an option: appended parts count last.
fn with_option(name: &str, part: u8, field: &[u8]) -> PathBuf {
    let mut bytes = std::fs::read(golden(name)).unwrap();
    bytes.extend([part << 3 | 2, field.len() as u8]);
    bytes.extend(field);
    let file = format!("spm-{name}-{part}-{:x?}.model", field).replace([' ', ',', '[', ']'], "");
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(file);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    // Tags of a number are its field shifted by 3: two bytes from field 16 on.
    let refused: [(&str, u8, &[u8], &str); 9] = [
        ("t5.model", 3, &[3 << 3, 0], "add_dummy_prefix"),
        ("t5.model", 3, &[4 << 3, 0], "remove_extra_whitespaces"),
        ("t5.model", 3, &[5 << 3, 0], "escape_whitespaces"),
        ("t5.model", 3, &[2 << 3 | 2, 0], "precompiled_charsmap"),
        ("t5.model", 2, &[0x98, 2, 1], "byte_fallback"),
        ("t5.model", 2, &[0xc0, 1, 1], "treat_whitespace_as_suffix"),
        ("t5.model", 2, &[3 << 3, 4], "model_type"),
        ("llama.model", 3, &[2 << 3 | 2, 1, 0], "precompiled_charsmap"),
        ("llama.model", 1, &[1 << 3 | 2, 1, b'!', 3 << 3, 4], "USER_DEFINED"),
    ];
    for (name, part, field, key) in refused {
        let error = from_sentencepiece(&with_option(name, part, field)).unwrap_err();
        let help = miette::Diagnostic::help(&error).map(|h| h.to_string()).unwrap_or_default();
        let error = format!("{error} — {help}");
        assert!(error.contains(key) && error.contains(".model"), "{key}: {error}");
    }
    let unused = with_option("llama.model", 1, &[1 << 3 | 2, 1, b'!', 3 << 3, 5]);
    assert!(from_sentencepiece(&unused).unwrap_err().to_string().contains("UNUSED"));
    let model = std::fs::read(golden("llama.model")).unwrap();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("spm-cut.model");
    for end in (0..model.len()).step_by(173) {
        std::fs::write(&path, &model[..end]).unwrap();
        // Between two pieces it is a smaller model.
        if let Err(error) = from_sentencepiece(&path) {
            assert!(
                error.to_string().contains("spm-cut.model")
                    || error.to_string().contains("byte_fallback"),
                "{error}"
            );
        }
    }
    assert!(from_json(&golden("llama.model")).is_err());
}
