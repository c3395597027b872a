//! The decoder of a `tokenizer.json`: how tokens become text again. The engine has a way for each kind of model;
//! another one would write another text.

use super::section::{parts, unsupported};
use crate::account::shown;
use crate::error::Result;
use serde_json::Value;

/// U+2581, SentencePiece's space.
const SPACE: &str = "\u{2581}";

/// Refuses a decoder that writes otherwise than the engine. Without one the engine's own way stays. What labels
/// or embeds, as WordPiece's models do, writes nothing.
pub(super) fn account(json: &Value) -> Result<()> {
    if json["model"]["type"] == "WordPiece" {
        return Ok(());
    }
    let byte_level = super::byte_level::is_byte_level(json);
    let fits = if byte_level { bytes } else { spaces };
    match parts(&json["decoder"], "decoders").iter().find(|part| !fits(part)) {
        None => Ok(()),
        Some(part) => {
            let supported = match byte_level {
                true => "ByteLevel",
                false => {
                    "Metaspace, or Replace of ▁ by a space, ByteFallback, Fuse and Strip of one space on the left"
                }
            };
            Err(unsupported("decoder", shown(part), supported))
        }
    }
}

fn bytes(part: &Value) -> bool {
    part["type"] == "ByteLevel"
}

fn spaces(part: &Value) -> bool {
    match part["type"].as_str().unwrap_or_default() {
        "ByteFallback" | "Fuse" | "Metaspace" => true,
        "Replace" => part["pattern"]["String"] == SPACE && part["content"] == " ",
        "Strip" => part["content"] == " " && part["start"] == 1 && part["stop"] == 0,
        _ => false,
    }
}
