//! Answers of `picoformer run` as a person reads them.

use miette::Result;
use picoformer_convert::output::say;
use serde_json::Value;

/// The answer for a person.
pub fn show(value: &Value, prompt: Option<&str>) -> Result<()> {
    if let Some(text) = value["text"].as_str() {
        match prompt {
            // What continues a prompt is shown behind it; what answers a source stands alone.
            Some(prompt) if value["source_ids"].is_null() => say(&format_args!("{prompt}{text}"))?,
            _ if text.is_empty() => say(&value["ids"])?,
            _ => say(&text)?,
        }
    } else if value["entities"].is_array() {
        show_entities(value)?;
    } else if value["scores"].is_object() {
        if value["in_scope"] == false {
            say(&"none of these; the nearest:")?;
        }
        show_scores(value, 5)?;
    } else if let Some(values) = value["values"].as_object() {
        for (name, value) in values {
            say(&format_args!("{:10.4}  {name}", value.as_f64().unwrap_or(0.0)))?;
        }
    } else if let Some(labels) = value["labels"].as_array() {
        for (i, label) in labels.iter().enumerate() {
            let token = value["tokens"][i].as_str().unwrap_or_default();
            let label = label.as_str().unwrap_or_default();
            say(&format_args!("{:>6} {token:<20} {label}", value["ids"][i]))?;
        }
    } else {
        say(value.get("embedding").unwrap_or(&value["hidden"]))?;
    }
    Ok(())
}

/// The likeliest labels.
fn show_scores(value: &Value, most: usize) -> Result<()> {
    let scores = value["scores"].as_object().into_iter().flatten();
    let mut scores: Vec<(&String, f64)> =
        scores.map(|(name, p)| (name, p.as_f64().unwrap_or(0.0))).collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (name, probability) in scores.iter().take(most) {
        say(&format_args!("{:6.2} %  {name}", 100.0 * probability))?;
    }
    Ok(())
}

/// The label of a text, if it has one, and its entities.
fn show_entities(value: &Value) -> Result<()> {
    show_scores(value, 1)?;
    let entities = value["entities"].as_array().map(Vec::as_slice).unwrap_or_default();
    for entity in entities {
        let part = |key: &str| entity[key].as_str().unwrap_or_default();
        say(&format_args!("{:<20} {}", part("kind"), part("text")))?;
    }
    if entities.is_empty() && value["scores"].is_null() {
        say(&"no entity")?;
    }
    Ok(())
}
