//! `--keep-vocabulary`: a checkpoint with the pieces alone that a text needs.

use crate::checkpoint::{Checkpoint, Keep};
use crate::error::{Error, Result, input, read_text};
use crate::generation::default_end;
use crate::kept::Kept;
use crate::tokenizer::keep::{ends_in_bytes, id_of, renumber, select};
use crate::tokenizer::{Choice, Settings};
use serde_json::Value;
use std::path::Path;

/// Chooses the pieces, and gives the checkpoint and its tokenizer's JSON the new ids. Nothing of the weights
/// has been read before.
///
/// # Errors
/// A checkpoint without such a tokenizer; a text that cannot be read or needs too many pieces.
pub fn reduce(
    checkpoint: &mut Checkpoint,
    keep: &Keep,
    choice: &Choice,
    settings: &Settings,
    json: &mut Option<Value>,
) -> Result<Kept> {
    let known = checkpoint.original_size()?;
    let needed = needed(checkpoint, settings, json.as_ref(), known)?;
    let kept = match (keep, &*json) {
        (Keep::Pieces(kept), _) => {
            let lacks = |&id: &u32| kept.new_id(id).is_none();
            if kept.original_size() != known || needed.iter().any(lacks) {
                let size = kept.original_size();
                return Err(input(
                    format!(
                        "the blob keeps a part of {size} tokens, and not of the {known} of this checkpoint"
                    ),
                    "the checkpoint that the blob was made from",
                ));
            }
            kept.clone()
        }
        (Keep::Text(_), None) => {
            return Err(input(
                format!(
                    "--keep-vocabulary chooses among a tokenizer's pieces, and here it is `{choice}`"
                ),
                "name a tokenizer.json with --tokenizer",
            ));
        }
        (Keep::Text(file), Some(json)) => {
            let text = text(file)?;
            let kept = select(json, &choice.path(), &text, &needed, known)?;
            tell(checkpoint, &kept, json, file);
            kept
        }
    };
    if let Some(old) = json.take() {
        *json = Some(renumber(old, &kept));
    }
    checkpoint.keep(&kept);
    Ok(kept)
}

/// The text of the user.
fn text(file: &Path) -> Result<String> {
    let text = read_text(file)?;
    match text.trim().is_empty() {
        false => Ok(text),
        true => Err(Error::Malformed {
            path: file.into(),
            what: "text for --keep-vocabulary",
            reason: "it is empty; give texts as the device will read and write them".into(),
        }),
    }
}

/// The tokens that the model needs, whatever the text: those that its files name by id or by role.
fn needed(
    c: &Checkpoint,
    settings: &Settings,
    json: Option<&Value>,
    known: usize,
) -> Result<Vec<u32>> {
    let mut ids = c.config.token_ids(known);
    ids.extend(c.generation.token_ids(known));
    ids.extend(default_end(c)?.map(|id| id as u32));
    ids.extend(settings.roles().filter_map(|role| id_of(json?, role)));
    Ok(ids)
}

/// Tells the user what is kept, and what becomes of the rest.
fn tell(c: &Checkpoint, kept: &Kept, json: &Value, file: &Path) {
    let rest = match ends_in_bytes(json) {
        true => "in the end bytes",
        false => "and what has none the unknown token",
    };
    c.note(format!(
        "vocabulary: {} of {} tokens are kept, those that `{}` needs. A text made of their pieces has the \
         original's tokens; other words become smaller pieces, {rest}. What the model writes is made of kept \
         pieces too",
        kept.ids().len(),
        kept.original_size(),
        file.display(),
    ));
    let tokens = json["added_tokens"].as_array().into_iter().flatten();
    let dropped: Vec<&str> = tokens
        .filter(|token| token["id"].as_u64().is_some_and(|id| kept.new_id(id as u32).is_none()))
        .filter_map(|token| token["content"].as_str())
        .collect();
    if let [first, ..] = dropped[..] {
        c.note(format!(
            "{} added tokens are dropped, for example {first:?}: put those that are needed in the text",
            dropped.len()
        ));
    }
}
