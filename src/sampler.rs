//! From logits to a token: greedy, temperature, top-k, top-p. Integers only, so the same seed gives
//! the same tokens on every core.

use crate::fixed::{LOG2_E_Q30, exp2_fine};
use crate::float::{FloatError, within};
use crate::rules::BANNED;

/// 1.0 in Q16.16.
pub const ONE: u32 = 1 << 16;

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sampling {
    /// The logits are divided by it, Q16.16; 0 takes the likeliest token (greedy).
    pub temperature: u32,
    /// Only the `top_k` likeliest tokens are kept; 0, and more than there are, keep all (Fan et al. 2018, §5.1).
    pub top_k: usize,
    /// Only the likeliest tokens whose probabilities together reach this are kept, Q16.16: the likeliest one
    /// always; [`ONE`] and more keep all (nucleus sampling, Holtzman et al. 2020, §3.1).
    pub top_p: u32,
    /// Seed of the random numbers.
    pub seed: u64,
}

impl Sampling {
    /// The likeliest token, always.
    pub const fn greedy() -> Self {
        Self { temperature: 0, top_k: 0, top_p: ONE, seed: 0 }
    }

    /// Plain sampling at temperature 1.
    pub const fn seeded(seed: u64) -> Self {
        Self { temperature: ONE, top_k: 0, top_p: ONE, seed }
    }

    /// With another temperature, Q16.16.
    pub const fn with_temperature(self, temperature: u32) -> Self {
        Self { temperature, ..self }
    }

    /// With another temperature, as a float; rounded to Q16.16, but a positive one never becomes 0.
    ///
    /// # Errors
    /// [`FloatError`] if it is not within 0 … 2¹⁶.
    pub const fn with_temperature_f32(self, temperature: f32) -> Result<Self, FloatError> {
        match within(temperature, -16, 0, u32::MAX as i64, 0) {
            Ok(0) if temperature.to_bits() << 1 != 0 => Ok(self.with_temperature(1)),
            Ok(temperature) => Ok(self.with_temperature(temperature as u32)),
            Err(error) => Err(error),
        }
    }

    /// Among the `top_k` likeliest.
    pub const fn with_top_k(self, top_k: usize) -> Self {
        Self { top_k, ..self }
    }

    /// Among the nucleus of probability `top_p`, Q16.16.
    pub const fn with_top_p(self, top_p: u32) -> Self {
        Self { top_p, ..self }
    }

    /// Among the nucleus of probability `top_p`, as a float; rounded to Q16.16.
    ///
    /// # Errors
    /// [`FloatError`] if it is not within 0 … 1.
    pub const fn with_top_p_f32(self, top_p: f32) -> Result<Self, FloatError> {
        match within(top_p, -16, 0, ONE as i64, 0) {
            Ok(top_p) => Ok(self.with_top_p(top_p as u32)),
            Err(error) => Err(error),
        }
    }
}

/// Draws tokens.
#[derive(Clone, Debug)]
pub struct Sampler {
    sampling: Sampling,
    state: u64,
}

impl Sampler {
    /// A sampler that begins with the seed of `sampling`.
    pub const fn new(sampling: Sampling) -> Self {
        Self { sampling, state: sampling.seed }
    }

    /// Chooses the next token from `logits` (Q15.16); ties go to the lowest id. Overwrites the
    /// logits unless greedy.
    pub fn sample(&mut self, logits: &mut [i32]) -> u32 {
        self.sample_from::<false>(logits)
    }

    /// As [`Sampler::sample`]; at no temperature a token that rules have
    /// [banned](crate::rules::BANNED), unless all are: then it is token 0.
    pub fn sample_allowed(&mut self, logits: &mut [i32]) -> u32 {
        self.sample_from::<true>(logits)
    }

    fn sample_from<const RULED: bool>(&mut self, logits: &mut [i32]) -> u32 {
        if self.sampling.temperature == 0 {
            return greedy(logits);
        }
        let mut total = self.numerators::<RULED>(logits);
        if self.sampling.top_k > 0 && self.sampling.top_k < logits.len() {
            total = keep(logits, self.sampling.top_k as u64, true);
        }
        if self.sampling.top_p < ONE {
            // The likeliest token always stays.
            let mass = (((total >> 16) * self.sampling.top_p as u64).max(1)).min(total);
            total = keep(logits, mass, false);
        }
        // total ≥ 2^31 − 1 (the likeliest token's numerator) and < 2^47: nothing is lost or
        // overflows.
        let mut point = ((self.random() >> 32) * (total >> 16)) >> 16;
        for (token, &numerator) in logits.iter().enumerate() {
            match point.checked_sub(numerator as u64) {
                Some(rest) => point = rest,
                None => return token as u32,
            }
        }
        greedy(logits)
    }

    /// Softmax numerators in Q0.31 in place of the logits; returns their sum.
    fn numerators<const RULED: bool>(&self, logits: &mut [i32]) -> u64 {
        let maximum = logits.iter().copied().max().unwrap_or(0);
        // log2(e) / temperature in Q16.16. That is 33 bits divided by 32; small cores divide 32 by
        // 32, so the last two bits of the quotient are found by hand.
        let temperature = self.sampling.temperature as u64;
        let dividend = LOG2_E_Q30 as u32;
        let mut factor = dividend.checked_div(self.sampling.temperature).unwrap_or(0) as u64;
        let mut rest = dividend as u64 - factor * temperature;
        for _ in 0..2 {
            (factor, rest) = (2 * factor, 2 * rest);
            if rest >= temperature {
                (factor, rest) = (factor + 1, rest - temperature);
            }
        }
        let mut total = 0;
        for logit in logits {
            if RULED && *logit == BANNED {
                *logit = 0;
                continue;
            }
            // distance · factor / 2^16 in two parts: 32 and 33 bits have no room in 64.
            let distance = maximum.wrapping_sub(*logit) as u32 as u64;
            let exponent = distance * (factor >> 16) + ((distance * (factor & 0xffff)) >> 16);
            // However high the temperature, only the greatest logits have the greatest numerator.
            let most = i32::MAX as u32 - (distance > 0) as u32;
            *logit = exp2_fine(exponent.min(u32::MAX as u64 >> 1) as u32).min(most) as i32;
            total += *logit as u64;
        }
        total
    }

    /// The next random number (SplitMix64: Steele, Lea, Flood 2014, "Fast Splittable Pseudorandom
    /// Number Generators", figure 14).
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The likeliest token; ties go to the lowest id.
pub fn greedy(logits: &[i32]) -> u32 {
    let mut best = (0, i32::MIN);
    for (token, &logit) in logits.iter().enumerate() {
        if logit > best.1 {
            best = (token, logit);
        }
    }
    best.0 as u32
}

/// Keeps the largest numerators that together reach `needed` (or, with `count`, the `needed`
/// largest) and zeroes all others; ties go to the lowest ids. Returns the sum of those kept. Needs
/// no memory: the limit is found by bisection.
#[inline(never)]
fn keep(numerators: &mut [i32], needed: u64, count: bool) -> u64 {
    let measure = |numerator: i32| if count { 1 } else { numerator as u64 };
    let above = |limit: i32| -> u64 {
        numerators.iter().filter(|&&n| n >= limit).map(|&n| measure(n)).sum()
    };
    // The largest limit that keeps enough.
    let (mut low, mut high) = (0i32, i32::MAX);
    while low < high {
        let middle = low + (high - low) / 2 + 1;
        if above(middle) >= needed { low = middle } else { high = middle - 1 }
    }
    let mut measured = if low == i32::MAX { 0 } else { above(low + 1) };
    let mut total = 0;
    for numerator in numerators {
        if *numerator < low || (*numerator == low && measured >= needed) {
            *numerator = 0;
        } else if *numerator == low {
            measured += measure(low);
        }
        total += *numerator as u64;
    }
    total
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn logits() -> Vec<i32> {
        [2.0f64, -1.0, 3.0, 0.5, 3.0, -9.0, 1.0].iter().map(|x| (x * 65536.0) as i32).collect()
    }

    /// Frequencies of 40,000 draws.
    fn draw(sampling: Sampling) -> Vec<f64> {
        let mut sampler = Sampler::new(sampling);
        let mut counts = std::vec![0.0; 7];
        for _ in 0..40_000 {
            counts[sampler.sample(&mut logits()) as usize] += 1.0 / 40_000.0;
        }
        counts
    }

    fn softmax(temperature: f64, kept: &[usize]) -> Vec<f64> {
        let e = |i: usize| {
            if kept.contains(&i) { (logits()[i] as f64 / 65536.0 / temperature).exp() } else { 0.0 }
        };
        let sum: f64 = (0..7).map(e).sum();
        (0..7).map(|i| e(i) / sum).collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 0.012 && (*e > 0.0 || *f == 0.0), "{found:?} {expected:?}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "40,000 draws each")]
    fn frequencies_are_the_softmax() {
        close(&draw(Sampling::seeded(1)), &softmax(1.0, &[0, 1, 2, 3, 4, 5, 6]));
        let hot = Sampling::seeded(2).with_temperature(3 * ONE);
        close(&draw(hot), &softmax(3.0, &[0, 1, 2, 3, 4, 5, 6]));
    }

    #[test]
    #[cfg_attr(miri, ignore = "40,000 draws each")]
    fn top_k_and_top_p_cut() {
        close(&draw(Sampling::seeded(3).with_top_k(1)), &softmax(1.0, &[2]));
        close(&draw(Sampling::seeded(3).with_top_k(3)), &softmax(1.0, &[0, 2, 4]));
        // 2 and 4 have 0.37 each, 0 has 0.14, 6 has 0.05.
        close(&draw(Sampling::seeded(4).with_top_p(ONE * 3 / 10)), &softmax(1.0, &[2]));
        close(&draw(Sampling::seeded(4).with_top_p(ONE * 7 / 10)), &softmax(1.0, &[2, 4]));
        close(&draw(Sampling::seeded(4).with_top_p(ONE * 8 / 10)), &softmax(1.0, &[0, 2, 4]));
    }

    /// What keeps all, and what only the likeliest: the rule at the ends of the ranges.
    #[test]
    fn beyond_the_ends_of_a_range_all_or_the_likeliest_is_kept() {
        let draws = |sampling: Sampling| {
            let mut sampler = Sampler::new(sampling);
            let draws = if cfg!(miri) { 20 } else { 200 };
            (0..draws).map(|_| sampler.sample(&mut logits())).collect::<Vec<_>>()
        };
        let all = draws(Sampling::seeded(5));
        for k in [0, 7, 8, usize::MAX] {
            assert_eq!(draws(Sampling::seeded(5).with_top_k(k)), all, "{k}");
        }
        assert_ne!(draws(Sampling::seeded(5).with_top_k(2)), all);
        for p in [ONE, ONE + 1, u32::MAX] {
            assert_eq!(draws(Sampling::seeded(5).with_top_p(p)), all, "{p}");
        }
        for p in [0, 1] {
            assert!(
                draws(Sampling::seeded(5).with_top_p(p)).iter().all(|&token| token == 2),
                "{p}"
            );
        }
    }

    #[test]
    fn floats_are_taken_or_refused() {
        let temperature = |x| Sampling::greedy().with_temperature_f32(x).map(|s| s.temperature);
        let top_p = |x| Sampling::greedy().with_top_p_f32(x).map(|s| s.top_p);
        assert_eq!([0.0, -0.0, 0.7, 1.0].map(temperature), [Ok(0), Ok(0), Ok(45875), Ok(ONE)]);
        // What is not zero is not greedy.
        assert_eq!([1e-6, f32::from_bits(1)].map(temperature), [Ok(1), Ok(1)]);
        assert_eq!([0.0, 0.9, 1.0].map(top_p), [Ok(0), Ok(58982), Ok(ONE)]);
        for x in [f32::NAN, f32::INFINITY, -1.0, 65536.0] {
            assert!(temperature(x).is_err() && top_p(x).is_err(), "{x}");
        }
        assert!(top_p(1.001).is_err());
    }

    #[test]
    fn same_seed_same_tokens() {
        let run = |seed| -> Vec<u32> {
            let mut sampler = Sampler::new(Sampling::seeded(seed));
            (0..20).map(|_| sampler.sample(&mut logits())).collect()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        // Fixed for ever: a device and a PC of another release must agree.
        assert_eq!(run(7), [2, 0, 4, 4, 2, 2, 2, 2, 0, 2, 0, 6, 4, 4, 4, 3, 4, 2, 4, 4]);
    }

    /// Also where the temperature makes all numerators as good as equal.
    #[test]
    fn the_likeliest_stays_the_likeliest() {
        for temperature in [ONE / 2, ONE, 2 * ONE, 16 * ONE, u32::MAX] {
            let hot = Sampling::seeded(1).with_temperature(temperature);
            for sampling in [hot.with_top_k(1), hot.with_top_p(0)] {
                for best in 0..5 {
                    let mut logits = [7, 6, 7, 7, 0];
                    logits[best] = 8;
                    let token = Sampler::new(sampling).sample(&mut logits);
                    assert_eq!(token as usize, best, "{sampling:?}");
                }
            }
        }
    }

    #[test]
    fn extremes_do_not_panic() {
        for temperature in [0, 1, ONE, u32::MAX] {
            for logits in [&mut [][..], &mut [i32::MIN, i32::MAX], &mut [0; 3]] {
                let sampling = Sampling { temperature, top_k: 2, top_p: 0, seed: 1 };
                let token = Sampler::new(sampling).sample(logits) as usize;
                assert!(token < logits.len().max(1));
            }
        }
        assert_eq!(greedy(&[1, 5, 5]), 1);
    }
}
