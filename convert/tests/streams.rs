//! Streams through a sliding window: what `Listener` and `MotionClassifier` do at once, against the same done
//! step by step; and what no stream may do.

mod common;

use common::checkpoints::copy;
use common::*;
use picoformer::features::{Audio, FrontEnd, Trigger};
use picoformer::task::Detection;
use picoformer::{Encoder, Listener, Model, MotionClassifier, RunError};
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::host::{Blob, HeapArena};
use serde_json::json;

/// A keyword transformer with random weights: 64 samples a frame, a frame every 40, two a row, six rows of
/// which the first is the class token. Its head is made sure of itself, so that it hears things in noise.
fn keyword() -> FloatModel {
    let mut model = copy("plain-keyword").model();
    let silence = model.forward_frames(&vec![vec![0.0; 16]; 6]).outputs.remove(0);
    let head = model.head.as_mut().unwrap();
    head.weight.iter_mut().for_each(|w| *w *= 30.0);
    // Of silence all labels are as likely.
    for (bias, logit) in head.bias.iter_mut().flatten().zip(silence) {
        *bias = 30.0 * (*bias - logit);
    }
    model
}

/// Bursts of noise of different loudness, with silence between them.
fn bursts(n: usize, seed: u32) -> Vec<i16> {
    let mut state = seed;
    (0..n)
        .map(|i| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            let part = i / 900;
            let loudness = [0, 3, 0, 9, 14, 0, 6][part % 7];
            let mixed = (state >> 16) as i16 >> (15 - loudness);
            if part % 3 == 0 {
                mixed
            } else {
                mixed / 2 + (i as i16 % 11 - 5) * (1 << loudness >> 4)
            }
        })
        .collect()
}

fn detections<'m>(
    listener: &mut Listener<'m, '_>,
    samples: &[i16],
    piece: usize,
) -> Vec<Detection<'m>> {
    samples.chunks(piece).filter_map(|piece| listener.push(piece).unwrap()).collect()
}

/// What `frontend.md` says, written down a second time: every window from scratch, scores in f64.
fn by_hand(model: &Model, samples: &[i16]) -> Vec<(usize, u64, f64)> {
    let features = model.features();
    let (parameters, trigger) = (features.audio.unwrap(), features.trigger.unwrap());
    let (n, mels) = (parameters.n_fft, parameters.n_mels);
    let (mut ring, mut spectrum) = (vec![0; n], vec![0; n]);
    let mut audio = Audio::new(parameters, &mut ring, &mut spectrum);
    let (mut frames, mut rest) = (Vec::new(), samples);
    while audio.take(&mut rest) {
        frames.push(vec![0; mels]);
        audio.frame(frames.last_mut().unwrap());
    }
    let config = model.config();
    let per_row = parameters.frames_per_row;
    let window = (config.context - 1) * per_row;
    let mut arena = HeapArena::new(config.arena());
    let mut encoder = Encoder::new(model, arena.parts()).unwrap();
    let mut all = Vec::new();
    for end in (per_row..=frames.len()).step_by(per_row) {
        let there = &frames[end.saturating_sub(window)..end];
        let sum: i64 = there.iter().flatten().map(|&x: &i16| x as i64).sum();
        let mean = (sum as f64 / (there.len() * mels) as f64 + 0.5).floor() as i16;
        let mut rows = vec![0i16; config.frame_len + (window - there.len()) * mels];
        rows.extend(there.iter().flatten().map(|x| x - mean));
        all.push(encoder.run_frames(&rows).unwrap().to_vec());
    }
    events(&all, trigger, |row| ((row + 1) * per_row * 40 + n - 40) as u64)
}

/// As `models/common/stream.py`.
fn events(
    logits: &[Vec<i32>],
    trigger: Trigger,
    end: impl Fn(usize) -> u64,
) -> Vec<(usize, u64, f64)> {
    let softmax = |logits: &Vec<i32>| {
        let e: Vec<f64> = logits.iter().map(|&x| (x as f64 / 65536.0).exp()).collect();
        e.iter().map(|x| x / e.iter().sum::<f64>()).collect::<Vec<f64>>()
    };
    let p: Vec<Vec<f64>> = logits.iter().map(softmax).collect();
    let threshold = trigger.threshold as f64 / 32768.0;
    let (mut found, mut last, mut armed, mut free) = (Vec::new(), 0, true, 0);
    for row in 0..p.len() {
        let from = (row + 1).saturating_sub(trigger.smooth);
        let score = |label: usize| {
            p[from..=row].iter().map(|p| p[label]).sum::<f64>() / trigger.smooth as f64
        };
        armed |= score(last) < threshold / 2.0;
        let labels = (0..p[row].len()).filter(|&label| label != trigger.nothing);
        let best = labels.max_by(|&a, &b| score(a).total_cmp(&score(b))).unwrap();
        if armed && row >= free && score(best) >= threshold {
            (last, armed, free) = (best, false, row + trigger.refractory);
            found.push((best, end(row), score(best)));
        }
    }
    found
}

#[test]
fn a_listener_is_its_parts() {
    let blob = blob(&keyword());
    let model = blob.parse().unwrap();
    let samples = bursts(40_000, 1);
    let expected = by_hand(&model, &samples);
    assert!(expected.len() >= 10, "the stream is too quiet: {expected:?}");
    let mut arena = HeapArena::new(model.arena());
    let mut listener = Listener::new(&model, arena.parts()).unwrap();
    assert_eq!((listener.limit(), listener.sample_rate()), (80, 8000));
    for (piece, spread) in [(80, false), (1, false), (37, false), (80, true), (13, true)] {
        listener.reset();
        if spread {
            listener.spread();
        }
        let found = detections(&mut listener, &samples, piece);
        // Spread out, the last window may not be done.
        let (n, all) = (found.len(), expected.len());
        assert!(n == all || spread && n + 1 == all, "pieces of {piece}: {n} of {all}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((found.label, found.end), (expected.0, expected.1), "pieces of {piece}");
            assert_eq!(found.name, ["nothing", "yes", "no"][found.label]);
            let confidence = found.confidence as f64 / 32768.0;
            assert!((confidence - expected.2).abs() < 1e-3, "{confidence} {}", expected.2);
        }
    }
}

/// The window that a recording without a trigger is judged by is the loudest one.
#[test]
fn a_recording_has_one_label() {
    let mut float = keyword();
    float.sections.truncate(1);
    let blob = blob(&float);
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut listener = Listener::new(&model, arena.parts()).unwrap();
    // Ten frames: 424 samples.
    let mut samples = vec![0; 3000];
    samples[1200..1624].copy_from_slice(&bursts(6000, 7)[3600..4024]);
    let whole = listener.classify_recording(&samples).unwrap();
    let logits = listener.encoder().outputs().to_vec();
    let alone = listener.classify_recording(&samples[1200..1624]).unwrap();
    assert_eq!((whole, logits), (alone, listener.encoder().outputs().to_vec()));
    // The first of equals: of silence the beginning, the same as any other.
    let silence = listener.classify_recording(&[0; 900]).unwrap();
    assert_eq!(silence, listener.classify_recording(&[0; 424]).unwrap());
    // Shorter than a frame: padded behind.
    let short = listener.classify_recording(&[900, -900, 5]).unwrap();
    let mut padded = vec![0; 64];
    padded[..3].copy_from_slice(&[900, -900, 5]);
    assert_eq!(short, listener.classify_recording(&padded).unwrap());
    assert_eq!(listener.classify_recording(&[]), Err(RunError::EmptyInput));
    let needed = "a model with a trigger";
    assert_eq!(listener.push(&[0; 80]), Err(RunError::WrongModel { needed }));
}

/// Signals that a sensor gives when something is wrong with it.
fn faults(n: usize) -> Vec<(&'static str, Vec<i16>)> {
    let noise = bursts(n, 3);
    vec![
        ("silence", vec![0; n]),
        ("stuck high", vec![i16::MAX; n]),
        ("stuck low", vec![i16::MIN; n]),
        ("offset", noise.iter().map(|x| (x >> 6) + 20000).collect()),
        ("clipped", noise.iter().map(|x| if *x > 0 { i16::MAX } else { i16::MIN }).collect()),
        ("square", (0..n).map(|i| if i % 2 == 0 { i16::MAX } else { i16::MIN }).collect()),
        ("last bit", noise.iter().map(|x| x & 1).collect()),
    ]
}

/// No fault stops a stream, leaves a trace after a reset, or storms: between two events of a
/// stream that does not change there is none.
#[test]
fn faults_of_a_sensor_are_survived() {
    let blob = blob(&keyword());
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut listener = Listener::new(&model, arena.parts()).unwrap();
    let samples = bursts(8000, 5);
    let fresh = detections(&mut listener, &samples, 80);
    for (name, fault) in faults(20_000) {
        listener.reset();
        let found = detections(&mut listener, &fault, 80);
        if !["offset", "clipped", "last bit"].contains(&name) {
            assert!(found.len() <= 1, "{name}: {} events in 2.5 s", found.len());
        }
        // Never more than one in the refractory time of three rows.
        let storm = found.windows(2).any(|pair| pair[1].end - pair[0].end < 3 * 80);
        assert!(!storm, "{name}: {found:?}");
        listener.reset();
        assert_eq!(detections(&mut listener, &samples, 80), fresh, "after {name}");
    }
    let many = listener.push(&[0; 81]);
    assert_eq!(many, Err(RunError::TooManySamples { limit: 80, given: 81 }));
    assert_eq!(listener.push(&[]), Ok(None));
}

fn motion() -> Blob {
    let features = json!({
        "kind": "motion", "channels": 4, "window": 20, "samples_per_frame": 4,
        "offset": [0, 10, -20, 3000], "multiplier": [65536, 32768, -65536, 1 << 20], "shift": 16,
    });
    blob(&copy("plain-keyword").set("features", features).unset("trigger").model())
}

#[test]
fn motions_are_scaled_and_framed() {
    let blob = motion();
    let model = blob.parse().unwrap();
    let mut arena = HeapArena::new(model.arena());
    let mut motions = MotionClassifier::new(&model, arena.parts()).unwrap();
    assert_eq!((motions.channels(), motions.limit()), (4, 16));
    let samples = bursts(4 * 33, 9);
    motions.feed(&samples[..50]);
    motions.feed(&samples[50..]);
    let found = motions.classify().unwrap();
    let logits = motions.encoder().outputs().to_vec();
    // The newest 20 samples; the class row before them.
    let scaled = samples[4 * 13..].iter().enumerate().map(|(i, &x)| {
        let (offset, factor) = [(0, 1.0), (10, 0.5), (-20, -1.0), (3000, 16.0)][i % 4];
        ((x as f64 - offset as f64) * factor + 0.5).floor().clamp(-32768.0, 32767.0) as i16
    });
    let frames: Vec<i16> = std::iter::repeat_n(0, 16).chain(scaled).collect();
    let mut plain = HeapArena::new(model.config().arena());
    let mut encoder = Encoder::new(&model, plain.parts()).unwrap();
    assert_eq!(encoder.run_frames(&frames).unwrap(), logits);
    assert_eq!(found.name, ["nothing", "yes", "no"][found.label]);
    for (name, fault) in faults(400) {
        motions.feed(&fault);
        assert!(motions.classify().is_ok(), "{name}");
    }
}

#[test]
fn models_and_arenas_that_do_not_fit_are_refused() {
    let (audio, motion) = (blob(&keyword()), motion());
    let (audio, motion) = (audio.parse().unwrap(), motion.parse().unwrap());
    let mut arena = HeapArena::new(audio.arena());
    let wrong = |needed| RunError::WrongModel { needed };
    let error = Listener::new(&motion, arena.parts()).unwrap_err();
    assert_eq!(error, wrong("a model that hears"));
    let error = MotionClassifier::new(&audio, arena.parts()).unwrap_err();
    assert_eq!(error, wrong("a model that feels motions"));
    let mut small = HeapArena::new(audio.config().arena());
    let (needed, given) = (audio.arena().halves, audio.config().arena().halves);
    let error = Listener::new(&audio, small.parts()).unwrap_err();
    assert_eq!(error, RunError::ArenaTooSmall { part: "halves", needed, given });
}
