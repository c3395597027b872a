//! `run --wav`, `run --csv` and `eval` on recordings: every kind of file that is read, and what every kind of
//! damage is told as.

mod common;

use common::root;
use picoformer_convert::sound;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the command; `(success, standard output, standard error in one line)`.
fn picoformer(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_picoformer"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).replace(['│', '╰', '─', '▶', '×'], " ");
    let error = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (output.status.success(), String::from_utf8(output.stdout).unwrap(), error)
}

fn json(arguments: &[&str]) -> Value {
    let (success, out, error) = picoformer(arguments);
    assert!(success, "{arguments:?}: {error}");
    serde_json::from_str(&out).unwrap()
}

fn fails(arguments: &[&str], words: &[&str]) {
    let (success, out, error) = picoformer(arguments);
    assert!(!success && out.is_empty(), "{arguments:?} answered {out}");
    assert!(!error.contains("panicked"), "{error}");
    for word in words {
        assert!(error.contains(word), "{arguments:?}: `{word}` is not in: {error}");
    }
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recordings").join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A shipped checkpoint, converted.
fn model(name: &str, folder: &Path) -> PathBuf {
    let blob = folder.join("model.pico");
    let checkpoint = root().join("models").join(name).join("checkpoint");
    json(&["convert", text(&checkpoint), "-o", text(&blob), "--json"]);
    blob
}

fn digit() -> PathBuf {
    root().join("models/digits/samples/7-jackson_0.wav")
}

/// A wav file with the samples of another, `channels` times, in another format.
fn rewrite(path: &Path, rate: u32, channels: u16, bits: u16, float: bool, samples: &[i16]) {
    let sample_format = if float { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
    let spec = hound::WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for &x in samples {
        for channel in 0..channels {
            // The channels differ; their mean is the sample.
            let x = x as i32 + if channels == 2 { 200 - 400 * channel as i32 } else { 0 };
            match (float, bits) {
                (true, _) => writer.write_sample(x as f32 / 32768.0).unwrap(),
                (_, 8) => writer.write_sample(x >> 8).unwrap(),
                _ => writer.write_sample(x << (bits - 16)).unwrap(),
            }
        }
    }
    writer.finalize().unwrap();
}

#[test]
fn every_depth_is_the_same_sound() {
    let folder = folder("depths");
    let samples = sound::read(&digit(), 8000).unwrap();
    let own: Vec<i16> =
        hound::WavReader::open(digit()).unwrap().samples().map(|x| x.unwrap()).collect();
    assert_eq!(samples, own);
    for (channels, bits, float) in [
        (1, 16, false),
        (1, 24, false),
        (1, 32, false),
        (1, 32, true),
        (2, 16, false),
        (2, 32, true),
    ] {
        let path = folder.join(format!("{channels}-{bits}-{float}.wav"));
        rewrite(&path, 8000, channels, bits, float, &samples);
        assert_eq!(sound::read(&path, 8000).unwrap(), samples, "{}", path.display());
    }
    let path = folder.join("8.wav");
    rewrite(&path, 8000, 1, 8, false, &samples);
    let coarse: Vec<i16> = samples.iter().map(|x| x >> 8 << 8).collect();
    assert_eq!(sound::read(&path, 8000).unwrap(), coarse);
}

/// A tone keeps its pitch and its loudness at another rate, and a tone too high for the new rate is gone.
#[test]
fn other_rates_are_resampled() {
    let folder = folder("rates");
    let tone = |rate: u32, hertz: f64| {
        let path = folder.join(format!("{rate}-{hertz}.wav"));
        let sample = |i| (i as f64 / rate as f64 * hertz * std::f64::consts::TAU).sin() * 10000.0;
        let samples: Vec<i16> = (0..rate).map(|i| sample(i) as i16).collect();
        rewrite(&path, rate, 1, 16, false, &samples);
        sound::read(&path, 8000).unwrap()
    };
    let level = |samples: &[i16]| {
        let middle = &samples[1000..samples.len() - 1000];
        (middle.iter().map(|&x| (x as f64).powi(2)).sum::<f64>() / middle.len() as f64).sqrt()
    };
    for rate in [11025, 16000, 22050, 44100, 48000, 96000, 4000] {
        let found = tone(rate, 440.0);
        assert!((found.len() as i64 - 8000).abs() <= 1, "{rate}: {}", found.len());
        let crossings = found.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!((439..=441).contains(&crossings), "{rate}: {crossings}");
        assert!((level(&found) - 7071.0).abs() < 20.0, "{rate}: {}", level(&found));
        if rate > 16000 {
            let high = tone(rate, 5000.0);
            assert!(level(&high) < 20.0, "{rate}: {}", level(&high));
        }
    }
}

#[test]
fn flac_is_read() {
    let path = root().join("models/wake/samples/alexa-a72988b4bb.flac");
    let samples = sound::read(&path, 16000).unwrap();
    let info = claxon::FlacReader::open(&path).unwrap().streaminfo();
    assert_eq!((info.sample_rate, Some(samples.len() as u64)), (16000, info.samples));
    assert!(samples.iter().any(|x| x.unsigned_abs() > 1000));
}

/// What is flashed with the demos is what is in `models/wake/samples`.
#[test]
fn recordings_in_flash_are_the_samples() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("models/wake/samples")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let label = stem.rsplit_once('-').map_or(stem, |(label, _)| label);
        let flashed = root().join("firmware/demo/recordings").join(format!("{label}.wav"));
        if flashed.is_file() {
            assert_eq!(sound::read(&flashed, 16000).unwrap(), sound::read(&path, 16000).unwrap());
            count += 1;
        }
    }
    assert_eq!(count, 3);
}

#[test]
fn a_recording_has_a_label() {
    let folder = folder("label");
    let blob = model("digits", &folder);
    let bill = json(&["inspect", text(&blob), "--json"]);
    assert_eq!((&bill["input"], &bill["sample_rate"]), (&"audio".into(), &8000.into()));
    let sum = |key: &str| -> u64 {
        bill[key].as_array().unwrap().iter().map(|i| i["bytes"].as_u64().unwrap()).sum()
    };
    assert_eq!(
        (bill["flash_bytes"].as_u64(), bill["arena_bytes"].as_u64()),
        (Some(sum("sections")), Some(sum("buffers")))
    );
    let answer = json(&["run", text(&blob), "--wav", text(&digit()), "--json"]);
    assert_eq!(answer["label"], "7");
    let event = &answer["events"][0];
    assert_eq!(event["label"], "7");
    assert!(event["confidence"].as_f64().unwrap() > 0.3);
    assert!(event["time"].as_f64().unwrap() <= answer["seconds"].as_f64().unwrap());
    let (_, shown, _) = picoformer(&["run", text(&blob), "--wav", text(&digit())]);
    assert!(shown.contains(" s ") && shown.trim().ends_with('7'), "{shown}");
    let samples = root().join("models/digits/samples");
    let found = json(&["eval", text(&blob), "--data", text(&samples), "--json"]);
    assert_eq!(found["sequences"], 10);
    assert!(found["accuracy"].as_f64().unwrap() >= 0.9, "{found}");
    assert!(found["seconds"].as_f64().unwrap() > 4.0);
    for key in ["missed", "false_events"] {
        assert!(found[key].as_u64().unwrap() <= 1, "{found}");
    }
    // By folders; a label that the model does not have is one false event.
    let data = folder.join("data");
    std::fs::create_dir_all(data.join("7/jackson")).unwrap();
    std::fs::create_dir_all(data.join("noise")).unwrap();
    std::fs::copy(digit(), data.join("7/jackson/a.wav")).unwrap();
    std::fs::copy(digit(), data.join("noise/b.WAV")).unwrap();
    std::fs::write(data.join("README"), "no recording").unwrap();
    let found = json(&["eval", text(&blob), "--data", text(&data), "--json"]);
    assert_eq!((&found["sequences"], &found["accuracy"]), (&2.into(), &0.5.into()));
    assert_eq!((&found["missed"], &found["false_events"]), (&0.into(), &1.into()));
    // What is asked of the wrong model, or in vain.
    let hears = ["this model hears", "--wav"];
    fails(&["run", text(&blob), "seven"], &hears);
    fails(&["run", text(&blob), "--ids", "1"], &hears);
    fails(&["run", text(&blob), "--csv", text(&digit())], &["feels no motions"]);
    fails(&["eval", text(&blob), "--csv", "--data", text(&data)], &["feels no motions"]);
    let intent = root().join("models/intent/model.pico");
    fails(&["run", text(&intent), "--wav", text(&digit())], &["does not hear"]);
}

/// Damaged files and files that are something else: named, and told what is wrong.
#[test]
fn damage_is_told() {
    let folder = folder("damage");
    let blob = model("digits", &folder);
    let whole = std::fs::read(digit()).unwrap();
    let flac = std::fs::read(root().join("models/wake/samples/snowboy-6daf043340.flac")).unwrap();
    let mut float = whole.clone();
    rewrite(&folder.join("float.wav"), 8000, 1, 32, true, &[0, 1]);
    float.clear();
    float.extend(std::fs::read(folder.join("float.wav")).unwrap());
    let end = float.len();
    float[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let mut rate = whole.clone();
    rate[24..28].copy_from_slice(&0u32.to_le_bytes());
    let mut compressed = whole.clone();
    compressed[20] = 0x55; // MP3 in a wav
    let mut channels = whole.clone();
    channels[22..24].fill(0);
    let mut empty = whole[..44].to_vec();
    empty[40..44].fill(0);
    let cases: [(&str, &[u8], &[&str]); 14] = [
        ("cut.wav", &whole[..whole.len() / 2], &["is cut", "values are there"]),
        ("cut-odd.wav", &whole[..whole.len() / 2 + 1], &["is cut"]),
        ("header.wav", &whole[..30], &["wav file"]),
        ("empty.wav", &[], &["it is empty"]),
        ("silent.wav", &empty, &["no samples"]),
        ("text.wav", b"this is a text", &["begins with `this`", "RIFF"]),
        ("named.wav", &flac, &["flac file that is named `.wav`"]),
        ("named.flac", &whole, &["wav file that is named `.flac`"]),
        ("cut.flac", &flac[..flac.len() / 2], &["is cut"]),
        ("header.flac", &flac[..20], &["flac file"]),
        ("nan.wav", &float, &["value 1 is NaN"]),
        ("rate.wav", &rate, &["wav file"]),
        ("mp3.wav", &compressed, &["wav file"]),
        ("channels.wav", &channels, &["wav file"]),
    ];
    for (name, bytes, words) in cases {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        fails(&["run", text(&blob), "--wav", text(&path), "--json"], &[&[name], words].concat());
    }
    let mut flipped = flac.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    std::fs::write(folder.join("flipped.flac"), &flipped).unwrap();
    let path = folder.join("flipped.flac");
    fails(&["run", text(&blob), "--wav", text(&path)], &["flipped.flac", "flac file"]);
    fails(&["run", text(&blob), "--wav", "/no/such.wav"], &["/no/such.wav"]);
    fails(&["run", text(&blob), "--wav", text(&folder)], &["cannot access"]);
    let none = folder.join("none");
    std::fs::create_dir_all(&none).unwrap();
    fails(&["eval", text(&blob), "--data", text(&none)], &["no file of the kinds wav"]);
    std::fs::copy(digit(), none.join("seven.wav")).unwrap();
    fails(&["eval", text(&blob), "--data", text(&none)], &["seven.wav", "no label in its name"]);
    std::fs::rename(none.join("seven.wav"), none.join("7-a.wav")).unwrap();
    std::fs::write(none.join("7-b.wav"), &whole[..999]).unwrap();
    fails(&["eval", text(&blob), "--data", text(&none), "--json"], &["7-b.wav", "is cut"]);
}

/// Every header is told or read; none stops the program.
#[test]
fn forged_headers_do_no_harm() {
    let folder = folder("forged");
    let path = folder.join("x.wav");
    let whole = std::fs::read(digit()).unwrap();
    let mut state = 1u32;
    for byte in 0..46 {
        for _ in 0..6 {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            let mut bytes = whole[..2000].to_vec();
            bytes[40..44].copy_from_slice(&1956u32.to_le_bytes());
            bytes[byte] = (state >> 24) as u8;
            std::fs::write(&path, bytes).unwrap();
            let _ = sound::read(&path, 8000);
        }
    }
    let path = folder.join("x.flac");
    let flac = std::fs::read(root().join("models/wake/samples/snowboy-6daf043340.flac")).unwrap();
    for byte in 0..120 {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        let mut bytes = flac[..4000].to_vec();
        bytes[byte] = (state >> 24) as u8;
        std::fs::write(&path, bytes).unwrap();
        let _ = sound::read(&path, 8000);
    }
}

#[test]
fn motions_are_read_from_csv() {
    let folder = folder("motion");
    let blob = model("motion", &folder);
    let samples = root().join("models/motion/samples");
    let file = samples.join("walking_upstairs-user04.csv");
    let answer = json(&["run", text(&blob), "--csv", text(&file), "--json"]);
    assert_eq!(answer["label"], "walking_upstairs");
    // 256 samples: windows that end at 128, 192 and 256.
    let ends: Vec<u64> = answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["sample"].as_u64().unwrap())
        .collect();
    assert_eq!(ends, [128, 192, 256]);
    let found = json(&["eval", text(&blob), "--csv", "--data", text(&samples), "--json"]);
    assert_eq!(found["sequences"], 6);
    assert!(found["accuracy"].as_f64().unwrap() > 0.8, "{found}");
    let rows = std::fs::read_to_string(&file).unwrap();
    let headed = folder.join("headed.csv");
    std::fs::write(
        &headed,
        format!("\u{feff}ax, ay, az, gx, gy, gz\r\n\r\n{}", rows.replace('\n', "\r\n")),
    )
    .unwrap();
    assert_eq!(json(&["run", text(&blob), "--csv", text(&headed), "--json"]), answer);
    let cases = [
        ("", "no samples"),
        ("ax,ay,az,gx,gy,gz\n", "no samples"),
        ("1,2,3,4,5\n", "line 1 has 5 columns, the model 6 channels"),
        ("1,2,3,4,5,6\n1,2,3,4,5,6,7\n", "line 2 has 7 columns"),
        ("1,2,3,4,5,6\n1,2,x,4,5,6\n", "line 2: `x` is no number"),
        ("1,2,3,4,5,NaN\n", "line 1: `NaN` is no number"),
        ("1,2,3,4,5,6\n1,2,3", "line 2 has 3 columns"),
    ];
    for (content, words) in cases {
        let path = folder.join("bad.csv");
        std::fs::write(&path, content).unwrap();
        fails(&["run", text(&blob), "--csv", text(&path)], &["bad.csv", words]);
    }
    std::fs::write(folder.join("bad.csv"), [0xff, 0xfe, 0]).unwrap();
    fails(&["run", text(&blob), "--csv", text(&folder.join("bad.csv"))], &["bad.csv", "no text"]);
    fails(&["run", text(&blob), "--wav", text(&digit())], &["does not hear"]);
    fails(&["run", text(&blob), "walking"], &["feels motions", "--csv"]);
    // A sensor that is stuck, or beyond its range, has a label, too.
    for row in ["0,0,0,0,0,0\n", "32767,32767,32767,32767,32767,32767\n", "-1e9,1e9,0,0,0,0\n"] {
        std::fs::write(folder.join("stuck.csv"), row.repeat(300)).unwrap();
        let answer =
            json(&["run", text(&blob), "--csv", text(&folder.join("stuck.csv")), "--json"]);
        assert!(answer["label"].is_string());
    }
}
