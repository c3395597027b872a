//! The audio front end against its result in f64: `models/common/golden.safetensors`, which
//! `models/common/frontend.py` made, and recordings. What docs/NUMERICS.md says of it is printed here.

mod common;

use common::*;
use picoformer::blob::AUDIO;
use picoformer::config::{Architecture, Config, Head, Input, Pooling};
use picoformer::features::{Audio, AudioParameters, FrontEnd};
use picoformer_convert::account::Document;
use picoformer_convert::import::features::front_end;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The front ends of `models/common/frontend.md`.
fn settings() -> [(&'static str, Value); 2] {
    let common = |rate: u32, n_fft: u32, hop: u32, n_mels: u32, high: f64| {
        json!({ "kind": "audio", "sample_rate": rate, "n_fft": n_fft, "hop_length": hop,
            "n_mels": n_mels, "f_min": 60.0, "f_max": high, "frames_per_row": 4 })
    };
    [("wake", common(16000, 512, 320, 40, 7600.0)), ("digits", common(8000, 256, 128, 32, 3900.0))]
}

fn section(features: &Value) -> Vec<u8> {
    let config = Config {
        input: Input::Frames,
        head: Head::Classifier,
        pooling: Pooling::Mean,
        frame_len: 4 * features["n_mels"].as_u64().unwrap() as usize,
        context: 18,
        ..Config::base(Architecture::Encoder)
    };
    let (tag, data) =
        front_end(&Document::of("features", features.clone()).unwrap(), &config).unwrap();
    assert_eq!(tag, AUDIO);
    data
}

/// All frames of some samples, fed in pieces of `piece`.
fn log_mels(section: &[u8], samples: &[i16], piece: usize) -> Vec<Vec<i16>> {
    let parameters = AudioParameters::parse(section).unwrap();
    let n = parameters.n_fft;
    let (mut ring, mut spectrum) = (vec![-1; n], vec![-1; n]);
    let mut audio = Audio::new(parameters, &mut ring, &mut spectrum);
    let mut frames = Vec::new();
    for mut piece in samples.chunks(piece) {
        while audio.take(&mut piece) {
            let mut frame = vec![0; parameters.n_mels];
            audio.frame(&mut frame);
            frames.push(frame);
        }
    }
    frames
}

/// Each of `models/common/golden.safetensors`: samples and log-mels, as 16-bit integers.
fn golden() -> BTreeMap<String, Vec<i16>> {
    let bytes = std::fs::read(root().join("models/common/golden.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |data: &[u8]| data.chunks(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    file.tensors().into_iter().map(|(name, view)| (name, numbers(view.data()))).collect()
}

#[test]
fn log_mels_are_those_of_f64() {
    let golden = golden();
    let mut cases = 0;
    for (name, features) in settings() {
        let section = section(&features);
        let (mut worst, mut wrong, mut all) = (0, 0, 0);
        for (key, samples) in golden.iter().filter(|(key, _)| key.starts_with(name)) {
            let Some(case) = key.strip_suffix(".samples") else { continue };
            let expected = &golden[&format!("{case}.log_mel")];
            let found = log_mels(&section, samples, 160).concat();
            assert_eq!(found.len(), expected.len(), "{case}");
            let errors = found.iter().zip(expected).map(|(f, e)| (f - e).abs());
            let (largest, off) =
                errors.fold((0, 0), |(m, n), e| (m.max(e), n + usize::from(e > 0)));
            println!(
                "{case}: largest error {largest} of 2^-8 octaves, {off} of {} differ",
                found.len()
            );
            (worst, wrong, all) = (worst.max(largest), wrong + off, all + found.len());
            cases += 1;
        }
        println!("{name}: largest error {worst}, {wrong} of {all} numbers differ");
        assert!(worst <= 2, "{name}: off by {worst}");
        assert!(wrong * 20 < all, "{name}: {wrong} of {all} differ");
    }
    assert_eq!(cases, 14);
}

/// However the samples come, the frames are the same.
#[test]
fn pieces_do_not_matter() {
    let golden = golden();
    for (name, features) in settings() {
        let section = section(&features);
        let samples = &golden[&format!("{name}.speech_level.samples")];
        let whole = log_mels(&section, samples, samples.len());
        assert_eq!(whole.len(), 8);
        for piece in [1, 7, 160, 333] {
            assert_eq!(log_mels(&section, samples, piece), whole, "pieces of {piece}");
        }
    }
}

/// The largest and the smallest samples, in every shape, stay in range; debug builds check every sum.
#[test]
fn nothing_overflows() {
    for n_fft in [64, 128, 256, 512, 1024, 2048] {
        let features = json!({ "kind": "audio", "sample_rate": 16000, "n_fft": n_fft, "hop_length": n_fft,
            "n_mels": 8, "f_min": 0.0, "f_max": 8000.0, "frames_per_row": 1 });
        let config = Config {
            input: Input::Frames,
            head: Head::Classifier,
            frame_len: 8,
            context: 9,
            ..Config::base(Architecture::Encoder)
        };
        let section = front_end(&Document::of("features", features).unwrap(), &config).unwrap().1;
        let shapes: [fn(usize, usize) -> bool; 5] = [
            |_, _| true,
            |i, _| i % 2 == 0,
            |i, _| i / 3 % 2 == 0,
            |i, n| i < n / 2,
            |i, n| (i * i / n) % 2 == 0,
        ];
        for shape in shapes {
            let samples: Vec<i16> =
                (0..n_fft).map(|i| if shape(i, n_fft) { i16::MIN } else { i16::MAX }).collect();
            let found = log_mels(&section, &samples, n_fft).concat();
            assert_eq!(found.len(), 8);
            assert!(found.iter().all(|x| (2560..13000).contains(x)), "{n_fft}: {found:?}");
        }
    }
}
