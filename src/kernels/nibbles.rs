//! Four-bit weights: the products of linear layers, told apart by type from those of 8-bit weights, so that
//! a build links what its model needs.

use super::contract::Kernels;
use super::formats::{Formats, Nibbles};
use super::lanes::{LanesMut, Quantizer, Sums};
use super::weights::{Channels, Linear, Product, RowScale};

/// What a linear layer is made of, for weights of one width: all [`Kernels`] are for weights of eight bits,
/// and [`Nibbles`] of them for four. The names differ from those of [`Kernels`], whose methods these are.
pub trait Multiply: Formats + Sized {
    /// [`Kernels::quantize`] or [`Kernels::quantize_nibbles`].
    fn quantize_row(x: &[i16], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<Self>);
    /// [`Kernels::matmul`] or [`Kernels::matmul_nibbles`].
    fn products(product: &Product<Self>, sums: &mut [i32]);
    /// [`Kernels::linear`] or [`Kernels::linear_nibbles`].
    fn layer(linear: Linear<Self, i16>);
    /// [`Kernels::linear_32`] or [`Kernels::linear_32_nibbles`].
    fn layer_32(linear: Linear<Self, i32>);
    /// [`Kernels::rescale`].
    fn results(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]);
    /// [`Kernels::rescale_32`].
    fn results_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]);
}

/// The methods of a [`Multiply`], by their names in [`Kernels`].
macro_rules! multiply {
    ($quantize:ident $matmul:ident $linear:ident $linear_32:ident) => {
        #[inline(always)]
        fn quantize_row(x: &[i16], quantizer: &Quantizer, row: usize, lanes: &mut LanesMut<Self>) {
            K::$quantize(x, quantizer, row, lanes);
        }

        #[inline(always)]
        fn products(product: &Product<Self>, sums: &mut [i32]) {
            K::$matmul(product, sums);
        }

        #[inline(always)]
        fn layer(linear: Linear<Self, i16>) {
            K::$linear(linear);
        }

        #[inline(always)]
        fn layer_32(linear: Linear<Self, i32>) {
            K::$linear_32(linear);
        }

        #[inline(always)]
        fn results(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]) {
            K::rescale(sums, channels, scale, out);
        }

        #[inline(always)]
        fn results_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]) {
            K::rescale_32(sums, channels, scale, out);
        }
    };
}

impl<K: Kernels> Multiply for K {
    multiply!(quantize matmul linear linear_32);
}

impl<K: Kernels> Multiply for Nibbles<K> {
    multiply!(quantize_nibbles matmul_nibbles linear_nibbles linear_32_nibbles);
}
