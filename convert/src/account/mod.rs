//! Every key of every file beside the weights is accounted for: a reader used it, or it is known to change
//! nothing ([`known`]), or it is refused by name. A value of the wrong type or range is an error, never the
//! default.

mod ids;
mod json;
pub mod known;

pub use json::parse_json;

use crate::error::{Error, Result, unsupported};
use crate::kept::Kept;
use known::{Known, When};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::Path;

/// Keys that the user accepts deliberately (`--ignore KEY`): they are read as if the files did not have
/// them. `KEY`, `FILE:KEY`, and `KEY.KEY` for a key within an object, or in a list by its place.
#[derive(Debug, Default)]
pub struct Ignored {
    keys: Vec<(String, Cell<bool>)>,
}

impl Ignored {
    /// These keys.
    pub fn new(keys: &[String]) -> Self {
        Self { keys: keys.iter().map(|key| (key.clone(), Cell::new(false))).collect() }
    }

    /// Whether a thing that is no key of a file (a module, a tensor) is accepted.
    pub fn accepts(&self, name: &str) -> bool {
        let found = self.keys.iter().filter(|(key, _)| key == name);
        found.map(|(_, met)| met.set(true)).count() > 0
    }

    /// Takes the ignored keys out of a file.
    pub(crate) fn remove(&self, file: &str, root: &mut Value) {
        for (key, met) in &self.keys {
            let path = match key.split_once(':') {
                Some((of, path)) if of == file => path,
                Some(_) => continue,
                None => key,
            };
            let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
            let mut parent = parents.split('.').filter(|part| !part.is_empty());
            let object = parent.try_fold(&mut *root, |value, part| match part.parse::<usize>() {
                Ok(place) if value.is_array() => value.get_mut(place),
                _ => value.get_mut(part),
            });
            if object.and_then(Value::as_object_mut).and_then(|map| map.remove(last)).is_some() {
                met.set(true);
            }
        }
    }

    /// The keys that some file had.
    ///
    /// # Errors
    /// One that none had.
    pub fn finish(&self) -> Result<Vec<String>> {
        match self.keys.iter().find(|(_, met)| !met.get()) {
            Some((key, _)) => Err(crate::error::input(
                format!("--ignore {key}: no file of the checkpoint has such a key"),
                "KEY, FILE:KEY, or OUTER.INNER for a key within an object",
            )),
            None => Ok(self.keys.iter().map(|(key, _)| key.clone()).collect()),
        }
    }
}

/// A JSON object in a file, and which of its keys were used. A file that does not exist has no keys.
#[derive(Debug)]
pub struct Document {
    name: String,
    /// Where the object stands within the file, with a dot behind it.
    within: String,
    root: Value,
    /// What the file says, where `root` has other ids.
    written: Option<Value>,
    used: RefCell<BTreeSet<String>>,
}

impl Document {
    /// Reads `folder/name`, but for what is ignored. A byte order mark is skipped; `NaN` and `Infinity`,
    /// which Python writes, are read as texts: of the wrong type wherever they matter.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Malformed`].
    pub fn open(folder: &Path, name: &str, ignored: &Ignored) -> Result<Self> {
        let path = folder.join(name);
        let mut root = match path.is_file() {
            true => parse_json(&path)?,
            false => Value::Null,
        };
        ignored.remove(name, &mut root);
        Self::of(name, root)
    }

    /// A document from memory.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a value that is neither an object nor null.
    pub fn of(name: &str, root: Value) -> Result<Self> {
        Self::within(name, "", root)
    }

    /// As [`Document::of`], of an object within a file: `within` is the keys that lead to it, joined by dots.
    ///
    /// # Errors
    /// As [`Document::of`].
    pub fn within(name: &str, within: &str, root: Value) -> Result<Self> {
        if !(root.is_object() || root.is_null()) {
            return Err(Error::Malformed {
                path: name.into(),
                what: "JSON object",
                reason: match within {
                    "" => format!("it holds {}", shown(&root)),
                    key => format!("`{key}` is {}", shown(&root)),
                },
            });
        }
        let within = if within.is_empty() { String::new() } else { format!("{within}.") };
        Ok(Self { name: name.into(), within, root, written: None, used: RefCell::default() })
    }

    /// The ids of tokens below `known` that it names.
    pub fn token_ids(&self, known: usize) -> Vec<u32> {
        ids::named(&self.root, known)
    }

    /// Gives the tokens that it names their new ids, and the vocabulary its new size. Messages keep telling
    /// what the file says.
    pub fn renumber(&mut self, kept: &Kept) {
        self.written = Some(self.root.clone());
        ids::renumber(&mut self.root, kept);
    }

    /// A value for a message, as the file has it.
    fn shown(&self, key: &str) -> String {
        let file = self.written.as_ref().unwrap_or(&self.root);
        file.get(key).map_or_else(|| "missing".into(), shown)
    }

    /// The object under a key as a document of its own; none if the key is absent.
    ///
    /// # Errors
    /// [`Error::WrongType`] for a value that is no object.
    pub fn inner(&self, key: &str) -> Result<Option<Self>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.is_object() {
            true => {
                Self::within(&self.name, &format!("{}{key}", self.within), value.clone()).map(Some)
            }
            false => Err(self.wrong(key, "an object")),
        }
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the file exists.
    pub fn exists(&self) -> bool {
        !self.root.is_null()
    }

    /// All of it.
    pub fn root(&self) -> &Value {
        &self.root
    }

    /// A value, which counts as used. Null is no value.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let value = self.peek(key)?;
        self.used.borrow_mut().insert(key.into());
        Some(value)
    }

    /// A value that does not count as used yet.
    pub fn peek(&self, key: &str) -> Option<&Value> {
        self.root.get(key).filter(|value| !value.is_null())
    }

    fn typed<T>(
        &self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.wrong(key, expected))
    }

    /// A whole number from 1 to 2^24.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn size(&self, key: &str) -> Result<Option<usize>> {
        let expected = "a whole number from 1 to 16777216";
        self.typed(key, expected, |v| {
            v.as_u64().filter(|n| (1..=1 << 24).contains(n)).map(|n| n as usize)
        })
    }

    /// As [`Document::size`], of a key that must be there.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::MissingKey`].
    pub fn needed(&self, key: &str) -> Result<usize> {
        self.size(key)?.ok_or_else(|| self.missing(key, "a whole number"))
    }

    /// A whole number, 0 included.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn count(&self, key: &str) -> Result<Option<usize>> {
        let read = |v: &Value| v.as_u64().filter(|&n| n <= 1 << 24).map(|n| n as usize);
        self.typed(key, "a whole number from 0 to 16777216", read)
    }

    /// A number above zero.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn positive(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number above zero", |v| v.as_f64().filter(|&x| x > 0.0 && x.is_finite()))
    }

    /// A number.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// True or false.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// A text.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn text(&self, key: &str) -> Result<Option<&str>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong(key, "a text"))
    }

    /// A token id.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn token(&self, key: &str) -> Result<Option<usize>> {
        self.typed(key, "a token id", |v| v.as_u64().and_then(token))
    }

    /// A token id or a list of them; none of an empty list.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn tokens(&self, key: &str) -> Result<Vec<usize>> {
        let read = |v: &Value| match v {
            Value::Array(list) => list.iter().map(|v| v.as_u64().and_then(token)).collect(),
            other => other.as_u64().and_then(token).map(|id| vec![id]),
        };
        Ok(self.typed(key, "a token id or a list of them", read)?.unwrap_or_default())
    }

    /// A value of the wrong type or range.
    pub fn wrong(&self, key: &str, expected: &'static str) -> Error {
        let found = self.shown(key);
        Error::WrongType { file: self.name.clone(), key: self.path(key), found, expected }
    }

    /// A key that is needed.
    pub fn missing(&self, key: &str, expected: &'static str) -> Error {
        Error::MissingKey { file: self.name.clone(), key: self.path(key), expected }
    }

    /// A value that cannot be done.
    pub fn refuse(&self, key: &str, supported: impl Into<String>) -> Error {
        self.refuse_found(key, self.shown(key), supported)
    }

    /// As [`Document::refuse`], where the value is better told in other words.
    pub fn refuse_found(
        &self,
        key: &str,
        found: impl std::fmt::Display,
        supported: impl Into<String>,
    ) -> Error {
        unsupported(&self.name, self.path(key), found, supported.into())
    }

    /// A key as `--ignore` takes it.
    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.within)
    }

    /// Fails at a key that nobody used and that is not known to change nothing.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a known key with a value that would change something,
    /// [`Error::UnknownKey`].
    pub fn finish(&self, lists: &[&[Known]]) -> Result<()> {
        let used = self.used.borrow();
        let entries = self.root.as_object().into_iter().flatten();
        for (key, value) in entries.filter(|(key, v)| !v.is_null() && !used.contains(*key)) {
            let known = lists.iter().flat_map(|list| list.iter()).find(|known| known.key == key);
            match known.map(|known| known.when) {
                Some(When::Always) => {}
                Some(When::Only(neutral)) => {
                    if !neutral.iter().any(|&text| same(value, text)) {
                        return Err(self.refuse(key, neutral.join(", ")));
                    }
                }
                None => {
                    return Err(Error::UnknownKey {
                        file: self.name.clone(),
                        key: self.path(key),
                        found: shown(value),
                    });
                }
            }
        }
        Ok(())
    }
}

fn token(id: u64) -> Option<usize> {
    (id <= 1 << 20).then_some(id as usize)
}

/// Whether a value is the one that a JSON text spells; 1 and 1.0 are the same.
pub(crate) fn same(value: &Value, text: &str) -> bool {
    let other: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    match (value.as_f64(), other.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => *value == other,
    }
}

/// A value for a message: long ones are cut.
pub fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(root: Value) -> Document {
        Document::of("config.json", root).unwrap()
    }

    #[test]
    fn wrong_types_are_no_defaults() {
        for value in [json!("4"), json!(4.0), json!(-4), json!(0), json!([4]), json!(true)] {
            let error = document(json!({ "window": value })).size("window").unwrap_err();
            let text = error.to_string();
            assert!(text.contains("config.json") && text.contains("`window`"), "{text}");
        }
        assert_eq!(document(json!({ "window": null })).size("window").unwrap(), None);
        assert!(document(json!({ "x": "true" })).flag("x").is_err());
        assert!(document(json!({ "x": "1e-3" })).positive("x").is_err());
        assert!(document(json!({ "x": 0 })).positive("x").is_err());
        assert!(document(json!({ "x": [1, "2"] })).tokens("x").is_err());
    }

    #[test]
    fn a_key_is_used_or_known_or_refused() {
        let known: &[Known] = &[Known::always("speed", ""), Known::only("heads", &["{}"], "")];
        let read = |root| {
            let document = document(root);
            document.get("used");
            document.finish(&[known])
        };
        read(json!({ "used": 1, "speed": 9, "heads": {}, "unset": null })).unwrap();
        let heads = read(json!({ "heads": { "1": [2] } })).unwrap_err();
        assert!(matches!(heads, Error::Unsupported { key, .. } if key == "heads"));
        let other = read(json!({ "other": 1 })).unwrap_err();
        assert!(matches!(other, Error::UnknownKey { key, .. } if key == "other"));
    }

    #[test]
    fn ignored_keys_are_gone_and_remembered() {
        let keys = ["config.json:a", "b.c"].map(String::from);
        let ignored = Ignored::new(&keys);
        let mut root = json!({ "a": 1, "b": { "c": 2, "d": 3 } });
        ignored.remove("config.json", &mut root);
        assert_eq!(root, json!({ "b": { "d": 3 } }));
        assert_eq!(ignored.finish().unwrap(), keys);
        assert!(Ignored::new(&["nowhere".into()]).finish().is_err());
    }
}
