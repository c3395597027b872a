//! From tokens or frames to rows of the residual stream.

use super::linear::Rows;
use super::position::sinusoid;
use super::row::{Input, add, halves, renormalize};
use crate::config::Position;
use crate::fixed::RowShift;
use crate::kernels::Nibbles;
use crate::model::EmbeddingWeights;
use crate::slices::{first_mut, rest};
use crate::target::{self, Build};

/// Writes the embedding of `token` at `position` into `row` (`d_model`); returns its exponent.
/// `sums` is scratch of `d_model`. The token must be below `vocab_size`.
pub fn token<B: Build>(
    weights: &EmbeddingWeights,
    token: usize,
    position: usize,
    row: &mut [i16],
    sums: &mut [i32],
) -> i16 {
    let table = &weights.table;
    let sums = first_mut(sums, row.len());
    let matrix = table.weights.matrix();
    let multiplier = table.weights.channels().factor(token) as i32;
    // 7 + 15 bits, shifted to 28, so that a position can be added.
    let from_position = position_exponent::<B>(weights).map_or(i32::MIN, |exponent| exponent - 13);
    let exponent = (table.weight_exponent - 6).max(from_position);
    let shift = exponent - table.weight_exponent;
    let (multiplier, down) = (multiplier << -shift.min(0), RowShift::new(shift.max(0)));
    for (i, four) in sums.chunks_mut(4).enumerate() {
        let word = match target::has_nibbles::<B>() && table.has_nibbles() {
            true => matrix.word::<Nibbles<B::Kernels>>(token, i),
            false => matrix.word::<B::Kernels>(token, i),
        };
        for (sum, weight) in four.iter_mut().zip(word) {
            *sum = down.apply(weight as i32 * multiplier);
        }
    }
    add_position::<B>(weights, position, sums, exponent);
    renormalize::<B::Kernels>(sums, exponent, row)
}

/// Writes the projection of one frame at `position` into `row`; returns its exponent.
/// Features are in units of `2^exponent`.
pub fn frame<B: Build>(
    weights: &EmbeddingWeights,
    features: &[i16],
    exponent: i32,
    position: usize,
    row: &mut [i16],
    lanes: &mut [i16],
    sums: &mut [i32],
) -> i16 {
    let projection = &weights.table;
    let sums = first_mut(sums, row.len());
    let input = Input::new::<B::Kernels>(features, exponent, projection.wide);
    let mut rows = Rows::new([Some(input), None], lanes);
    let from_position = position_exponent::<B>(weights).unwrap_or(i32::MIN + 13);
    let unit = rows.sum_exponent(projection, 0, from_position);
    rows.forward_32::<B>(projection, [unit; 2], sums);
    add_position::<B>(weights, position, sums, unit);
    renormalize::<B::Kernels>(sums, unit, row)
}

/// Exponent of the position that is added, if one is.
fn position_exponent<B: Build>(weights: &EmbeddingWeights) -> Option<i32> {
    match target::position::<B>(weights.kind) {
        Position::Learned | Position::Sinusoidal => Some(weights.position_exponent),
        Position::None | Position::Rotary | Position::Relative => None,
    }
}

fn add_position<B: Build>(
    weights: &EmbeddingWeights,
    position: usize,
    sums: &mut [i32],
    exponent: i32,
) {
    let (table, unit) = (weights.positions, weights.position_exponent);
    match target::position::<B>(weights.kind) {
        Position::Learned => {
            let row = rest(table, position * sums.len() * 2);
            add(halves(row), unit, sums, exponent);
        }
        Position::Sinusoidal => add(sinusoid(table, position), unit, sums, exponent),
        Position::None | Position::Rotary | Position::Relative => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Portable, Weights};
    use crate::model::Linear;

    /// A weight of 0 is 0 in every unit, however coarse the positions make it.
    #[test]
    fn nothing_plus_nothing_is_nothing() {
        for position_exponent in -60..=60 {
            let table = Linear {
                weights: Weights::ZERO,
                out_dim: 4,
                weight_exponent: 0,
                bias_exponent: 0,
                output_exponent: 0,
                wide: false,
            };
            let (kind, positions, norm) = (Position::Learned, &[0; 8][..], None);
            let weights = EmbeddingWeights { table, kind, positions, position_exponent, norm };
            let (mut row, mut sums) = ([7; 4], [7; 4]);
            token::<Portable>(&weights, 0, 0, &mut row, &mut sums);
            assert_eq!(row, [0; 4], "positions in units of 2^{position_exponent}");
        }
    }
}
