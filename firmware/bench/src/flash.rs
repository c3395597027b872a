//! How many bytes of weights are loaded from flash: kernels that count the weights given to them.
//! That is the engine's doing, the same on every core.

use core::sync::atomic::{AtomicUsize, Ordering};

use picoformer::config::KEY_BLOCK;
use picoformer::kernels::{Kernels, KeyBlock, Portable, Quantizer, Softmax, lanes_per_input};
use picoformer::matrix::Packing;

/// The portable kernels, counting weights.
#[derive(Debug)]
pub struct CountWeights;

static LOADED: AtomicUsize = AtomicUsize::new(0);

/// Bytes of weights that the kernels were given since the last call.
pub(crate) fn loaded() -> usize {
    let bytes = LOADED.load(Ordering::Relaxed);
    LOADED.store(0, Ordering::Relaxed);
    bytes
}

/// A byte per weight: inputs times outputs, however many rows share them.
fn load(lanes: &[i16], rows: usize, accumulators: &[i32]) {
    let weights =
        lanes.len() / lanes_per_input::<Portable>(rows).max(1) * (accumulators.len() / rows.max(1));
    // One hart, no interrupt that multiplies: a plain addition will do.
    LOADED.store(LOADED.load(Ordering::Relaxed) + weights, Ordering::Relaxed);
}

// What has a default body gives the same integers without being passed on, `attend` excepted: its
// keys are no weights and must not be counted.
impl Kernels for CountWeights {
    const NAME: &'static str = Portable::NAME;
    const PACKINGS: &'static [Packing] = Portable::PACKINGS;

    fn matmul(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        load(lanes, rows, accumulators);
        Portable::matmul(lanes, rows, weights, group_bytes, accumulators);
    }

    fn matmul_wide(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        load(lanes, rows, accumulators);
        Portable::matmul_wide(lanes, rows, weights, group_bytes, accumulators);
    }

    fn matmul_plain(
        lanes: &[i16],
        rows: usize,
        weights: &[u8],
        group_bytes: usize,
        accumulators: &mut [i32],
    ) {
        load(lanes, rows, accumulators);
        Portable::matmul_plain(lanes, rows, weights, group_bytes, accumulators);
    }

    fn attend(
        lanes: &[i16],
        block: &KeyBlock,
        visible: [u32; 2],
        shift: u32,
        queries: &mut [Softmax],
        sums: &mut [i32],
    ) {
        Portable::attend(lanes, block, visible, shift, queries, sums);
    }

    fn largest(x: &[i16]) -> u32 {
        Portable::largest(x)
    }

    fn moments(x: &[i16]) -> (i32, u64) {
        Portable::moments(x)
    }

    fn quantize(x: &[i16], by: &Quantizer, rows: usize, row: usize, lanes: &mut [i16]) {
        Portable::quantize(x, by, rows, row, lanes);
    }

    fn scores(
        accumulators: &[i32],
        rows: usize,
        row: usize,
        scales: &[u16; KEY_BLOCK],
        visible: u32,
        scores: &mut [i32; KEY_BLOCK],
    ) -> i32 {
        Portable::scores(accumulators, rows, row, scales, visible, scores)
    }

    fn weigh(
        scores: &[i32; KEY_BLOCK],
        maximum: i32,
        factor: u32,
        scales: &[u16; KEY_BLOCK],
        visible: u32,
        shift: u32,
        rows: usize,
        row: usize,
        lanes: &mut [i16],
    ) -> u32 {
        Portable::weigh(scores, maximum, factor, scales, visible, shift, rows, row, lanes)
    }

    fn weighted_sum(lanes: &[i16], rows: usize, values: &[u8], accumulators: &mut [i32]) {
        Portable::weighted_sum(lanes, rows, values, accumulators);
    }

    fn rescale(
        accumulators: &[i32],
        rows: usize,
        row: usize,
        multipliers: &[u8],
        biases: &[u8],
        scale: u16,
        shift: u32,
        bias_shift: u32,
        out: &mut [i16],
    ) {
        Portable::rescale(
            accumulators,
            rows,
            row,
            multipliers,
            biases,
            scale,
            shift,
            bias_shift,
            out,
        );
    }
}
