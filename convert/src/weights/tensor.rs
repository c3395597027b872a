//! A tensor of a checkpoint, whatever its file.

use std::collections::BTreeMap;

/// Why a tensor cannot be used. Told when it is asked for, not before: a checkpoint of another family is
/// another family before its types are at fault.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// A type that is no float.
    Type(String),
    /// A value that is not finite, and where.
    NotFinite(usize),
}

/// One tensor, row-major.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its values; none where there is a fault.
    pub data: Vec<f32>,
    /// Why it cannot be used.
    pub fault: Option<Fault>,
}

impl Tensor {
    /// A tensor of finite values.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Self {
        let fault = data.iter().position(|x| !x.is_finite()).map(Fault::NotFinite);
        Self { shape, data, fault }
    }

    /// From little-endian bytes of a type, named as safetensors names it.
    pub fn from_bytes(shape: Vec<usize>, kind: &str, raw: &[u8]) -> Self {
        let data: Vec<f32> = match kind {
            "F64" => raw.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
            "F32" => raw.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            "BF16" => {
                let words = raw.as_chunks::<2>().0.iter();
                words.map(|b| f32::from_le_bytes([0, 0, b[0], b[1]])).collect()
            }
            "F16" => {
                let words = raw.as_chunks::<2>().0.iter();
                words.map(|&b| half_to_f32(u16::from_le_bytes(b))).collect()
            }
            other => {
                let fault = Some(Fault::Type(other.into()));
                return Self { shape, data: Vec::new(), fault };
            }
        };
        Self::new(shape, data)
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
