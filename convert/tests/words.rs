//! Words as the pre-tokenizers of Llama 3, Qwen, GPT-NeoX and SmolLM split them, against the `tokenizers` crate, id by id.

#[path = "common/texts.rs"]
mod texts;
#[path = "common/trained.rs"]
mod trained;

use picoformer::tokenizer::{EncodeError, Kind, Tokenizer};
use picoformer_convert::tokenizer::from_json;
use serde_json::{Value, json};
use std::path::Path;
use texts::{everywhere, hostile, sentences, tales, torture};
use tokenizers::normalizers::unicode::NFC;
use tokenizers::{NormalizedString, Normalizer};
use trained::changed;

const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

fn byte_level(regex: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex })
}

fn split(pattern: &str) -> Value {
    let split = json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
    json!({ "type": "Sequence", "pretokenizers": [split, byte_level(false)] })
}

/// A text in normalization form C.
fn nfc(text: &str) -> String {
    let mut normalized = NormalizedString::from(text);
    NFC.normalize(&mut normalized).unwrap();
    normalized.get().to_owned()
}

/// Everything that a rule for words may take for something else: every letter with another case, every
/// number and space, between what rules speak of.
fn around() -> Vec<String> {
    let cased = |c: &char| {
        c.to_lowercase().ne(std::iter::once(*c)) || c.to_uppercase().ne(std::iter::once(*c))
    };
    let odd = ('\0'..=char::MAX).filter(|c| {
        c.is_whitespace() || c.is_numeric() || c.is_control() || cased(c) || *c < '\u{300}'
    });
    let patterns = [
        "12{}34",
        " {}",
        "x {}{}y",
        "!{}'S{}",
        "{} {}",
        "\n{}\n",
        "'{}",
        "'{}e",
        "'L{}'lL'r{}",
        " \r{}\n !",
        "!\n{}\n\r?{}",
        "{}a\t{}\tb",
        " {}1{} !",
        "\u{301}{}a  {}  ",
    ];
    odd.flat_map(|c| patterns.map(|pattern| pattern.replace("{}", &c.to_string()))).collect()
}

fn texts() -> Vec<String> {
    let own = [
        "a  b",
        "'S'RE'Ll'x 'LL'ſ'ſe",
        "x'd've'M't",
        "12345 1 22 ½²Ⅷ٣",
        "fn f() {\r\n\t\n  x;\n}\n\n  \n",
    ];
    let own = own.map(String::from).to_vec();
    // Everything that has a class of its own is in `around`; with `PICOFORMER_ALL=1` all the rest too.
    let step = if std::env::var_os("PICOFORMER_ALL").is_some() { 1 } else { 23 };
    let everywhere = everywhere().into_iter().step_by(step).collect();
    [sentences(), tales(), torture(), everywhere, hostile(4000), around(), own].concat()
}

/// Compares all texts; those that are not in the form that the tokenizer reads are refused. Returns how many are equal
/// and how many refused.
fn compare(path: &Path, kind: Kind) -> (usize, usize) {
    let theirs = tokenizers::Tokenizer::from_file(path).unwrap();
    let section = from_json(path).unwrap();
    let ours = Tokenizer::parse(&section).unwrap();
    assert_eq!(ours.kind(), kind);
    let (mut equal, mut refused) = (0, 0);
    for text in texts() {
        let mut tokens = vec![0; 4 * text.len() + 8];
        match ours.encode(&text, &mut tokens) {
            Ok(n) => {
                let expected = theirs.encode(text.as_str(), true).unwrap();
                assert_eq!(&tokens[..n], expected.get_ids(), "{text:?}");
                equal += 1;
            }
            Err(EncodeError::NotNormalized { character }) => {
                assert!(theirs.get_normalizer().is_some() && nfc(&text) != text, "{text:?}");
                assert!(text.contains(character));
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    println!("{}: {equal} texts equal, {refused} refused, {} bytes", path.display(), section.len());
    (equal, refused)
}

#[test]
fn llama_3_equals_the_crate() {
    let path = changed("llama_3", |json| {
        json["pre_tokenizer"] = split(LLAMA_3);
        json["model"]["ignore_merges"] = true.into();
        // Words that no merge makes.
        for (i, word) in
            ["Ġxylophone", "Ġa1", "123", "!!", "'S", "ĠĠ", "zyx", "<|pad|>"].iter().enumerate()
        {
            json["model"]["vocab"][word] = (1500 + i).into();
        }
    });
    let (equal, refused) = compare(&path, Kind::Cl100k);
    assert!(equal > 100_000 && refused == 0);
    let theirs = tokenizers::Tokenizer::from_file(&path).unwrap();
    assert_eq!(theirs.encode(" xylophone123", true).unwrap().get_ids(), [1500, 1502]);
}

#[test]
fn qwen_equals_the_crate() {
    let path = changed("qwen_2", |json| {
        json["pre_tokenizer"] = split(QWEN_2);
        json["normalizer"] = json!({ "type": "NFC" });
    });
    let (equal, refused) = compare(&path, Kind::Cl100k);
    assert!(equal > 100_000 && refused > 500);
}

/// GPT-NeoX has runs of spaces as tokens that are found in the normalized text.
#[test]
fn gpt_neox_equals_the_crate() {
    let path = changed("gpt_neox", |json| {
        json["normalizer"] = json!({ "type": "NFC" });
        for (i, n) in (2..10).rev().enumerate() {
            json["added_tokens"].as_array_mut().unwrap().push(json!({ "id": 1500 + i,
                "content": " ".repeat(n), "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": true, "special": false }));
        }
    });
    let (equal, refused) = compare(&path, Kind::ByteLevel);
    assert!(equal > 100_000 && refused > 500);
}

#[test]
fn smol_lm_equals_the_crate() {
    let path = changed("smol_lm", |json| {
        let digits = json!({ "type": "Digits", "individual_digits": true });
        json["pre_tokenizer"] =
            json!({ "type": "Sequence", "pretokenizers": [digits, byte_level(true)] });
    });
    let (equal, refused) = compare(&path, Kind::ByteLevel);
    assert!(equal > 100_000 && refused == 0);
    // GPT-2's own expression in today's spelling.
    let path = changed("gpt_2_split", |json| json["pre_tokenizer"] = split(GPT_2));
    compare(&path, Kind::ByteLevel);
}

/// Exactly the texts that are not in normalization form C are refused: random ones of letters, marks, and what
/// composes with them, and every character alone.
#[test]
fn texts_that_are_not_normalized_are_found() {
    let path = changed("nfc", |json| json["normalizer"] = json!({ "type": "NFC" }));
    let section = from_json(&path).unwrap();
    let ours = Tokenizer::parse(&section).unwrap();
    let mut parts: Vec<char> = "aAeEoOuUnNcCsSσωαι=<>각가거나다ᄀ나ᅢᆨᆫ한คा".chars().collect();
    let changing = ('\0'..=char::MAX).filter(|c| nfc(&c.to_string()) != c.to_string());
    parts.extend(changing.step_by(9));
    let marks = ('\u{300}'..'\u{370}')
        .chain(['\u{5b4}', '\u{5b7}', '\u{64b}', '\u{653}', '\u{93c}', '\u{9be}']);
    let marks = marks
        .chain("\u{9d7}\u{b3e}\u{dcf}\u{102e}\u{1b35}\u{3099}\u{309a}\u{11127}\u{1d165}".chars());
    let marks: Vec<char> = marks.collect();
    let composed =
        ('\u{c0}'..'\u{250}').chain('\u{1e00}'..'\u{2000}').chain('\u{3041}'..'\u{3100}');
    parts.extend(composed.filter(|c| nfc(&c.to_string()) == c.to_string()));
    let mut state = 5u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let mut texts: Vec<String> = ('\0'..=char::MAX).map(|c| c.to_string()).collect();
    texts.extend((0..200_000).map(|_| {
        let mut text = String::new();
        for _ in 0..1 + random(2) {
            text.push(parts[random(parts.len())]);
            (0..random(5)).for_each(|_| text.push(marks[random(marks.len())]));
        }
        text
    }));
    let mut refused = 0;
    for text in &texts {
        let found = ours.encode(text, &mut [0; 64]);
        let wrong = matches!(found, Err(EncodeError::NotNormalized { .. }));
        assert_eq!(wrong, nfc(text) != *text, "{text:?} {found:?}");
        refused += wrong as usize;
    }
    println!("{refused} of {} texts refused", texts.len());
    assert!(refused > 30_000 && texts.len() - refused > 1_000_000);
}

#[test]
fn other_words_are_refused_by_name() {
    let refused = |name: &str, words: &[&str], change: &dyn Fn(&mut Value)| {
        let error = from_json(&changed(name, change)).unwrap_err();
        let help = miette::Diagnostic::help(&error).map(|h| h.to_string()).unwrap_or_default();
        let text = format!("{error} — {help}");
        words.iter().for_each(|word| assert!(text.contains(word), "{word}: {text}"));
    };
    let other = r"\p{Lu}?\p{Ll}+|\s+";
    refused("other", &["pre_tokenizer", r"\\p{Lu}?\\p{Ll}+", "Llama 3"], &|json| {
        json["pre_tokenizer"] = split(other);
    });
    refused("removed", &["pre_tokenizer", "Removed"], &|json| {
        json["pre_tokenizer"] = split(LLAMA_3);
        json["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed".into();
    });
    refused("prefix", &["pre_tokenizer", "add_prefix_space"], &|json| {
        json["pre_tokenizer"]["add_prefix_space"] = true.into();
    });
    refused("whole_text", &["pre_tokenizer", "use_regex"], &|json| {
        json["pre_tokenizer"] = byte_level(false);
    });
    refused("digits", &["pre_tokenizer", "individual_digits"], &|json| {
        let digits = json!({ "type": "Digits", "individual_digits": false });
        json["pre_tokenizer"] =
            json!({ "type": "Sequence", "pretokenizers": [digits, byte_level(true)] });
    });
    refused("nfkc", &["normalizer", "NFKC", "NFC"], &|json| {
        json["normalizer"] = json!({ "type": "NFKC" });
    });
    refused("joins", &["added_tokens", "NFC"], &|json| {
        json["normalizer"] = json!({ "type": "NFC" });
        json["added_tokens"].as_array_mut().unwrap().push(json!({ "id": 1500, "content": "<e",
            "single_word": false, "lstrip": false, "rstrip": false, "normalized": true, "special": false }));
    });
}
