//! The shipped checkpoints, converted and run on the engine, against their f32 reference.

use picoformer::{Decoder, Encoder};
use picoformer_convert::{checkpoint::Checkpoint, host::*, import::import, writer};
use std::path::PathBuf;
use tokenizers::Tokenizer;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models").join(name)
}

fn tokenizer(name: &str) -> Tokenizer {
    Tokenizer::from_file(folder(name).join("checkpoint/tokenizer.json")).unwrap()
}

fn argmax<T: PartialOrd>(x: &[T]) -> usize {
    (1..x.len()).fold(0, |best, i| if x[i] > x[best] { i } else { best })
}

/// Accuracy on the whole test split in int8, its loss against f32 on every tenth sentence.
#[test]
fn intent_keeps_its_accuracy() {
    let checkpoint = Checkpoint::open(&folder("intent/checkpoint")).unwrap();
    let model = import(&checkpoint).unwrap();
    let blob = Blob::new(&writer::write(&model, writer::Wide::Auto).unwrap());
    let parsed = blob.parse().unwrap();
    let mut arena = HeapArena::new(parsed.arena());
    let mut encoder = Encoder::new(&parsed, arena.parts()).unwrap();
    let tokenizer = tokenizer("intent");
    let test = std::fs::read_to_string(folder("intent/test.jsonl")).unwrap();
    let (mut right, mut count, mut compared, mut agree) = (0, 0, 0, 0);
    let mut worst = 0f32;
    let rows = test.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    for (i, row) in rows.filter(|row| !row["label"].is_null()).enumerate() {
        let ids = tokenizer.encode(row["text"].as_str().unwrap(), true).unwrap();
        let logits = encoder.run(ids.get_ids()).unwrap();
        let nearest = parsed.scope().map_or_else(|| argmax(logits), |scope| scope.nearest(logits));
        let label = parsed.label(nearest).unwrap();
        right += (label == row["label"].as_str().unwrap()) as usize;
        count += 1;
        if i % 10 == 0 {
            let float = &model.forward(ids.get_ids()).outputs[0];
            compared += 1;
            agree += (argmax(float) == argmax(logits)) as usize;
            for (f, q) in float.iter().zip(logits) {
                worst = worst.max((f - *q as f32 / 65536.0).abs());
            }
        }
    }
    println!(
        "intent: {right} of {count} right ({:.2} %), agrees with f32 on {agree} of {compared}, \
         largest logit error {worst:.3}, flash {} bytes, arena {} bytes",
        100.0 * right as f64 / count as f64,
        parsed.flash_bytes(),
        parsed.arena().total_bytes(),
    );
    assert_eq!(count, 4500);
    assert!(right * 1000 >= count * 910);
    assert!(agree * 100 >= compared * 98);
}

/// Feeding a prompt in tiles, token by token, and on a dirty arena gives the same bits.
#[test]
fn tales_do_not_depend_on_tiles() {
    let checkpoint = Checkpoint::open(&folder("tales/checkpoint")).unwrap();
    let mut model = import(&checkpoint).unwrap();
    let ids = tokenizer("tales").encode("Once upon a time there was a king who", true).unwrap();
    let mut seen = Vec::new();
    for tile_rows in [1, 2, 3, 8] {
        model.config.tile_rows = tile_rows;
        let blob = Blob::new(&writer::write(&model, writer::Wide::Auto).unwrap());
        let parsed = blob.parse().unwrap();
        let mut arena = HeapArena::new(parsed.arena());
        let mut decoder = Decoder::new(&parsed, arena.parts()).unwrap();
        decoder.prefill(ids.get_ids()).unwrap();
        let together = decoder.logits().to_vec();
        decoder.reset();
        for &id in ids.get_ids() {
            decoder.advance(id).unwrap();
        }
        assert_eq!(together, decoder.logits(), "tile of {tile_rows}");
        seen.push(together);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    let float = model.forward(ids.get_ids());
    assert_eq!(argmax(float.outputs.last().unwrap()), argmax(&seen[0]));
}

/// Scoring a text in one pass is the sum of what stepping through it gives.
#[test]
fn scores_equal_stepping() {
    let checkpoint = Checkpoint::open(&folder("tales/checkpoint")).unwrap();
    let model = import(&checkpoint).unwrap();
    let blob = Blob::new(&writer::write(&model, writer::Wide::Auto).unwrap());
    let parsed = blob.parse().unwrap();
    let mut arena = HeapArena::new(parsed.arena());
    let mut decoder = Decoder::new(&parsed, arena.parts()).unwrap();
    let text = std::fs::read_to_string(folder("tales/test/0.txt")).unwrap();
    let ids = tokenizer("tales").encode(text.as_str(), true).unwrap();
    let ids = &ids.get_ids()[..100];
    let total = decoder.score(ids, |_, _| {}).unwrap();
    decoder.reset();
    let mut sum = 0;
    for pair in ids.windows(2) {
        decoder.advance(pair[0]).unwrap();
        sum += picoformer::probability::log_probability(decoder.logits(), pair[1] as usize) as i64;
    }
    assert_eq!(total, sum);
    let nll = -total as f64 / 65536.0 / 99.0;
    println!("tales: {nll:.4} nats per token on the first test document");
    assert!((1.0..5.0).contains(&nll));
}

/// A blob that was changed is refused by name: cut at every section, every header byte flipped, a
/// flipped weight.
#[test]
fn wrong_blobs_are_refused() {
    let checkpoint = Checkpoint::open(&folder("intent/checkpoint")).unwrap();
    let bytes = writer::write(&import(&checkpoint).unwrap(), writer::Wide::Auto).unwrap();
    let layout = *Blob::new(&bytes).parse().unwrap().layout();
    let mut cuts =
        vec![0, 1, 127, 128, layout.position, layout.layers, layout.head.offset, layout.labels.0];
    cuts.extend((0..bytes.len()).step_by(9973));
    for cut in cuts {
        assert!(Blob::new(&bytes[..cut]).parse().is_err(), "cut at {cut}");
    }
    for at in 0..128 {
        for bit in [1u8, 0x10, 0x80, 0xff] {
            let mut wrong = bytes.clone();
            wrong[at] ^= bit;
            assert!(Blob::new(&wrong).parse().is_err(), "header byte {at} ^ {bit}");
        }
    }
    for at in (128..bytes.len()).step_by(4999) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 4;
        assert!(Blob::new(&wrong).parse().is_err(), "byte {at}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(Blob::new(&longer).parse(), Err(picoformer::FormatError::WrongLength { .. })));
}
