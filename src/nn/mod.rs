//! The parts of a transformer layer, in data-flow order: a reader should recognise figure 1 of
//! Vaswani et al. 2017.
//!
//! Rows of the residual stream are 16-bit mantissas with one power of two per row ([`row`]). A
//! linear layer quantises such rows (or normalised ones) by their own largest magnitude and
//! multiplies them ([`linear`]). Rows are processed in pairs, so that one pass over the weights in
//! flash serves two.

pub mod activation;
pub mod attention;
pub mod embedding;
#[cfg(test)]
mod exact;
pub mod feed_forward;
pub mod head;
pub mod input;
pub mod layer;
pub mod linear;
pub mod mask;
pub mod multi_head;
pub mod norm;
pub mod pooling;
pub mod position;
pub mod residual;
pub mod row;
