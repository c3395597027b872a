//! What operands must know of the kernels that they are made for.

use crate::matrix::Packing;
use core::marker::PhantomData;

/// The constants of [`Kernels`](super::Kernels) that the types of operands ask for; all kernels have them.
pub trait Formats {
    /// Packings of weights that are multiplied.
    const PACKINGS: &'static [Packing];
    /// How keys are packed; one of the former.
    const KEY_PACKING: Packing;
    /// Products of 8-bit lanes are `2^PRODUCT_SHIFT · Σ w x`.
    const PRODUCT_SHIFT: i32;
    /// Keys that a query can see at most.
    const MAX_KEYS: usize;
}

/// The kernels `K` where weights have four bits: what [`Packing::Nibbles`] is multiplied by.
#[derive(Clone, Copy, Debug)]
pub struct Nibbles<K>(PhantomData<K>);
