//! Texts for tokenizers, and the comparison with the `tokenizers` crate.
#![allow(dead_code)] // every test uses some of them

use picoformer::tokenizer::Tokenizer;
use picoformer_convert::tokenizer::from_json;
use std::path::{Path, PathBuf};

pub fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models")
}

/// Every character of Unicode between letters, and everything that texts are feared for.
pub fn torture() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "  two  spaces ",
        "tab\tnewline\n\r\u{0}\u{FFFD}\u{7f}control",
        "don't can't we'll I'M O'Neil's 'quoted'",
        "naïve façade Ångström ÀÉÎÕÜ ß ẞ ŒUVRE ĳ ﬁn Straße İstanbul ΣΊΣΥΦΟΣ",
        "e\u{301}combining a\u{308}\u{304} \u{301}alone",
        "日本語のテキスト 中文字符 한국어 텍스트 русский текст العربية עברית हिन्दी ไทย",
        "emoji 😀👩‍👩‍👧‍👦🇩🇪 ❤️ 1️⃣",
        "zero\u{200b}width\u{200d}joiner\u{ad}soft\u{2028}line\u{3000}ideographic\u{a0}nbsp",
        "3.14159 1,000,000 $5.99 50% #tag @user a_b-c/d\\e~f`g^h|i{j}[k]<l>=m+n*o&p;q:r?s!",
        "…—–“”‘’«»„‚‹›•·°²³¼½¾×÷±§¶",
    ]
    .map(String::from)
    .into();
    texts.push("x".repeat(99) + " " + &"y".repeat(100) + " " + &"z".repeat(101));
    texts.push("é".repeat(100) + " " + &"é".repeat(101));
    texts
}

pub fn everywhere() -> Vec<String> {
    ('\0'..=char::MAX).map(|c| format!("a{c}b")).collect()
}

/// Compares all texts; returns how many words they have.
pub fn compare(json: &Path, texts: &[String]) -> (usize, usize) {
    let theirs = tokenizers::Tokenizer::from_file(json).unwrap();
    let section = from_json(json).unwrap();
    let ours = Tokenizer::parse(&section).unwrap();
    let mut words = 0;
    for text in texts {
        let expected = theirs.encode(text.as_str(), true).unwrap();
        let mut tokens = vec![0; 4 * text.len() + 8];
        let n = ours.encode(text, &mut tokens).unwrap();
        assert_eq!(&tokens[..n], expected.get_ids(), "{text:?}");
        words += text.split_whitespace().count();
    }
    (words, section.len())
}

pub fn sentences() -> Vec<String> {
    let mut texts = Vec::new();
    for file in ["intent/test.jsonl", "intent/val.jsonl"] {
        for line in std::fs::read_to_string(models().join(file)).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            texts.push(row["text"].as_str().unwrap().to_owned());
        }
    }
    texts
}

pub fn tales() -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(models().join("tales/test")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        texts.extend(text.split("\n\n").map(String::from));
    }
    texts
}

/// Texts put together at random from what texts are feared for: marks on marks, joiners, spaces of all
/// kinds, controls, ligatures, surrogates of nothing, letters of many scripts, words.
pub fn hostile(count: usize) -> Vec<String> {
    const PARTS: &str = "\u{301}\u{308}\u{323}\u{327}\u{342}\u{345}\u{200d}\u{200b}\u{fe0f}\u{20e3}\u{3099}\u{309a}\
        \u{ff9e}\u{e31}\u{93f}\u{600}\u{6dd}\u{1160}\u{1100}\u{11a8}가각힣🇩🇪👩👍🏽\u{a0}\u{2003}\u{3000}\u{2028}\u{85}\t\n\r\u{b}\u{0}\u{1f}\u{7f}\
        \u{feff}\u{fffd}\u{ad}▁▁ﬁﬃſẛ½①ｶﾞＡ１…¨´˚ǄŐőÅÅéèëẹêếaAeEoxsz019 -'\"<>[]/\\&ßİıΣςǅ₩€中丽豈日本";
    let parts: Vec<char> = PARTS.chars().collect();
    let words = ["the", "Once", "don't", "  ", " ", "\r\n", "hello", "Zürich", "naïve", "\n\n"];
    let mut state = 7u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let text = |_| {
        let pieces = 1 + random(24);
        let piece = |_| match random(3) {
            0 => words[random(words.len())].to_owned(),
            1 => parts[random(parts.len())].to_string(),
            _ => (0..1 + random(4)).map(|_| parts[random(parts.len())]).collect(),
        };
        (0..pieces).map(piece).collect::<String>()
    };
    (0..count).map(text).collect()
}
