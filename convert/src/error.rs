//! Errors that a user can act on: what is wrong, what was expected and found, what to do.

use miette::Diagnostic;
use std::path::PathBuf;
use thiserror::Error;

/// Everything that can go wrong between a checkpoint and a blob.
#[derive(Debug, Error, Diagnostic)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("cannot access `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file's content is not what its name says.
    #[error("`{}` is not a valid {what}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// A folder is no checkpoint.
    #[error("`{}` is not a checkpoint: {missing} is missing", path.display())]
    #[diagnostic(help(
        "expected a Hugging Face folder with config.json and model.safetensors (or an index of shards), \
         or a llama2.c .bin file"
    ))]
    NotACheckpoint {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        missing: &'static str,
    },
    /// A value of `config.json` that the engine cannot run.
    #[error("config.json: `{key}` is {found}, which is not supported")]
    #[diagnostic(help("supported: {supported}"))]
    Unsupported {
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// What would work.
        supported: String,
    },
    /// A key of `config.json` that is needed.
    #[error("config.json: `{key}` is missing or not {expected}")]
    #[diagnostic(help("re-save the checkpoint with `save_pretrained`, which writes every key"))]
    MissingKey {
        /// The key.
        key: String,
        /// Its type.
        expected: &'static str,
    },
    /// A tensor that the architecture needs.
    #[error("tensor `{name}` is missing")]
    #[diagnostic(help(
        "the checkpoint holds {have} tensors, for example {examples}; is `model_type` right?"
    ))]
    MissingTensor {
        /// Its name.
        name: String,
        /// How many there are.
        have: usize,
        /// Some names.
        examples: String,
    },
    /// A tensor of another shape than `config.json` says.
    #[error("tensor `{name}` has shape {found:?}, expected {expected:?}")]
    #[diagnostic(help("config.json and the weights do not belong together, or one was edited"))]
    Shape {
        /// Its name.
        name: String,
        /// By config.json.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A tensor of a type that is not a float.
    #[error("tensor `{name}` has type {found}, expected F32, F16 or BF16")]
    #[diagnostic(help("save the checkpoint unquantised: the converter quantises itself"))]
    TensorType {
        /// Its name.
        name: String,
        /// Its type.
        found: String,
    },
    /// A weight that is no number.
    #[error("tensor `{name}` holds a value that is not finite at index {index}")]
    #[diagnostic(help("the checkpoint is damaged, or training diverged"))]
    NotFinite {
        /// Its name.
        name: String,
        /// Where.
        index: usize,
    },
    /// Tensors that nobody asked for: the architecture is not what it says.
    #[error("{count} tensors are not part of this architecture, for example `{example}`")]
    #[diagnostic(help("the converter refuses to drop weights silently; is `model_type` right?"))]
    ExtraTensors {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// The hyperparameters cannot be run.
    #[error("the model's {0} is out of the engine's range")]
    Config(String),
    /// The blob that was written or given is not valid.
    #[error("`{}` cannot be used", path.display())]
    Blob {
        /// The file.
        path: PathBuf,
        /// The engine's reason.
        source: picoformer::FormatError,
    },
    /// The engine refused an input.
    #[error(transparent)]
    Run(#[from] picoformer::RunError),
    /// Anything about the input that has no type of its own.
    #[error("{message}")]
    #[diagnostic(help("{help}"))]
    Input {
        /// What is wrong.
        message: String,
        /// What to do.
        help: String,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Reads a whole file.
pub fn read(path: &std::path::Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Error::File { path: path.into(), source })
}

/// Reads a whole text file.
pub fn read_text(path: &std::path::Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::File { path: path.into(), source })
}

/// An [`Error::Input`].
pub fn input(message: impl Into<String>, help: impl Into<String>) -> Error {
    Error::Input { message: message.into(), help: help.into() }
}
