//! `torch.save` files: a zip archive of a pickle that names the tensors, and a file of bytes per storage.
//! The pickle is read by [`super::pickle`], which runs nothing.

use super::pickle::{self, Object};
use super::tensor::{Tensor, Tensors};
use super::zip::Archive;
use crate::error::{Error, Result};
use std::path::Path;

/// Reads every tensor.
pub(super) fn read(path: &Path, bytes: &[u8], tensors: &mut Tensors) -> Result<()> {
    let bad = |reason: String| Error::Malformed { path: path.into(), what: "PyTorch file", reason };
    let archive = Archive::open(bytes).ok_or_else(|| {
        bad(format!(
            "the zip archive is damaged or cut, at {} bytes; copy or download it anew",
            bytes.len()
        ))
    })?;
    let Some(pickle) = archive.names().find(|name| name.ends_with("data.pkl")) else {
        return Err(bad("it is a zip archive without `data.pkl`: not of `torch.save`".into()));
    };
    let root = pickle.trim_end_matches("data.pkl").to_owned();
    if let Some(order) = archive.file(&format!("{root}byteorder"))
        && order != b"little"
    {
        return Err(bad("it was saved on a big-endian machine".into()));
    }
    let stored = archive.file(pickle).ok_or_else(|| bad("`data.pkl` is cut".into()))?;
    let object = pickle::read(stored).map_err(bad)?;
    let Some(entries) = state_dict(&object) else {
        let help = "save `model.state_dict()`, or the model with `save_pretrained`";
        return Err(bad(format!("it holds no dictionary of tensors; {help}")));
    };
    for (name, value) in entries {
        let Object::Text(name) = name else { continue };
        let Object::Tensor { kind, key, offset, shape, strides } = value else {
            return Err(bad(format!("`{name}` is no tensor")));
        };
        let storage = archive.file(&format!("{root}data/{key}"));
        let storage = storage.ok_or_else(|| bad(format!("the bytes of `{name}` are missing")))?;
        let raw = gather(storage, width(kind), *offset, shape, strides);
        let raw = raw.ok_or_else(|| bad(format!("the bytes of `{name}` are cut")))?;
        tensors.insert(name.clone(), Tensor::from_bytes(shape.clone(), kind, raw));
    }
    Ok(())
}

/// The dictionary of tensors: the object itself, or what training scripts put it under.
fn state_dict(object: &Object) -> Option<&[(Object, Object)]> {
    let Object::Dictionary(entries) = object else { return None };
    if entries.iter().any(|(_, value)| matches!(value, Object::Tensor { .. })) {
        return Some(entries);
    }
    let nested = entries.iter().find(|(key, _)| {
        matches!(key, Object::Text(name) if ["state_dict", "model"].contains(&name.as_str()))
    });
    nested.and_then(|(_, value)| state_dict(value))
}

/// Bytes of one element.
fn width(kind: &str) -> usize {
    match kind {
        "F64" | "I64" => 8,
        "F32" | "I32" => 4,
        "F16" | "BF16" | "I16" => 2,
        _ => 1,
    }
}

/// The elements of a view of a storage, in order.
fn gather(
    storage: &[u8],
    width: usize,
    offset: usize,
    shape: &[usize],
    strides: &[usize],
) -> Option<Vec<u8>> {
    let count = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size))?;
    let mut contiguous = 1;
    let plain = shape.iter().zip(strides).rev().all(|(&size, &stride)| {
        let same = size <= 1 || stride == contiguous;
        contiguous *= size.max(1);
        same
    });
    let start = offset.checked_mul(width)?;
    if plain {
        return Some(storage.get(start..start.checked_add(count.checked_mul(width)?)?)?.to_vec());
    }
    // A view repeats no more elements than a tensor of that shape has; that many must be plausible.
    if count > storage.len().checked_mul(64)? {
        return None;
    }
    let mut raw = Vec::with_capacity(count * width);
    for mut index in 0..count {
        let mut at = offset;
        for (&size, &stride) in shape.iter().zip(strides).rev() {
            at = at.checked_add((index % size).checked_mul(stride)?)?;
            index /= size;
        }
        raw.extend(storage.get(at.checked_mul(width)?..)?.get(..width)?);
    }
    Some(raw)
}
