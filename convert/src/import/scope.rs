//! `out_of_scope` of a classifier (which inputs are none of its labels) and `text_labels` of a model of token
//! labels (how many of them are of the whole text). docs/MODELS.md describes the keys.

use crate::account::Document;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::scope::{Wanted, score_named};
use picoformer::blob::{SCOPE, TEXT_LABELS, Tag};
use picoformer::config::Head;
use serde_json::Value;

/// The optional sections of these keys, in the order of the blob. `exclusive`: one of the labels is right.
///
/// # Errors
/// A key of the wrong type or range, or of another kind of model.
pub fn sections(
    c: &Checkpoint,
    head: Head,
    labels: &[String],
    exclusive: bool,
) -> Result<Vec<(Tag, Vec<u8>)>> {
    let mut sections = Vec::new();
    if let Some(own) = c.config.inner("out_of_scope")? {
        if head != Head::Classifier || !exclusive || labels.len() < 2 {
            let supported = "a classifier of two labels or more, one of which is right";
            return Err(c.config.refuse("out_of_scope", supported));
        }
        sections.push((SCOPE, out_of_scope(&own, labels)?));
        own.finish(&[])?;
    }
    let expected = "a whole number above zero, less than there are labels";
    if let Some(count) = c.config.count("text_labels")? {
        if head != Head::TokenLabels {
            return Err(c.config.refuse("text_labels", "a model of labels of tokens"));
        }
        if count == 0 || count >= labels.len() {
            return Err(c.config.wrong("text_labels", expected));
        }
        sections.push((TEXT_LABELS, (count as u32).to_le_bytes().to_vec()));
    }
    Ok(sections)
}

/// The section of `out_of_scope`.
fn out_of_scope(k: &Document, labels: &[String]) -> Result<Vec<u8>> {
    let expected = "`log_probability` or `energy`";
    let name = k.text("score")?.ok_or_else(|| k.missing("score", expected))?;
    let score = score_named(name).ok_or_else(|| k.wrong("score", expected))?;
    let expected = "the index or the name of a label";
    let none = match k.get("label") {
        None => None,
        Some(Value::String(name)) => match labels.iter().position(|label| label == name) {
            None => return Err(k.wrong("label", expected)),
            found => found,
        },
        Some(number) => match number.as_u64().filter(|&n| n < labels.len() as u64) {
            Some(index) => Some(index as usize),
            None => return Err(k.wrong("label", expected)),
        },
    };
    let expected = "a number from -32768 to 32767";
    let threshold = k.number("threshold")?.ok_or_else(|| k.missing("threshold", expected))?;
    let scope = Wanted { score, none }.with_threshold(threshold);
    let scope = scope.ok_or_else(|| k.wrong("threshold", expected))?;
    Ok(scope.to_bytes().to_vec())
}
