//! The labels of a classifier: their names, and what its logits mean.

use crate::account::shown;
use crate::checkpoint::Checkpoint;
use crate::error::{Result, input};
use picoformer::blob::{PROBLEM, Tag};
use picoformer::config::{Head, Problem};
use serde_json::Value;

/// The number of labels of a head, if the checkpoint has it.
pub fn rows(c: &Checkpoint, head: &str) -> Option<usize> {
    c.shape(&format!("{head}.weight")).and_then(|shape| shape.first().copied())
}

/// The names of a head's labels: `id2label`, or `label2id` the other way round, or `LABEL_n`.
pub fn names(c: &Checkpoint, head: &str) -> Result<Vec<String>> {
    let (k, rows) = (&c.config, rows(c, head).unwrap_or(0));
    if rows == 0 {
        // Says which tensor is missing.
        c.tensor(&format!("{head}.weight"), &[k.size("num_labels")?.unwrap_or(2), 0])?;
    }
    let counted = k.size("num_labels")?.or(k.size("_num_labels")?);
    if let Some(counted) = counted.filter(|&counted| counted != rows) {
        let message = format!("config.json: {counted} labels, `{head}.weight` has {rows} rows");
        return Err(input(message, "config.json and the weights do not belong together"));
    }
    let mut names = vec![None; rows];
    if let Some(map) = k.inner("id2label")? {
        let supported = || format!("names of the classes \"0\" to \"{}\"", rows.saturating_sub(1));
        for (key, name) in map.root().as_object().into_iter().flatten() {
            let place = key.parse::<usize>().ok().and_then(|i| names.get_mut(i));
            let name = match name {
                Value::String(name) => name.clone(),
                Value::Number(number) => number.to_string(),
                other => {
                    return Err(k.refuse_found("id2label", shown(other), "names as texts"));
                }
            };
            *place.ok_or_else(|| k.refuse("id2label", supported()))? = Some(name);
        }
        if names.iter().any(Option::is_none) {
            return Err(k.refuse("id2label", supported()));
        }
        k.get("label2id");
    } else if let Some(map) = k.inner("label2id")? {
        for (name, id) in map.root().as_object().into_iter().flatten() {
            let place = id.as_u64().and_then(|i| names.get_mut(i as usize));
            match place {
                Some(place) => *place = Some(name.clone()),
                None => return Err(k.refuse("label2id", format!("classes 0 to {}", rows - 1))),
            }
        }
    }
    let name = |(i, name): (usize, Option<String>)| name.unwrap_or_else(|| format!("LABEL_{i}"));
    Ok(names.into_iter().enumerate().map(name).collect())
}

/// The section that tells what a classifier's logits mean; none for one label of several, for a single one,
/// and for labels of tokens, where the original does not ask.
///
/// # Errors
/// A `problem_type` that the original does not have.
pub fn sections(c: &Checkpoint, head: Head, labels: usize) -> Result<Vec<(Tag, Vec<u8>)>> {
    let problem = match c.config.text("problem_type")? {
        None | Some("single_label_classification") => Problem::SingleLabel,
        Some("multi_label_classification") => Problem::MultiLabel,
        Some("regression") => Problem::Regression,
        Some(_) => {
            let supported = "single_label_classification, multi_label_classification, regression";
            return Err(c.config.refuse("problem_type", supported));
        }
    };
    let code = problem as u32;
    let plain = Problem::of_code(0, labels) == Problem::of_code(code, labels);
    match head == Head::Classifier && !plain {
        true => Ok(vec![(PROBLEM, code.to_le_bytes().to_vec())]),
        false => Ok(Vec::new()),
    }
}
