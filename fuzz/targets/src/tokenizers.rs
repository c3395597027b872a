//! The engine's tokenizers against the crate `tokenizers`, forged sections, and changed `tokenizer.json`s.

use crate::bases::root;
use crate::json::change;
use picoformer::task::TextStream;
use picoformer::tokenizer::{EncodeError, Tokenizer};
use picoformer_convert::tokenizer::{from_bytes, from_value};
use picoformer_forge::Script;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A tokenizer as the file says, as the crate reads it and as the engine does.
struct Pair {
    json: Value,
    theirs: tokenizers::Tokenizer,
    section: Vec<u8>,
}

/// Files of every kind.
fn files() -> Vec<PathBuf> {
    let small = ["word_piece", "byte_level", "sentence_piece", "unigram"];
    let mut files: Vec<PathBuf> =
        small.iter().map(|name| root().join(format!("fuzz/bases/{name}.json"))).collect();
    files.extend(
        ["intent", "tales", "g2p"]
            .map(|name| root().join("models").join(name).join("checkpoint/tokenizer.json")),
    );
    files.push(root().join("tests/golden/unigram.json"));
    files
}

fn pairs() -> &'static [Pair] {
    static PAIRS: OnceLock<Vec<Pair>> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let pair = |path: PathBuf| {
            let json: Value =
                serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let section = from_value(&json, &path).unwrap();
            Pair { theirs: json.to_string().parse().unwrap(), section, json }
        };
        files().into_iter().map(pair).collect()
    })
}

/// Ids of both for a text. A character that no piece stands for is refused here, and dropped by the crate.
fn compare(ours: &Tokenizer, theirs: &tokenizers::Tokenizer, text: &str) {
    let expected = theirs.encode(text, true).unwrap();
    let mut tokens = vec![0; 4 * text.len() + 8];
    let n = match ours.encode(text, &mut tokens) {
        Err(EncodeError::UnknownCharacter { .. }) if ours.vocabulary().unknown().is_none() => {
            return;
        }
        found => found.unwrap(),
    };
    assert_eq!(&tokens[..n], expected.get_ids(), "{text:?}");
}

/// The first byte chooses a tokenizer, the others are a text, valid or made so.
pub fn ids(data: &[u8]) {
    let Some((&which, text)) = data.split_first() else { return };
    let pair = &pairs()[which as usize % pairs().len()];
    let ours = Tokenizer::parse(&pair.section).unwrap();
    let mut tokens = vec![0; 4 * text.len() + 8];
    let valid = std::str::from_utf8(text).is_ok();
    let refused =
        matches!(ours.encode_bytes(text, &mut tokens), Err(EncodeError::InvalidUtf8 { .. }));
    assert_eq!(refused, !valid);
    compare(&ours, &pair.theirs, &String::from_utf8_lossy(text));
}

/// Encodes and decodes whatever the text, in buffers of every size.
fn exercise(ours: &Tokenizer, text: &str) {
    for room in [0, 1, 7, 4 * text.len() + 40] {
        let mut tokens = vec![0; room];
        let n = ours.encode(text, &mut tokens).unwrap_or(0);
        let (mut stream, mut out) = (TextStream::new(), String::new());
        for &token in &tokens[..n.min(room)] {
            assert!((token as usize) < ours.vocabulary().len(), "token {token} of {text:?}");
            stream.push(ours, token, &mut out).unwrap();
        }
        stream.finish(&mut out).unwrap();
    }
}

/// A forged section of a tokenizer: refused, or every text is encoded or refused.
pub fn section(data: &[u8]) {
    let mut script = Script(data);
    let which = script.u8() as usize % (pairs().len() + 1);
    let mut section = match pairs().get(which) {
        Some(pair) => pair.section.clone(),
        None => from_bytes(256).unwrap(),
    };
    for _ in 0..script.u8() % 8 {
        let value = script.u8();
        let at = match value % 3 {
            0 => script.u8() as usize % 32,
            _ => script.below(section.len()),
        };
        match script.u8() % 4 {
            0 => section[at] = value,
            1 => section[at] = section[at].wrapping_add(1),
            2 => section[at] ^= 1 << (value % 8),
            _ => section.truncate(section.len() - at % section.len().min(64)),
        }
        if section.is_empty() {
            return;
        }
    }
    // A section begins at a multiple of four in a blob; here it need not.
    if let Ok(ours) = Tokenizer::parse(&section) {
        exercise(&ours, "Once, a “naïve” fox's 12 日本\n\t<extra> \u{301}");
        exercise(&ours, &String::from_utf8_lossy(&script.0[..script.0.len().min(64)]));
    }
}

/// A changed `tokenizer.json`: refused, or read as the crate reads it.
pub fn json(data: &[u8]) {
    let mut script = Script(data);
    let pair = &pairs()[script.u8() as usize % 4];
    let mut json = pair.json.clone();
    change(&mut json, &mut script);
    let Ok(section) = from_value(&json, Path::new("tokenizer.json")) else { return };
    let ours = Tokenizer::parse(&section).expect("the converter writes what the engine refuses");
    exercise(&ours, "Once, a naïve fox's 12 日本");
}
