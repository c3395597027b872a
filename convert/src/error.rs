//! Errors that a user can act on: what is wrong, what was expected and found, what to do.

use miette::Diagnostic;
use std::io::Read;
use std::path::PathBuf;
use thiserror::Error;

/// What a checkpoint is.
pub const CHECKPOINT: &str = "a Hugging Face folder with config.json and model.safetensors (or pytorch_model.bin, or \
     an index of shards), or a llama2.c .bin file";

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
    #[diagnostic(help("expected {}", CHECKPOINT))]
    NotACheckpoint {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        missing: &'static str,
    },
    /// A value that the engine or the converter cannot do.
    #[error("{file}: `{key}` is {found}, which is not supported")]
    #[diagnostic(help("supported: {supported}"))]
    Unsupported {
        /// The file, by its name within the checkpoint.
        file: String,
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// What would work, and what to do.
        supported: String,
    },
    /// A value that is not of its key's type, or out of its range.
    #[error("{file}: `{key}` is {found}, which is not {expected}")]
    #[diagnostic(help(
        "correct the value, or delete the key to get its default (`--ignore {key}` does so for you)"
    ))]
    WrongType {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// Type and range.
        expected: &'static str,
    },
    /// A key that nobody has heard of: whether it changes something is not known.
    #[error("{file}: `{key}` is {found}, and the converter does not know the key")]
    #[diagnostic(help(
        "a key that is not known may change the answers; if this one does not, say `--ignore {key}`"
    ))]
    UnknownKey {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// Its value.
        found: String,
    },
    /// A key that is needed.
    #[error("{file}: `{key}` is missing; {expected} is needed")]
    #[diagnostic(help("add the key, or re-save the checkpoint with `save_pretrained`"))]
    MissingKey {
        /// The file.
        file: String,
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
    #[error("tensor `{name}` has type {found}, expected F64, F32, F16 or BF16")]
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
    #[diagnostic(help(
        "the converter refuses to drop weights silently; is `model_type` right? `--ignore {example}` drops \
         this one"
    ))]
    ExtraTensors {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// A matrix that is tied to another differs from it.
    #[error(
        "tensor `{name}` is tied to `{to}` by config.json and holds other values (the first at index {index})"
    )]
    #[diagnostic(help(
        "transformers 4 drops `{name}`, transformers 5 uses it: to use it, set `tie_word_embeddings` to false \
         in config.json; to drop it, say `--ignore {name}`"
    ))]
    Untied {
        /// The copy.
        name: String,
        /// The matrix that it should equal.
        to: String,
        /// Where they first differ.
        index: usize,
    },
    /// A hyperparameter beyond the engine's range.
    #[error("the model's {field} is {found}, beyond the engine's range: {limit}")]
    #[diagnostic(help("{help}"))]
    Range {
        /// The field of the engine's configuration, in words.
        field: String,
        /// Its value.
        found: String,
        /// The range.
        limit: String,
        /// What helps.
        help: String,
    },
    /// The host has less memory than a model needs.
    #[error("{what} needs {needed} bytes of memory, which this host does not have")]
    #[diagnostic(help("a shorter context (`--context` when converting) needs less"))]
    Memory {
        /// What for.
        what: &'static str,
        /// How much.
        needed: u64,
    },
    /// The blob that was written or given is not valid.
    #[error("`{}` cannot be used", path.display())]
    Blob {
        /// The file.
        path: PathBuf,
        /// The engine's reason.
        source: picoformer::FormatError,
    },
    /// A signed file is not to be believed.
    #[error("`{}` is refused", path.display())]
    #[diagnostic(help(
        "`picoformer sign` makes a signed file of a blob; key, product and release must be the ones that the \
         device expects"
    ))]
    Signed {
        /// The file.
        path: PathBuf,
        /// The engine's reason.
        source: picoformer::signed::SignedError,
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

/// Reads the first bytes of a file, `len` at most.
pub fn read_start(path: &std::path::Path, len: u64) -> Result<Vec<u8>> {
    let failed = |source| Error::File { path: path.into(), source };
    let (file, mut start) = (std::fs::File::open(path).map_err(failed)?, Vec::new());
    file.take(len).read_to_end(&mut start).map_err(failed)?;
    Ok(start)
}

/// Reads a whole text file.
pub fn read_text(path: &std::path::Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::File { path: path.into(), source })
}

/// An [`Error::Unsupported`] of a key that the user may accept.
pub fn unsupported(
    file: impl Into<String>,
    key: impl Into<String>,
    found: impl std::fmt::Display,
    supported: impl std::fmt::Display,
) -> Error {
    let key = key.into();
    let supported = format!(
        "{supported}. Accept it with `--ignore {key}`, which reads the file as if it did not have it"
    );
    Error::Unsupported { file: file.into(), key, found: found.to_string(), supported }
}

/// An [`Error::Input`].
pub fn input(message: impl Into<String>, help: impl Into<String>) -> Error {
    Error::Input { message: message.into(), help: help.into() }
}
