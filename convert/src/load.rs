//! A checkpoint of any kind as a [`FloatModel`] with its tokenizer.

use crate::checkpoint::{Checkpoint, Options};
use crate::error::{CHECKPOINT, Error, Result, input};
use crate::float_model::FloatModel;
use crate::generation;
use crate::import::{import, llama2c};
use crate::keep::reduce;
use crate::kept::Kept;
use crate::rules::name_ends;
use crate::tokenizer::{self, Choice};
use crate::weights::kind::by_name;
use picoformer::blob::IGNORED;
use picoformer::config::Architecture;
use picoformer::tokenizer::Vocabulary;
use std::path::Path;

/// A model, and what the user should know about how it was read.
#[derive(Debug)]
pub struct Loaded {
    /// The model.
    pub model: FloatModel,
    /// Keys that the user accepted.
    pub ignored: Vec<String>,
    /// The part of the vocabulary that the model has, if not all of it.
    pub kept: Option<Kept>,
    /// What is no fault and yet worth a word.
    pub notes: Vec<String>,
}

/// As [`load_with`], without options.
///
/// # Errors
/// As [`load_with`].
pub fn load(path: &Path, tokenizer: Option<&Path>) -> Result<FloatModel> {
    Ok(load_with(path, tokenizer, Options::default())?.model)
}

/// Reads a Hugging Face folder or a llama2.c `.bin` file, and the tokenizer beside it:
/// `tokenizer.json`, `vocab.txt` of a BERT, `vocab.json` with `merges.txt`, or the only llama2.c vocabulary
/// `tok*.bin`. A checkpoint without any takes and gives ids. `tokenizer` names another file, or is `bytes`
/// (every byte is a token) or `none`.
///
/// # Errors
/// Those of the importers and of the tokenizers.
pub fn load_with(path: &Path, tokenizer: Option<&Path>, options: Options) -> Result<Loaded> {
    if path.is_dir() {
        return folder(path, tokenizer, options);
    }
    if !path.exists() {
        return Err(input(
            format!("there is no file and no folder `{}`", path.display()),
            format!("expected {CHECKPOINT}"),
        ));
    }
    if let Some((what, help)) = by_name(path) {
        return Err(input(format!("`{}` is {what}", path.display()), help));
    }
    if options.target_context.is_some() || options.beams.is_some() {
        return Err(for_encoder_decoders());
    }
    if options.keep.is_some() {
        return Err(input(
            "--keep-vocabulary is for Hugging Face folders",
            "llama2c's vocabularies are small enough; leave it out",
        ));
    }
    let mut model = llama2c::import_with(path, &options)?;
    let beside = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let choice = match tokenizer {
        Some(file) => Choice::named(file),
        None => Choice::llama2c_beside(beside.unwrap_or(Path::new(".")))?,
    };
    let json = choice.json(None, &options.ignored, &mut Vec::new())?;
    let section = choice.section(&model.config, json.as_ref())?;
    install(&mut model, section, &choice)?;
    let ignored = remember(&mut model, &options)?;
    Ok(Loaded { model, ignored, kept: None, notes: Vec::new() })
}

fn folder(path: &Path, named: Option<&Path>, options: Options) -> Result<Loaded> {
    let mut checkpoint = Checkpoint::open_with(path, options)?;
    let choice = match named {
        Some(file) => Choice::named(file),
        None => Choice::beside(path)?,
    };
    let settings = tokenizer::Settings::read(path, &checkpoint)?;
    let mut notes = Vec::new();
    let mut json = choice.json(Some(&settings), &checkpoint.options.ignored, &mut notes)?;
    let kept = match checkpoint.options.keep.clone() {
        Some(keep) => Some(reduce(&mut checkpoint, &keep, &choice, &settings, &mut json)?),
        None => None,
    };
    let mut model = import(&checkpoint)?;
    let options = &checkpoint.options;
    if model.decoder.is_none() && (options.target_context.is_some() || options.beams.is_some()) {
        return Err(for_encoder_decoders());
    }
    notes.splice(0..0, checkpoint.notes.take());
    let section = choice.section(&model.config, json.as_ref())?;
    let section = match model.config.architecture {
        Architecture::Decoder => end(&mut model, section, &generation::decoder(&checkpoint)?.ends)?,
        _ => section,
    };
    install(&mut model, section, &choice)?;
    let ignored = remember(&mut model, options)?;
    Ok(Loaded { model, ignored, kept, notes })
}

/// The keys that the user ignored, which the blob remembers.
fn remember(model: &mut FloatModel, options: &Options) -> Result<Vec<String>> {
    let ignored = options.ignored.finish()?;
    if !ignored.is_empty() {
        model.set_section(IGNORED, ignored.join("\n").into_bytes());
    }
    Ok(ignored)
}

/// The tokenizer's section of a decoder that ends a text with these tokens. What it has no room for, the
/// model's rules say.
fn end(
    model: &mut FloatModel,
    section: Option<Vec<u8>>,
    ends: &[usize],
) -> Result<Option<Vec<u8>>> {
    let first = ends.first().copied();
    let section = section.map(|section| tokenizer::with_end(section, first)).transpose()?;
    let own = |s: &Vec<u8>| Vocabulary::parse(s).ok().and_then(|v| v.end()).map(|end| end as usize);
    if section.as_ref().and_then(own) != first {
        name_ends(model, ends);
    }
    Ok(section)
}

fn for_encoder_decoders() -> Error {
    input(
        "--target-context and --beams are for encoder-decoders",
        "this checkpoint has one side; leave them out",
    )
}

/// Puts a tokenizer into a model that it fits.
fn install(model: &mut FloatModel, section: Option<Vec<u8>>, choice: &Choice) -> Result<()> {
    let (Some(section), known) = (section, model.config.vocab_size) else { return Ok(()) };
    let pieces = Vocabulary::parse(&section).map_or(0, |v| v.len());
    if pieces > known {
        return Err(input(
            format!("`{choice}` has {pieces} tokens, the model knows {known}"),
            "tokenizer and weights do not belong together; name another with --tokenizer",
        ));
    }
    model.tokenizer = section;
    Ok(())
}
