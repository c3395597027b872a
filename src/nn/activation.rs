//! ReLU, GELU and SiLU of 16-bit numbers with a power-of-two unit.
//!
//! GELU(x) = x Φ(x) (Hendrycks & Gimpel 2016) and SiLU(x) = x σ(x) (Elfwing et al. 2018) both are
//! `max(x, 0) − h(|x|)` with an `h` that tends to 0: `u (1 − Φ(u))`, `u (1 − σ(u))`. So one table
//! of `h` with linear interpolation serves both signs, and large inputs are exact by construction.
//! tanh is odd: `±(1 − h(|x|))` with `h(u) = 1 − tanh(u)`.

use crate::config::Activation;
use crate::fixed::even_part;
use crate::kernels::{Curve, interpolate};

static GELU_ERF: [u16; 258] = even_part(0, 32.0);
static GELU_TANH: [u16; 258] = even_part(1, 32.0);
static SILU: [u16; 258] = even_part(2, 16.0);
static TANH: [u16; 258] = even_part(3, 32.0);

/// Prepares an activation of numbers in units of `2^exponent`; results have the same unit.
pub const fn prepare(activation: Activation, exponent: i32) -> Curve {
    let (table, steps) = match activation {
        Activation::Relu => (None, 0),
        Activation::GeluErf => (Some(&GELU_ERF), 5),
        Activation::GeluTanh => (Some(&GELU_TANH), 5),
        Activation::Silu => (Some(&SILU), 4),
    };
    Curve { table, position_shift: exponent + steps + 12, value_shift: 16 + exponent }
}

/// `tanh(x)` in Q0.15 of a number in units of `2^exponent` (BERT's pooler).
pub fn tanh(x: i32, exponent: i32) -> i16 {
    let magnitude = x.unsigned_abs().min(1 << 20);
    // Reduce the magnitude to 16 bits first, so that the shift to a table position loses no high
    // bits.
    let down = 16u32.saturating_sub(magnitude.leading_zeros());
    let h = interpolate(&TANH, magnitude >> down, exponent + down as i32 + 17);
    let value = (32768 - ((h + 1) >> 1).min(32768) as i32).min(32767);
    (if x < 0 { -value } else { value }) as i16
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    fn erf(x: f64) -> f64 {
        // Abramowitz & Stegun 7.1.26 is too coarse here: integrate.
        let steps = 2000;
        let h = x / steps as f64;
        let f = |t: f64| (-t * t).exp();
        let sum: f64 = (0..steps)
            .map(|i| {
                let t = i as f64 * h;
                (f(t) + 4.0 * f(t + h / 2.0) + f(t + h)) * h / 6.0
            })
            .sum();
        sum * core::f64::consts::FRAC_2_SQRT_PI
    }

    fn exact(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::Relu => x.max(0.0),
            Activation::GeluErf => x * 0.5 * (1.0 + erf(x * core::f64::consts::FRAC_1_SQRT_2)),
            Activation::GeluTanh => {
                0.5 * x * (1.0 + (0.7978845608028654 * (x + 0.044715 * x * x * x)).tanh())
            }
            Activation::Silu => x / (1.0 + (-x).exp()),
        }
    }

    /// The figures of `docs/NUMERICS.md`.
    #[test]
    fn errors_stay_below_the_published_ones() {
        for (activation, bound) in [
            (Activation::Relu, 0.0),
            (Activation::GeluErf, 1.2e-4),
            (Activation::GeluTanh, 1.3e-4),
            (Activation::Silu, 2.6e-4),
        ] {
            for exponent in [-13, -11, -8] {
                let activate = prepare(activation, exponent);
                let unit = 2f64.powi(exponent);
                let mut worst = 0f64;
                for x in (i16::MIN..=i16::MAX).step_by(if cfg!(miri) { 9001 } else { 7 }) {
                    let found = activate.apply(x) as f64 * unit;
                    worst = worst.max((found - exact(activation, x as f64 * unit)).abs());
                }
                std::println!("{activation:?} unit 2^{exponent}: error {worst:.2e}");
                assert!(worst <= bound + unit / 2.0, "{activation:?} {exponent}: {worst}");
            }
        }
    }

    #[test]
    fn tanh_matches_f64() {
        for exponent in [-16, -12, -4] {
            for x in (-(1 << 20)..1 << 20).step_by(if cfg!(miri) { 99_991 } else { 997 }) {
                let expected = (x as f64 * 2f64.powi(exponent)).tanh() * 32768.0;
                let found = tanh(x, exponent) as f64;
                assert!((found - expected).abs() < 6.0, "{x} 2^{exponent}: {found} {expected}");
            }
        }
        assert_eq!(tanh(i32::MIN, 0), -32767);
    }
}
