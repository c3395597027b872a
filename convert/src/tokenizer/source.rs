//! Which files a tokenizer is read from.

use super::bytes::from_bytes;
use super::files;
use super::json::from_value;
use super::llama2c::from_llama2c;
use super::settings::Settings;
use super::{spm, strict};
use crate::account::{Ignored, parse_json};
use crate::error::{Result, input};
use picoformer::config::Config;
use serde_json::Value;
use std::path::{Path, PathBuf};

const CONFIG: &str = "tokenizer_config.json";

/// Where a tokenizer comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// None: ids in, ids out.
    None,
    /// Every byte is a token.
    Bytes,
    /// `tokenizer.json`, and whether it lies beside the weights, where other files rule it.
    Json(PathBuf, bool),
    /// BERT's `vocab.txt`.
    VocabTxt(PathBuf),
    /// GPT-2's `vocab.json` and `merges.txt`.
    VocabMerges(PathBuf),
    /// SentencePiece's `spiece.model` or `tokenizer.model`.
    SentencePiece(PathBuf),
    /// ByT5's bytes, which the class in a `tokenizer_config.json` names.
    ByT5(PathBuf),
    /// llama2.c's vocabulary.
    Llama2c(PathBuf),
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => write!(f, "none"),
            Self::Bytes => write!(f, "bytes"),
            Self::Json(path, _)
            | Self::VocabTxt(path)
            | Self::VocabMerges(path)
            | Self::SentencePiece(path)
            | Self::ByT5(path)
            | Self::Llama2c(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Choice {
    /// The one that `--tokenizer` names.
    pub fn named(file: &Path) -> Self {
        let extension = file.extension().and_then(|e| e.to_str());
        match (file.to_str(), extension) {
            (Some("none"), _) => Self::None,
            (Some("bytes"), _) => Self::Bytes,
            (_, Some("bin")) => Self::Llama2c(file.into()),
            (_, Some("txt")) => Self::VocabTxt(file.into()),
            (_, Some("model" | "spm")) => Self::SentencePiece(file.into()),
            _ if file.file_name().is_some_and(|name| name == "vocab.json") => {
                Self::VocabMerges(file.into())
            }
            _ => Self::Json(file.into(), false),
        }
    }

    /// The one that lies in a Hugging Face folder.
    ///
    /// # Errors
    /// Files that only SentencePiece reads; several llama2.c vocabularies.
    pub fn beside(folder: &Path) -> Result<Self> {
        let has = |name: &str| folder.join(name).is_file();
        if has("tokenizer.json") {
            return Ok(Self::Json(folder.join("tokenizer.json"), true));
        }
        if has("vocab.txt") {
            return Ok(Self::VocabTxt(folder.join("vocab.txt")));
        }
        if has("vocab.json") && has("merges.txt") {
            return Ok(Self::VocabMerges(folder.join("vocab.json")));
        }
        let models = ["spiece.model", "tokenizer.model"];
        if let Some(name) = models.into_iter().find(|name| has(name)) {
            return Ok(Self::SentencePiece(folder.join(name)));
        }
        if has(CONFIG) && parse_json(&folder.join(CONFIG))?["tokenizer_class"] == "ByT5Tokenizer" {
            return Ok(Self::ByT5(folder.join(CONFIG)));
        }
        let without = [
            (
                "sentencepiece.bpe.model",
                "make one with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER); \
                 or say --tokenizer none, for ids in and ids out",
            ),
            (
                "source.spm",
                "Marian's class splits with it and takes ids from vocab.json, and transformers makes no \
                 tokenizer.json of the two: say --tokenizer none, for ids in and ids out, and encode with \
                 MarianTokenizer; or train with a tokenizer of the tokenizers library",
            ),
        ];
        if let Some((name, help)) = without.into_iter().find(|(name, _)| has(name)) {
            let message = format!("`{}` has `{name}` and no tokenizer.json", folder.display());
            return Err(input(message, help));
        }
        Self::llama2c_beside(folder)
    }

    /// The only llama2.c vocabulary in a folder.
    ///
    /// # Errors
    /// Several.
    pub fn llama2c_beside(folder: &Path) -> Result<Self> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let named = |path: &PathBuf| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name.starts_with("tok") && name.ends_with(".bin")
        };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(named).collect();
        if files.len() > 1 {
            files.sort();
            let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
            return Err(input(
                format!("several tokenizers lie beside the weights: {}", names.join(", ")),
                "name one with --tokenizer",
            ));
        }
        Ok(files.pop().map_or(Self::None, Self::Llama2c))
    }

    /// The JSON of a tokenizer, as it is after the other files had their say; none where there is no such.
    ///
    /// # Errors
    /// Files that cannot be read, and what they ask for in vain.
    pub fn json(
        &self,
        settings: Option<&Settings>,
        ignored: &Ignored,
        notes: &mut Vec<String>,
    ) -> Result<Option<Value>> {
        let mut json = match self {
            Self::None | Self::Bytes | Self::Llama2c(_) => return Ok(None),
            Self::Json(file, _) => parse_json(file)?,
            Self::VocabTxt(file) => files::vocab_txt(file, settings)?,
            Self::VocabMerges(file) => files::vocab_merges(file, settings)?,
            Self::SentencePiece(file) => spm::json(file, settings)?,
            Self::ByT5(_) => files::byt5(settings),
        };
        ignored.remove("tokenizer.json", &mut json);
        // Before the other files change it.
        strict::form(&json)?;
        if let Some(settings) = settings.filter(|_| !matches!(self, Self::Json(_, false))) {
            settings.apply(&mut json, notes)?;
            settings.spell(&mut json, notes);
        }
        Ok(Some(json))
    }

    /// The section of a blob, from the JSON where there is one; none without a tokenizer.
    ///
    /// # Errors
    /// What the engine has no rules for, by name.
    pub fn section(&self, config: &Config, json: Option<&Value>) -> Result<Option<Vec<u8>>> {
        match (self, json) {
            (Self::Bytes, _) => from_bytes(config.vocab_size).map(Some),
            (Self::Llama2c(file), _) => from_llama2c(file, config.vocab_size).map(Some),
            (_, Some(json)) => from_value(json, &self.path()).map(Some),
            (_, None) => Ok(None),
        }
    }

    /// Its file, for messages.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::None | Self::Bytes => PathBuf::new(),
            Self::Json(path, _)
            | Self::VocabTxt(path)
            | Self::VocabMerges(path)
            | Self::SentencePiece(path)
            | Self::ByT5(path)
            | Self::Llama2c(path) => path.clone(),
        }
    }
}
