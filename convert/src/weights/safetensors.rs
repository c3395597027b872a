//! safetensors files.

use super::tensor::{Tensor, Tensors, Weights};
use crate::error::{Error, Result};
use safetensors::tensor::Metadata;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

/// Longest description of the tensors, as in the format's own library.
const LONGEST: u64 = 100_000_000;

/// Finds every tensor of a file; the numbers stay there until they are asked for.
pub(super) fn read(path: &Path, tensors: &mut Tensors) -> Result<()> {
    let bad =
        |reason: String| Error::Malformed { path: path.into(), what: "safetensors file", reason };
    let failed = |source| Error::File { path: path.into(), source };
    let mut file = File::open(path).map_err(failed)?;
    let all = file.metadata().map_err(failed)?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| bad("it is shorter than its header".into()))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST || length > all.saturating_sub(8) {
        return Err(bad(format!("a header of {length} bytes in a file of {all}")));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(failed)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|e| bad(e.to_string()))?;
    let start = 8 + length;
    if start + metadata.data_len() as u64 != all {
        let described = start + metadata.data_len() as u64;
        return Err(bad(format!("its header describes {described} bytes, the file has {all}")));
    }
    let file = Rc::new(Weights { path: path.into(), file });
    for (name, info) in metadata.tensors() {
        let (kind, at) = (format!("{:?}", info.dtype), start + info.data_offsets.0 as u64);
        tensors.insert(name, Tensor::in_file(info.shape.clone(), &kind, &file, at));
    }
    Ok(())
}
