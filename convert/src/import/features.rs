//! `features` and `trigger` of a plain checkpoint (`models/common/frontend.md`): the sections that say how
//! the frames of a model are made, and when its answers are events. The engine reads them in
//! `src/features`.

use crate::account::Document;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result, input};
use picoformer::blob::{AUDIO, MOTION, TRIGGER, Tag};
use picoformer::config::{Config, Head, Input, Pooling};
use std::f64::consts::TAU;

/// The optional sections of a checkpoint, in the order of the blob.
pub fn sections(c: &Checkpoint, config: &Config, labels: &[String]) -> Result<Vec<(Tag, Vec<u8>)>> {
    let mut sections = Vec::new();
    let features = c.config.inner("features")?;
    if let Some(features) = &features {
        sections.push(front_end(features, config)?);
        features.finish(&[])?;
    }
    if let Some(trigger) = c.config.inner("trigger")? {
        if features.is_none() {
            let message = "config.json: there is a `trigger`, but no `features`";
            return Err(input(
                message,
                "a stream of events needs a front end that makes its frames",
            ));
        }
        sections.push((TRIGGER, self::trigger(&trigger, config, labels)?));
        trigger.finish(&[])?;
    }
    Ok(sections)
}

/// The section of a front end, `features`.
///
/// # Errors
/// A key that is missing, wrong, or does not fit the model.
pub fn front_end(k: &Document, config: &Config) -> Result<(Tag, Vec<u8>)> {
    if config.input != Input::Frames {
        return Err(input(
            "config.json: there are `features`, but `input` is not `frames`",
            FRAMES,
        ));
    }
    if !matches!(config.head, Head::Classifier | Head::Embedding) {
        let message =
            "config.json: there are `features`, but the head gives no answer for a window";
        return Err(input(message, "`head` must be `classifier` or `embedding`"));
    }
    match k.text("kind")? {
        Some("audio") => Ok((AUDIO, audio(k, config)?)),
        Some("motion") => Ok((MOTION, motion(k, config)?)),
        _ => Err(k.refuse("kind", "audio, motion")),
    }
}

const FRAMES: &str = "a front end makes the frames of a model: leave it out, or take frames";

/// Refuses a product of a front end's sizes that is not the model's.
fn agree(k: &Document, what: &str, found: usize, key: &str, needed: usize) -> Result<()> {
    match found == needed {
        true => Ok(()),
        false => Err(input(
            format!("{}: {what} is {found}, but `{key}` is {needed}", k.name()),
            "the front end must make exactly what the model reads",
        )),
    }
}

/// A number that fits 16 bits.
fn half(k: &Document, key: &'static str) -> Result<u16> {
    u16::try_from(k.needed(key)?).map_err(|_| k.wrong(key, "a whole number from 1 to 65535"))
}

/// Whole features that the window holds.
fn window_rows(config: &Config) -> usize {
    config.context - (config.pooling == Pooling::First) as usize
}

fn audio(k: &Document, config: &Config) -> Result<Vec<u8>> {
    let (rate, n_fft) = (k.needed("sample_rate")?, half(k, "n_fft")?);
    let (hop, n_mels) = (half(k, "hop_length")?, half(k, "n_mels")?);
    let per_row = half(k, "frames_per_row")?;
    let (n, bands) = (n_fft as usize, n_mels as usize);
    if !n.is_power_of_two() || !(64..=2048).contains(&n) {
        return Err(k.wrong("n_fft", "a power of two from 64 to 2048"));
    }
    if hop > n_fft {
        return Err(k.wrong("hop_length", "at most `n_fft`"));
    }
    if bands >= n / 2 {
        return Err(k.wrong("n_mels", "less than half of `n_fft`"));
    }
    agree(
        k,
        "`n_mels` · `frames_per_row`",
        bands * per_row as usize,
        "frame_len",
        config.frame_len,
    )?;
    fits_window(k, config)?;
    let needed = |key| k.number(key)?.ok_or_else(|| k.missing(key, "a number of hertz"));
    let (low, high) = (needed("f_min")?, needed("f_max")?);
    if !(0.0..rate as f64 / 2.0).contains(&low) {
        return Err(k.wrong("f_min", "0 or more, and less than half the sample rate"));
    }
    if !(low < high && high <= rate as f64 / 2.0) {
        return Err(k.wrong("f_max", "above `f_min`, and at most half the sample rate"));
    }
    let bins = Bins::new(rate as f64 / n as f64, n, mel_edges(low, high, bands));
    let mut data = (rate as u32).to_le_bytes().to_vec();
    let sizes = [n_fft, hop, n_mels, per_row, bins.first as u16, bins.weights.len() as u16];
    data.extend(sizes.iter().flat_map(|x| x.to_le_bytes()));
    let sine = |i: usize| ((TAU * i as f64 / n as f64).sin() * (1 << 30) as f64).round() as i32;
    data.extend((0..=n / 4).flat_map(|i| sine(i).to_le_bytes()));
    data.extend(bins.weights.iter().chain(&bins.steps).flat_map(|x| x.to_le_bytes()));
    Ok(data)
}

/// The engine's sum of a window has 32 bits.
fn fits_window(k: &Document, config: &Config) -> Result<()> {
    let features = config.frame_len.saturating_mul(window_rows(config));
    match (1..=1 << 15).contains(&features) {
        true => Ok(()),
        false => Err(input(
            format!("{}: the window holds {features} features", k.name()),
            "from 1 to 32768 are possible: fewer rows (`context`), or fewer features of a row",
        )),
    }
}

/// `n + 2` frequencies that are equally far apart on the mel scale of HTK (Young et al., "The HTK Book",
/// §5.4).
fn mel_edges(low: f64, high: f64, n: usize) -> Vec<f64> {
    let mel = |f: f64| 2595.0 * (1.0 + f / 700.0).log10();
    let hertz = |m: f64| 700.0 * (10f64.powf(m / 2595.0) - 1.0);
    let step = (mel(high) - mel(low)) / (n + 1) as f64;
    (0..n + 2).map(|i| hertz(mel(low) + step * i as f64)).collect()
}

/// The bins between the outermost edges.
struct Bins {
    first: usize,
    /// Of each: how far it is from the edge below to the edge above, Q0.16.
    weights: Vec<u16>,
    /// From each edge to the next: how many.
    steps: Vec<u16>,
}

impl Bins {
    fn new(width: f64, n_fft: usize, edges: Vec<f64>) -> Self {
        let (mut first, mut weights, mut steps) = (1, Vec::new(), vec![0u16; edges.len() - 1]);
        for bin in 1..n_fft / 2 {
            let f = bin as f64 * width;
            let Some(step) = edges.windows(2).position(|e| e[0] <= f && f < e[1]) else { continue };
            if weights.is_empty() {
                first = bin;
            }
            let part = (f - edges[step]) / (edges[step + 1] - edges[step]);
            weights.push((part * 65536.0).round().min(65535.0) as u16);
            steps[step] += 1;
        }
        Self { first, weights, steps }
    }
}

fn motion(k: &Document, config: &Config) -> Result<Vec<u8>> {
    let (channels, per_row) = (half(k, "channels")?, half(k, "samples_per_frame")?);
    let row = channels as usize * per_row as usize;
    agree(k, "`channels` · `samples_per_frame`", row, "frame_len", config.frame_len)?;
    let rows = window_rows(config);
    agree(k, "`window`", k.needed("window")?, "samples of all rows", rows * per_row as usize)?;
    fits_window(k, config)?;
    let shift = k.count("shift")?.ok_or_else(|| k.missing("shift", "a whole number"))?;
    if shift > 46 {
        return Err(k.wrong("shift", "a whole number from 0 to 46"));
    }
    let (offsets, multipliers) =
        (integers(k, "offset", channels)?, integers(k, "multiplier", channels)?);
    let mut data = vec![0; 16];
    for (at, value) in [(0, channels), (2, per_row), (4, shift as u16)] {
        data[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    for pair in offsets.into_iter().zip(multipliers) {
        data.extend([pair.0, pair.1].iter().flat_map(|x| x.to_le_bytes()));
    }
    Ok(data)
}

/// As many whole numbers as there are channels.
fn integers(k: &Document, key: &'static str, channels: u16) -> Result<Vec<i32>> {
    let expected = "a list of whole numbers of 32 bits, one for each channel";
    let value = k.get(key).ok_or_else(|| k.missing(key, expected))?;
    let read = |v: &serde_json::Value| i32::try_from(v.as_i64()?).ok();
    let list: Option<Vec<i32>> = value.as_array().and_then(|list| list.iter().map(read).collect());
    list.filter(|list| list.len() == channels as usize).ok_or_else(|| k.wrong(key, expected))
}

fn trigger(k: &Document, config: &Config, labels: &[String]) -> Result<Vec<u8>> {
    if config.head != Head::Classifier || labels.len() < 2 {
        let message = "config.json: there is a `trigger`, but no head with two labels or more";
        return Err(input(message, "events are labels of a classifier, one of which is `nothing`"));
    }
    let expected = "the index or the name of a label";
    let nothing = match k.get("nothing").ok_or_else(|| k.missing("nothing", expected))? {
        serde_json::Value::String(name) => labels.iter().position(|label| label == name),
        number => number.as_u64().map(|n| n as usize).filter(|&n| n < labels.len()),
    };
    let nothing = nothing.ok_or_else(|| k.wrong("nothing", expected))?;
    let smooth = half(k, "smooth")?;
    if smooth > 1024 {
        return Err(k.wrong("smooth", "a whole number from 1 to 1024"));
    }
    let threshold = k.positive("threshold")?.ok_or_else(|| k.missing("threshold", "a number"))?;
    if threshold >= 1.0 {
        return Err(k.wrong("threshold", "above 0 and below 1"));
    }
    let refractory = k.count("refractory")?.ok_or_else(|| k.missing("refractory", "rows"))?;
    let refractory = u16::try_from(refractory)
        .map_err(|_| -> Error { k.wrong("refractory", "a whole number from 0 to 65535") })?;
    let threshold = ((threshold * 32768.0).round() as u16).clamp(1, 32767);
    let fields = [nothing as u16, smooth, refractory, threshold];
    Ok(fields.iter().flat_map(|x| x.to_le_bytes()).collect())
}
