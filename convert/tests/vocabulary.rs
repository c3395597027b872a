//! `--keep-vocabulary`: a model with a part of its vocabulary answers as the whole one, under other ids.

mod common;

use common::checkpoints::{Folder, copy};
use common::synthetic::Random;
use picoformer::tokenizer::{Tokenizer, Vocabulary};
use picoformer_convert::checkpoint::{Keep, Options};
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::kept::{Kept, ORIGINAL};
use picoformer_convert::load::{Loaded, load_with};
use picoformer_convert::sections::with_section;
use picoformer_convert::tokenizer::from_json;
use picoformer_convert::tokenizer::keep::{renumber, select};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

fn reduced(folder: &Folder, keep: Keep) -> Loaded {
    let options = Options { keep: Some(keep), ..Options::default() };
    load_with(&folder.0, None, options).unwrap_or_else(|error| panic!("{error}"))
}

fn with_text(folder: Folder, text: &str) -> (FloatModel, Loaded) {
    let folder = folder.write("mine.text", text);
    let small = reduced(&folder, Keep::Text(folder.0.join("mine.text")));
    (folder.model(), small)
}

fn ids(model: &FloatModel, text: &str) -> Vec<u32> {
    let tokenizer = Tokenizer::parse(&model.tokenizer).unwrap();
    let mut ids = vec![0; 4 * text.len() + 8];
    let n = tokenizer.encode(text, &mut ids).unwrap();
    ids.truncate(n);
    ids
}

/// The new ids, if all of these are kept.
fn new(kept: &Kept, ids: &[u32]) -> Option<Vec<u32>> {
    ids.iter().map(|&id| kept.new_id(id)).collect()
}

/// The columns of the kept tokens.
fn columns(kept: &Kept, rows: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let columns = |row: &Vec<f32>| kept.ids().iter().map(|&id| row[id as usize]).collect();
    rows.iter().map(columns).collect()
}

/// Every family, every tensor with a row a token: tied and untied heads, separate tables, biases, and the ids
/// of the configuration.
#[test]
fn every_family_answers_as_the_whole_one() {
    let names = [
        "bart",
        "bert-cls",
        "bert-mean",
        "bert-tags",
        "gpt2-scaled",
        "gpt2-tied",
        "llama-bias",
        "llama-tied",
        "marian",
        "marian-separate",
        "mistral",
        "t5-gated",
        "t5-tied",
    ];
    let r = &mut Random(10);
    for name in names {
        let folder = copy(name);
        let whole = folder.model();
        let used = [0, 1, 2, 3, 7, 16, 19, 31];
        let picked: BTreeSet<u32> = used.into_iter().chain(r.tokens(6, 32)).collect();
        let kept = Kept::new(32, picked).unwrap();
        let small = reduced(&folder, Keep::Pieces(kept.clone())).model;
        let n = kept.ids().len();
        assert_eq!(small.config.vocab_size, n, "{name}");
        let text = r.tokens(9, n);
        let original: Vec<u32> = text.iter().map(|&id| kept.original_id(id).unwrap()).collect();
        if small.decoder.is_some() {
            let id = |id: usize| kept.new_id(id as u32).unwrap() as usize;
            assert_eq!(small.config.start_token, id(whole.config.start_token), "{name}");
            assert_eq!(small.config.end_token, id(whole.config.end_token), "{name}");
            let (new, old) = (small.read(&text).unwrap(), whole.read(&original).unwrap());
            let old = columns(&kept, &old.forward(&original));
            assert_eq!(new.forward(&text), old, "{name}");
        } else {
            let (new, old) = (small.forward(&text), whole.forward(&original));
            assert_eq!(new.hidden, old.hidden, "{name}");
            match name.starts_with("bert") {
                true => assert_eq!(new.outputs, old.outputs, "{name}"),
                false => assert_eq!(new.outputs, columns(&kept, &old.outputs), "{name}"),
            }
        }
    }
}

/// A token never written, one forced to be first, and an end token that the class and not the file names.
#[test]
fn ids_of_the_configuration_follow() {
    let kept = || Kept::new(32, [0, 2, 7, 9, 12, 20, 31]).unwrap();
    let folder = copy("marian")
        .generate("bad_words_ids", json!([[20]]))
        .generate("forced_bos_token_id", json!(12));
    let model = reduced(&folder, Keep::Pieces(kept())).model;
    // Plus 1, as the blob has them.
    assert_eq!((model.config.suppressed_token, model.config.forced_token), (6, 5));
    let lost = Keep::Pieces(Kept::new(32, [0, 2, 7, 9, 20, 31]).unwrap());
    let options = Options { keep: Some(lost), ..Options::default() };
    assert!(load_with(&folder.0, None, options).is_err());
    let silent = copy("tales").unset("eos_token_id").remove("generation_config.json");
    let (whole, small) = with_text(silent, "Once upon a time.");
    let end = |model: &FloatModel| Vocabulary::parse(&model.tokenizer).unwrap().end();
    assert_eq!(end(&whole), Some(2));
    assert_eq!(end(&small.model), small.kept.unwrap().new_id(2));
}

/// Rules of generation have the new ids.
#[test]
fn rules_have_the_ids_of_the_part() {
    let folder = copy("tales").write("mine.text", "Once.");
    let folder = folder.generate("bad_words_ids", json!([[1020]]));
    let keep = Some(Keep::Text(folder.0.join("mine.text")));
    let loaded = load_with(&folder.0, None, Options { keep, ..Options::default() }).unwrap();
    let id = loaded.kept.and_then(|kept| kept.new_id(1020)).unwrap();
    let (_, rules) = &loaded.model.sections[0];
    // A record of kind 9, never written, with one token.
    assert_eq!(rules[..], [&[9, 0, 1, 0][..], &id.to_le_bytes()].concat());
}

/// The three shipped checkpoints (WordPiece, byte-pair encoding with bytes, characters): for every line of a
/// text, and every other text of kept pieces, the same tokens, logits and answers.
#[test]
fn shipped_models_keep_their_answers() {
    let read = |file: &str| std::fs::read_to_string(common::root().join("models").join(file));
    let intent = read("intent/test.jsonl").unwrap();
    // They are sorted by their labels.
    let intent = intent.lines().step_by(3).map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        row["text"].as_str().unwrap().to_owned()
    });
    let tales: Vec<String> =
        (0..8).map(|i| read(&format!("tales/test/{i}.txt")).unwrap()).collect();
    let tales = tales.join("\n");
    // Names of special tokens are ordinary text, and their pieces are kept too.
    let tales = format!("The </s> king and the <unk>.{tales}");
    let tales = tales.split_inclusive(['.', ',']).map(|line| line.trim().to_owned());
    for (name, lines, own) in
        [("intent", intent.collect::<Vec<_>>(), 300), ("tales", tales.collect::<Vec<_>>(), 30)]
    {
        let (whole, small) = with_text(copy(name), &lines[..own].join("\n"));
        let (kept, small) = (small.kept.unwrap(), small.model);
        let (mut same, mut other) = (0, 0);
        for (i, line) in lines.iter().take(own + 300).enumerate() {
            let original = ids(&whole, line);
            match new(&kept, &original) {
                Some(expected) => {
                    assert_eq!(ids(&small, line), expected, "{line}");
                    same += 1;
                    if same % 25 == 0 {
                        let n = expected.len().min(32);
                        let expected = small.forward(&expected[..n]);
                        assert_eq!(expected.hidden, whole.forward(&original[..n]).hidden);
                    }
                }
                None => {
                    assert!(i >= own, "the text itself has all its pieces: {line}");
                    // Another text: other pieces, and of these the same text.
                    assert!(ids(&small, line).iter().all(|&id| (id as usize) < kept.ids().len()));
                    other += 1;
                }
            }
        }
        println!(
            "{name}: {} of {} tokens, {same} lines alike, {other} of other pieces",
            kept.ids().len(),
            kept.original_size()
        );
        assert!(same > own && other > 10, "{same} {other}");
        assert!(kept.ids().len() < kept.original_size());
    }
    let pairs = read("g2p/dev.tsv").unwrap();
    let pairs: Vec<&str> = pairs.lines().filter(|line| line.is_ascii()).take(200).collect();
    let (whole, small) = with_text(copy("g2p"), &pairs[..150].join("\n").replace('\t', "\n"));
    let (kept, small) = (small.kept.unwrap(), small.model);
    for line in &pairs[150..155] {
        let source = ids(&whole, line.split('\t').next().unwrap());
        let written = whole.read(&source).unwrap().search(2, 24).unwrap();
        let Some(expected) = new(&kept, &written) else { continue };
        let found = small.read(&new(&kept, &source).unwrap()).unwrap().search(2, 24).unwrap();
        assert_eq!(found, expected, "{line}");
    }
}

/// Words of the repository's own texts.
fn corpus() -> Vec<String> {
    let root = common::root();
    let files = [
        "README.md",
        "CHANGELOG.md",
        "docs/DECISIONS.md",
        "docs/FORMAT.md",
        "models/tales/test/0.txt",
    ];
    let read = |file: &&str| std::fs::read_to_string(root.join(file)).unwrap();
    files
        .iter()
        .map(read)
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// A tokenizer that the crate trains on the corpus.
fn trained(byte_level: bool) -> Value {
    use tokenizers::models::{TrainerWrapper, bpe, unigram};
    use tokenizers::pre_tokenizers::{byte_level::ByteLevel, metaspace::Metaspace};
    use tokenizers::{AddedToken, Tokenizer};
    let specials = ["<pad>", "</s>", "<unk>"].map(|name| AddedToken::from(name, true)).to_vec();
    let (mut tokenizer, mut trainer): (Tokenizer, TrainerWrapper) = match byte_level {
        true => {
            let trainer = bpe::BpeTrainer::builder()
                .show_progress(false)
                .vocab_size(1500)
                .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
                .special_tokens(specials)
                .build();
            (Tokenizer::new(bpe::BPE::default()), trainer.into())
        }
        false => {
            let trainer = unigram::UnigramTrainer::builder()
                .show_progress(false)
                .vocab_size(1200)
                .unk_token(Some("<unk>".into()))
                .special_tokens(specials)
                .build()
                .unwrap();
            (Tokenizer::new(unigram::Unigram::default()), trainer.into())
        }
    };
    match byte_level {
        true => tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true))),
        false => tokenizer.with_pre_tokenizer(Some(Metaspace::default())),
    };
    tokenizer.train(&mut trainer, corpus().into_iter()).unwrap();
    serde_json::from_str(&tokenizer.to_string(false).unwrap()).unwrap()
}

fn crates(json: &Value) -> tokenizers::Tokenizer {
    tokenizers::Tokenizer::from_bytes(json.to_string()).unwrap()
}

/// Texts put together at random from kept pieces: where the original's tokens are kept ones, the smaller
/// vocabulary gives the same ones, in the crate and in the engine.
fn texts_of_kept_pieces(json: &Value) {
    let r = &mut Random(7);
    let lines = corpus();
    let whole = crates(json);
    let original = whole.get_vocab_size(true);
    for _ in 0..2 {
        let first = r.below(lines.len() - 40);
        let text = lines[first..first + 40].join("\n");
        let kept = select(json, Path::new("tokenizer.json"), &text, &[], original).unwrap();
        let smaller = renumber(json.clone(), &kept);
        let small = crates(&smaller);
        assert_eq!(small.get_vocab_size(true), kept.ids().len());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vocabulary.json");
        std::fs::write(&path, smaller.to_string()).unwrap();
        let section = from_json(&path).unwrap();
        let pieces: Vec<String> =
            kept.ids().iter().filter_map(|&id| whole.decode(&[id], true).ok()).collect();
        let words: Vec<&str> = text.split_whitespace().collect();
        let (mut same, mut other) = (0, 0);
        for i in 0..2400 {
            let mut random = String::new();
            for _ in 0..1 + r.below(5) {
                match i % 3 {
                    0 => random += &pieces[r.below(pieces.len())],
                    1 => random += &format!(" {}", words[r.below(words.len())]),
                    _ => random += &format!("{} ", pieces[r.below(pieces.len())]),
                }
            }
            let expected = whole.encode(random.as_str(), true).unwrap();
            let Some(expected) = new(&kept, expected.get_ids()) else {
                other += 1;
                continue;
            };
            let found = small.encode(random.as_str(), true).unwrap();
            assert_eq!(found.get_ids(), expected, "{random:?}");
            let mut ids = vec![0; 4 * random.len() + 8];
            let n = Tokenizer::parse(&section).unwrap().encode(&random, &mut ids).unwrap();
            assert_eq!(ids[..n], expected, "{random:?}");
            same += 1;
        }
        println!(
            "{} of {original} tokens: {same} texts alike, {other} of dropped pieces",
            kept.ids().len()
        );
        assert!(same > 800 && other > 10, "{same} {other}");
        // The text itself, whole and by lines.
        for part in [text.as_str()].into_iter().chain(text.lines()) {
            let expected = whole.encode(part, true).unwrap();
            let expected = new(&kept, expected.get_ids()).unwrap();
            assert_eq!(small.encode(part, true).unwrap().get_ids(), expected);
        }
    }
}

#[test]
fn byte_level_texts_of_kept_pieces_keep_their_tokens() {
    texts_of_kept_pieces(&trained(true));
}

#[test]
fn unigram_texts_of_kept_pieces_keep_their_tokens() {
    texts_of_kept_pieces(&trained(false));
}

#[test]
fn word_piece_and_byte_fallback_texts_of_kept_pieces_keep_their_tokens() {
    for name in ["intent", "tales"] {
        let path = common::root().join("models").join(name).join("checkpoint/tokenizer.json");
        let json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        texts_of_kept_pieces(&json);
    }
}

/// A piece is kept with those that it is merged from, and nothing is kept for one that no merge makes.
#[test]
fn the_merge_path_is_kept() {
    let vocab: Vec<&str> = vec!["a", "b", "c", "d", "ab", "cd", "bc", "abcd", "abc", "dd", "é"];
    let vocab: serde_json::Map<String, Value> = vocab
        .iter()
        .zip(0..)
        .map(|(piece, id): (&&str, i32)| (piece.to_string(), json!(id)))
        .collect();
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "vocab": vocab,
            "merges": [["a", "b"], ["c", "d"], ["b", "c"], ["ab", "cd"], ["ab", "c"], ["a", "bc"]],
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
            "byte_fallback": false, "ignore_merges": false }
    });
    let kept = |text: &str, needed: &[u32]| {
        let kept = select(&json, Path::new("tokenizer.json"), text, needed, 11).unwrap();
        kept.ids().to_vec()
    };
    // abcd is ab + cd; neither bc nor abc is on the way. Both orders of abc are rules, one is the path.
    assert_eq!(kept("abcd", &[]), [0, 1, 2, 3, 4, 5, 7]);
    assert_eq!(kept("abc", &[]), [0, 1, 2, 4, 8]);
    assert_eq!(kept("c", &[9]), [2, 9]);
    let whole = Kept::new(11, [0, 1, 2, 3, 4, 5, 7]).unwrap();
    let merges = renumber(json.clone(), &whole)["model"]["merges"].clone();
    assert_eq!(merges, json!([["a", "b"], ["c", "d"], ["ab", "cd"]]));
}

/// The blob remembers the original's ids, and engines read it all the same.
#[test]
fn a_blob_remembers_the_ids() {
    let (_, small) = with_text(copy("intent"), "set an alarm for seven\nwhat is my balance");
    let kept = small.kept.unwrap();
    let whole = copy("intent").model().config.vocab_size;
    let blob = common::blob(&small.model);
    assert_eq!(Kept::of(&blob.parse().unwrap()), None);
    let blob = with_section(blob.bytes(), ORIGINAL, &kept.to_bytes()).unwrap();
    let blob = picoformer_convert::host::Blob::new(&blob);
    assert_eq!(Kept::of(&blob.parse().unwrap()), Some(kept));
    assert!(
        small.notes.iter().any(|note| note.contains(&format!("of {whole} tokens are kept"))),
        "{:?}",
        small.notes
    );
}

/// More pieces than a blob's tokenizer can have are refused, with the option that helps, and with it they
/// convert.
#[test]
fn a_great_vocabulary_is_refused_without_the_option() {
    let fill = |config: usize| {
        let folder = copy("tales").edit("tokenizer.json", |json| {
            for id in 1024..70_000 {
                json["model"]["vocab"][format!("filler{id}")] = json!(id);
            }
        });
        folder.set("vocab_size", json!(config)).weights(|tensors| {
            for (name, (_, shape, data)) in tensors {
                if name == "model.embed_tokens.weight" {
                    data.resize(data.len() / shape[0] * 70_000, 0);
                    shape[0] = 70_000;
                }
            }
        })
    };
    let folder = fill(70_000);
    assert!(folder.refusal().contains("a vocabulary of 70000 tokens"), "{}", folder.refusal());
    folder.refused(&["tokenizer.json", "at most 65536", "--keep-vocabulary TEXT"]);
    let (text, tales) = ("The king had a daughter.", copy("tales").model());
    let folder = fill(70_000).write("mine.text", text);
    let small = reduced(&folder, Keep::Text(folder.0.join("mine.text")));
    let kept = small.kept.unwrap();
    assert_eq!(kept.original_size(), 70_000);
    let original = ids(&tales, text);
    let tokens = ids(&small.model, text);
    assert_eq!(tokens, new(&kept, &original).unwrap());
    let expected = columns(&kept, &tales.forward(&original).outputs);
    assert_eq!(small.model.forward(&tokens).outputs, expected);
    // Fewer tokens in the model than in the tokenizer.
    let folder = fill(70_001);
    folder.refused(&["shape"]);
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let refused = |folder: Folder, text: Option<&str>, words: &[&str]| {
        let folder = match text {
            Some(text) => folder.write("mine.text", text),
            None => folder,
        };
        let keep = Some(Keep::Text(folder.0.join("mine.text")));
        let error = load_with(&folder.0, None, Options { keep, ..Options::default() }).unwrap_err();
        let help = miette::Diagnostic::help(&error).map(|h| h.to_string()).unwrap_or_default();
        let text = format!("{error} — {help}");
        words.iter().for_each(|word| assert!(text.contains(word), "{word}: {text}"));
    };
    refused(copy("tales"), None, &["mine.text", "cannot access"]);
    refused(copy("tales"), Some(" \n"), &["mine.text", "empty"]);
    refused(copy("llama-bias"), Some("text"), &["--keep-vocabulary", "`none`", "--tokenizer"]);
    let torn = copy("tales").set("vocab_size", json!(40));
    refused(torn, Some("The king."), &["1024 tokens", "knows 40"]);
}
