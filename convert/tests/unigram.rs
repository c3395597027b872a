//! Unigram against the `tokenizers` crate, id by id: the tokenizer of `tests/golden/unigram.py`, and its
//! other ways to treat spaces.

#[path = "common/texts.rs"]
mod texts;

use picoformer::task::TextStream;
use picoformer::tokenizer::{EncodeError, Kind, Tokenizer, Vocabulary};
use picoformer_convert::tokenizer::from_json;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use texts::{compare, everywhere, hostile, sentences, tales, torture};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/unigram.json")
}

/// The tokenizer with changes, in a file of its own.
fn changed(name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut json = serde_json::from_str(&std::fs::read_to_string(golden()).unwrap()).unwrap();
    change(&mut json);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("unigram_{name}.json"));
    std::fs::write(&path, json.to_string()).unwrap();
    path
}

#[test]
fn unigram_equals_the_crate() {
    let texts = [sentences(), tales(), torture(), everywhere(), hostile(2000)].concat();
    let (words, bytes) = compare(&golden(), &texts);
    println!("Unigram: {} texts, {words} words equal, section of {bytes} bytes", texts.len());
    assert!(words > 50_000);
}

/// What transformers writes anew: spaces are joined by the normalizer, and every one of them is a piece.
#[test]
fn other_spaces_equal_the_crate() {
    let metaspace = |scheme: &str| json!({ "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": scheme, "split": true });
    let joined = changed("joined", |json| {
        let map = json["normalizer"].take();
        json["normalizer"] = json!({ "type": "Sequence", "normalizers": [map,
            { "type": "Strip", "strip_left": false, "strip_right": true },
            { "type": "Replace", "pattern": { "Regex": " {2,}" }, "content": "\u{2581}" }] });
        json["pre_tokenizer"] = metaspace("always");
    });
    let first = changed("first", |json| json["pre_tokenizer"] = metaspace("first"));
    let never = changed("never", |json| {
        json["normalizer"] = Value::Null;
        json["pre_tokenizer"] = metaspace("never");
    });
    let some = everywhere().into_iter().step_by(61);
    let texts: Vec<String> =
        [sentences(), torture(), hostile(4000)].concat().into_iter().chain(some).collect();
    for json in [joined, first, never] {
        let (words, _) = compare(&json, &texts);
        assert!(words > 20_000);
    }
}

/// Tokens that are found in a text, with all their options.
#[test]
fn added_tokens_equal_the_crate() {
    let token = |id: usize, content: &str, lstrip: bool, rstrip: bool| {
        json!({ "id": id, "content": content, "single_word": false, "lstrip": lstrip, "rstrip": rstrip,
            "normalized": false, "special": content.ends_with('>') })
    };
    let names = ["<extra_id_0>", "<extra_id_01>", "<mask>", "Once", " upon", "ee", "e\u{301}"];
    for scheme in ["always", "first"] {
        let path = changed(&format!("added_{scheme}"), |json| {
            let first = json["model"]["vocab"].as_array().unwrap().len();
            for (i, name) in names.iter().enumerate() {
                json["added_tokens"].as_array_mut().unwrap().push(token(
                    first + i,
                    name,
                    i % 3 == 2,
                    i % 4 == 3,
                ));
            }
            if scheme == "first" {
                json["pre_tokenizer"] = json!({ "type": "Metaspace", "replacement": "\u{2581}",
                    "prepend_scheme": "first", "split": true });
            }
        });
        let glued = |text: String| {
            let words: Vec<&str> = text.split(' ').collect();
            words
                .chunks(3)
                .zip(names.iter().cycle())
                .map(|(w, n)| w.join(" ") + n + " </s>")
                .collect::<String>()
        };
        let texts = [sentences(), torture(), hostile(2000)].concat();
        let texts: Vec<String> =
            texts.iter().cloned().chain(texts.iter().cloned().map(glued)).collect();
        let (words, _) = compare(&path, &texts);
        assert!(words > 20_000);
    }
}

/// Sums are rounded as the crate's, so that ways of equal worth are told apart as there.
#[test]
fn close_choices_equal_the_crate() {
    let path = changed("close", |json| {
        let pieces =
            ["<pad>", "</s>", "<unk>", "\u{2581}", "a", "b", "aa", "ab", "ba", "bb", "aab", "abb"];
        let vocab = pieces.iter().enumerate();
        let vocab = vocab
            .map(|(i, piece)| json!([piece, -1.1 * piece.len() as f64 - 0.1 * (i % 2) as f64]));
        json["model"]["vocab"] = vocab.collect();
    });
    let mut state = 3u64;
    let texts: Vec<String> = (0..2000)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (0..3 + (state >> 60) * 9)
                .map(|i| if state >> (i % 59) & 1 == 0 { 'a' } else { 'b' })
                .collect()
        })
        .collect();
    compare(&path, &texts);
}

#[test]
fn what_is_encoded_is_decoded_as_by_the_crate() {
    let theirs = tokenizers::Tokenizer::from_file(golden()).unwrap();
    let section = from_json(&golden()).unwrap();
    let ours = Tokenizer::parse(&section).unwrap();
    assert_eq!(ours.kind(), Kind::Unigram);
    for text in [tales(), torture()].concat() {
        let mut tokens = vec![0; 4 * text.len() + 8];
        let n = ours.encode(&text, &mut tokens).unwrap();
        let known: Vec<u32> = tokens[..n].iter().copied().filter(|&token| token > 2).collect();
        let (mut stream, mut found) = (TextStream::new(), String::new());
        known.iter().for_each(|&token| stream.push(&ours, token, &mut found).unwrap());
        stream.finish(&mut found).unwrap();
        assert_eq!(found, theirs.decode(&known, true).unwrap());
    }
}

/// A word needs a slot for every character, as in byte-pair encoding.
#[test]
fn a_full_buffer_is_an_error_that_tells_the_need() {
    let section = from_json(&golden()).unwrap();
    let ours = Tokenizer::parse(&section).unwrap();
    for text in [torture(), hostile(300)].concat() {
        let exact = ours.encode(&text, &mut vec![0; 4 * text.len() + 8]).unwrap();
        for room in [0, 1, exact / 2, exact.saturating_sub(1)] {
            if let Err(EncodeError::TooLong { needed, given }) =
                ours.encode(&text, &mut vec![0; room])
            {
                assert_eq!(given, room);
                assert_eq!(ours.encode(&text, &mut vec![0; needed]), Ok(exact), "{text:?}");
            }
        }
    }
}

#[test]
fn what_the_engine_cannot_do_is_refused_by_name() {
    let refused = |name: &str, key: &str, change: fn(&mut Value)| {
        let error = from_json(&changed(name, change)).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    };
    refused("bytes", "byte_fallback", |json| json["model"]["byte_fallback"] = true.into());
    refused("positive", "model.vocab", |json| json["model"]["vocab"][5][1] = 0.5.into());
    refused("twice", "model.vocab", |json| json["model"]["vocab"][5][0] = "e".into());
    refused("long", "model.vocab", |json| json["model"]["vocab"][5][0] = "x".repeat(32).into());
    refused("nfc", "normalizer", |json| json["normalizer"] = json!({ "type": "NFC" }));
    refused("map", "precompiled_charsmap", |json| {
        json["normalizer"]["precompiled_charsmap"] = "AAAA".into();
    });
    refused("whole", "pre_tokenizer", |json| {
        json["pre_tokenizer"] = json!({ "type": "Metaspace", "replacement": "\u{2581}",
            "prepend_scheme": "always", "split": false });
    });
}

/// Sections that were cut or changed are refused or harmless.
#[test]
fn hostile_sections_do_no_harm() {
    let section = from_json(&golden()).unwrap();
    let (mut state, mut accepted) = (1u64, 0);
    for len in (0..section.len()).step_by(97).chain(0..64) {
        assert!(Vocabulary::parse(&section[..len]).is_err(), "{len}");
    }
    for round in 0..2000 {
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
        if let Ok(n) = tokenizer.encode("Once, a “naïve” fox…\u{301} 日本", &mut tokens) {
            assert!(
                tokens[..n].iter().all(|&token| (token as usize) < tokenizer.vocabulary().len())
            );
        }
    }
    assert!(accepted > 100, "the test sees no accepted section");
}
