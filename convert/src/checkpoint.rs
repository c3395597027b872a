//! Hugging Face folders: `config.json` and `generation_config.json`, every key of which is accounted for,
//! and the weights.

use crate::account::{Document, Ignored};
use crate::error::{Error, Result};
use crate::kept::Kept;
use crate::weights::{Rows, Tensors, is_buffer, not_a_checkpoint, read_folder};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use crate::weights::Tensor;

/// Which pieces of a vocabulary are kept.
#[derive(Clone, Debug)]
pub enum Keep {
    /// Those that the text in a file needs.
    Text(PathBuf),
    /// These.
    Pieces(Kept),
}

/// What the user asked for that a checkpoint is read by.
#[derive(Debug, Default)]
pub struct Options {
    /// Positions, instead of the checkpoint's.
    pub context: Option<usize>,
    /// Positions of the target, instead of the checkpoint's.
    pub target_context: Option<usize>,
    /// Beam width, instead of the checkpoint's.
    pub beams: Option<usize>,
    /// Keys that are accepted deliberately.
    pub ignored: Ignored,
    /// Special tokens are found in a text, as in the original.
    pub special_tokens: bool,
    /// A part of the vocabulary; all of it by default.
    pub keep: Option<Keep>,
}

/// A checkpoint: hyperparameters, tensors, and where it lies.
#[derive(Debug)]
pub struct Checkpoint {
    /// The folder or file.
    pub path: PathBuf,
    /// `config.json`.
    pub config: Document,
    /// `generation_config.json`; without keys if there is none.
    pub generation: Document,
    /// What the user asked for.
    pub options: Options,
    /// What a user should know though it is no fault.
    pub notes: RefCell<Vec<String>>,
    kept: Option<Kept>,
    tensors: Tensors,
    taken: RefCell<BTreeSet<String>>,
}

impl Checkpoint {
    /// Reads a Hugging Face folder.
    ///
    /// # Errors
    /// Missing or damaged files.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, Options::default())
    }

    /// As [`Checkpoint::open`], with the user's options.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn open_with(path: &Path, options: Options) -> Result<Self> {
        if !path.join("config.json").is_file() {
            return Err(not_a_checkpoint(path, "config.json"));
        }
        let config = Document::open(path, "config.json", &options.ignored)?;
        let generation = Document::open(path, "generation_config.json", &options.ignored)?;
        // The family is named before anything of the weights is at fault.
        crate::import::family(&config)?;
        let tensors = renamed(read_folder(path)?);
        Ok(Self { config, generation, options, ..Self::from_parts(path, Value::Null, tensors)? })
    }

    /// A checkpoint from tensors in memory.
    ///
    /// # Errors
    /// A configuration that is no object.
    pub fn from_parts(path: &Path, config: Value, tensors: Tensors) -> Result<Self> {
        Ok(Self {
            path: path.into(),
            config: Document::of("config.json", config)?,
            generation: Document::of("generation_config.json", Value::Null)?,
            options: Options::default(),
            notes: RefCell::default(),
            kept: None,
            tensors,
            taken: RefCell::default(),
        })
    }

    /// Tells the user something that is no fault.
    pub fn note(&self, text: impl Into<String>) {
        self.notes.borrow_mut().push(text.into());
    }

    /// Tokens of the vocabulary in the files, whatever part of it is kept.
    ///
    /// # Errors
    /// No `vocab_size`, or a wrong one.
    pub fn original_size(&self) -> Result<usize> {
        self.kept
            .as_ref()
            .map_or_else(|| self.config.needed("vocab_size"), |k| Ok(k.original_size()))
    }

    /// Keeps a part of the vocabulary: from now on ids are new ones, and a tensor that has a row a token
    /// has those of the kept ones.
    pub fn keep(&mut self, kept: &Kept) {
        self.config.renumber(kept);
        self.generation.renumber(kept);
        self.kept = Some(kept.clone());
    }

    /// The id that a token of the original's files has; `None` if it was dropped.
    pub fn id(&self, original: usize) -> Option<usize> {
        match &self.kept {
            None => Some(original),
            Some(kept) => kept.new_id(u32::try_from(original).ok()?).map(|id| id as usize),
        }
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        let tensors = self.tensors.iter().filter(|(name, _)| !is_buffer(name));
        tensors.map(|(_, tensor)| tensor.len()).sum()
    }

    /// Whether a tensor exists.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| &tensor.shape[..])
    }

    /// The first tensor whose name begins so.
    pub fn find(&self, prefix: &str) -> Option<&str> {
        self.tensors.keys().find(|name| name.starts_with(prefix)).map(String::as_str)
    }

    /// The tensors whose names begin so, to be read elsewhere: they count as used.
    pub fn take_all(&self, prefix: &str) {
        let names = self.tensors.keys().filter(|name| name.starts_with(prefix)).cloned();
        self.taken.borrow_mut().extend(names);
    }

    /// Takes a tensor of a shape; of one with a row a token, the rows that are kept.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::Shape`], [`Error::TensorType`], [`Error::NotFinite`].
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some(tensor) = self.tensors.get(name) else {
            let examples: Vec<_> = self.tensors.keys().take(3).map(String::as_str).collect();
            return Err(Error::MissingTensor {
                name: name.into(),
                have: self.tensors.len(),
                examples: examples.join(", "),
            });
        };
        tensor.width(name)?;
        let (mut expected, mut rows) = (shape.to_vec(), Rows::All);
        if let Some(kept) = &self.kept
            && let Some(size) = token_dimension(name).and_then(|at| expected.get_mut(at))
        {
            *size = kept.original_size();
            rows = Rows::Of(kept.ids(), kept.original_size());
        }
        if tensor.shape != expected {
            let found = tensor.shape.clone();
            return Err(Error::Shape { name: name.into(), expected, found });
        }
        self.taken.borrow_mut().insert(name.into());
        tensor.values(name, &rows)
    }

    /// Whether a copy of a tied matrix, if there is one, is another matrix: then the original of today,
    /// transformers 5, does not tie them. One that transformers 4 wrote is ambiguous.
    ///
    /// # Errors
    /// [`Error::Untied`], and those of [`Checkpoint::tensor`].
    pub fn unties(&self, name: &str, to: &str, matrix: &[f32], shape: &[usize]) -> Result<bool> {
        if !self.has(name) {
            return Ok(false);
        }
        let copy = self.tensor(name, shape)?;
        let Some(mut index) = copy.iter().zip(matrix).position(|(a, b)| a != b) else {
            return Ok(false);
        };
        if let (Some(kept), Some(width)) = (&self.kept, shape.get(1)) {
            // Where it is in the file.
            let row = kept.original_id((index / width) as u32).unwrap_or(0);
            index = row as usize * width + index % width;
        }
        let version = self.config.root().get("transformers_version").and_then(Value::as_str);
        let major = version.and_then(|v| v.split('.').next()?.parse::<u32>().ok());
        if self.options.ignored.accepts(name) {
            return Ok(false);
        }
        match major {
            Some(5..) => Ok(true),
            _ => Err(Error::Untied { name: name.into(), to: to.into(), index }),
        }
    }

    /// Fails if a tensor was never taken, but for buffers and for names that the user ignores.
    ///
    /// # Errors
    /// [`Error::ExtraTensors`].
    pub fn finish(&self) -> Result<()> {
        let taken = self.taken.borrow();
        let ignored = &self.options.ignored;
        let names = self.tensors.keys();
        let extra: Vec<_> = names
            .filter(|name| !taken.contains(*name) && !is_buffer(name) && !ignored.accepts(name))
            .collect();
        match extra.first() {
            None => Ok(()),
            Some(example) => {
                Err(Error::ExtraTensors { count: extra.len(), example: (*example).clone() })
            }
        }
    }
}

/// Which dimension of a tensor counts the tokens of the vocabulary, by its name in any family.
fn token_dimension(name: &str) -> Option<usize> {
    const ROWS: [&str; 6] = [
        "embed_tokens.weight",
        "shared.weight",
        "wte.weight",
        "word_embeddings.weight",
        "lm_head.weight",
        "lm_head.bias",
    ];
    match name {
        "final_logits_bias" => Some(1),
        "embedding.weight" => Some(0),
        _ => ROWS.iter().any(|end| name.ends_with(end)).then_some(0),
    }
}

/// Names without what wrappers put before all of them, and with today's names of a norm's parts.
fn renamed(tensors: Tensors) -> Tensors {
    let mut prefix = String::new();
    loop {
        let shared = |part: &str| {
            let longer = format!("{prefix}{part}");
            tensors.keys().all(|name| name.starts_with(&longer)).then_some(longer)
        };
        // A model within a model; `model.` alone is a part of many families' own names.
        let inner =
            |part: &str| tensors.keys().any(|n| n.starts_with(&format!("{prefix}model.{part}")));
        let wrapped = [
            "model.",
            "bert.",
            "embeddings.",
            "classifier.",
            "transformer.",
            "wte.",
            "encoder.block.",
        ];
        let found = ["module.", "_orig_mod."].into_iter().find_map(shared);
        let found = found.or_else(|| match wrapped.iter().any(|part| inner(part)) {
            true => shared("model."),
            false => None,
        });
        match found {
            Some(longer) if !tensors.is_empty() => prefix = longer,
            _ => break,
        }
    }
    let name = |name: &str| {
        let name = name.strip_prefix(&prefix).unwrap_or(name);
        match name.rsplit_once("LayerNorm.") {
            Some((norm, "gamma")) => format!("{norm}LayerNorm.weight"),
            Some((norm, "beta")) => format!("{norm}LayerNorm.bias"),
            _ => name.to_owned(),
        }
    };
    tensors.into_iter().map(|(old, tensor)| (name(&old), tensor)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        let tensor = || Tensor::from_bytes(vec![0], "F32", Vec::new());
        let tensors = names.iter().map(|name| (name.to_string(), tensor())).collect();
        renamed(tensors).into_keys().collect()
    }

    #[test]
    fn shared_prefixes_are_stripped() {
        let wrapped = ["module._orig_mod.bert.x", "module._orig_mod.classifier.weight"];
        assert_eq!(names(&wrapped), ["bert.x", "classifier.weight"]);
        assert_eq!(names(&["module.a", "b"]), ["b", "module.a"]);
        assert_eq!(names(&["model.bert.a", "model.classifier.b"]), ["bert.a", "classifier.b"]);
        let llama = ["model.layers.0.a", "model.norm.weight"];
        assert_eq!(names(&llama), llama);
        assert_eq!(
            names(&["model.lm_head.w", "model.model.norm.w"]),
            ["lm_head.w", "model.norm.w"]
        );
        assert_eq!(
            names(&["a.LayerNorm.gamma", "a.LayerNorm.beta"]),
            ["a.LayerNorm.bias", "a.LayerNorm.weight"]
        );
    }

    #[test]
    fn a_folder_without_config_is_named() {
        let error = Checkpoint::open(Path::new("/nonexistent")).unwrap_err();
        assert!(matches!(error, Error::NotACheckpoint { missing: "config.json", .. }));
    }
}
