//! The audio front end, and the same in f64.

use super::root;
use picoformer::blob::AUDIO;
use picoformer::config::{Architecture, Config, Head, Input, Pooling};
use picoformer::features::{Audio, AudioParameters, FrontEnd};
use picoformer_convert::account::Document;
use picoformer_convert::import::features::front_end;
use picoformer_convert::sound;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::f64::consts::TAU;

/// The front ends of `models/common/frontend.md`.
pub fn settings() -> [(&'static str, Value); 2] {
    let common = |rate: u32, n_fft: u32, hop: u32, n_mels: u32, high: f64| {
        json!({ "kind": "audio", "sample_rate": rate, "n_fft": n_fft, "hop_length": hop,
            "n_mels": n_mels, "f_min": 60.0, "f_max": high, "frames_per_row": 4 })
    };
    [("wake", common(16000, 512, 320, 40, 7600.0)), ("digits", common(8000, 256, 128, 32, 3900.0))]
}

pub fn section(features: &Value) -> Vec<u8> {
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
pub fn log_mels(section: &[u8], samples: &[i16], piece: usize) -> Vec<Vec<i16>> {
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
pub fn golden() -> BTreeMap<String, Vec<i16>> {
    let bytes = std::fs::read(root().join("models/common/golden.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |data: &[u8]| data.chunks(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    file.tensors().into_iter().map(|(name, view)| (name, numbers(view.data()))).collect()
}

/// All frames in f64, in units of 2^-8 octaves, not rounded: `models/common/frontend.py` a second time.
pub fn exact(features: &Value, samples: &[i16]) -> Vec<Vec<f64>> {
    let number = |key: &str| features[key].as_f64().unwrap();
    let (n, mels) = (number("n_fft") as usize, number("n_mels") as usize);
    let mel = |f: f64| 2595.0 * (1.0 + f / 700.0).log10();
    let hertz = |m: f64| 700.0 * (10f64.powf(m / 2595.0) - 1.0);
    let (low, high) = (mel(number("f_min")), mel(number("f_max")));
    let edge = |i: usize| hertz(low + (high - low) * i as f64 / (mels + 1) as f64);
    let waves: Vec<(f64, f64)> = (0..n).map(|i| (TAU * i as f64 / n as f64).sin_cos()).collect();
    let frames = samples.windows(n).step_by(number("hop_length") as usize);
    let frame = |frame: &[i16]| -> Vec<f64> {
        let windowed: Vec<f64> =
            (0..n).map(|i| frame[i] as f64 * (0.5 - 0.5 * waves[i].1)).collect();
        let power = |k: usize| {
            let (mut re, mut im) = (0.0, 0.0);
            for (i, x) in windowed.iter().enumerate() {
                let (sin, cos) = waves[i * k % n];
                (re, im) = (re + x * cos, im + x * sin);
            }
            re * re + im * im
        };
        let powers: Vec<f64> = (0..=n / 2).map(power).collect();
        let band = |band: usize| {
            let [a, b, c] = [edge(band), edge(band + 1), edge(band + 2)];
            let triangle = |k: usize| {
                let f = k as f64 * number("sample_rate") / n as f64;
                ((f - a) / (b - a)).min((c - f) / (c - b)).max(0.0)
            };
            let energy: f64 = powers.iter().enumerate().map(|(k, p)| p * triangle(k)).sum();
            256.0 * (energy + 1024.0).log2()
        };
        (0..mels).map(band).collect()
    };
    frames.map(frame).collect()
}

/// The kept recordings that suit a setting.
pub fn recordings(name: &str, features: &Value) -> Vec<Vec<i16>> {
    let rate = features["sample_rate"].as_u64().unwrap() as u32;
    let folder = root().join("models").join(name).join("samples");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "wav" || e == "flac"));
    paths.sort();
    paths.iter().map(|path| sound::read(path, rate).unwrap()).collect()
}

/// The largest error of a log-mel, in units of 2^-8 octaves, and the share of those that are not the exact
/// one rounded.
pub fn errors(features: &Value, signals: &[Vec<i16>]) -> (f64, f64) {
    let section = section(features);
    let (mut worst, mut wrong, mut all) = (0f64, 0, 0);
    for samples in signals {
        let (found, exact) = (log_mels(&section, samples, 160), exact(features, samples));
        assert_eq!(found.len(), exact.len());
        for (&found, exact) in found.iter().flatten().zip(exact.iter().flatten()) {
            worst = worst.max((found as f64 - exact).abs());
            wrong += usize::from(found as f64 != (exact + 0.5).floor());
            all += 1;
        }
    }
    assert!(all > 1000, "{all}");
    (worst, wrong as f64 / all as f64)
}
