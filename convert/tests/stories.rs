//! The quantised engine against f32 on stories260K and TinyStories. Skips without the shared data.

use picoformer::{Decoder, Model};
use picoformer_convert::evaluate::divergence;
use picoformer_convert::float_model::{FloatModel, softmax};
use picoformer_convert::four_bits::{default_roles, fit};
use picoformer_convert::host::*;
use picoformer_convert::import::llama2c;
use picoformer_convert::key_base;
use picoformer_convert::weight_bits::weight_bits;
use picoformer_convert::writer::{Wide, write};
use std::path::{Path, PathBuf};

fn data() -> Option<PathBuf> {
    let set = std::env::var_os("PICOFORMER_DATA").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let found = set.unwrap_or(beside);
    found.join("stories260K").is_dir().then_some(found)
}

/// tok512.bin: greedy merging by score, as llama2.c does it; enough for a test.
fn tokenize(vocabulary: &[(f32, Vec<u8>)], text: &str) -> Vec<u32> {
    let find = |piece: &[u8]| vocabulary.iter().position(|(_, p)| p == piece).map(|i| i as u32);
    let mut ids = vec![1, find(b" ").unwrap()];
    for c in text.trim().chars() {
        let mut buffer = [0; 4];
        let bytes = c.encode_utf8(&mut buffer).as_bytes();
        match find(bytes) {
            Some(id) => ids.push(id),
            None => ids.extend(bytes.iter().map(|&b| b as u32 + 3)),
        }
    }
    loop {
        let mut best: Option<(f32, usize, u32)> = None;
        for i in 0..ids.len() - 1 {
            let pair = [&vocabulary[ids[i] as usize].1[..], &vocabulary[ids[i + 1] as usize].1[..]];
            if let Some(id) = find(&pair.concat()) {
                let score = vocabulary[id as usize].0;
                if best.is_none_or(|b| score > b.0) {
                    best = Some((score, i, id));
                }
            }
        }
        let Some((_, i, id)) = best else { return ids };
        ids[i] = id;
        ids.remove(i + 1);
    }
}

fn vocabulary(bytes: &[u8]) -> Vec<(f32, Vec<u8>)> {
    let (mut at, mut pieces) = (4, Vec::new());
    while at < bytes.len() {
        let score = f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let len = i32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        pieces.push((score, bytes[at + 8..at + 8 + len].to_vec()));
        at += 8 + len;
    }
    pieces
}

/// What a blob loses on TinyStories, a token.
struct Loss {
    tokens: usize,
    reference: f64,
    nats: f64,
    kl: f64,
    /// How often the likeliest token is the same.
    same: f64,
}

fn loss(data: &Path, float: &FloatModel, parsed: &Model) -> Loss {
    let mut arena = HeapArena::new(parsed.arena());
    let vocabulary = vocabulary(&std::fs::read(data.join("stories260K/tok512.bin")).unwrap());
    let (mut nll, mut reference, mut kl, mut same, mut tokens) = (0f64, 0f64, 0f64, 0, 0);
    let mut files: Vec<_> =
        std::fs::read_dir(data.join("tinystories")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for file in files {
        let mut ids = tokenize(&vocabulary, &std::fs::read_to_string(file).unwrap());
        ids.truncate(float.config.context);
        let outputs = float.forward(&ids).outputs;
        let mut decoder = Decoder::new(parsed, arena.parts()).unwrap();
        for (i, &next) in ids.iter().enumerate().skip(1) {
            decoder.advance(ids[i - 1]).unwrap();
            let mut p = outputs[i - 1].clone();
            let best = |x: &[f32]| (0..x.len()).max_by(|&a, &b| x[a].total_cmp(&x[b])).unwrap();
            let mut q: Vec<f32> = decoder.logits().iter().map(|&l| l as f32 / 65536.0).collect();
            same += (best(&p) == best(&q)) as usize;
            softmax(&mut p);
            softmax(&mut q);
            kl += divergence(&p, decoder.logits());
            reference -= (p[next as usize] as f64).ln();
            nll -= (q[next as usize] as f64).ln();
            tokens += 1;
        }
    }
    let n = tokens as f64;
    Loss {
        tokens,
        reference: reference / n,
        nats: (nll - reference) / n,
        kl: kl / n,
        same: same as f64 / n,
    }
}

/// The checkpoint, if it is there.
fn stories() -> Option<(PathBuf, FloatModel)> {
    let Some(data) = data() else {
        println!("skipped: set PICOFORMER_DATA to the folder with stories260K and tinystories");
        return None;
    };
    let model = llama2c::import(&data.join("stories260K/stories260K.bin")).unwrap();
    Some((data, model))
}

#[test]
fn quantization_costs_at_most_eight_thousandths_of_a_nat() {
    let Some((data, model)) = stories() else { return };
    let mut less = model.clone();
    key_base::fit(&mut less, Wide::Auto).unwrap();
    let blob = Blob::new(&write(&less, Wide::Auto).unwrap());
    let parsed = blob.parse().unwrap();
    let Loss { tokens, reference, nats, kl, same } = loss(&data, &model, &parsed);
    println!(
        "{tokens} tokens: f32 {reference:.5}, int8 {:.5} ({nats:+.5}), divergence {kl:.5}, top-1 agreement \
         {:.2} %, arena {} bytes",
        reference + nats,
        100.0 * same,
        parsed.arena().total_bytes(),
    );
    assert!(nats <= 0.008);
    assert!(same >= 0.96);
    // A decoder alone needs no room for a text's tokens.
    let arena = parsed.arena();
    assert!(arena.total_bytes() - 4 * arena.tokens <= 190_000);
}

/// As `picoformer convert --bits 4` does it, without any data.
#[test]
fn four_bits_cost_at_most_an_eighth_of_a_nat() {
    let Some((data, model)) = stories() else { return };
    let mut four = model.clone();
    let roles = default_roles(&four);
    key_base::fit(&mut four, Wide::Auto).unwrap();
    fit(&mut four, roles, Wide::Auto, &[]).unwrap();
    let blob = Blob::new(&write(&four, Wide::Auto).unwrap());
    let parsed = blob.parse().unwrap();
    let (bits, by_part) = weight_bits(parsed.config(), parsed.layout());
    let Loss { nats, kl, same, .. } = loss(&data, &model, &parsed);
    println!("{bits:.2} bits a weight {by_part:?}");
    println!("{nats:+.4} nats, divergence {kl:.4}, top-1 agreement {:.1} %", 100.0 * same);
    assert!(bits <= 4.5);
    assert!(nats <= 0.12);
}
