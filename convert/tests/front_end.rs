//! The audio front end against its result in f64: `models/common/golden.safetensors`, which
//! `models/common/frontend.py` made, and recordings. What docs/NUMERICS.md says of it is printed here.

mod common;

use common::front_end::*;
use picoformer::config::{Architecture, Config, Head, Input};
use picoformer_convert::account::Document;
use picoformer_convert::import::features::front_end;
use serde_json::json;

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
