//! What becomes of every character: BERT's normalizer in all its settings and lower case in byte-pair
//! encodings, against the `tokenizers` crate, id by id, with vocabularies in which nearly every letter has a
//! token of its own.
//!
//! With `PICOFORMER_ALL=1` all of Unicode; otherwise some of the characters that are alike: ideographs, Hangul
//! syllables, and those beyond plane 1.

use picoformer::tokenizer::{EncodeError, Tokenizer};
use picoformer_convert::tokenizer::from_json;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

fn characters() -> impl Iterator<Item = char> {
    let all = std::env::var_os("PICOFORMER_ALL").is_some();
    let alike = |c: char| matches!(c, '\u{3400}'..'\u{A000}' | '\u{AC00}'..'\u{D7B0}' | '\u{20000}'..'\u{E0000}' | '\u{E0200}'..);
    ('\0'..=char::MAX).filter(move |&c| all || !alike(c) || (c as u32).is_multiple_of(41))
}

/// Characters with tokens of their own: those that others may become.
fn known() -> impl Iterator<Item = char> {
    let ranges = [
        '!'..='\u{3400}',
        '\u{A640}'..='\u{A7FF}',
        '\u{AB30}'..='\u{ABBF}',
        '\u{F900}'..='\u{FFFF}',
    ];
    let more = [
        '\u{10400}'..='\u{104FF}',
        '\u{11000}'..='\u{11FFF}',
        '\u{1D100}'..='\u{1D1FF}',
        '\u{4E00}'..='\u{4FFF}',
    ];
    ranges.into_iter().chain(more).flatten()
}

fn write(name: &str, json: &Value) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("characters_{name}.json"));
    std::fs::write(&path, json.to_string()).unwrap();
    path
}

/// Every character alone, between letters, under a mark, and doubled.
fn compare(path: &Path, names: impl Fn(char) -> bool) -> usize {
    let theirs = tokenizers::Tokenizer::from_file(path).unwrap();
    let section = from_json(path).unwrap();
    let ours = Tokenizer::parse(&section).unwrap();
    let mut tokens = [0; 256];
    let mut count = 0;
    for c in characters() {
        let text = format!("{c} a{c}b {c}\u{301} e{c}{c}");
        match ours.encode(&text, &mut tokens) {
            Ok(n) => {
                let expected = theirs.encode(text.as_str(), true).unwrap();
                assert_eq!(
                    &tokens[..n],
                    expected.get_ids(),
                    "{}: {c:?} {:x}",
                    path.display(),
                    c as u32
                );
            }
            Err(EncodeError::UnknownCharacter { character }) => {
                assert!(names(character), "{}: {c:?} {character:?}", path.display());
            }
            Err(error) => panic!("{error}"),
        }
        count += 1;
    }
    count
}

#[test]
fn berts_normalizer_equals_the_crate_in_all_settings() {
    let mut vocab = Map::new();
    for piece in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u{FFFF}", "##\u{FFFF}"] {
        vocab.insert(piece.into(), vocab.len().into());
    }
    for c in known().filter(|&c| c != '\u{FFFF}') {
        vocab.insert(c.to_string(), vocab.len().into());
        vocab.insert(format!("##{c}"), vocab.len().into());
    }
    let no = Some(false);
    let settings = [
        (true, None, true, true),
        (true, no, true, true),
        (true, Some(true), false, true),
        (false, None, true, true),
        (false, Some(true), true, true),
        (false, no, false, false),
        (true, None, false, false),
        (true, no, false, false),
    ];
    for (i, (lower, accents, chinese, clean)) in settings.into_iter().enumerate() {
        let json = json!({ "version": "1.0", "added_tokens": [],
            "normalizer": { "type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": chinese,
                "strip_accents": accents, "lowercase": lower },
            "pre_tokenizer": { "type": "BertPreTokenizer" },
            "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": vocab } });
        let count = compare(&write(&format!("bert_{i}"), &json), |_| false);
        println!("BertNormalizer {lower} {accents:?} {chinese} {clean}: {count} characters equal");
    }
}

/// What has no piece becomes bytes, the unknown token, or is named; a piece that is not lower case is found by no text.
#[test]
fn lower_case_in_byte_pairs_equals_the_crate() {
    for (name, bytes, unknown, fuse) in [
        ("bytes", true, json!("<unk>"), false),
        ("unk", false, json!("<unk>"), false),
        ("fuse", false, json!("<unk>"), true),
        ("none", false, Value::Null, false),
    ] {
        let mut vocab = Map::new();
        let mut add = |piece: &str| drop(vocab.insert(piece.into(), vocab.len().into()));
        add("<unk>");
        if bytes {
            (0..256).for_each(|b| add(&format!("<0x{b:02X}>")));
        }
        add(" ");
        add("\u{301}");
        // Some letters in one case, some in both, some in none.
        let some =
            ('a'..='z').chain('À'..='Þ').chain('α'..='ω').chain("ĦħŁǄǅǆΑΒΓKÅẞßſıİꭰꮿΩ".chars());
        some.for_each(|c| add(c.encode_utf8(&mut [0; 4])));
        let json = json!({ "version": "1.0", "added_tokens": [], "normalizer": { "type": "Lowercase" },
            "pre_tokenizer": null, "model": { "type": "BPE", "vocab": vocab, "merges": [],
                "byte_fallback": bytes, "unk_token": unknown, "fuse_unk": fuse } });
        let piece = |c: char| vocab.contains_key(c.encode_utf8(&mut [0; 4]) as &str);
        // The crate drops what has no token and says nothing.
        let nameless = |c: char| unknown.is_null() && !c.to_lowercase().all(piece);
        let count = compare(&write(name, &json), nameless);
        println!("Lowercase, {name}: {count} characters equal or named");
    }
    let several = ('\0'..=char::MAX).filter(|c| c.to_lowercase().count() > 1);
    assert_eq!(several.collect::<String>(), "İ", "the engine knows no other");
}
