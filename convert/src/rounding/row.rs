//! One row of weights: the step of its codes, and the codes.

use super::moments::Moments;

/// The codes: −8…7.
const LEAST: f64 = -8.0;
const MOST: f64 = 7.0;
/// Steps that are tried, as parts of the one with which nothing is cut off: many, without moments.
const PARTS: std::ops::RangeInclusive<usize> = 40..=100;
/// Rounds over all weights after the first solution, at most.
const ROUNDS: usize = 8;

/// The step of a row's codes whose rounding changes the row's results least.
pub fn step(row: &[f32], moments: &Moments) -> f64 {
    let (low, high) =
        row.iter().fold((0f64, 0f64), |(l, h), &w| (l.min(w as f64), h.max(w as f64)));
    let whole = (low / LEAST).max(high / MOST);
    if whole == 0.0 {
        return 0.0;
    }
    let plain = PARTS.map(|part| whole * part as f64 / 100.0);
    let plain = least(plain, |step| {
        row.iter().map(|&w| (w as f64 - step * nearest(w as f64, step)).powi(2)).sum()
    });
    if moments.is_identity() {
        return plain;
    }
    let near = [0.8, 0.85, 0.9, 0.95, 1.0, 1.06, 1.12, 1.2].map(|part| plain * part);
    least(near.into_iter(), |step| error(row, &codes(row, step, moments), step, moments))
}

/// The candidate with the least error.
fn least(candidates: impl Iterator<Item = f64>, error: impl Fn(f64) -> f64) -> f64 {
    let errors = candidates.map(|step| (error(step), step));
    errors.fold((f64::INFINITY, 0.0), |best, new| if new.0 < best.0 { new } else { best }).1
}

fn nearest(w: f64, step: f64) -> f64 {
    (w / step).round().clamp(LEAST, MOST)
}

/// `(w − ŵ)ᵀ H (w − ŵ)`.
fn error(row: &[f32], codes: &[i8], step: f64, moments: &Moments) -> f64 {
    let e: Vec<f64> = row.iter().zip(codes).map(|(&w, &q)| w as f64 - step * q as f64).collect();
    (0..e.len()).map(|i| e[i] * dot(moments.h(i), &e)).sum()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The codes of a row at a step.
pub fn codes(row: &[f32], step: f64, moments: &Moments) -> Vec<i8> {
    let mut w: Vec<f64> = row.iter().map(|&w| w as f64).collect();
    let mut codes = vec![0.0; w.len()];
    for i in 0..w.len() {
        codes[i] = nearest(w[i], step);
        if !moments.is_identity() {
            let u = moments.u(i);
            let spread = (w[i] - step * codes[i]) / u[i];
            w[i + 1..].iter_mut().zip(&u[i + 1..]).for_each(|(w, u)| *w -= spread * u);
        }
    }
    if !moments.is_identity() {
        descend(row, &mut codes, step, moments);
    }
    codes.into_iter().map(|q| q as i8).collect()
}

/// Changes one code at a time to the best one, given the others.
fn descend(row: &[f32], codes: &mut [f64], step: f64, moments: &Moments) {
    let e: Vec<f64> = row.iter().zip(&*codes).map(|(&w, q)| w as f64 - step * q).collect();
    let mut slopes: Vec<f64> = (0..e.len()).map(|i| dot(moments.h(i), &e)).collect();
    for _ in 0..ROUNDS {
        let mut changed = false;
        for i in 0..codes.len() {
            let h = moments.h(i);
            let best = (codes[i] + slopes[i] / (h[i] * step)).round().clamp(LEAST, MOST);
            let change = step * (best - codes[i]);
            if change != 0.0 {
                slopes.iter_mut().zip(h).for_each(|(slope, h)| *slope -= change * h);
                (codes[i], changed) = (best, true);
            }
        }
        if !changed {
            return;
        }
    }
}
