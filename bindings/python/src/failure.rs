//! Why something failed, as Python's exceptions: in the words of the command.

use picoformer::{FloatError, RunError};
use picoformer_convert::error;
use pyo3::PyErr;
use pyo3::exceptions::{PyMemoryError, PyOSError, PyRuntimeError, PyValueError};
use std::any::Any;
use std::error::Error as _;

pyo3::create_exception!(
    picoformer,
    Error,
    PyValueError,
    "What a checkpoint, a blob or an input is refused for: what is wrong, what is expected, what helps."
);

/// What keeps a call from answering.
#[derive(Debug)]
pub enum Failure {
    /// The converter or the engine refuses.
    Refused(error::Error),
    /// The command refuses.
    Told(miette::Report),
    /// The arguments make no command.
    Arguments(Box<clap::Error>),
    /// A signal came (Ctrl-C).
    Raised(PyErr),
    /// A fault of ours: a panic, with its words.
    Panic(String),
}

impl<E: Into<error::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Of the engine's conversions from floats.
pub fn of_float(error: FloatError) -> Failure {
    error::input(error.to_string(), "give numbers within the model's range").into()
}

/// The model is of another kind.
pub fn wrong(needed: &'static str) -> Failure {
    RunError::WrongModel { needed }.into()
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Raised(error) => error,
            Failure::Panic(words) => PyRuntimeError::new_err(format!(
                "picoformer failed; this is a fault of picoformer, please report it: {words}"
            )),
            Failure::Arguments(error) => Error::new_err(plain(&error.render().to_string())),
            Failure::Refused(error) => raised(&error),
            Failure::Told(report) => match report.downcast_ref::<error::Error>() {
                Some(error) => raised(error),
                None => Error::new_err(with_help(
                    report.chain().map(ToString::to_string).collect(),
                    report.help().map(|help| help.to_string()),
                )),
            },
        }
    }
}

/// An error of the converter as an exception: what the system refused is an `OSError` of its own kind.
fn raised(error: &error::Error) -> PyErr {
    if let error::Error::File { path, source } = error
        && let Some(code) = source.raw_os_error()
    {
        // With an errno, Python chooses `FileNotFoundError`, `PermissionError` and so on.
        let reason = source.to_string();
        let reason = reason.split(" (os error").next().unwrap_or_default().to_owned();
        return PyOSError::new_err((code, reason, path.clone()));
    }
    let mut words = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    let help = miette::Diagnostic::help(error).map(|help| help.to_string());
    let text = with_help(words, help);
    match error {
        error::Error::Memory { .. } => PyMemoryError::new_err(text),
        _ => Error::new_err(text),
    }
}

fn with_help(words: Vec<String>, help: Option<String>) -> String {
    let mut text = words.join(": ");
    if let Some(help) = help {
        text += "\nhelp: ";
        text += &help;
    }
    text
}

/// What the command line says of wrong arguments, without the lines that are for a terminal.
fn plain(text: &str) -> String {
    let lines = text.lines().take_while(|line| !line.starts_with("Usage:"));
    let lines: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n").trim_start_matches("error: ").to_owned()
}

/// What a panic said.
pub fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}
