//! Checkpoints as files: Hugging Face folders (`config.json`, `model.safetensors`, sharded or not) and
//! llama2.c `.bin` files. All weights become f32.

use crate::error::{Error, Result, read, read_text};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One tensor, row-major.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its values.
    pub data: Vec<f32>,
}

/// A checkpoint: hyperparameters, tensors, and where it lies.
#[derive(Debug)]
pub struct Checkpoint {
    /// The folder or file.
    pub path: PathBuf,
    /// `config.json`.
    pub config: Value,
    /// `generation_config.json`, or null.
    pub generation: Value,
    tensors: BTreeMap<String, Tensor>,
    taken: RefCell<BTreeSet<String>>,
}

impl Checkpoint {
    /// Reads a Hugging Face folder.
    ///
    /// # Errors
    /// Missing or damaged files, types that are not floats, values that are not finite.
    pub fn open(path: &Path) -> Result<Self> {
        let config_path = path.join("config.json");
        if !config_path.is_file() {
            return Err(Error::NotACheckpoint { path: path.into(), missing: "config.json" });
        }
        let config = parse_json(&config_path)?;
        let generation_path = path.join("generation_config.json");
        let generation = match generation_path.is_file() {
            true => parse_json(&generation_path)?,
            false => Value::Null,
        };
        let mut tensors = BTreeMap::new();
        for file in weight_files(path)? {
            read_safetensors(&file, &mut tensors)?;
        }
        Ok(Self { path: path.into(), config, generation, tensors, taken: RefCell::default() })
    }

    /// A checkpoint from tensors in memory.
    pub fn from_parts(path: &Path, config: Value, tensors: BTreeMap<String, Tensor>) -> Self {
        Self {
            path: path.into(),
            config,
            generation: Value::Null,
            tensors,
            taken: RefCell::default(),
        }
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        self.tensors.values().map(|tensor| tensor.data.len()).sum()
    }

    /// Whether a tensor exists.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Takes a tensor of a shape.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::Shape`].
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some(tensor) = self.tensors.get(name) else {
            let examples: Vec<_> = self.tensors.keys().take(3).map(String::as_str).collect();
            return Err(Error::MissingTensor {
                name: name.into(),
                have: self.tensors.len(),
                examples: examples.join(", "),
            });
        };
        if tensor.shape != shape {
            return Err(Error::Shape {
                name: name.into(),
                expected: shape.into(),
                found: tensor.shape.clone(),
            });
        }
        self.taken.borrow_mut().insert(name.into());
        Ok(tensor.data.clone())
    }

    /// Fails if a tensor was never taken, but for names that `ignore` accepts.
    ///
    /// # Errors
    /// [`Error::ExtraTensors`].
    pub fn finish(&self, ignore: impl Fn(&str) -> bool) -> Result<()> {
        let taken = self.taken.borrow();
        let extra: Vec<_> =
            self.tensors.keys().filter(|name| !taken.contains(*name) && !ignore(name)).collect();
        match extra.first() {
            None => Ok(()),
            Some(example) => {
                Err(Error::ExtraTensors { count: extra.len(), example: (*example).clone() })
            }
        }
    }

    /// A whole number of `config.json`.
    ///
    /// # Errors
    /// [`Error::MissingKey`].
    pub fn size(&self, key: &str) -> Result<usize> {
        self.config
            .get(key)
            .and_then(Value::as_u64)
            .filter(|&n| n <= 1 << 24)
            .map(|n| n as usize)
            .ok_or_else(|| Error::MissingKey { key: key.into(), expected: "a whole number" })
    }

    /// A value that tells how to generate: of `generation_config.json`, or of `config.json`, where older
    /// checkpoints have it.
    pub fn generation_value(&self, key: &str) -> Option<&Value> {
        let found = self.generation.get(key).or_else(|| self.config.get(key));
        found.filter(|value| !value.is_null())
    }

    /// As [`Checkpoint::generation_value`], a token.
    ///
    /// # Errors
    /// [`Error::MissingKey`].
    pub fn generation(&self, key: &str) -> Result<usize> {
        let token = self.generation_value(key).and_then(Value::as_u64).filter(|&t| t <= 1 << 20);
        token
            .map(|token| token as usize)
            .ok_or_else(|| Error::MissingKey { key: key.into(), expected: "a token id" })
    }

    /// A number of `config.json`, or a default.
    pub fn number(&self, key: &str, default: f64) -> f64 {
        self.config.get(key).and_then(Value::as_f64).unwrap_or(default)
    }

    /// A flag of `config.json`, or a default.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.config.get(key).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A text of `config.json`.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.config.get(key).and_then(Value::as_str)
    }

    /// The label names in `id2label`, if the model has more than `LABEL_n` ones or any at all.
    pub fn labels(&self) -> Vec<String> {
        let Some(map) = self.config.get("id2label").and_then(Value::as_object) else {
            return Vec::new();
        };
        (0..map.len())
            .map(|i| {
                let name = map.get(&i.to_string()).and_then(Value::as_str);
                name.map_or_else(|| format!("LABEL_{i}"), str::to_owned)
            })
            .collect()
    }
}

/// Parses a JSON file.
///
/// # Errors
/// [`Error::File`], [`Error::Malformed`].
pub fn parse_json(path: &Path) -> Result<Value> {
    serde_json::from_str(&read_text(path)?).map_err(|e| Error::Malformed {
        path: path.into(),
        what: "JSON file",
        reason: e.to_string(),
    })
}

/// The safetensors files of a folder: one, or those of an index.
fn weight_files(path: &Path) -> Result<Vec<PathBuf>> {
    let single = path.join("model.safetensors");
    if single.is_file() {
        return Ok(vec![single]);
    }
    let index = path.join("model.safetensors.index.json");
    if !index.is_file() {
        return Err(Error::NotACheckpoint { path: path.into(), missing: "model.safetensors" });
    }
    let json = parse_json(&index)?;
    let map = json.get("weight_map").and_then(Value::as_object).ok_or(Error::Malformed {
        path: index,
        what: "safetensors index",
        reason: "`weight_map` is missing".into(),
    })?;
    let names: BTreeSet<_> = map.values().filter_map(Value::as_str).collect();
    // Names come from a file: only the last part, so that none can lead out of the folder.
    Ok(names.into_iter().filter_map(|n| Path::new(n).file_name()).map(|n| path.join(n)).collect())
}

fn read_safetensors(path: &Path, tensors: &mut BTreeMap<String, Tensor>) -> Result<()> {
    let bytes = read(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| Error::Malformed {
        path: path.into(),
        what: "safetensors file",
        reason: e.to_string(),
    })?;
    for (name, view) in file.tensors() {
        let raw = view.data();
        let data: Vec<f32> = match view.dtype() {
            Dtype::F32 => raw.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Dtype::BF16 => raw
                .as_chunks::<2>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes([0, 0, b[0], b[1]]))
                .collect(),
            Dtype::F16 => {
                raw.as_chunks::<2>().0.iter().map(|&b| half_to_f32(u16::from_le_bytes(b))).collect()
            }
            // Position ids and the like: buffers, not weights.
            Dtype::I64 | Dtype::I32 | Dtype::BOOL | Dtype::U8 if is_buffer(&name) => continue,
            other => {
                return Err(Error::TensorType { name, found: format!("{other:?}") });
            }
        };
        if let Some(index) = data.iter().position(|x| !x.is_finite()) {
            if is_buffer(&name) {
                continue; // GPT-2's masked_bias is minus infinity in some files
            }
            return Err(Error::NotFinite { name, index });
        }
        tensors.insert(name, Tensor { shape: view.shape().to_vec(), data });
    }
    Ok(())
}

/// Buffers that old checkpoints carry beside the weights.
pub fn is_buffer(name: &str) -> bool {
    name.ends_with("position_ids")
        || name.ends_with(".attn.bias")
        || name.ends_with("masked_bias")
        || name.ends_with("rotary_emb.inv_freq")
}

/// IEEE half precision to single.
fn half_to_f32(half: u16) -> f32 {
    let sign = (half as u32 >> 15) << 31;
    let (exponent, fraction) = ((half >> 10) & 31, (half & 1023) as u32);
    match exponent {
        0 => f32::from_bits(sign | (fraction as f32 * 2f32.powi(-24)).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent as u32 + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_exact() {
        for (half, single) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 5.960_464_5e-8), (0x7bff, 65504.0), (0, 0.0)]
        {
            assert_eq!(half_to_f32(half), single);
        }
    }

    #[test]
    fn a_folder_without_config_is_named() {
        let error = Checkpoint::open(Path::new("/nonexistent")).unwrap_err();
        assert!(matches!(error, Error::NotACheckpoint { missing: "config.json", .. }));
    }
}
