//! The models that are run: those that are shipped, those that are made by the converter.

use crate::steps::{data, root, run};
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A blob that is shipped.
pub struct Shipped {
    /// Its folder below `models/`: a model's name, for weights of four bits with [`FOUR_BITS`] behind it.
    pub name: String,
    /// The folder, with `model.pico` and `figures.json`.
    pub folder: PathBuf,
    /// The folder of the model, with its card and its checkpoint.
    pub model: PathBuf,
}

/// The folder in a model's folder with its blob of four-bit weights, and its own checkpoint where it was trained
/// further.
pub const FOUR_BITS: &str = "four-bits";

impl Shipped {
    /// What lies in `models/NAME`, or in `models/NAME/four-bits`.
    pub fn new(name: &str) -> Self {
        let folder = root().join("models").join(name);
        let model = match name.strip_suffix(FOUR_BITS) {
            Some(model) => root().join("models").join(model),
            None => folder.clone(),
        };
        Self { name: name.into(), folder, model }
    }

    /// The checkpoint from which the blob is converted.
    pub fn checkpoint(&self) -> PathBuf {
        let own = self.folder.join("checkpoint");
        if own.is_dir() { own } else { self.model.join("checkpoint") }
    }

    /// What else `picoformer convert` is told: `convert` of `figures.json`.
    fn options(&self) -> Result<Vec<String>> {
        let path = self.folder.join("figures.json");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let figures: serde_json::Value = serde_json::from_str(&text)?;
        let options = figures.get("convert").cloned().unwrap_or_else(|| serde_json::json!([]));
        serde_json::from_value(options).context("figures.json: `convert` is a list of words")
    }
}

/// Every blob below `models/`.
pub fn shipped() -> Result<Vec<Shipped>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("models"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        for name in [name.clone(), format!("{name}/{FOUR_BITS}")] {
            let shipped = Shipped::new(&name);
            if shipped.folder.join("model.pico").is_file() {
                found.push(shipped);
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The blob of stories260K, converted from the shared data; `None` (with a printed reason) without.
pub fn stories() -> Result<Option<PathBuf>> {
    let Some(data) = data() else {
        eprintln!("stories260K: skipped, set PICOFORMER_DATA to a folder with it");
        return Ok(None);
    };
    let blob = target("stories260K")?;
    convert(&data.join("stories260K/stories260K.bin"), &blob)?;
    Ok(Some(blob))
}

/// The same checkpoint with weights of four bits.
pub fn stories_in_four_bits() -> Result<Option<PathBuf>> {
    let Some(data) = data() else {
        eprintln!("stories260K in four bits: skipped, set PICOFORMER_DATA to a folder with it");
        return Ok(None);
    };
    let blob = target("stories260K-4")?;
    convert_with(&data.join("stories260K/stories260K.bin"), &blob, &["--bits", "4"])?;
    Ok(Some(blob))
}

/// An encoder of the shape in which others were measured, with random weights.
pub fn random_encoder(name: &str) -> Result<PathBuf> {
    let blob = target(name)?;
    converter(&["--example".as_ref(), "random_encoder".as_ref(), "--".as_ref(), blob.as_ref()])?;
    Ok(blob)
}

/// Where a blob that is made anew goes.
fn target(name: &str) -> Result<PathBuf> {
    let folder = root().join("target");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("{name}.pico")))
}

/// Converts a checkpoint.
fn convert(checkpoint: &Path, blob: &Path) -> Result<()> {
    convert_with(checkpoint, blob, &[])
}

/// Converts a checkpoint with options.
fn convert_with(checkpoint: &Path, blob: &Path, options: &[&str]) -> Result<()> {
    let arguments: [&OsStr; 7] = [
        "--bin".as_ref(),
        "picoformer".as_ref(),
        "--".as_ref(),
        "convert".as_ref(),
        checkpoint.as_ref(),
        "--output".as_ref(),
        blob.as_ref(),
    ];
    let options = options.iter().map(OsStr::new);
    converter(&arguments.into_iter().chain(options).collect::<Vec<_>>())
}

/// Writes a blob as C into a folder; as an array, or as what suits its size.
pub fn export_c(blob: &Path, folder: &Path, as_array: bool) -> Result<()> {
    let arguments = [
        "--bin".as_ref(),
        "picoformer".as_ref(),
        "--".as_ref(),
        "export-c".as_ref(),
        blob.as_ref(),
        "--output".as_ref(),
        folder.as_ref(),
        "--array".as_ref(),
    ];
    converter(if as_array { &arguments } else { &arguments[..arguments.len() - 1] })
}

/// Runs the command `picoformer`.
pub fn picoformer(arguments: &[&str]) -> Result<()> {
    let own = ["--bin", "picoformer", "--"].into_iter().chain(arguments.iter().copied());
    converter(&own.map(OsStr::new).collect::<Vec<_>>())
}

/// Runs a program of the converter.
fn converter(arguments: &[&OsStr]) -> Result<()> {
    let status = Command::new("cargo")
        .args(["run", "--quiet", "--package", "picoformer-convert"])
        .args(arguments)
        .current_dir(root())
        .stdout(Stdio::null())
        .status()
        .context("cargo cannot be started")?;
    if !status.success() {
        bail!("the converter fails: {arguments:?}");
    }
    Ok(())
}

/// Builds the converter; what is compiled is shown.
pub fn build_converter() -> Result<()> {
    let line = "cargo build --package picoformer-convert --bin picoformer";
    run(line)
}

/// A shipped blob, converted again, is what is shipped, to the byte.
pub fn check(shipped: &Shipped) -> Result<()> {
    let fresh = target(&shipped.name.replace('/', "-"))?;
    let options = shipped.options()?;
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    convert_with(&shipped.checkpoint(), &fresh, &options)?;
    let kept = shipped.folder.join("model.pico");
    let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
    if read(&fresh)? != read(&kept)? {
        bail!("{} is not what its checkpoint converts to", kept.display());
    }
    Ok(())
}

/// All of them.
pub fn fresh() -> Result<()> {
    let shipped = shipped()?;
    if shipped.is_empty() {
        bail!("no model is shipped");
    }
    shipped.iter().try_for_each(check)
}
