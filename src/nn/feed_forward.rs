//! The feed-forward part: `down(act(up x))`, or `down(act(gate x) ⊙ up x)` (Shazeer 2020).

use super::activation::prepare;
use super::linear::Rows;
use crate::build::Build;
use crate::config::Config;
use crate::kernels::{Activate, CHUNK, Kernels};
use crate::model::{LayerWeights, Linear};

/// The hidden rows, 16 bits, into `hidden[r]` (`d_ff`). Returns their exponent.
pub fn hidden<B: Build>(
    rows: &mut Rows,
    layer: &LayerWeights,
    config: &Config,
    mut hidden: [&mut [i16]; 2],
) -> i32 {
    let up = layer.up::<B>();
    if !config.gated {
        let activate = prepare(config.activation, up.output_exponent);
        let [a, b] = &mut hidden;
        rows.forward::<B>(&up, [a, b]);
        for x in hidden {
            <B::Kernels>::activate(&activate, x);
        }
        return up.output_exponent;
    }
    let gate = layer.gate::<B>();
    let activate = prepare(config.activation, gate.output_exponent);
    gated::<B>(rows, &gate, &up, activate, hidden);
    // The product of two 16-bit numbers, halved 15 times.
    gate.output_exponent + up.output_exponent + 15
}

/// `act(gate) · up / 2^15`, chunk by chunk, so that only one hidden row is ever held.
fn gated<B: Build>(
    rows: &mut Rows,
    gate: &Linear,
    up: &Linear,
    activate: Activate,
    mut hidden: [&mut [i16]; 2],
) {
    // Room for the chunks of two rows, or for one twice as long.
    let mut factors = [0i16; 2 * CHUNK];
    let chunk = if rows.count() == 2 { CHUNK } else { 2 * CHUNK };
    let mut first = 0;
    while first < up.out_dim {
        let count = (up.out_dim - first).min(chunk);
        let mut part = hidden.each_mut().map(|hidden| {
            let end = hidden.len().min(first + count);
            hidden.get_mut(first..end).unwrap_or_default()
        });
        let [a, b] = &mut part;
        rows.forward_part::<B>(gate, first, [a, b]);
        let (a, b) = factors.split_at_mut_checked(chunk).unwrap_or_default();
        let [a, b] = [a, b].map(|factors| {
            let count = count.min(factors.len());
            factors.get_mut(..count).unwrap_or_default()
        });
        rows.forward_part::<B>(up, first, [&mut *a, &mut *b]);
        for (x, factors) in part.into_iter().zip([a, b]) {
            <B::Kernels>::activate_gated(&activate, factors, x);
        }
        first += chunk;
    }
}
