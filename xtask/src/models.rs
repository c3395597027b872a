//! The shipped models: their checkpoints, converted.

use crate::steps::{execute, root};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Every folder below `models/` that ships a checkpoint and its blob.
pub fn shipped() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("models"))? {
        let path = entry?.path();
        if path.join("checkpoint").is_dir() && path.join("model.pico").is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Converts a checkpoint.
pub fn convert(checkpoint: &Path, blob: &Path) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--package", "picoformer-convert", "--", "convert"]);
    command.arg(checkpoint).arg("--output").arg(blob).stdout(Stdio::null());
    execute(command.current_dir(root()))
}

/// Converting the shipped checkpoints again gives the shipped blobs, to the byte.
pub fn fresh() -> Result<()> {
    let shipped = shipped()?;
    if shipped.is_empty() {
        bail!("no model is shipped");
    }
    for folder in shipped {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let fresh = root().join(format!("target/{name}.pico"));
        convert(&folder.join("checkpoint"), &fresh)?;
        let kept = folder.join("model.pico");
        let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
        if read(&fresh)? != read(&kept)? {
            bail!("{} is not what its checkpoint converts to", kept.display());
        }
    }
    Ok(())
}
