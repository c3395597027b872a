//! Log-probabilities from logits: `log softmax` without the softmax.

use crate::fixed::{LN_2_Q16, LOG2_E_Q30, exp2_fine, log2};

/// `ln softmax(logits)[index]` (nats, Q15.16) of logits in Q15.16; exact to about 10⁻⁴ nats. −2¹⁵,
/// the least value, stands for everything below it too, and for an index beyond the logits, whose
/// probability is 0.
pub fn log_probability(logits: &[i32], index: usize) -> i32 {
    let Some(&own) = logits.get(index) else { return i32::MIN };
    (own as i64 - log_sum_exp(logits)).max(i32::MIN as i64) as i32
}

/// `ln Σ exp(logits)` in Q15.16: the difference between a logit and its log-probability.
pub fn log_sum_exp(logits: &[i32]) -> i64 {
    log_sum_exp_of(logits.iter().copied())
}

/// As [`log_sum_exp`], of some logits.
pub fn log_sum_exp_of(logits: impl Iterator<Item = i32> + Clone) -> i64 {
    let maximum = logits.clone().max().unwrap_or(0);
    let mut sum = 0u64;
    for logit in logits {
        let distance = ((maximum as i64 - logit as i64) * LOG2_E_Q30) >> 30;
        sum += exp2_fine(distance.min(u32::MAX as i64) as u32) as u64;
    }
    // log2 of the sum is relative to 2^31, the value of exp2_fine(0).
    maximum as i64 + (((log2(sum) as i64 - (31 << 16)) * LN_2_Q16) >> 16)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn log_probabilities_match_f64() {
        let logits = [3.5f64, -2.0, 0.0, 12.25, 11.0, -30.0];
        let fixed = logits.map(|x| (x * 65536.0) as i32);
        let sum: f64 = logits.iter().map(|x| x.exp()).sum();
        for (i, x) in logits.iter().enumerate() {
            let found = log_probability(&fixed, i) as f64 / 65536.0;
            assert!((found - (x - sum.ln())).abs() < 2e-4, "{i}: {found} {}", x - sum.ln());
        }
        assert_eq!(log_probability(&fixed, logits.len()), i32::MIN);
        assert_eq!(log_probability(&[i32::MIN, i32::MAX], 0), i32::MIN);
        assert_eq!(log_probability(&[i32::MIN], 1), i32::MIN);
    }
}
