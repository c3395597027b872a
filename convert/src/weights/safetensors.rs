//! safetensors files.

use super::tensor::{Tensor, Tensors};
use crate::error::{Error, Result};
use safetensors::SafeTensors;
use std::path::Path;

/// Reads every tensor that `wanted` accepts.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    wanted: impl Fn(&str) -> bool,
    tensors: &mut Tensors,
) -> Result<()> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| Error::Malformed {
        path: path.into(),
        what: "safetensors file",
        reason: e.to_string(),
    })?;
    for (name, view) in file.tensors() {
        if wanted(&name) {
            let kind = format!("{:?}", view.dtype());
            tensors.insert(name, Tensor::from_bytes(view.shape().to_vec(), &kind, view.data()));
        }
    }
    Ok(())
}
