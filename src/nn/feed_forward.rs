//! The feed-forward part: `down(act(up x))`, or `down(act(gate x) ⊙ up x)` (Shazeer 2020).

use super::activation::prepare;
use super::linear::{CHUNK, Rows};
use crate::config::Activation;
use crate::kernels::{Activate, Kernels};
use crate::model::{LayerWeights, Linear};

/// The hidden rows, 16 bits, into `hidden[r]` (`d_ff`). Returns their exponent.
pub fn hidden<K: Kernels>(
    rows: &mut Rows,
    layer: &LayerWeights,
    activation: Activation,
    mut hidden: [&mut [i16]; 2],
) -> i32 {
    match &layer.gate {
        None => {
            let activate = prepare(activation, layer.up.output_exponent);
            let [a, b] = &mut hidden;
            rows.forward::<K>(&layer.up, [a, b]);
            for x in hidden {
                K::activate(&activate, x);
            }
            layer.up.output_exponent
        }
        Some(gate) => {
            let activate = prepare(activation, gate.output_exponent);
            gated::<K>(rows, gate, &layer.up, activate, hidden);
            // The product of two 16-bit numbers, halved 15 times.
            gate.output_exponent + layer.up.output_exponent + 15
        }
    }
}

/// `act(gate) · up / 2^15`, chunk by chunk, so that only one hidden row is ever held.
fn gated<K: Kernels>(
    rows: &mut Rows,
    gate: &Linear,
    up: &Linear,
    activate: Activate,
    mut hidden: [&mut [i16]; 2],
) {
    let mut buffer = [0; 2 * CHUNK];
    for first in (0..up.out_dim).step_by(CHUNK) {
        let sums = rows.multiply::<K>(gate, first, &mut buffer);
        for (row, hidden) in hidden.iter_mut().enumerate().take(sums.rows) {
            rows.write::<K>(&sums, gate, row, hidden.get_mut(first..).unwrap_or_default());
        }
        let sums = rows.multiply::<K>(up, first, &mut buffer);
        for (row, hidden) in hidden.iter_mut().enumerate().take(sums.rows) {
            let mut factors = [0i16; CHUNK];
            rows.write::<K>(&sums, up, row, &mut factors);
            let hidden = hidden.get_mut(first..).unwrap_or_default();
            K::activate_gated(&activate, factors.get(..sums.len).unwrap_or_default(), hidden);
        }
    }
}
