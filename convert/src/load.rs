//! A checkpoint of any kind as a [`FloatModel`] with its tokenizer.

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result, input};
use crate::float_model::FloatModel;
use crate::import::{import, llama2c};
use crate::tokenizer;
use picoformer::config::{Architecture, MAX_BEAMS};
use picoformer::tokenizer::Vocabulary;
use std::path::{Path, PathBuf};

/// Reads a Hugging Face folder or a llama2.c `.bin` file, and the tokenizer beside it:
/// `tokenizer.json`, or the only llama2.c vocabulary `tok*.bin`. A checkpoint without either takes and
/// gives ids. `tokenizer` names another file, or is `bytes`: every byte is a token.
///
/// # Errors
/// Those of the importers and of the tokenizers.
pub fn load(path: &Path, tokenizer: Option<&Path>) -> Result<FloatModel> {
    let mut end = None;
    let mut model = if path.is_dir() {
        let checkpoint = Checkpoint::open(path)?;
        end = checkpoint.config.get("eos_token_id").and_then(serde_json::Value::as_u64);
        import(&checkpoint)?
    } else if path.extension().is_some_and(|e| e == "bin") {
        llama2c::import(path)?
    } else if path.exists() {
        return Err(Error::NotACheckpoint {
            path: path.into(),
            missing: "a folder or a .bin file",
        });
    } else {
        return Err(Error::NotACheckpoint {
            path: path.into(),
            missing: "everything: no such path",
        });
    };
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    let found = match tokenizer {
        Some(file) => Some(file.to_path_buf()),
        None => beside(folder, path.is_dir())?,
    };
    if let Some(file) = found {
        let vocab_size = model.config.vocab_size;
        let section = match file.extension().and_then(|e| e.to_str()) {
            Some("bin") => tokenizer::from_llama2c(&file, vocab_size)?,
            None if file == Path::new("bytes") => tokenizer::from_bytes(vocab_size)?,
            _ => tokenizer::from_json(&file)?,
        };
        model.tokenizer = match model.config.architecture {
            Architecture::Decoder => tokenizer::with_end(section, end),
            _ => section,
        };
        let pieces = Vocabulary::parse(&model.tokenizer).map_or(0, |v| v.len());
        if pieces > vocab_size {
            return Err(input(
                format!("`{}` has {pieces} tokens, the model knows {vocab_size}", file.display()),
                "tokenizer and weights do not belong together; name another with --tokenizer",
            ));
        }
    }
    Ok(model)
}

/// The tokenizer that lies beside the weights.
fn beside(folder: &Path, hugging_face: bool) -> Result<Option<PathBuf>> {
    let json = folder.join("tokenizer.json");
    if hugging_face && json.is_file() {
        return Ok(Some(json));
    }
    let entries =
        std::fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let mut files: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name.starts_with("tok") && name.ends_with(".bin")
        })
        .collect();
    if files.len() > 1 {
        files.sort();
        let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        return Err(input(
            format!("several tokenizers lie beside the weights: {}", names.join(", ")),
            "name one with --tokenizer",
        ));
    }
    Ok(files.pop())
}

/// Shortens (or, for positions that are computed, lengthens) the context.
///
/// # Errors
/// A context of 0, or beyond the positions that were learned.
pub fn set_context(model: &mut FloatModel, context: usize) -> Result<()> {
    let learned = model.positions.as_ref().map(|table| table.len() / model.config.d_model.max(1));
    if context == 0 || learned.is_some_and(|learned| context > learned) {
        let limit = learned.map_or("1 or more".into(), |learned| format!("1 to {learned}"));
        return Err(input(
            format!("--context {context} is not possible"),
            format!("the checkpoint's positions allow {limit}"),
        ));
    }
    model.config.context = context;
    model.config.window = model.config.window.min(context);
    if model.decoder.is_some() {
        model.config.target_context = model.config.target_context.min(context);
    }
    crate::pad::validate(&model.config)
}

/// Sets the longest target (start token included) and the beam width of an encoder-decoder.
///
/// # Errors
/// Another model, a length or width of 0, positions that were not learned, a beam too wide.
pub fn set_search(
    model: &mut FloatModel,
    target: Option<usize>,
    beams: Option<usize>,
) -> Result<()> {
    let Some(decoder) = &model.decoder else {
        return match (target, beams) {
            (None, None) => Ok(()),
            _ => Err(input(
                "--target-context and --beams are for encoder-decoders",
                "this checkpoint has one side; leave them out",
            )),
        };
    };
    if let Some(target) = target {
        let learned = decoder.positions.as_ref().map(|table| table.len() / model.config.d_model);
        if target == 0 || learned.is_some_and(|learned| target > learned) {
            let limit = learned.map_or("1 or more".into(), |learned| format!("1 to {learned}"));
            return Err(input(
                format!("--target-context {target} is not possible"),
                format!("the checkpoint's positions allow {limit}"),
            ));
        }
        model.config.target_context = target;
    }
    if let Some(beams) = beams {
        model.config.beams = beam_width(beams)?;
    }
    crate::pad::validate(&model.config)
}

/// A beam width that the engine has.
///
/// # Errors
/// [`Error::Input`] with the greatest width.
pub fn beam_width(beams: usize) -> Result<usize> {
    match beams {
        1..=MAX_BEAMS => Ok(beams),
        _ => Err(input(
            format!("a beam of {beams} is not possible"),
            format!("1 (greedy) to {MAX_BEAMS}"),
        )),
    }
}
