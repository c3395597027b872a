//! The residual stream in tiles of rows; sublayers read it and add to it.

use super::linear::Rows;
use super::norm::apply;
use super::row::{Input, pair_mut, renormalize};
use crate::arena::{Residual, RunState};
use crate::kernels::Kernels;
use crate::model::{NormWeights, Weights};
use crate::target::Build;
use core::ops::Range;

/// A tile: rows `first_row …` of the residual stream, at positions `first_position …`.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// First row of the residual stream.
    pub first_row: usize,
    /// Position of the first row.
    pub first_position: usize,
    /// Rows, at most `tile_rows`.
    pub rows: usize,
    /// Each row is one hypothesis of a search, at `first_position`, with its own keys and values.
    pub beams: bool,
}

impl Tile {
    /// The rows in pairs, so that one pass over the weights serves two.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        let mut first = 0;
        core::iter::from_fn(move || {
            let pair = Pair { tile: self, first, count: (self.rows - first).min(2) };
            first += pair.count;
            (pair.count > 0).then_some(pair)
        })
    }
}

/// Two neighbouring rows of a tile, or the last one alone.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'t> {
    /// Its tile.
    pub tile: &'t Tile,
    /// The first row within the tile.
    pub first: usize,
    /// 2 or 1.
    pub count: usize,
}

impl Pair<'_> {
    /// The first row within the residual stream.
    pub fn row(self) -> usize {
        self.tile.first_row + self.first
    }

    /// This pair's rows of `width` numbers in a buffer that holds the tile's rows, `stride` apart.
    pub fn of(self, buffer: &mut [i16], stride: usize, width: usize) -> [&mut [i16]; 2] {
        pair_mut(buffer, self.first, self.count, stride, width)
    }

    /// This pair's rows of the residual stream (width `d`) as input of linear layers: `input` is
    /// called with the numbers and the exponent of each.
    #[inline(always)]
    pub fn read<'s>(
        self,
        residual: &'s Residual,
        d: usize,
        lanes: &'s mut [i16],
        input: impl Fn(&'s [i16], i32) -> Input<'s>,
    ) -> Rows<'s, 's> {
        let mut inputs = [None; 2];
        for (row, to) in (self.row()..).zip(&mut inputs).take(self.count) {
            let (x, exponent) = residual.row(row, d);
            *to = Some(input(x, exponent));
        }
        Rows::new(inputs, lanes)
    }
}

/// Adds sums of unit `2^unit` to a row of unit `2^exponent`; returns its new exponent.
#[inline(never)]
pub fn add_sums<K: Kernels>(row: &mut [i16], exponent: i16, sums: &mut [i32], unit: i32) -> i16 {
    K::add(row, unit - exponent as i32, sums);
    renormalize::<K>(sums, unit, row)
}

/// Applies an explicit norm to rows of the residual stream, in place.
#[inline(never)]
pub fn normalize<B: Build>(
    weights: &Weights<B>,
    norm: &NormWeights,
    state: &mut RunState,
    rows: Range<usize>,
) {
    let (config, epsilon) = (weights.config(), weights.epsilon());
    for i in rows {
        let Some((row, exponent)) = state.residual.row_mut(i, config.d_model) else { return };
        let unit = *exponent as i32;
        *exponent = apply::<B::Kernels>(row, unit, config.norm, epsilon, norm, state.sums);
    }
}
