//! The engine's tokenizers against the `tokenizers` crate, id by id.

use picoformer::task::TextStream;
use picoformer::tokenizer::{EncodeError, Tokenizer, Vocabulary};
#[path = "common/texts.rs"]
mod texts;
#[path = "common/trained.rs"]
mod trained;

use texts::{compare, everywhere, hostile, models, sentences, tales, torture};

use picoformer_convert::tokenizer::{from_bytes, from_json, from_llama2c};
use std::path::{Path, PathBuf};
use trained::changed;

#[test]
fn word_piece_equals_the_crate() {
    let json = models().join("intent/checkpoint/tokenizer.json");
    let texts = [sentences(), tales(), torture(), everywhere(), hostile(2000)].concat();
    let (words, bytes) = compare(&json, &texts);
    println!("WordPiece: {} texts, {words} words equal, section of {bytes} bytes", texts.len());
    assert!(words > 50_000);
    assert!(bytes < 41_000);
}

#[test]
fn sentence_piece_equals_the_crate() {
    let json = models().join("tales/checkpoint/tokenizer.json");
    let texts = [sentences(), tales(), torture(), everywhere(), hostile(2000)].concat();
    let (words, bytes) = compare(&json, &texts);
    println!("BPE: {} texts, {words} words equal, section of {bytes} bytes", texts.len());
    assert!(words > 50_000);
}

fn byte_level() -> PathBuf {
    changed("gpt2", |_| {})
}

#[test]
fn byte_level_bpe_equals_the_crate() {
    let json = byte_level();
    let mut texts = [sentences(), tales(), torture(), everywhere(), hostile(2000)].concat();
    texts.extend(('\0'..=char::MAX).filter(|c| c.is_whitespace() || c.is_numeric()).flat_map(
        |c| {
            ["1{}2", " {}", "x {}{}y", "!{}'s{}", "{} {}", "\n{}\n"]
                .map(|t| t.replace("{}", &c.to_string()))
        },
    ));
    texts.extend(
        ["a  b", " a   b\t\tc ", "'s's 're 'll'x 'LL", "x'd've'm't", "!?…'s 12a3 ½²"]
            .map(String::from),
    );
    let (words, bytes) = compare(&json, &texts);
    println!(
        "byte-level BPE: {} texts, {words} words equal, section of {bytes} bytes",
        texts.len()
    );
    assert!(words > 50_000);
    let section = from_json(&json).unwrap();
    let ours = Tokenizer::parse(&section).unwrap();
    assert_eq!(ours.vocabulary().end(), Some(0), "<|endoftext|> ends a text");
    let theirs = tokenizers::Tokenizer::from_file(&json).unwrap();
    for text in [tales(), torture()].concat() {
        let mut tokens = vec![0; 4 * text.len() + 8];
        let n = ours.encode(&text, &mut tokens).unwrap();
        let (mut stream, mut found) = (TextStream::new(), String::new());
        tokens[..n].iter().for_each(|&token| stream.push(&ours, token, &mut found).unwrap());
        stream.finish(&mut found).unwrap();
        assert_eq!(found, theirs.decode(&tokens[..n], true).unwrap());
        assert_eq!(found, text);
    }
}

/// Llama's other spelling of nearly the same rules: a pre-tokenizer instead of a normalizer, which puts no
/// space before a text that begins with one.
#[test]
fn metaspace_equals_the_crate() {
    let json = std::fs::read_to_string(models().join("tales/checkpoint/tokenizer.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&json).unwrap();
    for scheme in ["first", "always", "never"] {
        json["normalizer"] = serde_json::Value::Null;
        json["pre_tokenizer"] = serde_json::json!({
            "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": scheme, "split": false,
        });
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("metaspace_{scheme}.json"));
        std::fs::write(&path, json.to_string()).unwrap();
        let (words, _) = compare(&path, &[sentences(), torture()].concat());
        assert!(words > 20_000);
    }
}

/// Every byte is a token: equal to a BPE of nothing but byte fallback, three ids further.
#[test]
fn bytes_equal_the_crate() {
    let mut vocab: serde_json::Map<_, _> =
        (0..256).map(|b| (format!("<0x{b:02X}>"), (b + 1).into())).collect();
    vocab.insert("<unk>".into(), 0.into());
    let json = serde_json::json!({ "version": "1.0", "added_tokens": [], "model": {
        "type": "BPE", "vocab": vocab, "merges": [], "byte_fallback": true, "unk_token": "<unk>",
    }});
    let theirs: tokenizers::Tokenizer = json.to_string().parse().unwrap();
    let section = from_bytes(256).unwrap();
    let ours = Tokenizer::parse(&section).unwrap();
    let mut count = 0;
    for text in [sentences(), torture()].concat() {
        let mut tokens = vec![0; text.len()];
        let n = ours.encode(&text, &mut tokens).unwrap();
        let expected = theirs.encode(text.as_str(), true).unwrap();
        assert!(tokens[..n].iter().map(|t| t + 1).eq(expected.get_ids().iter().copied()));
        let (mut stream, mut found) = (TextStream::new(), String::new());
        tokens.iter().for_each(|&token| stream.push(&ours, token, &mut found).unwrap());
        assert_eq!(found, text);
        count += n;
    }
    println!("bytes: {count} ids equal");
    assert!(from_bytes(255).is_err());
}

/// What is encoded and streamed back is what the crate decodes.
#[test]
fn streams_decode_as_the_crate() {
    let json = models().join("tales/checkpoint/tokenizer.json");
    let theirs = tokenizers::Tokenizer::from_file(&json).unwrap();
    let section = from_json(&json).unwrap();
    let ours = Tokenizer::parse(&section).unwrap();
    for text in [tales(), torture()].concat() {
        let mut tokens = vec![0; 4 * text.len() + 8];
        let n = ours.encode(&text, &mut tokens).unwrap();
        let (mut stream, mut found) = (TextStream::new(), String::new());
        for &token in &tokens[..n] {
            stream.push(&ours, token, &mut found).unwrap();
        }
        stream.finish(&mut found).unwrap();
        assert_eq!(found, theirs.decode(&tokens[..n], true).unwrap());
    }
}

/// llama2.c's vocabulary on TinyStories, against ids of an independent implementation.
#[test]
fn llama2c_equals_its_own_encoder() {
    let set = std::env::var_os("PICOFORMER_DATA").map(PathBuf::from);
    let data = set.unwrap_or(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
    if !data.join("stories260K").is_dir() {
        println!("skipped: set PICOFORMER_DATA to the folder with stories260K and tinystories");
        return;
    }
    let section = from_llama2c(&data.join("stories260K/tok512.bin"), 512).unwrap();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/real.json");
    let golden: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
    let mut count = 0;
    for story in golden["stories260K"].as_array().unwrap() {
        let file = data.join("tinystories").join(story["file"].as_str().unwrap());
        let text = std::fs::read_to_string(file).unwrap();
        let mut tokens = vec![0; 4 * text.len() + 8];
        let n = tokenizer.encode(&text, &mut tokens).unwrap();
        let ids: Vec<u32> = serde_json::from_value(story["ids"].clone()).unwrap();
        assert_eq!(&tokens[..n.min(512)], ids);
        count += ids.len();
    }
    println!("llama2.c: {count} ids equal, section of {} bytes", section.len());
    assert!(count > 5000);
}

#[test]
fn a_full_buffer_is_an_error() {
    let section = from_json(&models().join("tales/checkpoint/tokenizer.json")).unwrap();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    assert_eq!(
        tokenizer.encode("a long text", &mut [0; 3]),
        // Begin token, "▁a" merged, ten characters.
        Err(EncodeError::TooLong { needed: 12, given: 3 })
    );
    // The room that the error asks for is enough, whatever the rules.
    for json in [
        models().join("tales/checkpoint/tokenizer.json"),
        models().join("intent/checkpoint/tokenizer.json"),
        byte_level(),
    ] {
        let section = from_json(&json).unwrap();
        let tokenizer = Tokenizer::parse(&section).unwrap();
        for text in torture() {
            let exact = tokenizer.encode(&text, &mut vec![0; 4 * text.len() + 8]).unwrap();
            for room in [0, 1, exact / 2, exact.saturating_sub(1)] {
                if let Err(EncodeError::TooLong { needed, given }) =
                    tokenizer.encode(&text, &mut vec![0; room])
                {
                    assert_eq!(given, room);
                    assert_eq!(
                        tokenizer.encode(&text, &mut vec![0; needed]),
                        Ok(exact),
                        "{text:?}"
                    );
                } else {
                    assert!(room >= exact, "{text:?}");
                }
            }
        }
    }
}

/// A buffer needs room for the tokens and for one word before it is merged.
#[test]
fn words_are_merged_as_they_come() {
    for json in [models().join("tales/checkpoint/tokenizer.json"), byte_level()] {
        let section = from_json(&json).unwrap();
        let tokenizer = Tokenizer::parse(&section).unwrap();
        for text in tales() {
            let mut whole = vec![0; 4 * text.len() + 8];
            let n = tokenizer.encode(&text, &mut whole).unwrap();
            let longest = text.split(' ').map(str::len).max().unwrap() + 4;
            let mut tokens = vec![0; n + longest];
            assert_eq!(tokenizer.encode(&text, &mut tokens), Ok(n), "{text}");
            assert_eq!(tokens[..n], whole[..n]);
        }
    }
}

#[test]
fn bytes_from_a_wire_are_checked() {
    let section = from_json(&models().join("tales/checkpoint/tokenizer.json")).unwrap();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let (mut a, mut b) = ([0; 32], [0; 32]);
    let n = tokenizer.encode("Größe", &mut a);
    assert_eq!(tokenizer.encode_bytes("Größe".as_bytes(), &mut b), n);
    assert_eq!(a, b);
    for (bytes, valid) in [(&b"ab\xff"[..], 2), (b"\xc3", 0), (b"a\xed\xa0\x80", 1)] {
        let found = tokenizer.encode_bytes(bytes, &mut a);
        assert_eq!(found, Err(EncodeError::InvalidUtf8 { valid }));
    }
}

/// Sections that were cut or changed are refused or harmless: no panic, no id beyond the vocabulary.
#[test]
fn hostile_sections_do_no_harm() {
    for model in ["intent", "tales"] {
        let json = models().join(model).join("checkpoint/tokenizer.json");
        let section = from_json(&json).unwrap();
        for len in (0..section.len()).step_by(97).chain(0..64) {
            assert!(Vocabulary::parse(&section[..len]).is_err(), "{len}");
        }
        let mut state = 1u64;
        let mut accepted = 0;
        for round in 0..3000 {
            let mut wrong = section.clone();
            for _ in 0..1 + round % 5 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let range = if round % 2 == 0 { 32 } else { wrong.len() };
                let at = (state >> 33) as usize % range;
                wrong[at] = (state >> 20) as u8;
            }
            let Ok(tokenizer) = Tokenizer::parse(&wrong) else { continue };
            accepted += 1;
            let mut tokens = [0; 64];
            if let Ok(n) = tokenizer.encode("Once, a “naïve” fox… 日本", &mut tokens) {
                let (mut stream, mut out) = (TextStream::new(), String::new());
                for &token in &tokens[..n] {
                    assert!((token as usize) < tokenizer.vocabulary().len());
                    stream.push(&tokenizer, token, &mut out).unwrap();
                }
            }
        }
        assert!(accepted > 100, "the test sees no accepted section");
    }
}

/// Characters in, phonemes out, as `models/g2p/train.py` builds it: every letter of Unicode that has a
/// small form in the vocabulary is that form; what has no token is an error that names it, where the crate
/// drops it silently.
#[test]
fn lower_casing_equals_the_crate() {
    let mut vocab = serde_json::Map::new();
    for piece in ["<pad>", "</s>"]
        .map(String::from)
        .into_iter()
        .chain(('a'..='z').chain(['\'']).map(String::from).chain(["▁AH0", "▁K"].map(String::from)))
    {
        vocab.insert(piece, vocab.len().into());
    }
    let special = |id: u32, content: &str| {
        serde_json::json!({ "id": id, "content": content, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true })
    };
    let json = serde_json::json!({
        "version": "1.0",
        "added_tokens": [special(0, "<pad>"), special(1, "</s>")],
        "normalizer": { "type": "Lowercase" },
        "pre_tokenizer": null,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{ "Sequence": { "id": "A", "type_id": 0 } },
                { "SpecialToken": { "id": "</s>", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } },
                { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": { "</s>": { "id": "</s>", "ids": [1], "tokens": ["</s>"] } }
        },
        "decoder": null,
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "vocab": vocab, "merges": [],
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
            "byte_fallback": false, "ignore_merges": false }
    });
    let path = std::env::temp_dir().join("picoformer-lower-case.json");
    std::fs::write(&path, json.to_string()).unwrap();
    let theirs = tokenizers::Tokenizer::from_file(&path).unwrap();
    let section = from_json(&path).unwrap();
    let ours = Tokenizer::parse(&section).unwrap();
    let (mut known, mut unknown) = (0, 0);
    for c in '\0'..=char::MAX {
        let text = format!("a{c}B");
        let expected = theirs.encode(text.as_str(), true).unwrap();
        let mut tokens = [0; 8];
        match ours.encode(&text, &mut tokens) {
            Ok(n) => {
                assert_eq!(&tokens[..n], expected.get_ids(), "{text:?}");
                known += 1;
            }
            Err(error) => {
                assert_eq!(error, EncodeError::UnknownCharacter { character: c });
                // The crate drops it; of a letter that becomes several it may keep one.
                assert!(expected.get_ids().len() == 3 || c.to_lowercase().count() > 1, "{text:?}");
                unknown += 1;
            }
        }
    }
    println!("{known} characters have a token, {unknown} are named");
    // 26 letters in two cases, the apostrophe, the Kelvin sign.
    assert_eq!(known, 54);
}

/// A template that names one token and gives the id of another is no template: which of the two counts, readers
/// of the file disagree about.
#[test]
fn a_template_names_the_tokens_of_its_ids() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("template.json");
    let original = models().join("tales/checkpoint/tokenizer.json");
    let mut json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(original).unwrap()).unwrap();
    let own = json["added_tokens"][0].clone();
    let (name, id) = (own["content"].as_str().unwrap(), own["id"].as_u64().unwrap());
    for (ids, tokens, right) in [
        (vec![id], vec![name], true),
        (vec![id + 1], vec![name], false),
        (vec![id], vec!["no token"], false),
        (vec![id, id], vec![name], false),
        (vec![id], vec![], false),
    ] {
        json["post_processor"] = serde_json::json!({
            "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": name, "type_id": 0 } },
                { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": { name: { "id": name, "ids": ids, "tokens": tokens } }
        });
        std::fs::write(&path, json.to_string()).unwrap();
        let found = from_json(&path);
        assert_eq!(found.is_ok(), right, "{ids:?} {tokens:?}: {found:?}");
        if let Err(error) = found {
            let text = format!("{error}");
            assert!(text.contains("post_processor.special_tokens"), "{text}");
        }
    }
}

/// A vocabulary of llama2.c that ends before its first number.
#[test]
fn a_file_that_ends_at_once_is_refused() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cut-tok.bin");
    for len in 0..4 {
        std::fs::write(&path, &[0; 4][..len]).unwrap();
        for vocab_size in [0, 3] {
            let error = from_llama2c(&path, vocab_size).unwrap_err().to_string();
            assert!(error.contains("cut off"), "{error}");
        }
    }
    std::fs::write(&path, [0; 5]).unwrap();
    assert!(from_llama2c(&path, 0).unwrap_err().to_string().contains("1 bytes follow"));
}
