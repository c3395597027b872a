//! The contract between the engine and a set of inner loops.

use super::formats::{Formats, Nibbles};
use super::lanes::{HeadScale, LanesMut, Quantizer, Sums};
use super::portable;
use super::rows::{Curve, Ratio, Statistics};
use super::streams::Attend;
use super::weights::{Channels, Linear, Product, RowScale};
use crate::matrix::Packing;

/// The inner loops of the engine.
///
/// **Safe and total**: operands are checked when they are made, so no call of any method with any operands
/// leads to undefined behaviour or a panic; methods stop at the shortest slice. **Complete**: every method
/// has a default body that is right on every core, so `impl Kernels for NewCore { const NAME: &'static str =
/// "new"; }` works; a backend overrides what it can do faster, and returns the same integers as
/// [`Portable`]. [`check`](super::check) is the judge.
pub trait Kernels: Sized {
    /// Name of the backend in reports and errors.
    const NAME: &'static str;

    /// Packings of weights that this backend multiplies, the fastest (for one row) first. A model
    /// with another packing is refused.
    const PACKINGS: &'static [Packing] = &Packing::BYTES;

    /// How [`Kernels::write_key`] packs the keys of a block; one of [`Kernels::PACKINGS`].
    const KEY_PACKING: Packing = Packing::Paired;

    /// Products of 8-bit lanes are `2^PRODUCT_SHIFT · Σ w x`; 0 … 8.
    const PRODUCT_SHIFT: i32 = 8;

    /// Products of [`Packing::Nibbles`] are `2^NIBBLE_SHIFT · Σ w x`; 0 … 12.
    const NIBBLE_SHIFT: i32 = 8;

    /// Maximum number of keys that a query can see; a model with a longer context is refused. At most
    /// 2¹⁷: softmax numerators are below 2¹⁵, and their sum has 32 bits.
    const MAX_KEYS: usize = 1 << 17;

    /// Largest magnitude of a row; at most 2¹⁵.
    fn largest(x: &[i16]) -> u32 {
        portable::largest(x)
    }

    /// Sum, sum of squares and range of a row of at most 2¹³ numbers.
    fn statistics(x: &[i16]) -> Statistics {
        portable::statistics(x)
    }

    /// Quantises row `row` into the lanes; of two rows, 0 comes before 1. `x` has as many numbers
    /// as the lanes have inputs, or up to seven fewer: the missing ones are 0.
    fn quantize(x: &[i16], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<Self>) {
        portable::quantize(x, quantizer, row, lanes);
    }

    /// `sums[o · rows + r] = 2^s · Σ_k w[o][k] · x_r[k]`, where `s` is [`Kernels::PRODUCT_SHIFT`]
    /// for 8-bit lanes and 0 for 12-bit lanes; for as many groups of four outputs as the matrix has
    /// and `sums` holds. Rows have at most [`SEGMENT`](crate::config::SEGMENT) inputs, so nothing
    /// overflows.
    fn matmul(product: &Product<Self>, sums: &mut [i32]) {
        portable::matmul(product, sums);
    }

    /// The results of one row in 16 bits, for every output `o`:
    /// `out[o] = saturate(round(sums[o] · (factors[o] · scale) / 2^shift) + round(biases[o] / 2^bias_shift))`.
    fn rescale(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]) {
        portable::rescale(sums, channels, scale, out);
    }

    /// As [`Kernels::rescale`] in 32 bits: the product is saturated, and so is its sum with the
    /// bias.
    fn rescale_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]) {
        portable::rescale_32(sums, channels, scale, out);
    }

    /// A whole linear layer: [`Kernels::matmul`], then [`Kernels::rescale`] of each row.
    fn linear(linear: Linear<Self, i16>) {
        portable::linear(linear, Self::matmul, Self::rescale);
    }

    /// As [`Kernels::linear`] in 32 bits ([`Kernels::rescale_32`]).
    fn linear_32(linear: Linear<Self, i32>) {
        portable::linear(linear, Self::matmul, Self::rescale_32);
    }

    /// [`Kernels::quantize`] for lanes that are multiplied by weights of four bits.
    fn quantize_nibbles(
        x: &[i16],
        quantizer: &Quantizer,
        row: usize,
        lanes: &mut LanesMut<Nibbles<Self>>,
    ) {
        portable::quantize(x, quantizer, row, lanes);
    }

    /// [`Kernels::matmul`] of weights of four bits; `s` is [`Kernels::NIBBLE_SHIFT`].
    fn matmul_nibbles(product: &Product<Nibbles<Self>>, sums: &mut [i32]) {
        portable::matmul_nibbles(product, sums);
    }

    /// [`Kernels::linear`] of weights of four bits.
    fn linear_nibbles(linear: Linear<Nibbles<Self>, i16>) {
        portable::linear(linear, Self::matmul_nibbles, Self::rescale);
    }

    /// [`Kernels::linear_32`] of weights of four bits.
    fn linear_32_nibbles(linear: Linear<Nibbles<Self>, i32>) {
        portable::linear(linear, Self::matmul_nibbles, Self::rescale_32);
    }

    /// Gain and bias of an explicit norm:
    /// `sums[i] = saturate(round(quantizer.shifted(x[i]) · (factors[i] · scale) / 2^shift))`, plus
    /// `round(biases[i] / 2^bias_shift)` if there are biases, saturated.
    fn gain(
        x: &[i16],
        quantizer: &Quantizer,
        channels: &Channels,
        scale: &RowScale,
        sums: &mut [i32],
    ) {
        portable::gain(x, quantizer, channels, scale, sums);
    }

    /// `sums[i] += x[i] / 2^shift`, rounded ([`shift_by`](crate::fixed::shift_by)), saturated.
    fn add(x: &[i16], shift: i32, sums: &mut [i32]) {
        portable::add(x, shift, sums);
    }

    /// A number with as many bits as the largest magnitude, such as `|sums[0]| | |sums[1]| | …`.
    fn magnitude(sums: &[i32]) -> u32 {
        portable::magnitude(sums)
    }

    /// `out[i] = saturate(sums[i] / 2^shift)`, rounded ([`shift_by`](crate::fixed::shift_by)).
    fn narrow(sums: &[i32], shift: i32, out: &mut [i16]) {
        portable::narrow(sums, shift, out);
    }

    /// Applies an activation to every number of a row, in place.
    fn activate(curve: &Curve, x: &mut [i16]) {
        portable::activate(curve, x);
    }

    /// `x[i] = saturate(round(activation(x[i]) · factors[i] / 2^15))`.
    fn activate_gated(curve: &Curve, factors: &[i16], x: &mut [i16]) {
        portable::activate_gated(curve, factors, x);
    }

    /// Rotates the pairs of neighbours in every head of a row, in place; `table` holds cosine and
    /// sine (Q1.14) for every pair of one head.
    fn rotate(row: &mut [i16], table: &[i16]) {
        portable::rotate(row, table);
    }

    /// Writes a head's vector as a key of a block in [`Kernels::KEY_PACKING`]: a word of four every
    /// 16 bytes of `out`, which begins at the key's first word.
    fn write_key(x: &[i16], scale: HeadScale, out: &mut [u8]) {
        portable::write_key::<Self>(x, scale, out);
    }

    /// Writes a head's vector as a value of a block: a byte every
    /// [`KEY_BLOCK`](crate::config::KEY_BLOCK) bytes of `out`, which begins at the value's first
    /// byte.
    fn write_value(x: &[i16], scale: HeadScale, out: &mut [u8]) {
        portable::write_value(x, scale, out);
    }

    /// `out[d] = saturate(round(sums[d] · ratio))`.
    fn divide(sums: &Sums, ratio: &Ratio, out: &mut [i16]) {
        portable::divide(sums, ratio, out);
    }

    /// Attention of one or two queries to the keys that they see, block after block: products, scores
    /// (`product · scale / 2¹⁷`, floor), a new maximum, numerators `p = 2^(−((maximum − score) · factor /
    /// 2³²) / 256)` in Q1.15, and `sums += round(p · scale / 2^shift) · value`. With biases a score becomes
    /// `floor(score · factor / 2²⁴) + bias` in units of 2⁻¹⁶ log2, saturated; the queries' own factor then
    /// is [`BIASED_FACTOR`](super::BIASED_FACTOR).
    fn attend(attend: Attend<Self>) {
        portable::attend(attend, Self::matmul);
    }
}

impl<K: Kernels> Formats for K {
    const PACKINGS: &'static [Packing] = K::PACKINGS;
    const KEY_PACKING: Packing = K::KEY_PACKING;
    const PRODUCT_SHIFT: i32 = K::PRODUCT_SHIFT;
    const MAX_KEYS: usize = K::MAX_KEYS;
}

impl<K: Kernels> Formats for Nibbles<K> {
    const PACKINGS: &'static [Packing] = &[Packing::Nibbles];
    const KEY_PACKING: Packing = K::KEY_PACKING;
    const PRODUCT_SHIFT: i32 = K::NIBBLE_SHIFT;
    const MAX_KEYS: usize = K::MAX_KEYS;
}

/// The backend that runs everywhere and says what is right: all default bodies.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Kernels for Portable {
    const NAME: &'static str = "portable";
}
