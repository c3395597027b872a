//! Scales as a blob has them: 15 bits each, and a power of two for all.

/// The smallest power of two that lets `largest` fit `limit`: `largest ≤ limit · 2^e`.
pub fn exponent_for(largest: f64, limit: f64) -> i16 {
    if largest <= 0.0 {
        return 0;
    }
    let mut exponent = (largest / limit).log2().ceil() as i32;
    while largest > limit * 2f64.powi(exponent) {
        exponent += 1;
    }
    exponent.clamp(-100, 100) as i16
}

/// The multipliers and the power of two that stand for these steps, each as near as possible and not below.
pub fn grid(steps: &[f64]) -> (Vec<u16>, i16) {
    let exponent = exponent_for(steps.iter().copied().fold(0.0, f64::max), 32767.0);
    let unit = 2f64.powi(exponent as i32);
    let multiplier = |step: &f64| (step / unit).ceil().clamp(0.0, 32767.0) as u16;
    (steps.iter().map(multiplier).collect(), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_fit_tightly() {
        assert_eq!(exponent_for(32767.0, 32767.0), 0);
        assert_eq!(exponent_for(32768.0, 32767.0), 1);
        assert_eq!(exponent_for(1.0, 32767.0), -14);
    }
}
