//! JSON as Python writes it.

use crate::error::{Error, Result, read};
use serde_json::Value;
use std::path::Path;

/// Parses a JSON file that Python wrote: a byte order mark is skipped, `NaN`, `Infinity` and `-Infinity`
/// become texts.
///
/// # Errors
/// [`Error::File`], [`Error::Malformed`].
pub fn parse_json(path: &Path) -> Result<Value> {
    let bytes = read(path)?;
    let malformed =
        |reason: String| Error::Malformed { path: path.into(), what: "JSON file", reason };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    if let Some(pointer) = crate::weights::lfs_pointer(bytes) {
        return Err(malformed(pointer));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| {
        let what = if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            "it is UTF-16; save it as UTF-8"
        } else {
            "it is not UTF-8"
        };
        malformed(what.into())
    })?;
    serde_json::from_str(text)
        .or_else(|first| serde_json::from_str(&quote_infinities(text)).map_err(|_| first))
        .map_err(|error| malformed(error.to_string()))
}

/// The text with Python's `NaN`, `Infinity` and `-Infinity` in quotes, strings left alone.
fn quote_infinities(text: &str) -> String {
    let (mut out, mut rest, mut quoted) = (String::with_capacity(text.len()), text, false);
    while let Some(c) = rest.chars().next() {
        let word = ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| rest.starts_with(word));
        let length = match (quoted, word) {
            (false, Some(word)) => {
                out.extend(["\"", word, "\""]);
                word.len()
            }
            _ => {
                // An escaped character never ends a string.
                let escaped = if quoted && c == '\\' { rest[1..].chars().next() } else { None };
                quoted ^= c == '"';
                let length = c.len_utf8() + escaped.map_or(0, char::len_utf8);
                out.push_str(&rest[..length]);
                length
            }
        };
        rest = &rest[length..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn python_numbers_are_read() {
        let text = r#"{"a": NaN, "b": -Infinity, "c": "NaN \" Infinity", "d": [Infinity, 1]}"#;
        let value: Value = serde_json::from_str(&quote_infinities(text)).unwrap();
        assert_eq!(
            value,
            json!({ "a": "NaN", "b": "-Infinity", "c": "NaN \" Infinity", "d": ["Infinity", 1] })
        );
    }
}
