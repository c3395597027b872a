//! `picoformer tokenize`: what a blob's tokenizer makes of a text, whatever the context.

use clap::Args;
use miette::Result;
use picoformer::Model;
use picoformer_convert::error::{input, read_text};
use picoformer_convert::evaluation::encode;
use picoformer_convert::host::Blob;
use picoformer_convert::kept::Kept;
use picoformer_convert::output::say;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Args)]
pub struct TokenizeArguments {
    /// The blob
    blob: PathBuf,
    /// The text
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    text: Option<String>,
    /// A file with a text a line: with --json an object a line
    #[arg(long)]
    file: Option<PathBuf>,
    /// Machine-readable: `ids` and `pieces`; `original_ids` where the blob has a part of its original's
    /// vocabulary
    #[arg(long)]
    json: bool,
}

/// Prints the tokens of a text, or of every line of a file.
pub fn run(arguments: &TokenizeArguments) -> Result<()> {
    let bytes = Blob::open(&arguments.blob)?;
    let model = bytes.model(&arguments.blob)?;
    if model.tokenizer().is_none() {
        return Err(input("this blob has no tokenizer", "convert with one: --tokenizer").into());
    }
    let Some(file) = &arguments.file else {
        let text = arguments.text.as_deref().unwrap_or_default();
        return show(&tokens(&model, text)?, arguments.json);
    };
    for line in read_text(file)?.lines() {
        let mut value = tokens(&model, line)?;
        if arguments.json {
            value["input"] = json!(line);
        }
        show(&value, arguments.json)?;
    }
    Ok(())
}

/// `ids` and `pieces` of a text; an empty one has the tokens around it alone.
///
/// # Errors
/// A model without a tokenizer; a character that has no token.
pub fn tokens(model: &Model, text: &str) -> Result<Value> {
    let ids = match (text, model.tokenizer()) {
        ("", Some(tokenizer)) => {
            let mut ids = vec![0; tokenizer.specials()];
            tokenizer.encode("", &mut ids).map_err(|e| input(e.to_string(), "give a text"))?;
            ids
        }
        _ => encode(model, text)?,
    };
    let pieces: Vec<String> = model.tokenizer().map_or_else(Vec::new, |tokenizer| {
        let piece = |&id: &u32| tokenizer.vocabulary().piece(id).unwrap_or_default();
        ids.iter().map(|id| String::from_utf8_lossy(piece(id)).into_owned()).collect()
    });
    let mut value = json!({ "ids": ids, "pieces": pieces });
    if let Some(kept) = Kept::of(model) {
        value["original_ids"] = ids.iter().map(|&id| json!(kept.original_id(id))).collect();
    }
    Ok(value)
}

fn show(value: &Value, json: bool) -> Result<()> {
    if json {
        return Ok(say(value)?);
    }
    let ids = value["ids"].as_array().into_iter().flatten();
    let pieces = value["pieces"].as_array().into_iter().flatten();
    for (id, piece) in ids.zip(pieces) {
        say(&format_args!("{id:>6} {}", piece.as_str().unwrap_or_default()))?;
    }
    Ok(())
}
