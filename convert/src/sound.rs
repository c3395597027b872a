//! Recordings: wav and flac files of any sample rate and depth as 16-bit samples of one channel.

use crate::error::{Error, Result, input};
use rubato::audioadapter::Adapter;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};
use std::io::Cursor;
use std::path::Path;

/// Sample rates that are read: from a telephone's to twice the highest of music.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

/// Samples of a resampler's block.
const BLOCK: usize = 1024;

/// Samples of one channel in units of a 16-bit sample, and how many there are in a second.
struct Recording {
    samples: Vec<f32>,
    rate: u32,
}

/// Reads a recording at a sample rate: the mean of its channels, resampled if need be (rubato's FFT
/// resampler), rounded to 16 bits and saturated. A recording of 16 bits, one channel and this rate is
/// what it is, to the bit.
///
/// # Errors
/// A file that cannot be read, is not what its name says, is cut, empty, or not a recording.
pub fn read(path: &Path, sample_rate: u32) -> Result<Vec<i16>> {
    let bytes = crate::error::read(path)?;
    let fault = |what, reason: String| Error::Malformed { path: path.into(), what, reason };
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let named = extension.to_ascii_lowercase();
    let (kind, recording) = match bytes.get(..4) {
        Some(b"RIFF") => ("wav", wav(&bytes)),
        Some(b"fLaC") => ("flac", flac(&bytes)),
        _ => {
            let found = match bytes.len() {
                0 => "it is empty".into(),
                _ => format!("it begins with `{}`", bytes[..bytes.len().min(4)].escape_ascii()),
            };
            return Err(fault("recording", format!("{found}, not with `RIFF` or `fLaC`")));
        }
    };
    if ["wav", "wave", "flac"].contains(&&*named) && !named.starts_with(kind) {
        return Err(fault(
            "recording",
            format!("it is a {kind} file that is named `.{extension}`"),
        ));
    }
    let what = if kind == "wav" { "wav file" } else { "flac file" };
    let Recording { samples, rate } = recording.map_err(|reason| fault(what, reason))?;
    if samples.is_empty() {
        return Err(fault(what, "it holds no samples".into()));
    }
    if !RATES.contains(&rate) {
        let message = format!("`{}` has {rate} samples a second", path.display());
        return Err(input(message, "rates from 1000 to 384000 are read"));
    }
    let samples = match rate == sample_rate {
        true => samples,
        false => resampled(&samples, rate, sample_rate).map_err(|reason| {
            input(format!("`{}`: {reason}", path.display()), "convert it first")
        })?,
    };
    // `as` saturates.
    Ok(samples.iter().map(|x| x.round() as i16).collect())
}

/// The mean of every `channels` values.
struct Mixer {
    channels: usize,
    scale: f64,
    sum: f64,
    in_sum: usize,
    samples: Vec<f32>,
}

impl Mixer {
    /// Full scale is 1 / `scale`.
    fn new(channels: usize, scale: f64) -> Self {
        Self { channels, scale, sum: 0.0, in_sum: 0, samples: Vec::new() }
    }

    fn push(&mut self, value: f64) {
        self.sum += value;
        self.in_sum += 1;
        if self.in_sum == self.channels {
            let mean = self.sum / self.channels as f64;
            self.samples.push((mean * self.scale * 32768.0) as f32);
            (self.sum, self.in_sum) = (0.0, 0);
        }
    }
}

/// Integers of 8 to 32 bits and floats of 32.
fn wav(bytes: &[u8]) -> std::result::Result<Recording, String> {
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let (spec, promised) = (reader.spec(), reader.len());
    let channels = spec.channels as usize;
    if channels == 0 {
        return Err("it has no channels".into());
    }
    let cut = |read: usize| {
        move |error: hound::Error| match error {
            hound::Error::IoError(_) => {
                format!("it is cut: {read} of {promised} values are there")
            }
            other => other.to_string(),
        }
    };
    let float = spec.sample_format == hound::SampleFormat::Float;
    let scale = if float { 1.0 } else { 0.5f64.powi(spec.bits_per_sample as i32 - 1) };
    let mut mixer = Mixer::new(channels, scale);
    if float {
        for (i, value) in reader.samples::<f32>().enumerate() {
            let value = value.map_err(cut(i))?;
            if !value.is_finite() {
                return Err(format!("value {i} is {value}"));
            }
            mixer.push(value as f64);
        }
    } else {
        for (i, value) in reader.samples::<i32>().enumerate() {
            mixer.push(value.map_err(cut(i))? as f64);
        }
    }
    Ok(Recording { samples: mixer.samples, rate: spec.sample_rate })
}

fn flac(bytes: &[u8]) -> std::result::Result<Recording, String> {
    let mut reader = claxon::FlacReader::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let info = reader.streaminfo();
    let channels = info.channels as usize;
    let mut mixer = Mixer::new(channels, 0.5f64.powi(info.bits_per_sample as i32 - 1));
    let mut values = 0u64;
    let mut error = None;
    for value in reader.samples() {
        match value {
            Ok(value) => mixer.push(value as f64),
            Err(e) => {
                error = Some(e);
                break;
            }
        }
        values += 1;
    }
    let promised = info.samples.map(|n| n * channels as u64);
    match (error, promised) {
        (Some(claxon::Error::IoError(_)), _) => {
            Err(format!("it is cut after {values} values: a frame is not whole"))
        }
        (Some(error), _) => Err(error.to_string()),
        (None, Some(promised)) if values != promised => {
            Err(format!("it is cut: {values} of {promised} values are there"))
        }
        _ => Ok(Recording { samples: mixer.samples, rate: info.sample_rate }),
    }
}

fn resampled(samples: &[f32], from: u32, to: u32) -> std::result::Result<Vec<f32>, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let (from, to) = (from as usize, to as usize);
    // At least so many samples in a block on both sides: fewer would make a blunt filter.
    let block = BLOCK * from.div_ceil(to);
    let window = WindowFunction::BlackmanHarris2;
    let mut resampler = Fft::<f32>::new_custom(from, to, block, 1, 1, window, FixedSync::Input)
        .map_err(|e| text(&e))?;
    let buffer = InterleavedSlice::new(samples, 1, samples.len()).map_err(|e| text(&e))?;
    let out = resampler.process_all(&buffer, samples.len(), None).map_err(|e| text(&e))?;
    Ok((0..out.frames()).filter_map(|i| out.read_sample(0, i)).collect())
}
