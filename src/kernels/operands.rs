//! What the kernels work on besides plain slices: quantisers, activations, running softmaxes, blocks of
//! keys and values.

use crate::config::KEY_BLOCK;
use crate::fixed::decode_scale;

/// How a row of 16-bit numbers becomes a row of small integers:
/// `q = round(shifted(x · multiply − subtract) · inverse / 2^(31 − bits))`, where `shifted` is an
/// arithmetic shift right (or left, if negative) by `shift`.
///
/// The fields are chosen (see `nn::row`) so that the shifted value is below 2¹⁵ in
/// magnitude and the result within ±(2^(bits−1) − 1), so nothing saturates.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Quantizer {
    /// 1, or the row's length when its mean is taken off.
    pub multiply: i32,
    /// 0, or the row's sum.
    pub subtract: i32,
    /// Shift to 15 bits.
    pub shift: i32,
    /// Below 2¹⁶.
    pub inverse: i32,
    /// 8 or 12.
    pub bits: u32,
}

impl Quantizer {
    /// `x · multiply − subtract`, shifted to 15 bits.
    #[inline(always)]
    pub fn shifted(&self, x: i16) -> i32 {
        let centred = (x as i32).wrapping_mul(self.multiply).wrapping_sub(self.subtract);
        if self.shift >= 0 {
            centred >> (self.shift & 31)
        } else {
            centred << (self.shift.wrapping_neg() & 31)
        }
    }
}

/// An activation `max(x, 0) − h(|x|)` of numbers with a power-of-two unit; see `nn::activation`.
#[derive(Clone, Copy, Debug)]
pub struct Activate {
    /// `h` in Q0.16, below 2¹⁵, 256 steps and two entries to spare; `None` is ReLU.
    pub table: Option<&'static [u16; 258]>,
    /// |x| shifted left by this is a table position with 12 fraction bits.
    pub position_shift: i32,
    /// Table values shifted right by this are in the unit of x.
    pub value_shift: i32,
}

/// The running softmax of one query over blocks of keys (Milakov & Gimelshein 2018).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Softmax {
    /// Largest score so far.
    pub maximum: i32,
    /// Sum of the numerators, relative to `maximum`.
    pub sum: u32,
    /// From a distance of scores to 1/256 of log2, Q0.32; see [`Kernels::weigh`](super::Kernels::weigh).
    pub factor: u32,
}

/// A [`Softmax`] whose scores are in units of 2⁻¹⁶ log2 has this factor.
pub const BIASED_FACTOR: u32 = 1 << 24;

/// What is added to the scores of one or two queries for the keys of a block.
#[derive(Clone, Copy, Debug)]
pub struct Biased {
    /// From scores to 1/256 of log2, Q0.32, as [`Softmax::factor`] is without biases.
    pub factors: [u32; 2],
    /// In units of 2⁻¹⁶ log2.
    pub biases: [[i32; KEY_BLOCK]; 2],
}

/// [`KEY_BLOCK`] positions of one head of one layer in the cache.
#[derive(Clone, Copy, Debug)]
pub struct KeyBlock<'a> {
    /// Keys, packed as weights of `KEY_BLOCK` outputs and `head_dim` inputs.
    pub keys: &'a [u8],
    /// Their scales, see [`scale_code`](crate::fixed::scale_code).
    pub key_codes: &'a [u8],
    /// Values, int8, `(head_dim, KEY_BLOCK)`.
    pub values: &'a [u8],
    /// Their scales.
    pub value_codes: &'a [u8],
}

/// The blocks of one head of one layer that stand in the order of their positions.
#[derive(Clone, Copy, Debug)]
pub struct KeyRun<'a> {
    /// From the first block on; see [`KeyBlock`] for this and the others.
    pub keys: &'a [u8],
    /// Scales of the keys.
    pub key_codes: &'a [u8],
    /// Values.
    pub values: &'a [u8],
    /// Scales of the values.
    pub value_codes: &'a [u8],
    /// Bytes of keys (and of values) from one block to the next.
    pub stride: usize,
    /// Codes from one block to the next.
    pub code_stride: usize,
}

impl KeyBlock<'_> {
    /// The keys' scales, decoded.
    pub fn key_scales(&self) -> [u16; KEY_BLOCK] {
        scales(self.key_codes)
    }

    /// The values' scales, decoded.
    pub fn value_scales(&self) -> [u16; KEY_BLOCK] {
        scales(self.value_codes)
    }
}

fn scales(codes: &[u8]) -> [u16; KEY_BLOCK] {
    let mut scales = [0; KEY_BLOCK];
    for (scale, &code) in scales.iter_mut().zip(codes) {
        *scale = decode_scale(code) as u16;
    }
    scales
}
