//! The files of weights in a folder: one, or those of an index, which says for every tensor which file
//! holds it.

use super::kind::{Kind, by_name, lfs_pointer, recognise};
use super::tensor::Tensors;
use super::{safetensors, torch};
use crate::account::parse_json;
use crate::error::{CHECKPOINT, Error, Result, input, read, read_start};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Names under which weights lie in a folder, in the order of preference.
const FILES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// Reads the weights of a folder.
///
/// # Errors
/// Missing, damaged or foreign files; an index that does not fit its files.
pub fn read_folder(folder: &Path) -> Result<Tensors> {
    let mut tensors = Tensors::new();
    for name in FILES {
        let (file, index) = (folder.join(name), folder.join(format!("{name}.index.json")));
        if file.is_file() {
            read_file(&file, &mut tensors)?;
            return Ok(tensors);
        }
        if index.is_file() {
            read_shards(folder, &index, &mut tensors)?;
            return Ok(tensors);
        }
    }
    Err(not_a_checkpoint(folder, "model.safetensors"))
}

/// The error for a folder without a file that a checkpoint has: names what lies there instead.
pub fn not_a_checkpoint(folder: &Path, missing: &'static str) -> Error {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    if let Some((path, (what, help))) =
        files.iter().find_map(|path| by_name(path).map(|found| (path, found)))
    {
        let message =
            format!("`{}` is {what}, not weights that the converter reads", path.display());
        return input(message, help);
    }
    let model = |path: &&std::path::PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".bin") && !name.starts_with("pytorch_model") && !name.starts_with("tok")
    };
    match files.iter().find(model) {
        Some(file) if missing == "config.json" => input(
            format!("`{}` has no config.json", folder.display()),
            format!("expected {CHECKPOINT}: if `{0}` is one, convert `{0}`", file.display()),
        ),
        _ => Error::NotACheckpoint { path: folder.into(), missing },
    }
}

/// Reads one file, whatever it is called.
fn read_file(path: &Path, tensors: &mut Tensors) -> Result<()> {
    let start = read_start(path, 512)?;
    let malformed = |what, reason: String| Error::Malformed { path: path.into(), what, reason };
    if let Some(pointer) = lfs_pointer(&start) {
        return Err(malformed("file of weights", pointer));
    }
    match recognise(&start) {
        Kind::TorchZip => torch::read(path, &read(path)?, tensors),
        Kind::TorchOld => Err(malformed(
            "file of weights",
            "it was saved by PyTorch before 1.6; load and save it again with `torch.save`, or save the model \
             with `save_pretrained`"
                .into(),
        )),
        Kind::Foreign(what, help) => {
            Err(malformed("file of weights", format!("it is {what}; {help}")))
        }
        Kind::Safetensors | Kind::Llama2cNew | Kind::Unknown => {
            match path.extension().is_some_and(|e| e == "bin") && start.get(8) != Some(&b'{') {
                true => Err(malformed("PyTorch file", "it is no zip archive".into())),
                false => safetensors::read(path, tensors),
            }
        }
    }
}

/// Reads the files of an index: every tensor from the file that the index names.
fn read_shards(folder: &Path, index: &Path, tensors: &mut Tensors) -> Result<()> {
    let json = parse_json(index)?;
    let malformed =
        |reason: String| Error::Malformed { path: index.into(), what: "index of shards", reason };
    let extra = json.as_object().into_iter().flatten().map(|(key, _)| key);
    if let Some(key) =
        extra.into_iter().find(|key| !["metadata", "weight_map"].contains(&key.as_str()))
    {
        return Err(malformed(format!("its key `{key}` is not known")));
    }
    if json.get("metadata").is_some_and(|metadata| !metadata.is_object()) {
        return Err(malformed("`metadata` is no object".into()));
    }
    let map = json.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| malformed("`weight_map` is missing".into()))?;
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (tensor, file) in map {
        // A name with a path could lead out of the folder.
        let name = file.as_str().filter(|name| !name.is_empty() && !name.contains(['/', '\\']));
        let name = name.ok_or_else(|| malformed(format!("{file} is no file for `{tensor}`")))?;
        files.entry(name).or_default().insert(tensor);
    }
    for (file, names) in files {
        let path = folder.join(file);
        let mut others = Vec::new();
        let mut found = Tensors::new();
        read_file(&path, &mut found)?;
        for (name, tensor) in found {
            match names.contains(name.as_str()) {
                true => drop(tensors.insert(name, tensor)),
                // A copy of what another shard is to give.
                false if map.contains_key(&name) => {}
                false => others.push(name),
            }
        }
        if let Some(name) = others.first() {
            return Err(malformed(format!(
                "`{file}` holds `{name}`, which the index does not list"
            )));
        }
        if let Some(name) = names.iter().find(|&&name| !tensors.contains_key(name)) {
            return Err(malformed(format!("`{file}` does not hold `{name}`")));
        }
    }
    Ok(())
}
