//! What weights of four bits differ by, for docs/NUMERICS.md.

use super::synthetic::Random;
use picoformer_convert::float_weights::{FloatLinear, Rounded};
use picoformer_convert::rounding::round;

/// Outputs and inputs of the layer.
const SHAPE: (usize, usize) = (64, 256);
/// What of an input is in the next one, where they go together.
const SHARED: f32 = 0.9;

fn layer(random: &mut Random) -> FloatLinear {
    let (out_dim, in_dim) = SHAPE;
    let weight = random.normals(out_dim * in_dim, 0.1);
    FloatLinear { weight, out_dim, in_dim, ..FloatLinear::default() }
}

/// Rows of inputs of which each has much of the one before.
fn inputs(random: &mut Random, n: usize) -> Vec<Vec<f32>> {
    let row = |random: &mut Random| {
        let mut last = 0.0;
        let mut next = |new| {
            last = SHARED * last + (1.0 - SHARED * SHARED).sqrt() * new;
            last
        };
        random.normals(SHAPE.1, 1.0).into_iter().map(&mut next).collect()
    };
    (0..n).map(|_| row(random)).collect()
}

fn moments(rows: &[Vec<f32>]) -> Vec<f64> {
    let n = SHAPE.1;
    let mut moments = vec![0.0; n * n];
    for row in rows {
        for (at, moment) in moments.iter_mut().enumerate() {
            *moment += row[at / n] as f64 * row[at % n] as f64;
        }
    }
    moments
}

fn step(rounded: &Rounded, row: usize) -> f64 {
    rounded.multipliers[row] as f64 * 2f64.powi(rounded.exponent as i32)
}

/// The greatest distance of a weight from its code, in steps of its row.
fn of_a_weight(layer: &FloatLinear, rounded: &Rounded) -> f64 {
    let pairs = layer.weight.iter().zip(&rounded.codes).enumerate();
    let error = |(at, (&w, &code)): (usize, (&f32, &i8))| {
        (w as f64 / step(rounded, at / SHAPE.1) - code as f64).abs()
    };
    pairs.map(error).fold(0.0, f64::max)
}

/// The root mean square of the results' errors, over that of the results.
fn of_results(layer: &FloatLinear, rounded: &Rounded, rows: &[Vec<f32>]) -> f64 {
    let (mut error, mut size) = (0f64, 0f64);
    let weights = layer.weight.chunks(SHAPE.1).zip(rounded.codes.chunks(SHAPE.1)).enumerate();
    for (o, (weights, codes)) in weights {
        for x in rows {
            let exact: f64 = weights.iter().zip(x).map(|(&w, &x)| w as f64 * x as f64).sum();
            let found: f64 = codes.iter().zip(x).map(|(&q, &x)| q as f64 * x as f64).sum();
            error += (exact - found * step(rounded, o)).powi(2);
            size += exact.powi(2);
        }
    }
    (error / size).sqrt()
}

/// Rows of the table of errors.
pub fn rows() -> Vec<(&'static str, String, &'static str)> {
    let mut random = Random(31);
    let layer = layer(&mut random);
    let (seen, other) = (inputs(&mut random, 1024), inputs(&mut random, 64));
    let (plain, fitted) = (round(&layer, &[]), round(&layer, &moments(&seen)));
    let share = "root mean square, of the results'";
    vec![
        (
            "weight of four bits to the nearest, 256 normal ones a row",
            format!("{:.2}", of_a_weight(&layer, &plain)),
            "steps of its row, its largest are cut off",
        ),
        (
            "results of a layer with weights of four bits, to the nearest",
            format!("{:.3}", of_results(&layer, &plain, &other)),
            share,
        ),
        (
            "the same, rounded by what it reads (neighbours share 0.9)",
            format!("{:.3}", of_results(&layer, &fitted, &other)),
            share,
        ),
    ]
}
