//! A tensor of a checkpoint, whatever its file. Its numbers are read when they are asked for, and of a
//! vocabulary's tensor the rows that are kept alone.

use super::rows::Rows;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::rc::Rc;

/// An open file of weights.
#[derive(Debug)]
pub struct Weights {
    /// Its name, for messages.
    pub path: PathBuf,
    /// The file.
    pub file: File,
}

/// Where the bytes of a tensor are.
#[derive(Clone, Debug)]
enum Source {
    /// In memory.
    Bytes(Vec<u8>),
    /// From this byte of a file on.
    File(Rc<Weights>, u64),
}

/// One tensor, row-major.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its type, as safetensors names it.
    kind: String,
    source: Source,
}

impl Tensor {
    /// From little-endian bytes of a type, named as safetensors names it.
    pub fn from_bytes(shape: Vec<usize>, kind: &str, raw: Vec<u8>) -> Self {
        Self { shape, kind: kind.into(), source: Source::Bytes(raw) }
    }

    /// Of bytes that begin at `start` of a file.
    pub fn in_file(shape: Vec<usize>, kind: &str, file: &Rc<Weights>, start: u64) -> Self {
        Self { shape, kind: kind.into(), source: Source::File(Rc::clone(file), start) }
    }

    /// Number of its elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of a number; `name` is for messages.
    ///
    /// # Errors
    /// [`Error::TensorType`]: found here and not when the file is opened, for a checkpoint of another family
    /// is another family before its types are at fault.
    pub fn width(&self, name: &str) -> Result<usize> {
        match self.kind.as_str() {
            "F64" => Ok(8),
            "F32" => Ok(4),
            "BF16" | "F16" => Ok(2),
            other => Err(Error::TensorType { name: name.into(), found: other.into() }),
        }
    }

    /// Its numbers, or those of some rows; `name` is for messages.
    ///
    /// # Errors
    /// [`Error::TensorType`], [`Error::NotFinite`], [`Error::File`].
    pub fn values(&self, name: &str, rows: &Rows) -> Result<Vec<f32>> {
        let width = self.width(name)?;
        let mut values = Vec::new();
        for (from, to) in rows.runs(self.len()) {
            let first = values.len();
            match &self.source {
                Source::Bytes(raw) => {
                    let raw = raw.get(from * width..to * width).unwrap_or_default();
                    decode(&self.kind, raw, &mut values);
                }
                Source::File(file, start) => {
                    file.read(start + (from * width) as u64, (to - from) * width, |raw| {
                        decode(&self.kind, raw, &mut values);
                    })?;
                }
            }
            if let Some(index) = values[first..].iter().position(|x| !x.is_finite()) {
                return Err(Error::NotFinite { name: name.into(), index: from + index });
            }
        }
        Ok(values)
    }
}

impl Weights {
    /// Hands over `len` bytes from `start` on, part by part; a part holds whole numbers.
    fn read(&self, start: u64, len: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        const PART: usize = 1 << 16;
        let failed = |source| Error::File { path: self.path.clone(), source };
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut part = vec![0; PART.min(len)];
        let mut left = len;
        while left > 0 {
            let next = &mut part[..PART.min(left)];
            file.read_exact(next).map_err(failed)?;
            each(next);
            left -= next.len();
        }
        Ok(())
    }
}

/// Appends numbers of a type as f32.
fn decode(kind: &str, raw: &[u8], to: &mut Vec<f32>) {
    let (words, halves) = (raw.as_chunks::<4>().0.iter(), raw.as_chunks::<2>().0.iter());
    match kind {
        "F64" => to.extend(raw.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b) as f32)),
        "F32" => to.extend(words.map(|&b| f32::from_le_bytes(b))),
        "BF16" => to.extend(halves.map(|b| f32::from_le_bytes([0, 0, b[0], b[1]]))),
        _ => to.extend(halves.map(|&b| half_to_f32(u16::from_le_bytes(b)))),
    }
}

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

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
}
