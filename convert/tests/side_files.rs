//! The files beside `tokenizer.json`, and the keys within it: what they change is done or refused.

mod common;

use common::checkpoints::{Folder, copy};
use picoformer::config::Config;
use picoformer::tokenizer::Tokenizer;
use picoformer_convert::tokenizer::{Choice, from_json};
use serde_json::{Value, json};

fn ids(folder: &Folder, text: &str) -> Vec<u32> {
    let section = folder.model().tokenizer;
    encode(&section, text)
}

fn encode(section: &[u8], text: &str) -> Vec<u32> {
    let mut tokens = vec![0; 4 * text.len() + 8];
    let n = Tokenizer::parse(section).unwrap().encode(text, &mut tokens).unwrap();
    tokens.truncate(n);
    tokens
}

/// As AutoTokenizer of transformers 4 and 5 does: BERT's class has its own say about case, `true` unless
/// told otherwise; other classes leave it to tokenizer.json.
#[test]
fn case_is_as_the_class_says() {
    let with = |config: Option<Value>, lower: bool| {
        let folder = copy("intent")
            .edit("tokenizer.json", |json| json["normalizer"]["lowercase"] = json!(lower))
            .remove("tokenizer_config.json");
        match config {
            Some(config) => folder.write("tokenizer_config.json", config.to_string()),
            None => folder,
        }
    };
    let file = common::root().join("models/intent/checkpoint/tokenizer.json");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let id = |piece: &str| json["model"]["vocab"][piece].as_u64().unwrap() as u32;
    let ids_of = |first: &str| ["[CLS]", first, "there", "[SEP]"].map(id);
    let (small, kept) = (ids_of("hello"), ids_of("[UNK]"));
    for (config, lower, expected) in [
        (Some(json!({ "tokenizer_class": "BertTokenizer", "do_lower_case": true })), false, small),
        (
            Some(json!({ "tokenizer_class": "BertTokenizerFast", "do_lower_case": false })),
            true,
            kept,
        ),
        (None, false, small),
    ] {
        assert_eq!(
            ids(&with(config.clone(), lower), "Hello there"),
            expected,
            "{config:?} {lower}"
        );
    }
    let wrong = json!({ "tokenizer_class": "BertTokenizer", "do_lower_case": "yes" });
    with(Some(wrong), true).refused(&["tokenizer_config.json", "do_lower_case", "yes"]);
    let unknown = json!({ "tokenizer_class": "BertTokenizer", "normalise_twice": true });
    with(Some(unknown), true).refused(&["tokenizer_config.json", "normalise_twice", "--ignore"]);
}

/// `vocab.txt` alone is BERT's tokenizer; other vocabularies without tokenizer.json are told what to do.
#[test]
fn vocabularies_without_tokenizer_json_are_read() {
    let json = common::root().join("models/intent/checkpoint/tokenizer.json");
    let vocab: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    let mut pieces: Vec<(u64, &String)> = vocab["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(p, id)| (id.as_u64().unwrap(), p))
        .collect();
    pieces.sort();
    let text: String = pieces.iter().map(|(_, piece)| format!("{piece}\n")).collect();
    let bare = || copy("intent").remove("tokenizer.json").remove("tokenizer_config.json");
    let folder = bare().write("vocab.txt", &text);
    let [found, expected] = [&folder, &copy("intent")].map(|folder| folder.model().tokenizer);
    for sample in ["Set a TIMER!", "naïve café 日本", "don't [CLS] x"] {
        assert_eq!(encode(&found, sample), encode(&expected, sample), "{sample}");
    }
    let twice = bare().write("vocab.txt", format!("{text}the\n"));
    twice.refused(&["vocab.txt", "`the`", "twice"]);
    bare().write("spiece.model", "x").refused(&["spiece.model", "SentencePiece model"]);
    bare().write("source.spm", "x").refused(&["source.spm", "MarianTokenizer", "--tokenizer none"]);
    assert!(bare().model().tokenizer.is_empty());
    // GPT-2's two files are the tokenizer.json that they were made from.
    let folder = copy("gpt2-tied");
    let visible: serde_json::Map<String, Value> = ["a", "b", "c", "Ġ", "ab", "Ġab"]
        .iter()
        .enumerate()
        .map(|(i, p)| (p.to_string(), json!(i)))
        .collect();
    let folder = folder.write("vocab.json", json!(visible).to_string());
    let folder = folder.write("merges.txt", "#version: 0.2\na b\nĠ ab\n");
    assert_eq!(ids(&folder, "ab abc"), [4, 5, 2]);
    let config = Config::base(picoformer::config::Architecture::Decoder);
    let none = Choice::named("none".as_ref()).section(&config, None);
    assert_eq!(none.unwrap(), None);
}

/// Tokens that a text may contain are found there; those with a role only when asked for. A token that only a
/// side file adds is refused.
#[test]
fn added_tokens_are_found() {
    let added = |content: &str, special: bool| {
        json!({ "id": 1499, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": special })
    };
    let last = |json: &mut Value| {
        let vocab = json["model"]["vocab"].as_object_mut().unwrap();
        let piece =
            vocab.iter().find(|(_, id)| **id == json!(1499)).map(|(p, _)| p.clone()).unwrap();
        vocab.remove(&piece);
    };
    for (content, special) in [(":)", false), ("[E1]", true)] {
        let folder = copy("intent").edit("tokenizer.json", |json| {
            last(json);
            json["added_tokens"].as_array_mut().unwrap().push(added(content, special));
        });
        assert!(ids(&folder, &format!("call{content}me [SEP]")).contains(&1499));
        assert_eq!(ids(&folder, "call me [SEP]").iter().filter(|&&id| id == 3).count(), 1);
        let single = copy("intent").edit("tokenizer.json", |json| {
            last(json);
            let mut token = added(content, special);
            token["single_word"] = true.into();
            json["added_tokens"].as_array_mut().unwrap().push(token);
        });
        single.refused(&["tokenizer.json", "added_tokens", "single_word"]);
    }
    let decoder = json!({ "tokenizer_class": "BertTokenizer",
        "added_tokens_decoder": { "1499": { "content": "hello", "special": false } } });
    let folder = copy("intent").write("tokenizer_config.json", decoder.to_string());
    folder.refused(&["tokenizer_config.json", "added_tokens_decoder", "hello"]);
    let map = copy("intent")
        .write("special_tokens_map.json", r#"{ "additional_special_tokens": ["<x>"] }"#);
    map.refused(&["<x>"]);
}

/// Keys within tokenizer.json.
#[test]
fn rules_that_the_engine_does_not_have_are_refused() {
    type Change = Box<dyn Fn(&mut Value)>;
    let set = |path: &'static str, value: Value| -> Change {
        Box::new(move |json| match json.pointer_mut(path) {
            Some(place) => *place = value.clone(),
            None => {
                let (parent, key) = path.rsplit_once('/').unwrap();
                json.pointer_mut(parent).unwrap()[key] = value.clone();
            }
        })
    };
    let put = |key: &'static str, value: Value| -> Change {
        Box::new(move |json| json["model"][key] = value.clone())
    };
    let sequence = json!({ "Sequence": { "id": "A", "type_id": 0 } });
    let cases: Vec<(&str, Change, &str)> = vec![
        ("intent", put("max_input_chars_per_word", json!(5)), "max_input_chars_per_word"),
        ("intent", put("continuing_subword_prefix", json!("@@")), "continuing_subword_prefix"),
        ("intent", put("new_rule", json!(1)), "new_rule"),
        ("intent", set("/normalizer/type", json!("NFC")), "normalizer.type"),
        ("intent", set("/pre_tokenizer/type", json!("Whitespace")), "pre_tokenizer.type"),
        (
            "intent",
            set("/post_processor/single", json!([sequence, sequence])),
            "post_processor.single",
        ),
        ("intent", set("/added_tokens/0/id", json!("0")), "added_tokens"),
        ("intent", set("/model/vocab/the", json!(-4)), "model.vocab"),
        ("intent", set("/model/vocab/the", json!("4")), "model.vocab"),
        ("tales", put("dropout", json!(0.1)), "dropout"),
        ("tales", put("merges", Value::Null), "model.merges"),
        ("tales", put("merges", json!("a b")), "model.merges"),
        ("tales", put("merges", json!(["a b c"])), "model.merges"),
        ("tales", put("end_of_word_suffix", json!("</w>")), "end_of_word_suffix"),
        ("tales", set("/model/type", json!("WordLevel")), "--tokenizer none"),
        ("tales", set("/post_processor/special_tokens/<s>/ids", json!([1, 2])), "post_processor"),
        // What the crate does not read was read as if it were not there.
        (
            "intent",
            set(
                "/post_processor",
                json!({ "type": "BertProcessing", "cls": ["[CLS]", 2], "sep": "x" }),
            ),
            "post_processor",
        ),
        ("intent", set("/added_tokens", json!("4")), "added_tokens"),
        ("intent", set("/added_tokens/0/rstrip", json!([])), "added_tokens"),
        ("intent", set("/normalizer/lowercase", json!(4.5)), "normalizer"),
        ("intent", set("/version", json!({})), "version"),
        ("intent", set("/added_tokens/1/new", json!(1)), "added_tokens.1.new"),
        ("tales", set("/normalizer/new", json!(1)), "normalizer.new"),
        (
            "tales",
            set("/post_processor/special_tokens/<s>/new", json!(1)),
            "special_tokens.<s>.new",
        ),
        ("tales", put("byte_fallback", json!("true")), "model.byte_fallback"),
        // Another text would be written.
        ("tales", set("/decoder", json!({ "type": "ByteLevel" })), "decoder"),
        ("tales", set("/decoder/decoders/0/content", json!("_")), "decoder"),
        ("tales", set("/decoder/decoders/3/start", json!(2)), "decoder"),
    ];
    for (model, change, word) in cases {
        copy(model).edit("tokenizer.json", |json| change(json)).refused(&["tokenizer.json", word]);
    }
}

/// Classes that do something of their own with a text, and settings of a wrong type.
#[test]
fn settings_of_tokenizers_are_read_or_refused() {
    for (key, value) in [
        ("tokenizer_class", json!("BertJapaneseTokenizer")),
        ("model_max_length", json!("512")),
        ("model_max_length", json!([])),
        ("legacy", json!("yes")),
    ] {
        let mut config = json!({ "tokenizer_class": "BertTokenizerFast" });
        config[key] = value;
        let folder = copy("intent").write("tokenizer_config.json", config.to_string());
        folder.refused(&["tokenizer_config.json", key]);
    }
}

/// Lower-casing with byte fallback: a letter without a piece becomes the bytes of its small form.
#[test]
fn small_letters_fall_back_to_bytes() {
    let folder = copy("tales").edit("tokenizer.json", |json| {
        let list = json["normalizer"]["normalizers"].as_array_mut().unwrap();
        list.insert(0, json!({ "type": "Lowercase" }));
    });
    let path = folder.0.join("tokenizer.json");
    let theirs = tokenizers::Tokenizer::from_file(&path).unwrap();
    let section = from_json(&path).unwrap();
    // The one letter whose small form is two waits for the engine.
    for c in ('\0'..='\u{3000}').filter(|&c| c != 'İ') {
        let text = format!("A{c}ПРИВЕТ");
        let expected = theirs.encode(text.as_str(), true).unwrap();
        assert_eq!(encode(&section, &text), expected.get_ids(), "{text:?}");
    }
}
