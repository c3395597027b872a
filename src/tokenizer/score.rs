//! Sums of log-probabilities as the original computes them, without a float instruction.

/// Bits of an `f64`'s fraction.
const FRACTION: u32 = 52;
/// Bits below the fraction while two numbers are added: guard, round and sticky.
const EXTRA: u32 = 3;

/// The sum of two `f64` that are zero or positive and normal, rounded to nearest, ties to even
/// (IEEE 754-2019, §4.3.1), by their bits. Log-probabilities are negative: their sizes are added here,
/// and the better one is the smaller one. Rounding matters, for it decides between ways to split a word
/// that would be equal (`aab` as `a`, `ab` with `aa`, `b` before it).
pub(super) fn add(a: u64, b: u64) -> u64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if small == 0 {
        return large;
    }
    let mantissa = |x: u64| ((x & ((1 << FRACTION) - 1)) | 1 << FRACTION) << EXTRA;
    let shift = ((large >> FRACTION) - (small >> FRACTION)).min(63) as u32;
    let shifted = mantissa(small) >> shift;
    let lost = mantissa(small) & ((1 << shift) - 1) != 0;
    let mut sum = mantissa(large) + (shifted | lost as u64);
    let mut exponent = large >> FRACTION;
    if sum >> (FRACTION + EXTRA + 1) != 0 {
        sum = sum >> 1 | sum & 1;
        exponent += 1;
    }
    let (even, rest) = (sum >> EXTRA, sum & 7);
    let rounded = even + (rest > 4 || rest == 4 && even & 1 == 1) as u64;
    // The mantissa's leading bit counts as one of the exponent, also where it was carried further.
    (exponent.saturating_sub(1) << FRACTION) + rounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "arithmetic without memory")]
    fn sums_have_the_bits_of_f64() {
        let mut state = 1u64;
        for round in 0..200_000 {
            let [a, b] = [(); 2].map(|()| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                // 2^-40 … 2^24, or close to one another; now and then a short fraction, for ties.
                let exponent = 983 + (state >> 58) % if round % 3 == 0 { 3 } else { 64 };
                let fraction = state >> 6 & ((1 << 52) - 1);
                let kept = if round % 5 == 0 { !0 << 40 } else { !0 };
                exponent << 52 | fraction & kept
            });
            let expected = f64::from_bits(a) + f64::from_bits(b);
            assert_eq!(f64::from_bits(add(a, b)), expected, "{a:x} {b:x}");
            assert_eq!(add(a, b), add(b, a));
        }
        assert_eq!((add(0, 0), add(0, 1.5f64.to_bits())), (0, 1.5f64.to_bits()));
    }
}
