//! Recordings of motions: a sample a line, a column for each channel, numbers with commas between.

use crate::error::{Error, Result, read_text};
use std::path::Path;

/// Reads the values of all samples, one sample after the other. A first line without any number names the
/// columns, and is skipped; so are empty lines. Values are rounded, and saturated to 16 bits.
///
/// # Errors
/// A file that cannot be read, is empty, has another number of columns, or holds something that is no number.
pub fn read(path: &Path, channels: usize) -> Result<Vec<i16>> {
    let fault = |reason: String| Error::Malformed {
        path: path.into(),
        what: "csv file of motions",
        reason,
    };
    let text = read_text(path).map_err(|error| match error {
        Error::File { source, .. } if source.kind() == std::io::ErrorKind::InvalidData => {
            fault("it is no text".into())
        }
        other => other,
    })?;
    let mut samples = Vec::new();
    let mut first = true;
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let cells: Vec<&str> =
            line.trim_start_matches('\u{feff}').split(',').map(str::trim).collect();
        let names = first && cells.iter().all(|cell| cell.parse::<f64>().is_err());
        first = false;
        if names {
            continue;
        }
        let place = || format!("line {}", number + 1);
        if cells.len() != channels {
            let found = cells.len();
            return Err(fault(format!(
                "{} has {found} columns, the model {channels} channels",
                place()
            )));
        }
        for cell in cells {
            let value = cell.parse::<f64>().ok().filter(|value| value.is_finite());
            let value =
                value.ok_or_else(|| fault(format!("{}: `{cell}` is no number", place())))?;
            samples.push(value.round() as i16);
        }
    }
    match samples.is_empty() {
        true => Err(fault("it holds no samples".into())),
        false => Ok(samples),
    }
}
