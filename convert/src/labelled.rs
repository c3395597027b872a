//! Texts with the label that each should get: JSON lines, or a text and a label on a line.

use crate::error::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// A text and its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Where it stands, from 1.
    pub line: usize,
    /// The text.
    pub text: String,
    /// The name of its label; none if it is none of the labels.
    pub label: Option<String>,
}

/// Reads lines that are JSON objects with `text` and `label` (null: none of the labels), or a text, a tab and
/// a label, or a text, a comma and a label, either of them in double quotes if need be. A tab counts before a
/// comma, and of several the last one. An empty label is none. A first line `text`, `label` is a heading.
///
/// # Errors
/// [`Error::Malformed`] names the line.
pub fn read(path: &Path, content: &str) -> Result<Vec<Labelled>> {
    let mut found = Vec::new();
    let lines = content.strip_prefix('\u{feff}').unwrap_or(content).lines().enumerate();
    for (i, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let read = match line.trim_start().starts_with('{') {
            true => json(line),
            false => fields(line).ok_or_else(|| {
                "a text, a tab (or a comma) and a label, or a JSON object, is expected".to_owned()
            }),
        };
        let (text, label) = read.map_err(|reason| Error::Malformed {
            path: path.into(),
            what: "list of texts with `text` and `label`",
            reason: format!("line {}: {reason}", i + 1),
        })?;
        let heading = text == "text" && label.as_deref() == Some("label");
        if !(heading && found.is_empty()) {
            found.push(Labelled { line: i + 1, text, label });
        }
    }
    Ok(found)
}

type Pair = (String, Option<String>);

fn json(line: &str) -> std::result::Result<Pair, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let text = value.get("text").and_then(Value::as_str).ok_or("`text` must be a text")?;
    let label = match value.get("label") {
        Some(Value::Null) => None,
        Some(Value::String(label)) => Some(label.clone()).filter(|label| !label.is_empty()),
        _ => return Err("`label` must be a text, or null for none of the labels".into()),
    };
    Ok((text.into(), label))
}

fn fields(line: &str) -> Option<Pair> {
    let split = line.rsplit_once('\t').or_else(|| match line.strip_suffix('"') {
        // A comma within quotes parts nothing.
        Some(inner) => {
            let begin = inner.rfind(",\"")?;
            Some((&line[..begin], &line[begin + 1..]))
        }
        None => line.rsplit_once(','),
    });
    let (text, label) = split?;
    let label = unquoted(label);
    Some((unquoted(text), Some(label).filter(|label| !label.is_empty())))
}

/// A field without the quotes around it (RFC 4180).
fn unquoted(field: &str) -> String {
    let field = field.trim();
    match field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(content: &str) -> Vec<(String, Option<String>)> {
        let read = read(Path::new("x"), content).unwrap();
        read.into_iter().map(|row| (row.text, row.label)).collect()
    }

    #[test]
    fn three_ways_to_write_a_line() {
        let own = |text: &str, label: Option<&str>| (text.to_owned(), label.map(str::to_owned));
        let content = "\u{feff}text,label\n{\"text\": \"a, b\", \"label\": \"x\", \"more\": 1}\n\n\
            a, b\tx y\na, b,x\n\"say \"\"hi\"\", now\",\"x, y\"\nno label,\nno label\t\n\
            {\"text\": \"c\", \"label\": null}\ntext,label\n";
        let expected = [
            own("a, b", Some("x")),
            own("a, b", Some("x y")),
            own("a, b", Some("x")),
            own("say \"hi\", now", Some("x, y")),
            own("no label", None),
            own("no label", None),
            own("c", None),
            own("text", Some("label")),
        ];
        assert_eq!(pairs(content), expected);
    }

    #[test]
    fn what_is_no_line_is_named() {
        for wrong in
            ["words alone", "{\"text\": 1, \"label\": \"x\"}", "{\"text\": \"a\"}", "{\"text\""]
        {
            let error =
                read(Path::new("f.csv"), &format!("a,b\n{wrong}\n")).unwrap_err().to_string();
            assert!(error.contains("f.csv") && error.contains("line 2"), "{error}");
        }
    }
}
