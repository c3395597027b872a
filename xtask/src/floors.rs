//! The floors of `docs/DECISIONS.md`: a module of the engine imports only from floors below its own.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Floors from the ground up, by the first part of a module's path.
const FLOORS: &[&[&str]] = &[
    &["config", "error", "matrix", "progress", "slices"],
    &["fixed", "float"],
    &["arena", "blob", "kernels", "probability", "tokenizer"],
    &["target"],
    &["model"],
    &["nn", "sampler"],
    &["decoder", "encoder", "seq2seq"],
    &["task"],
    &["macros"],
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// Checks every `use crate::…` below `src/`.
pub fn check() -> Result<()> {
    let root = super::steps::root();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files(&root.join("src"))? {
        let relative = file.strip_prefix(root.join("src"))?.with_extension("");
        let module = relative.iter().next().and_then(|p| p.to_str()).unwrap_or_default().to_owned();
        if module == "lib" {
            continue;
        }
        let own =
            floor(&module).with_context(|| format!("module `{module}` stands on no floor"))?;
        let text = std::fs::read_to_string(&file)?;
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let name: String =
                    used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(other) = floor(&name) else { continue };
                seen += 1;
                if other > own {
                    wrong.push(format!("{}: `{}` is above", file.display(), line.trim()));
                }
            }
        }
    }
    if seen == 0 {
        bail!("no import was found: the check does not see the code");
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}
