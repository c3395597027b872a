//! Checkpoints of `tests/golden` and `models`, changed: what a folder that was edited, re-saved or damaged
//! looks like.

use super::root;
use miette::Diagnostic;
use picoformer_convert::account::Ignored;
use picoformer_convert::checkpoint::Options;
use picoformer_convert::load::{Loaded, load_with};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A copy of a checkpoint that a test may change.
pub struct Folder(pub PathBuf);

/// A copy of `tests/golden/NAME` or of `models/NAME/checkpoint`.
pub fn copy(name: &str) -> Folder {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let golden = root().join("tests/golden").join(name);
    let source =
        if golden.is_dir() { golden } else { root().join("models").join(name).join("checkpoint") };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("checkpoints")
        .join(format!("{}-{number}-{name}", std::process::id()));
    copy_folder(&source, &folder);
    Folder(folder)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &target),
            false => drop(std::fs::copy(&path, &target).unwrap()),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A tensor: type, shape, bytes.
pub type Raw = (Dtype, Vec<usize>, Vec<u8>);

impl Folder {
    /// Changes a JSON file, which need not exist.
    pub fn edit(self, file: &str, change: impl FnOnce(&mut Value)) -> Self {
        let path = self.0.join(file);
        let mut json = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).unwrap(),
            Err(_) => serde_json::json!({}),
        };
        change(&mut json);
        self.write(file, json.to_string())
    }

    /// Sets a key of `config.json`.
    pub fn set(self, key: &str, value: Value) -> Self {
        self.edit("config.json", |json| json[key] = value)
    }

    /// Takes a key out of `config.json`.
    pub fn unset(self, key: &str) -> Self {
        self.edit("config.json", |json| drop(json.as_object_mut().unwrap().remove(key)))
    }

    /// Sets a key of `generation_config.json`.
    pub fn generate(self, key: &str, value: Value) -> Self {
        self.edit("generation_config.json", |json| json[key] = value)
    }

    /// Writes a file.
    pub fn write(self, file: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Deletes a file.
    pub fn remove(self, file: &str) -> Self {
        std::fs::remove_file(self.0.join(file)).unwrap();
        self
    }

    /// The tensors of `model.safetensors`.
    pub fn tensors(&self) -> Vec<(String, Raw)> {
        let bytes = std::fs::read(self.0.join("model.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let raw = |v: &TensorView| (v.dtype(), v.shape().to_vec(), v.data().to_vec());
        file.tensors().iter().map(|(name, view)| (name.clone(), raw(view))).collect()
    }

    /// Writes tensors as a safetensors file.
    pub fn store(self, file: &str, tensors: &[(String, Raw)]) -> Self {
        let view = |(dtype, shape, data): &Raw| {
            // The test keeps the bytes alive while they are written.
            TensorView::new(*dtype, shape.clone(), data.clone().leak()).unwrap()
        };
        let views: Vec<_> = tensors.iter().map(|(name, raw)| (name.clone(), view(raw))).collect();
        let bytes = safetensors::serialize(views, None).unwrap();
        self.write(file, bytes)
    }

    /// Changes the tensors.
    pub fn weights(self, change: impl FnOnce(&mut Vec<(String, Raw)>)) -> Self {
        let mut tensors = self.tensors();
        change(&mut tensors);
        self.store("model.safetensors", &tensors)
    }

    /// Reads the folder.
    pub fn load(&self, ignored: &[&str]) -> Result<Loaded, picoformer_convert::error::Error> {
        let keys: Vec<String> = ignored.iter().map(|key| key.to_string()).collect();
        let options = Options { ignored: Ignored::new(&keys), ..Options::default() };
        load_with(&self.0, None, options)
    }

    /// The model.
    pub fn model(&self) -> picoformer_convert::float_model::FloatModel {
        self.load(&[]).unwrap_or_else(|error| panic!("{error}")).model
    }

    /// Why the folder is refused: message and help, in one text.
    pub fn refusal(&self) -> String {
        match self.load(&[]) {
            Ok(_) => "(accepted)".into(),
            Err(error) => {
                let help = error.help().map(|help| help.to_string()).unwrap_or_default();
                format!("{error} — {help}")
            }
        }
    }

    /// Is refused with all of these words, which name file, key, value and what to do.
    pub fn refused(self, words: &[&str]) {
        let refusal = self.refusal();
        for word in words {
            assert!(refusal.contains(word), "`{word}` is not in: {refusal}");
        }
    }
}
