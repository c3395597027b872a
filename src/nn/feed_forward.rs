//! The feed-forward sublayer: `down(act(up x))`, or `down(act(gate x) ⊙ up x)` (Shazeer 2020).

use super::activation::prepare;
use super::linear::Rows;
use super::row::pair_mut;
use crate::kernels::{CHUNK, Kernels};
use crate::model::{LayerWeights, Linear};
use crate::slices::rest_mut;
use crate::target::Build;

/// Writes the hidden rows (16 bits) into the first rows of `tile`, `stride` apart; returns their
/// exponent.
pub fn hidden<B: Build>(
    rows: &mut Rows,
    layer: &LayerWeights<B>,
    up: &Linear,
    tile: &mut [i16],
    stride: usize,
) -> i32 {
    let config = layer.model.config();
    let width = config.d_ff;
    if !config.gated {
        let activate = prepare(config.activation, up.output_exponent);
        rows.forward::<B>(up, 0, pair_mut(tile, 0, rows.count(), stride, width));
        for x in pair_mut(tile, 0, rows.count(), stride, width) {
            <B::Kernels>::activate(&activate, x);
        }
        return up.output_exponent;
    }
    let gate = layer.section.linear(&layer.model.layout().layer.gate);
    let activate = prepare(config.activation, gate.output_exponent);
    // `act(gate) · up / 2^15`, chunk by chunk, so that no second hidden row is held. There is room
    // for one chunk of each of two rows, or for one chunk of twice the length.
    let mut factors = [0i16; 2 * CHUNK];
    let (count, chunk) = (rows.count(), 2 * CHUNK / rows.count().max(1));
    let mut first = 0;
    while first < width {
        let len = (width - first).min(chunk);
        let part = rest_mut(tile, first);
        rows.forward::<B>(&gate, first, pair_mut(part, 0, count, stride, len));
        rows.forward::<B>(up, first, pair_mut(&mut factors, 0, count, chunk, len));
        let factors = pair_mut(&mut factors, 0, count, chunk, len);
        for (x, factors) in pair_mut(part, 0, count, stride, len).into_iter().zip(factors) {
            <B::Kernels>::activate_gated(&activate, factors, x);
        }
        first += chunk;
    }
    // The product of two 16-bit numbers, divided by 2^15.
    gate.output_exponent + up.output_exponent + 15
}
