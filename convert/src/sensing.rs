//! What a model with a front end says of a recording: events, or the best label of the whole.

use crate::error::{Error, Result, input};
use crate::host::HeapArena;
use crate::{motion_file, sound};
use picoformer::task::Detection;
use picoformer::{Listener, Model, MotionClassifier};
use serde::Serialize;
use std::path::Path;

/// Something that a recording contains.
#[derive(Clone, Debug, Serialize)]
pub struct Heard {
    /// What.
    pub label: String,
    /// When, in seconds from the beginning: the end of the row, or of the window, that told it. Absent if
    /// the model does not know how many samples there are in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
    /// The same in samples.
    pub sample: u64,
    /// How likely, 0 … 1.
    pub confidence: f64,
}

impl Heard {
    /// What is told of a label at a sample of a stream with `rate` samples a second.
    pub fn new(label: &str, sample: u64, rate: Option<f64>, confidence: f64) -> Self {
        let time = rate.map(|rate| sample as f64 / rate);
        Self { label: label.to_owned(), time, sample, confidence }
    }
}

/// What was found in a recording. The fields are the keys of `picoformer run --wav --json`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sensed {
    /// In order. A model without a trigger gives one for each window that it was asked about.
    pub events: Vec<Heard>,
    /// Without a trigger: the best label of the whole recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Length of the recording, if the model knows how many samples there are in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// Runs a model over a file of the kind that its front end takes.
///
/// # Errors
/// A model without a front end; those of the file.
pub fn sense(model: &Model, path: &Path) -> Result<Sensed> {
    sense_samples(model, &read(model, path)?)
}

/// The samples of a file as a model takes them.
///
/// # Errors
/// A model without a front end; those of the file.
pub fn read(model: &Model, path: &Path) -> Result<Vec<i16>> {
    let features = model.features();
    match (features.audio, features.motion) {
        (Some(audio), _) => sound::read(path, audio.sample_rate),
        (_, Some(motion)) => motion_file::read(path, motion.channels),
        _ => Err(no_front_end()),
    }
}

/// Runs a model over samples.
///
/// # Errors
/// A model without a front end.
pub fn sense_samples(model: &Model, samples: &[i16]) -> Result<Sensed> {
    let features = model.features();
    let mut arena = HeapArena::try_new(model.arena())?;
    match (features.audio, features.motion) {
        (Some(_), _) => listen(&mut Listener::new(model, arena.parts())?, samples),
        (_, Some(_)) => feel(model, &mut MotionClassifier::new(model, arena.parts())?, samples),
        _ => Err(no_front_end()),
    }
}

/// The error of a model that takes no samples.
pub fn no_front_end() -> Error {
    input(
        "this model has no front end for samples",
        "its checkpoint needs `features` (models/common/frontend.md)",
    )
}

fn listen(listener: &mut Listener, samples: &[i16]) -> Result<Sensed> {
    let rate = listener.sample_rate() as f64;
    let seconds = Some(samples.len() as f64 / rate);
    if listener.triggers() {
        let mut events = Vec::new();
        for piece in samples.chunks(listener.limit()) {
            events.extend(listener.push(piece)?.map(|found| heard(found, Some(rate), 1)));
        }
        return Ok(Sensed { events, label: None, seconds });
    }
    let answer = listener.classify_recording(samples)?;
    let confidence = (answer.log_probability as f64 / 65536.0).exp();
    let event = Heard::new(answer.name, listener.samples(), Some(rate), confidence);
    Ok(Sensed { label: Some(event.label.clone()), events: vec![event], seconds })
}

fn heard(found: Detection, rate: Option<f64>, channels: u64) -> Heard {
    Heard::new(found.name, found.end / channels, rate, found.confidence as f64 / 32768.0)
}

/// Without a trigger: windows that overlap by a half, as those of the literature; a short recording is one
/// window, with zeros before it. The best label has the largest sum of log-probabilities.
fn feel(model: &Model, motions: &mut MotionClassifier, samples: &[i16]) -> Result<Sensed> {
    let (channels, rate) = (motions.channels(), motions.sample_rate().map(f64::from));
    let seconds = rate.map(|rate| (samples.len() / channels) as f64 / rate);
    let mut events = Vec::new();
    if motions.triggers() {
        for piece in samples.chunks(motions.limit()) {
            events.extend(motions.push(piece)?.map(|found| heard(found, rate, channels as u64)));
        }
        return Ok(Sensed { events, label: None, seconds });
    }
    let window = motions.window() * channels;
    let mut sums = vec![0f64; model.config().n_labels];
    let (first, rest) = samples.split_at(window.min(samples.len()));
    let half = (motions.window() / 2).max(1) * channels;
    for piece in std::iter::once(first).chain(rest.chunks_exact(half)) {
        motions.feed(piece);
        let answer = motions.classify()?;
        for (label, sum) in sums.iter_mut().enumerate() {
            let logits = motions.encoder().outputs();
            *sum += picoformer::probability::log_probability(logits, label) as f64 / 65536.0;
        }
        let sample = motions.samples() / channels as u64;
        let confidence = (answer.log_probability as f64 / 65536.0).exp();
        events.push(Heard::new(answer.name, sample, rate, confidence));
    }
    let best = (1..sums.len()).fold(0, |best, i| if sums[i] > sums[best] { i } else { best });
    let label = model.label(best).unwrap_or_default().to_owned();
    Ok(Sensed { events, label: Some(label), seconds })
}
