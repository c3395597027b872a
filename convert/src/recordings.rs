//! A folder of recordings whose names say what they hold, and how a model with a front end does on them.

use crate::error::{Error, Result, input};
use crate::evaluation::{Evaluation, Progress};
use crate::sensing::sense;
use picoformer::Model;
use std::path::{Path, PathBuf};

/// A file, and the label that the model should find in it: none for what is no label of the model.
struct Recording {
    path: PathBuf,
    label: Option<String>,
}

/// Judges every recording of a folder, `LABEL-anything` or `LABEL/…`; labels that the model does not have
/// count as the one that is no event.
///
/// A recording is right when exactly one event with its label is found, or none if there should be none;
/// without a trigger, when its label is the best one.
///
/// # Errors
/// A folder without recordings, a file without a label, those of the files.
pub fn evaluate(model: &Model, folder: &Path, progress: Progress) -> Result<Evaluation> {
    let files = recordings(model, folder)?;
    let (mut right, mut missed, mut false_events, mut seconds) = (0, 0, 0, 0.0);
    for (i, Recording { path, label }) in files.iter().enumerate() {
        progress(i, files.len());
        let found = sense(model, path)?;
        seconds += found.seconds.unwrap_or(0.0);
        let said: Vec<&str> = match &found.label {
            Some(best) => vec![best],
            None => found.events.iter().map(|event| event.label.as_str()).collect(),
        };
        let own = said.iter().filter(|&&said| Some(said) == label.as_deref()).count();
        right += (said.len() == own && own == label.is_some() as usize) as usize;
        missed += (own == 0 && label.is_some()) as usize;
        false_events += said.len() - own.min(1);
    }
    let known = model.features().audio.is_some() || seconds > 0.0;
    Ok(Evaluation {
        sequences: files.len(),
        accuracy: Some(right as f64 / files.len() as f64),
        missed: Some(missed),
        false_events: Some(false_events),
        seconds: known.then_some(seconds),
        ..Evaluation::default()
    })
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
