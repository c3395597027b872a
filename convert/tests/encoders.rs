//! Encoders of every shape against the f32 reference: tokens and frames, norms before and after, every
//! mask, pooling and head; and that every step's work is bounded.

mod common;

use common::synthetic::*;
use common::*;
use picoformer::config::*;
use picoformer::kernels::{Attend, Kernels, Product, portable};
use picoformer::matrix::Packing;
use picoformer::nn::attention::Mask;
use picoformer::{Decoder, Encoder, Model, Progress, RunError};
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::HeapArena;
use std::cell::Cell;

/// Hidden rows of an input under a mask.
fn hidden(model: &Model, ids: &[u32], mask: Mask) -> Vec<Vec<f32>> {
    let mut arena = HeapArena::new(model.arena());
    let mut encoder = Encoder::new(model, arena.parts()).unwrap();
    // A longer input before leaves its traces in the arena: none may be seen.
    encoder.run(&vec![1; model.config().context]).unwrap();
    encoder.begin_masked(ids, mask).unwrap().finish();
    rows(&encoder, ids.len())
}

fn rows(encoder: &Encoder, n: usize) -> Vec<Vec<f32>> {
    let row = |row| {
        let (x, exponent) = encoder.hidden(row);
        x.iter().map(|&x| x as f32 * 2f32.powi(exponent)).collect()
    };
    (0..n).map(row).collect()
}

fn pre_norm() -> Config {
    Config { norm_order: NormOrder::Pre, embedding_norm: false, final_norm: true, ..bert() }
}

/// All tile sizes give the same rows; returns them.
fn same_in_all_tiles(model: &FloatModel, ids: &[u32], mask: Mask) -> Vec<Vec<f32>> {
    let mut seen: Vec<Vec<Vec<f32>>> = Vec::new();
    for tile_rows in [1, 2, 3, 8, 64] {
        let mut model = model.clone();
        model.config.tile_rows = tile_rows;
        seen.push(hidden(&blob(&model).parse().unwrap(), ids, mask));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "tiles matter");
    seen.swap_remove(0)
}

fn same_in_all_tiles_unmasked(model: &FloatModel, ids: &[u32]) -> Vec<Vec<f32>> {
    let run = |tile_rows| {
        let mut model = model.clone();
        model.config.tile_rows = tile_rows;
        let blob = blob(&model);
        let model = blob.parse().unwrap();
        let mut arena = HeapArena::new(model.arena());
        let mut encoder = Encoder::new(&model, arena.parts()).unwrap();
        encoder.run(ids).unwrap();
        rows(&encoder, ids.len())
    };
    let mut seen: Vec<_> = [1, 2, 8, 64].map(run).into();
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "tiles matter");
    seen.swap_remove(0)
}

#[test]
fn every_shape_follows_the_reference() {
    let shapes = [
        ("post-norm", bert()),
        ("pre-norm", pre_norm()),
        (
            "pre-norm RMS rotary gated",
            Config { architecture: Architecture::Encoder, head: Head::None, ..llama() },
        ),
        ("sinusoids", Config { position: Position::Sinusoidal, ..pre_norm() }),
        ("no positions", Config { position: Position::None, ..bert() }),
        ("heads of 5, feed-forward of 13", Config { head_dim: 5, d_ff: 13, ..bert() }),
        ("grouped queries", Config { n_heads: 4, n_kv_heads: 2, head_dim: 4, ..pre_norm() }),
        (
            "no biases",
            Config {
                qkv_bias: false,
                output_bias: false,
                up_bias: false,
                down_bias: false,
                ..bert()
            },
        ),
        ("one layer", Config { n_layers: 1, ..bert() }),
        ("relu", Config { activation: Activation::Relu, ..bert() }),
    ];
    for (i, (name, config)) in shapes.into_iter().enumerate() {
        let model = random(config, 200 + i as u64);
        let ids = Random(i as u64).tokens(21, config.vocab_size);
        let found = same_in_all_tiles(&model, &ids, Mask::Bidirectional);
        let error = relative_error(&found, &model.forward(&ids).hidden);
        println!("{name}: off by {error:.4}");
        assert!(error < 0.06, "{name}: {error}");
    }
}

#[test]
fn every_mask_follows_the_reference() {
    let model = random(Config { n_layers: 3, ..bert() }, 300);
    let ids = Random(3).tokens(37, 29);
    let flags: Vec<bool> = (0..33).map(|i| i % 5 != 2).collect();
    let odd = |query: usize, key: usize| (query + key).is_multiple_of(3) || query == key;
    let nothing = |query: usize, _: usize| query != 4;
    type Visible<'a> = Box<dyn Fn(usize, usize) -> bool + 'a>;
    let masks: [(&str, Mask, Visible); 7] = [
        ("causal", Mask::Causal, Box::new(|q, k| k <= q)),
        ("bidirectional", Mask::Bidirectional, Box::new(|_, _| true)),
        ("padding", Mask::Padding(&flags), Box::new(|_, k| k < 33 && k % 5 != 2)),
        ("sliding window", Mask::SlidingWindow(6), Box::new(|q, k| k <= q && k + 6 > q)),
        ("prefix", Mask::Prefix(9), Box::new(|q, k| k <= q || k < 9)),
        ("predicate", Mask::Predicate(&odd), Box::new(odd)),
        ("a query that sees nothing", Mask::Predicate(&nothing), Box::new(nothing)),
    ];
    let mut seen = Vec::new();
    for (name, mask, visible) in masks {
        let found = same_in_all_tiles(&model, &ids, mask);
        let error = relative_error(&found, &model.forward_masked(&ids, &visible).hidden);
        println!("{name}: off by {error:.4}");
        assert!(error < 0.06, "{name}: {error}");
        assert!(!seen.contains(&found), "{name} masks like another");
        seen.push(found);
    }
}

/// The steps of an input all have its mask, one after the other or at once; an input that is given up
/// does not go on without.
#[test]
fn a_mask_holds_for_all_steps() {
    let blob = blob(&random(bert(), 301));
    let model = blob.parse().unwrap();
    let ids = Random(5).tokens(19, 29);
    let expected = hidden(&model, &ids, Mask::Causal);
    let mut arena = HeapArena::new(model.arena());
    let mut encoder = Encoder::new(&model, arena.parts()).unwrap();
    let mut masked = encoder.begin_masked(&ids, Mask::Causal).unwrap();
    while masked.step() == Progress::Working {}
    assert_eq!(rows(&encoder, ids.len()), expected);
    let mut masked = encoder.begin_masked(&ids, Mask::Causal).unwrap();
    assert_eq!(masked.step(), Progress::Working);
    let before = rows(&encoder, ids.len());
    assert_eq!(encoder.step(), Progress::Done);
    assert_eq!(rows(&encoder, ids.len()), before);
}

/// A causal encoder is one with a causal mask, and its last row is that of the last token that is no padding.
#[test]
fn causal_encoders_see_what_was_before() {
    let plain = random(Config { n_layers: 3, ..pre_norm() }, 304);
    let ids = Random(6).tokens(21, 29);
    for (window, mask) in [(0, Mask::Causal), (5, Mask::SlidingWindow(5))] {
        let mut causal = plain.clone();
        (causal.config.causal, causal.config.window) = (true, window);
        let expected = hidden(&blob(&plain).parse().unwrap(), &ids, mask);
        let found = same_in_all_tiles_unmasked(&causal, &ids);
        assert_eq!(found, expected);
        // Two blocks of keys are not a ring: all rows are written before the first attends.
        assert_eq!(blob(&causal).parse().unwrap().config().cache_rows(), 64);
    }
    let last = Config { causal: true, pooling: Pooling::Last, suppressed_token: 6, ..pre_norm() };
    let model = random(Config { head: Head::Classifier, n_labels: 3, ..last }, 305);
    let blob = blob(&model);
    let run = |ids: &[u32]| encode(&blob.parse().unwrap(), ids);
    assert_eq!(run(&[4, 5, 7, 5, 5]), run(&[4, 5, 7]));
    assert_eq!(run(&[5, 5]), run(&[5]));
    assert_ne!(run(&[4, 5, 7]), run(&[4, 7]), "within a text it is a token");
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut encoder = Encoder::new(&model, arena.parts()).unwrap();
    assert_eq!(encoder.begin(&[]), Err(RunError::EmptyInput));
    let long = |last| [[4; 64].as_slice(), &[last]].concat();
    assert_eq!(encoder.begin(&long(4)), Err(RunError::TooLong { needed: 65, given: 64 }));
    assert_eq!(encoder.begin(&long(5)), Ok(()));
}

/// The pooled row is told with its own exponent, not that of the first row before: a mean of many rows is
/// shorter than each.
#[test]
fn a_pooled_row_has_its_exponent() {
    let config = Config { head: Head::Embedding, pooling: Pooling::Mean, ..pre_norm() };
    for seed in 302..312 {
        let model = random(config, seed);
        let ids = Random(seed).tokens(37, 29);
        let hidden = model.forward(&ids).hidden;
        let mean = |i| hidden.iter().map(|row: &Vec<f32>| row[i]).sum::<f32>() / ids.len() as f32;
        let expected = vec![(0..config.d_model).map(mean).collect::<Vec<f32>>()];
        let blob = blob(&model);
        let model = blob.parse().unwrap();
        let mut arena = HeapArena::new(model.arena());
        let mut encoder = Encoder::new(&model, arena.parts()).unwrap();
        encoder.run(&ids).unwrap();
        let error = relative_error(&rows(&encoder, 1), &expected);
        println!("seed {seed}: off by {error:.4}");
        assert!(error < 0.1, "seed {seed}: {error}");
    }
}

#[test]
fn every_head_and_pooling_follows_the_reference() {
    let classifier = Config { head: Head::Classifier, n_labels: 5, head_bias: true, ..bert() };
    let embedding = Config { head: Head::Embedding, pooling: Pooling::Last, ..pre_norm() };
    let windowed = Config { causal: true, tile_rows: 3, ..embedding };
    let shapes = [
        ("classifier, first row", classifier),
        ("classifier, pooler", Config { pooler: true, ..classifier }),
        ("classifier, mean", Config { pooling: Pooling::Mean, head_bias: false, ..classifier }),
        ("token labels", Config { head: Head::TokenLabels, ..classifier }),
        ("embedding, mean", Config { head: Head::Embedding, pooling: Pooling::Mean, ..pre_norm() }),
        ("embedding, first, pooler", Config { head: Head::Embedding, pooler: true, ..bert() }),
        ("embedding, greatest", Config { pooling: Pooling::Max, ..embedding }),
        ("embedding, wider", Config { n_labels: 33, head_bias: true, ..embedding }),
        ("embedding, narrower with tanh", Config { n_labels: 7, head_tanh: true, ..embedding }),
        ("embedding, two dense", Config { n_labels: 9, pooler: true, ..embedding }),
        ("embedding, any length", Config { own_length: true, ..embedding }),
        ("embedding, narrower, any length", Config { own_length: true, n_labels: 7, ..embedding }),
        (
            "embedding with tanh, any length",
            Config { own_length: true, n_labels: 9, head_tanh: true, ..embedding },
        ),
        ("causal, last row", Config { causal: true, pooling: Pooling::Last, ..classifier }),
        ("causal, labels", Config { causal: true, head: Head::TokenLabels, ..classifier }),
        ("causal with a window", Config { window: 3, ..windowed }),
    ];
    for (i, (name, config)) in shapes.into_iter().enumerate() {
        let model = random(config, 400 + i as u64);
        let ids = Random(i as u64).tokens(19, config.vocab_size);
        let found = encode(&blob(&model).parse().unwrap(), &ids);
        let error = relative_error(&found, &model.forward(&ids).outputs);
        println!("{name}: off by {error:.4}");
        assert!(error < 0.06, "{name}: {error}");
        if config.head == Head::Embedding && !config.own_length {
            let length: f32 = found[0].iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 1e-4, "{length}");
        }
    }
}

#[test]
fn frames_follow_the_reference() {
    for position in [Position::Learned, Position::Sinusoidal, Position::Rotary] {
        let config = Config {
            input: Input::Frames,
            vocab_size: 0,
            frame_len: 11,
            position,
            context: 24,
            head: Head::Classifier,
            n_labels: 6,
            pooling: Pooling::Mean,
            head_bias: true,
            ..pre_norm()
        };
        let model = random(config, 500);
        let mut random = Random(5);
        let frames: Vec<Vec<i16>> = (0..24)
            .map(|_| random.normals(11, 1024.0).iter().map(|&x| x as i16).collect())
            .collect();
        let floats: Vec<Vec<f32>> =
            frames.iter().map(|f| f.iter().map(|&x| x as f32 / 1024.0).collect()).collect();
        let blob = blob(&model);
        let parsed = blob.parse().unwrap();
        let mut arena = HeapArena::new(parsed.arena());
        let mut encoder = Encoder::new(&parsed, arena.parts()).unwrap();
        let found = vec![real(encoder.run_frames(&frames.concat()).unwrap())];
        let error = relative_error(&found, &model.forward_frames(&floats).outputs);
        println!("frames, {position:?}: off by {error:.4}");
        assert!(error < 0.06, "{position:?}: {error}");

        let wrong = encoder.run_frames(&[0; 12]).unwrap_err();
        assert_eq!(wrong, RunError::WrongFrameLength { needed: 11, given: 12 });
        assert_eq!(encoder.run_frames(&[]), Err(RunError::EmptyInput));
        let long = encoder.run_frames(&[0; 25 * 11]).unwrap_err();
        assert_eq!(long, RunError::TooLong { needed: 25, given: 24 });
        let tokens = encoder.run(&[1]).unwrap_err();
        assert_eq!(tokens, RunError::WrongModel { needed: "a model with token input" });
    }
}

#[test]
fn bad_input_is_a_typed_error() {
    let model = random(Config { context: 12, ..bert() }, 600);
    let blob = blob(&model);
    let parsed = blob.parse().unwrap();
    let mut arena = HeapArena::new(parsed.arena());
    let mut encoder = Encoder::new(&parsed, arena.parts()).unwrap();
    assert_eq!(encoder.run(&[]), Err(RunError::EmptyInput));
    assert_eq!(encoder.run(&[1; 13]), Err(RunError::TooLong { needed: 13, given: 12 }));
    let range = RunError::TokenOutOfRange { token: 400, vocab_size: 29 };
    assert_eq!(encoder.run(&[400]), Err(range));
    let frames = encoder.run_frames(&[0; 4]).unwrap_err();
    assert_eq!(frames, RunError::WrongModel { needed: "a model with frame input" });
    let labels = encoder.label_logits(0).unwrap_err();
    assert_eq!(labels, RunError::WrongModel { needed: "a model with per-token labels" });
}

thread_local!(static WORK: Cell<usize> = const { Cell::new(0) });

/// The portable kernels, counting multiplications.
#[derive(Debug)]
struct Counting;

impl Kernels for Counting {
    const NAME: &'static str = "counting";
    const PACKINGS: &'static [Packing] = &[Packing::Paired];
    const MAX_KEYS: usize = 64;

    fn matmul(product: &Product<Self>, sums: &mut [i32]) {
        WORK.set(WORK.get() + product.products(sums.len()));
        portable::matmul(product, sums);
    }

    fn attend(attend: Attend<Self>) {
        // The products of the keys are counted by `matmul`, those of the values here.
        WORK.set(WORK.get() + attend.products() / 2);
        portable::attend(attend, Self::matmul);
    }
}

/// Multiplications of one row in one layer, with attention over `keys` keys.
fn row_work(c: &Config, keys: usize) -> usize {
    let linear = c.d_model * (2 * c.q_dim() + 2 * c.kv_dim() + (2 + c.gated as usize) * c.d_ff);
    linear + 2 * c.q_dim() * round_up(keys, KEY_BLOCK)
}

/// No step does more than one tile of one layer, or the head: a watchdog can be fed between.
#[test]
fn the_work_of_a_step_is_bounded() {
    for tile_rows in [1, 4] {
        let config = Config { tile_rows, n_layers: 3, context: 64, ..llama() };
        let blob = blob(&random(config, 700));
        let parsed = blob.parse().unwrap();
        let mut arena = HeapArena::new(parsed.arena());
        let mut decoder = Decoder::<Counting>::new_for(&parsed, arena.parts()).unwrap();
        let ids = Random(7).tokens(60, 29);
        let (mut fed, mut steps, mut largest) = (0, 0, 0);
        while fed < ids.len() {
            fed += decoder.begin(&ids[fed..]).unwrap();
            loop {
                WORK.set(0);
                let progress = decoder.step();
                largest = largest.max(WORK.get());
                steps += 1;
                if progress == Progress::Done {
                    break;
                }
            }
        }
        assert_eq!(steps, ids.len() / tile_rows * (config.n_layers + 1));
        let bound = (tile_rows * row_work(&config, 64)).max(32 * config.d_model);
        println!("decoder, tile of {tile_rows}: {steps} steps, {largest} of {bound} products");
        assert!(largest > 0 && largest <= bound);

        let head = Config { head: Head::Classifier, n_labels: 3, ..pre_norm() };
        let config = Config { tile_rows, n_layers: 3, context: 64, ..head };
        let blob = common::blob(&random(config, 701));
        let parsed = blob.parse().unwrap();
        let mut arena = HeapArena::new(parsed.arena());
        let mut encoder = Encoder::<Counting>::new_for(&parsed, arena.parts()).unwrap();
        encoder.begin(&ids).unwrap();
        let (mut steps, mut largest) = (0, 0);
        loop {
            WORK.set(0);
            let progress = encoder.step();
            largest = largest.max(WORK.get());
            steps += 1;
            if progress == Progress::Done {
                break;
            }
        }
        assert_eq!(steps, 2 * ids.len() / tile_rows * config.n_layers + 1);
        let bound = tile_rows * row_work(&config, 64);
        println!("encoder, tile of {tile_rows}: {steps} steps, {largest} of {bound} products");
        assert!(largest > 0 && largest <= bound);
    }
}

/// Kernels are not given weights that they cannot multiply.
#[test]
fn a_layout_without_kernels_is_refused_by_name() {
    for (config, decoder) in [(bert(), false), (llama(), true)] {
        let plain = Config { packing: Packing::Plain, ..config };
        let blob = common::blob(&random(plain, 5));
        let parsed = blob.parse().unwrap();
        let mut arena = HeapArena::new(parsed.arena());
        let refused = match decoder {
            true => Decoder::<Counting>::new_for(&parsed, arena.parts()).err(),
            false => Encoder::<Counting>::new_for(&parsed, arena.parts()).err(),
        };
        let expected = RunError::UnsupportedPacking { layout: "plain", kernels: "counting" };
        assert_eq!(refused, Some(expected));
    }
}

/// Nor contexts whose keys they cannot attend to.
#[test]
fn a_context_beyond_the_kernels_is_refused() {
    for (context, runs) in [(64, true), (65, false)] {
        let blob = common::blob(&random(Config { context, ..llama() }, 5));
        let parsed = blob.parse().unwrap();
        let mut arena = HeapArena::new(parsed.arena());
        match Decoder::<Counting>::new_for(&parsed, arena.parts()) {
            Ok(_) => assert!(runs, "{context}"),
            Err(error) => {
                assert!(!runs, "{context}: {error}");
                assert_eq!(error, RunError::TooManyKeys { needed: 80, given: 64 });
            }
        }
    }
}
