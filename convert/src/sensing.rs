//! What a model with a front end says of a recording: events, or the best label of the whole.

use crate::error::{Result, input};
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

/// What was found in a recording. The fields are the keys of `picoformer run --wav --json`.
#[derive(Clone, Debug, Serialize)]
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
    let features = model.features();
    let mut arena = HeapArena::try_new(model.arena())?;
    if let Some(audio) = features.audio {
        let samples = sound::read(path, audio.sample_rate)?;
        return listen(&mut Listener::new(model, arena.parts())?, &samples);
    }
    match features.motion {
        Some(motion) => {
            let samples = motion_file::read(path, motion.channels)?;
            feel(model, &mut MotionClassifier::new(model, arena.parts())?, &samples)
        }
        None => Err(input(
            "this model has no front end for samples",
            "its checkpoint needs `features` (models/common/frontend.md)",
        )),
    }
}

fn listen(listener: &mut Listener, samples: &[i16]) -> Result<Sensed> {
    let rate = listener.sample_rate() as f64;
    let seconds = Some(samples.len() as f64 / rate);
    let time = |sample: u64| Some(sample as f64 / rate);
    if listener.triggers() {
        let mut events = Vec::new();
        for piece in samples.chunks(listener.limit()) {
            events.extend(listener.push(piece)?.map(|found| heard(found, time, 1)));
        }
        return Ok(Sensed { events, label: None, seconds });
    }
    let answer = listener.classify_recording(samples)?;
    let event = Heard {
        label: answer.name.to_owned(),
        time: time(listener.samples()),
        sample: listener.samples(),
        confidence: (answer.log_probability as f64 / 65536.0).exp(),
    };
    Ok(Sensed { label: Some(event.label.clone()), events: vec![event], seconds })
}

fn heard(found: Detection, time: impl Fn(u64) -> Option<f64>, channels: u64) -> Heard {
    let sample = found.end / channels;
    let confidence = found.confidence as f64 / 32768.0;
    Heard { label: found.name.to_owned(), time: time(sample), sample, confidence }
}

/// Without a trigger: windows that overlap by a half, as those of the literature; a short recording is one
/// window, with zeros before it. The best label has the largest sum of log-probabilities.
fn feel(model: &Model, motions: &mut MotionClassifier, samples: &[i16]) -> Result<Sensed> {
    let (channels, rate) = (motions.channels(), motions.sample_rate());
    let time = |sample: u64| rate.map(|rate| sample as f64 / rate as f64);
    let seconds = time((samples.len() / channels) as u64);
    let mut events = Vec::new();
    if motions.triggers() {
        for piece in samples.chunks(motions.limit()) {
            events.extend(motions.push(piece)?.map(|found| heard(found, time, channels as u64)));
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
        events.push(Heard {
            label: answer.name.to_owned(),
            time: time(sample),
            sample,
            confidence,
        });
    }
    let best = (1..sums.len()).fold(0, |best, i| if sums[i] > sums[best] { i } else { best });
    let label = model.label(best).unwrap_or_default().to_owned();
    Ok(Sensed { events, label: Some(label), seconds })
}
