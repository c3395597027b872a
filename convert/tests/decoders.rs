//! Decoders of every shape against the f32 reference, and what must not matter: how rows are grouped into
//! tiles, what the arena held before, whether a prompt is fed at once or token by token.

mod common;

use common::synthetic::*;
use common::*;
use picoformer::config::*;
use picoformer::matrix::Packing;
use picoformer::{ArenaParts, Decoder, Model, RunError};
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::HeapArena;

/// One configuration by its name, and the bound on its error.
fn shapes() -> Vec<(&'static str, Config)> {
    let untied = Config { head: Head::Vocabulary, head_bias: true, ..gpt2() };
    vec![
        ("llama", llama()),
        ("gpt2", gpt2()),
        ("one layer, vocabulary of 7", Config { n_layers: 1, vocab_size: 7, ..llama() }),
        ("grouped queries 6:2", Config { n_heads: 6, n_kv_heads: 2, head_dim: 4, ..llama() }),
        ("one key head for all", Config { n_heads: 4, n_kv_heads: 1, ..gpt2() }),
        ("heads of 5, feed-forward of 13", Config { head_dim: 5, d_ff: 13, ..untied }),
        ("heads of 6, rotary", Config { head_dim: 6, n_heads: 3, n_kv_heads: 3, ..llama() }),
        ("sinusoids", Config { position: Position::Sinusoidal, ..gpt2() }),
        ("no positions", Config { position: Position::None, ..llama() }),
        ("rotary LayerNorm", Config { position: Position::Rotary, ..untied }),
        ("relu", Config { activation: Activation::Relu, ..gpt2() }),
        ("gated erf", Config { activation: Activation::GeluErf, gated: true, ..gpt2() }),
        ("feed-forward wider than a segment", Config { d_ff: 1100, ..llama() }),
        ("wide", Config { d_model: 640, n_heads: 5, n_kv_heads: 1, head_dim: 128, ..llama() }),
        ("no final norm", Config { final_norm: false, ..llama() }),
        ("post-norm", Config { norm_order: NormOrder::Post, final_norm: false, ..gpt2() }),
        ("embedding norm", Config { embedding_norm: true, ..gpt2() }),
    ]
}

/// Logits after a prompt fed at once, on an arena full of `fill`.
fn prefill(model: &Model, ids: &[u32], fill: u8) -> Vec<i32> {
    let size = model.arena();
    let mut bytes = vec![fill; size.bytes];
    let mut halves = vec![i16::from_ne_bytes([fill; 2]); size.halves];
    let mut words = vec![i32::from_ne_bytes([fill; 4]); size.words];
    let parts = ArenaParts {
        bytes: &mut bytes,
        halves: &mut halves,
        words: &mut words,
        ..Default::default()
    };
    let mut decoder = Decoder::new(model, parts).unwrap();
    decoder.prefill(ids).unwrap();
    decoder.logits().to_vec()
}

#[test]
fn every_shape_follows_the_reference() {
    for (i, (name, config)) in shapes().into_iter().enumerate() {
        let mut model = random(config, 100 + i as u64);
        let ids = Random(i as u64).tokens(23, config.vocab_size);
        let float = model.forward(&ids).outputs;
        let mut seen: Vec<Vec<i32>> = Vec::new();
        for tile_rows in [1, 2, 3, 8, 64] {
            model.config.tile_rows = tile_rows;
            let blob = blob(&model);
            let parsed = blob.parse().unwrap();
            seen.extend([0, 0xff, 0x7f].map(|fill| prefill(&parsed, &ids, fill)));
            if tile_rows == 3 {
                let stepped = decode(&parsed, &ids);
                let error = relative_error(&stepped, &float);
                println!("{name}: off by {error:.4}");
                assert!(error < 0.06, "{name}: {error}");
                assert_eq!(stepped.last().unwrap(), &real(&seen[0]), "{name}: stepping differs");
            }
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{name}: tiles or arenas matter");
    }
}

fn windowed(tile_rows: usize) -> FloatModel {
    let window = Config { window: 11, context: 128, n_layers: 3, n_kv_heads: 1, ..llama() };
    random(Config { tile_rows, ..window }, 7)
}

/// A ring of 32 or 48 keys serves 300 tokens, far beyond ring and context.
#[test]
fn a_sliding_window_runs_on_for_ever() {
    let ids = Random(8).tokens(300, 29);
    let float = windowed(1).forward(&ids).outputs;
    let mut seen = Vec::new();
    for tile_rows in [1, 2, 5, 16] {
        let model = windowed(tile_rows);
        let blob = blob(&model);
        let parsed = blob.parse().unwrap();
        assert!(parsed.config().cache_rows() < 64, "the ring is shorter than the text");
        let stepped = decode(&parsed, &ids);
        let error = relative_error(&stepped, &float);
        println!("window of 11, tile of {tile_rows}: off by {error:.4} over 300 tokens");
        assert!(error < 0.06, "{error}");
        assert_eq!(real(&prefill(&parsed, &ids, 0xff)), stepped[299]);
        seen.push(stepped);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

/// The window is not decoration: without it the same weights answer otherwise.
#[test]
fn the_window_is_exact() {
    let model = windowed(2);
    let mut open = model.clone();
    open.config.window = 0;
    let ids = Random(8).tokens(40, 29);
    let [with, without] = [&model, &open].map(|m| decode(&blob(m).parse().unwrap(), &ids));
    assert_eq!(with[..11], without[..11]);
    assert_ne!(with[39], without[39]);
}

#[test]
fn a_prefix_is_seen_by_all() {
    let model = random(Config { tile_rows: 8, ..llama() }, 9);
    let ids = Random(10).tokens(20, 29);
    let float = model.forward_masked(&ids, &|query, key| key <= query || key < 6).outputs;
    let blob = blob(&model);
    let parsed = blob.parse().unwrap();
    let mut arena = HeapArena::new(parsed.arena());
    let mut decoder = Decoder::new(&parsed, arena.parts()).unwrap();
    decoder.set_prefix(6).unwrap();
    decoder.prefill(&ids[..6]).unwrap();
    let mut found = vec![real(decoder.logits())];
    for &id in &ids[6..] {
        decoder.advance(id).unwrap();
        found.push(real(decoder.logits()));
    }
    let error = relative_error(&found, &float[5..]);
    println!("prefix of 6: off by {error:.4}");
    assert!(error < 0.06, "{error}");
    // Fed in one go it is the same; split it is refused, never computed wrongly.
    decoder.reset();
    decoder.set_prefix(6).unwrap();
    decoder.prefill(&ids).unwrap();
    assert_eq!(&real(decoder.logits()), found.last().unwrap());
    decoder.reset();
    decoder.set_prefix(6).unwrap();
    assert_eq!(decoder.advance(1), Err(RunError::SplitPrefix { needed: 6, given: 1 }));
    assert_eq!(decoder.set_prefix(9), Err(RunError::SplitPrefix { needed: 9, given: 8 }));
}

#[test]
fn bad_input_is_a_typed_error() {
    let model = random(Config { context: 10, ..gpt2() }, 11);
    let blob = blob(&model);
    let parsed = blob.parse().unwrap();
    let mut arena = HeapArena::new(parsed.arena());
    let mut decoder = Decoder::new(&parsed, arena.parts()).unwrap();
    assert_eq!(decoder.prefill(&[]), Err(RunError::EmptyInput));
    let range = RunError::TokenOutOfRange { token: 29, vocab_size: 29 };
    assert_eq!(decoder.prefill(&[1, 29]), Err(range));
    assert_eq!(decoder.prefill(&[1; 11]), Err(RunError::TooLong { needed: 11, given: 10 }));
    assert!(decoder.is_empty(), "nothing was fed");
    decoder.prefill(&[1; 10]).unwrap();
    assert_eq!(decoder.remaining(), 0);
    let before = decoder.logits().to_vec();
    assert_eq!(decoder.advance(1), Err(RunError::TooLong { needed: 1, given: 0 }));
    assert_eq!(decoder.logits(), before);
    assert!(!decoder.truncate(11) && decoder.truncate(4));
    decoder.prefill(&[1; 6]).unwrap();
    assert_eq!(decoder.logits(), before, "going back and forth changes nothing");

    let size = parsed.arena();
    for (part, cut) in [("bytes", [1, 0, 0]), ("halves", [0, 1, 0]), ("words", [0, 0, 1])] {
        let mut bytes = vec![0; size.bytes - cut[0]];
        let mut halves = vec![0; size.halves - cut[1]];
        let mut words = vec![0; size.words - cut[2]];
        let parts = ArenaParts {
            bytes: &mut bytes,
            halves: &mut halves,
            words: &mut words,
            ..Default::default()
        };
        match Decoder::new(&parsed, parts) {
            Err(RunError::ArenaTooSmall { part: found, needed, given }) => {
                assert_eq!((found, needed), (part, given + 1));
            }
            other => panic!("{other:?}"),
        }
    }
    let mut halves = vec![0i16; size.halves + 2];
    let (mut bytes, mut words) = (vec![0; size.bytes], vec![0; size.words]);
    let odd = if halves.as_ptr().addr().is_multiple_of(4) { 1 } else { 0 };
    let parts = ArenaParts {
        bytes: &mut bytes,
        halves: &mut halves[odd..],
        words: &mut words,
        ..Default::default()
    };
    let misaligned = Decoder::new(&parsed, parts).unwrap_err();
    assert_eq!(misaligned, RunError::MisalignedArena { part: "halves" });

    let encoder = random(bert(), 12);
    let blob = common::blob(&encoder);
    let parsed = blob.parse().unwrap();
    let mut arena = HeapArena::new(parsed.arena());
    let wrong = Decoder::new(&parsed, arena.parts()).unwrap_err();
    assert_eq!(wrong, RunError::WrongModel { needed: "a decoder with a vocabulary head" });
}

/// Scores in one pass: the log-softmax of the reference, whatever the tile; the parts add up.
#[test]
fn scores_are_log_probabilities() {
    for tile_rows in [1, 2, 7] {
        let model = random(Config { tile_rows, ..gpt2() }, 13);
        let ids = Random(14).tokens(30, 29);
        let float = model.forward(&ids).outputs;
        let blob = blob(&model);
        let parsed = blob.parse().unwrap();
        let mut arena = HeapArena::new(parsed.arena());
        let mut decoder = Decoder::new(&parsed, arena.parts()).unwrap();
        let mut each = Vec::new();
        let total = decoder.score(&ids, |i, value| each.push((i, value))).unwrap();
        assert_eq!(total, each.iter().map(|&(_, value)| value as i64).sum::<i64>());
        assert!(each.iter().map(|&(i, _)| i).eq(1..30));
        for (i, value) in each {
            let row = &float[i - 1];
            let sum: f32 = row.iter().map(|x| x.exp()).sum();
            let expected = row[ids[i] as usize] - sum.ln();
            assert!((value as f32 / 65536.0 - expected).abs() < 0.35, "{i}: {value} {expected}");
        }
        // The second half after the first is scored as in one go.
        decoder.reset();
        let first = decoder.score(&ids[..12], |_, _| {}).unwrap();
        let second = decoder.score(&ids[12..], |_, _| {}).unwrap();
        assert_eq!(first + second, total);
    }
}

#[test]
fn the_packing_of_the_weights_changes_no_logit() {
    for (name, config) in shapes() {
        let mut model = random(config, 11);
        let paired = blob(&model);
        model.config.packing = Packing::Plain;
        let plain = blob(&model);
        let [paired, plain] = [paired.parse().unwrap(), plain.parse().unwrap()];
        let ids = [1, 4, 2, 6, 3];
        assert_eq!(prefill(&paired, &ids, 0), prefill(&plain, &ids, 0), "{name}");
    }
}
