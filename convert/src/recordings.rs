//! A folder of recordings whose names say what they hold, and how a model with a front end does on them.

use crate::error::{Error, Result, input};
use crate::evaluation::{Evaluation, Progress};
use crate::float_model::FloatModel;
use crate::sensing::Sensed;
use crate::{float_sensing, sensing};
use picoformer::Model;
use std::path::{Path, PathBuf};

/// A file, and the label that the model should find in it: none for what is no label of the model.
struct Recording {
    path: PathBuf,
    label: Option<String>,
}

/// How a model did on the recordings so far.
#[derive(Default)]
struct Tally {
    right: usize,
    missed: usize,
    false_events: usize,
}

impl Tally {
    /// Counts an answer; true if it is right.
    fn count(&mut self, said: &[&str], label: Option<&str>) -> bool {
        let own = said.iter().filter(|&&said| Some(said) == label).count();
        let right = said.len() == own && own == label.is_some() as usize;
        self.right += right as usize;
        self.missed += (own == 0 && label.is_some()) as usize;
        self.false_events += said.len() - own.min(1);
        right
    }
}

/// What was found: the best label, or the labels of all events.
fn said(found: &Sensed) -> Vec<&str> {
    match &found.label {
        Some(best) => vec![best],
        None => found.events.iter().map(|event| event.label.as_str()).collect(),
    }
}

/// Judges every recording of a folder, `LABEL-anything` or `LABEL/…`; labels that the model does not have
/// count as the one that is no event. With a reference, its answers in f32 are judged, too.
///
/// A recording is right when exactly one event with its label is found, or none if there should be none;
/// without a trigger, when its label is the best one.
///
/// # Errors
/// A folder without recordings, a file without a label, those of the files.
pub fn evaluate(
    model: &Model,
    reference: Option<&FloatModel>,
    folder: &Path,
    progress: Progress,
) -> Result<Evaluation> {
    let files = recordings(model, folder)?;
    let (mut tally, mut exact) = (Tally::default(), Tally::default());
    let (mut seconds, mut same, mut late) = (0.0, 0, Vec::new());
    for (i, Recording { path, label }) in files.iter().enumerate() {
        progress(i, files.len());
        let samples = sensing::read(model, path)?;
        let found = sensing::sense_samples(model, &samples)?;
        seconds += found.seconds.unwrap_or(0.0);
        let right = tally.count(&said(&found), label.as_deref());
        let time = found.events.first().and_then(|event| event.time);
        if let (true, Some(audio), Some(_), Some(time)) =
            (right, model.features().audio, model.features().trigger, time)
        {
            late.push(time - word_end(&samples, audio.sample_rate));
        }
        if let Some(float) = reference {
            let in_f32 = float_sensing::sense(model, float, &samples)?;
            exact.count(&said(&in_f32), label.as_deref());
            same += (said(&in_f32) == said(&found)) as usize;
        }
    }
    let n = files.len() as f64;
    let known = model.features().audio.is_some() || seconds > 0.0;
    Ok(Evaluation {
        sequences: files.len(),
        accuracy: Some(tally.right as f64 / n),
        accuracy_reference: reference.map(|_| exact.right as f64 / n),
        missed: Some(tally.missed),
        missed_reference: reference.map(|_| exact.missed),
        false_events: Some(tally.false_events),
        false_events_reference: reference.map(|_| exact.false_events),
        top1_agreement: reference.map(|_| same as f64 / n),
        seconds: known.then_some(seconds),
        latency: median(late),
        ..Evaluation::default()
    })
}

/// Where a word ends, in seconds: behind the last 20 ms whose mean square is within 20 dB of the loudest
/// ones'.
fn word_end(samples: &[i16], rate: u32) -> f64 {
    let size = (rate as usize / 50).max(1);
    let energy = |frame: &[i16]| frame.iter().map(|&x| (x as i64).pow(2)).sum::<i64>();
    let energies: Vec<i64> = samples.chunks_exact(size).map(energy).collect();
    let loudest = energies.iter().copied().max().unwrap_or(0);
    let last = energies.iter().rposition(|&energy| energy * 100 > loudest);
    (last.map_or(0, |last| last + 1) * size) as f64 / rate as f64
}

/// The mean of the two in the middle, if there are any.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) =
        (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}

/// All recordings below a folder, in order.
fn recordings(model: &Model, folder: &Path) -> Result<Vec<Recording>> {
    let kinds: &[&str] = match model.features().audio {
        Some(_) => &["wav", "wave", "flac"],
        None => &["csv"],
    };
    let mut files = Vec::new();
    walk(folder, &mut files)?;
    let kind = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        kinds.contains(&extension.to_ascii_lowercase().as_str())
    };
    files.retain(kind);
    files.sort();
    if files.is_empty() {
        return Err(input(
            format!("`{}` holds no file of the kinds {}", folder.display(), kinds.join(", ")),
            "recordings are named LABEL-anything, or lie in folders named LABEL",
        ));
    }
    let nothing = model.features().trigger.map(|trigger| trigger.nothing);
    let labels: Vec<&str> =
        (0..model.config().n_labels).map(|i| model.label(i).unwrap_or_default()).collect();
    let recording = |path: PathBuf| {
        let label = label(&path, folder, &labels)?;
        let event = label.filter(|&label| Some(label) != nothing);
        Ok(Recording { label: event.map(|label| labels[label].to_owned()), path })
    };
    files.into_iter().map(recording).collect()
}

/// Which label a name stands for: that of the uppermost folder, or the longest that the file's name begins
/// with.
fn label(path: &Path, folder: &Path, labels: &[&str]) -> Result<Option<usize>> {
    let inside = path.strip_prefix(folder).unwrap_or(path);
    let mut parts = inside.iter();
    let first = parts.next().unwrap_or_default().to_string_lossy();
    if parts.next().is_some() {
        return Ok(labels.iter().position(|label| **label == *first));
    }
    if !first.contains('-') {
        return Err(input(
            format!("`{}` has no label in its name", path.display()),
            "name it LABEL-anything, or put it into a folder named LABEL",
        ));
    }
    let begins = |label: &str| first.strip_prefix(label).is_some_and(|rest| rest.starts_with('-'));
    let fitting = labels.iter().enumerate().filter(|(_, label)| begins(label));
    Ok(fitting.max_by_key(|(_, label)| label.len()).map(|(i, _)| i))
}

/// All files below a folder.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let error = |source| Error::File { path: folder.into(), source };
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        // A link may lead back up; what it leads to is no part of the folder.
        match path.is_dir() && !path.is_symlink() {
            true => walk(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_ends_with_its_last_loud_frame() {
        // 20 ms are 20 samples. Ten times quieter is 20 dB, and no longer within them.
        let mut samples = [0; 200];
        samples[40..80].fill(1000);
        samples[100..120].fill(101);
        samples[140..160].fill(100);
        assert_eq!(word_end(&samples, 1000), 0.12);
        assert_eq!(word_end(&[0; 100], 1000), 0.0);
        assert_eq!(word_end(&[], 1000), 0.0);
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn names_say_what_a_recording_holds() {
        let labels = ["nothing", "up", "up-beat", "view_glass"];
        let label = |name: &str| {
            let found = label(&Path::new("d").join(name), Path::new("d"), &labels);
            found.map_err(|error| error.to_string())
        };
        assert_eq!(label("up-a1.wav"), Ok(Some(1)));
        assert_eq!(label("up-beat-3.wav"), Ok(Some(2)));
        assert_eq!(label("view_glass-00-x.flac"), Ok(Some(3)));
        assert_eq!(label("other_athena-1c.flac"), Ok(None));
        assert_eq!(label("upper-1.wav"), Ok(None));
        assert_eq!(label("up/speaker/one.wav"), Ok(Some(1)));
        assert_eq!(label("down/up-1.wav"), Ok(None));
        assert!(label("up.wav").unwrap_err().contains("no label"));
    }
}
