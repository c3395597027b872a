//! The command line: all of it for the program `picoformer`, `convert` for the function of that name.

use crate::failure::Failure;
use crate::work::{aside, detached};
use clap::Parser;
use picoformer_convert::cli::in_memory::{Refused, in_memory};
use picoformer_convert::cli::{self, Arguments};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::ffi::OsString;

/// Converts a checkpoint by the words of `picoformer convert`; returns the blob and the notes.
#[pyfunction]
pub fn convert(
    py: Python<'_>,
    words: Vec<OsString>,
) -> PyResult<(Bound<'_, PyBytes>, Vec<String>)> {
    let converted = aside(py, move || {
        in_memory(words).map_err(|refused| match refused {
            Refused::Arguments(error) => Failure::Arguments(error),
            Refused::Checkpoint(report) => Failure::Told(report),
        })
    })?;
    let ignored = converted.ignored.iter().map(|key| format!("ignored: {key}"));
    let notes = converted.notes.into_iter().chain(ignored).collect();
    Ok((PyBytes::new(py, converted.blob.bytes()), notes))
}

/// The program `picoformer` with these words; returns its exit status.
#[pyfunction]
pub fn run(py: Python<'_>, words: Vec<OsString>) -> PyResult<i32> {
    detached(py, |_| {
        let arguments = match Arguments::try_parse_from(words) {
            Ok(arguments) => arguments,
            Err(error) => {
                // A closed pipe is no reason to fail differently.
                let _ = error.print();
                return Ok(error.exit_code());
            }
        };
        Ok(match cli::run(arguments) {
            Ok(()) => 0,
            Err(report) => {
                // As `main` of the command prints what it returns.
                eprintln!("Error: {report:?}");
                1
            }
        })
    })
}

/// Panics, for the test that shows what becomes of a panic.
#[pyfunction]
pub fn panic(py: Python<'_>, words: String) -> PyResult<()> {
    detached(py, |_| std::panic::panic_any(words))
}
