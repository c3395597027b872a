//! The rule in 128 bits, functions against `f64`, whole domains.

extern crate std;
use super::*;

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found - expected).abs();
    assert!(error <= tolerance, "{what}: found {found}, expected {expected}, error {error}");
}

#[test]
fn rounding_is_half_up() {
    assert_eq!([-3, -2, -1, 0, 1, 2, 3].map(|x| round_shift(x, 1)), [-1, -1, 0, 0, 1, 1, 2]);
    assert_eq!(shift_by(5, 1), 3);
    assert_eq!(shift_by(-5, 1), -2);
    assert_eq!(shift_by(5, -2), 20);
    assert_eq!(shift_by(i32::MAX, -1), i32::MAX);
    assert_eq!(shift_by(i32::MIN, 31), -1);
}

/// The rule in 128 bits: `floor(x / 2^shift + 1/2)`.
fn rule(x: i64, shift: u32) -> i64 {
    let half = if shift > 0 { 1i128 << (shift - 1) } else { 0 };
    ((x as i128 + half) >> shift) as i64
}

/// Powers of two, their neighbours, and numbers of every length in bits.
fn numbers() -> impl Iterator<Item = i64> {
    let edges = (0..64).flat_map(|bit| {
        let power = 1i64.wrapping_shl(bit);
        [-2, -1, 0, 1, 2].map(|x: i64| power.wrapping_add(x))
    });
    let mut state = 1u64;
    let random = (0..20_000).map(move |i| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state ^ state >> 29) as i64 >> (i % 64)
    });
    edges.chain(random).flat_map(|x| [x, x.wrapping_neg(), !x])
}

/// Every shift of every number: one rule.
#[test]
#[cfg_attr(miri, ignore = "arithmetic without memory")]
fn every_shift_follows_the_rule() {
    for x in numbers() {
        for shift in 0..=120 {
            assert_eq!(round_shift(x, shift), rule(x, shift), "{x} / 2^{shift}");
        }
        assert_eq!(round_shift(x, u32::MAX), 0);
        let x = x as i32;
        for shift in 0..=70 {
            assert_eq!(shift_by(x, shift) as i64, rule(x as i64, shift as u32));
            let up = (x as i128) << shift;
            let up = up.clamp(i32::MIN as i128, i32::MAX as i128);
            assert_eq!(shift_by(x, -shift) as i128, up, "{x} · 2^{shift}");
        }
        assert_eq!((shift_by(x, i32::MAX), shift_by(0, i32::MIN)), (0, 0));
    }
}

/// Every shift of every 16-bit number, and of numbers of up to 30 bits.
#[test]
#[cfg_attr(miri, ignore = "arithmetic without memory")]
fn shifts_of_rows_follow_the_rule() {
    for shift in -15..=70 {
        let by = RowShift::new(shift);
        for x in i16::MIN..=i16::MAX {
            assert_eq!(by.apply(x as i32), shift_by(x as i32, shift), "{x} / 2^{shift}");
        }
        for x in numbers().map(|x| x as i32 >> 1).filter(|_| shift >= 0) {
            assert_eq!(by.apply(x), shift_by(x, shift), "{x} / 2^{shift}");
        }
    }
    assert_eq!(RowShift::new(i32::MAX).apply(-1), 0);
}

#[test]
#[cfg_attr(miri, ignore = "arithmetic without memory")]
fn rsqrt_is_accurate_to_28_bits() {
    for i in 0..20000u64 {
        let v = (i * i * i * 7919 + 1) << (i % 20);
        let (r, e) = rsqrt(v);
        let found = r as f64 * 2f64.powi(e);
        close(found * (v as f64).sqrt(), 1.0, 2f64.powi(-28), "rsqrt");
    }
    assert_eq!(rsqrt(0), rsqrt(1));
}

#[test]
fn scales_keep_15_bits() {
    for value in [1u32, 2, 127, 32767, 32768, 65535, 1 << 31, u32::MAX] {
        let s = Scale::new(value, 3);
        assert!((1 << 14..=1 << 15).contains(&s.mantissa));
        let found = s.mantissa as f64 * 2f64.powi(s.exponent - 3);
        close(found / value as f64, 1.0, 2f64.powi(-15), "scale");
    }
    assert_eq!(Scale::new(0, 7), Scale::ZERO);
}

#[test]
#[cfg_attr(miri, ignore = "arithmetic without memory")]
fn exponentials_and_logarithms_match_f64() {
    for t in 0..6000u32 {
        let expected = (-(t as f64) / 256.0).exp2() * 32767.0;
        close(exp2_negative(t) as f64, expected, 1.0, "exp2_negative");
    }
    for t in (0..30 << 16).step_by(97) {
        let expected = (-(t as f64) / 65536.0).exp2();
        let found = exp2_fine(t) as f64 / 2147483648.0;
        close(found, expected, expected * 2e-5 + 1e-9, "exp2_fine");
    }
    for i in 1..200_000u64 {
        let x = i * i * i;
        close(log2(x) as f64 / 65536.0, (x as f64).log2(), 6e-5, "log2");
    }
}

#[test]
#[cfg_attr(miri, ignore = "arithmetic without memory")]
fn sine_and_cosine_match_f64() {
    for i in 0..100_000u32 {
        let phase = i.wrapping_mul(42949);
        let angle = phase as f64 / 4294967296.0 * core::f64::consts::TAU;
        close(sine(phase) as f64, angle.sin() * 16384.0, 1.3, "sine");
        close(cosine(phase) as f64, angle.cos() * 16384.0, 1.3, "cosine");
    }
    assert_eq!(cosine(0), 16384);
    assert_eq!(sine(0), 0);
}

#[test]
#[cfg_attr(miri, ignore = "arithmetic without memory")]
fn scale_codes_never_fall_below_the_row() {
    for largest in 0..=32768u32 {
        let scale = decode_scale(scale_code(largest));
        assert!(scale >= largest, "{largest} got {scale}");
        assert!(largest < 16 || scale * 16 <= largest * 17, "{largest} got {scale}");
    }
}

/// The product of any two numbers is exact before it is rounded.
#[test]
#[cfg_attr(miri, ignore = "arithmetic without memory")]
fn products_are_exact() {
    let edges = [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX - 1, i32::MAX];
    let some = numbers().step_by(331).map(|x| x as i32);
    for a in edges.into_iter().chain(some) {
        for m in edges {
            for shift in [0, 1, 31, 32, 63, 64] {
                let half = (1i128 << shift) >> 1;
                let exact = (a as i128 * m as i128 + half) >> shift;
                let exact = exact.clamp(i32::MIN as i128, i32::MAX as i128);
                assert_eq!(requantize(a, m, shift) as i128, exact, "{a} · {m} / 2^{shift}");
            }
        }
    }
}

// Whole domains: seconds to minutes each in a release build, `cargo xtask prove`.

#[test]
#[ignore = "whole domain"]
fn domain_of_shift_by() {
    for x in i32::MIN..=i32::MAX {
        let shift = x as u32 % 65;
        assert_eq!(shift_by(x, shift as i32) as i64, rule(x as i64, shift), "{x} {shift}");
        for shift in [1, 15, 30, 31, 32] {
            assert_eq!(shift_by(x, shift as i32) as i64, rule(x as i64, shift), "{x} {shift}");
        }
    }
}

#[test]
#[ignore = "whole domain"]
fn domain_of_scale() {
    for value in 1..=u32::MAX {
        let s = Scale::new(value, 0);
        assert!((1 << 14..=1 << 15).contains(&s.mantissa), "{value}");
        let found = (s.mantissa as u64) << (s.exponent + 15).max(0);
        let (found, value) = match s.exponent < -15 {
            true => (found, (value as u64) << -s.exponent),
            false => (found, (value as u64) << 15),
        };
        // Half a unit of 15 significant bits.
        assert!(found.abs_diff(value) << 15 <= value, "{value}");
    }
}

#[test]
#[ignore = "whole domain"]
fn domain_of_exponentials() {
    let mut last = exp2_fine(0);
    for t in 0..=u32::MAX {
        let found = exp2_fine(t);
        assert!(found <= last, "exp2_fine grows at {t}");
        assert!(t < 31 << 16 || found == 0, "exp2_fine({t}) = {found}");
        last = found;
        if t < 31 << 16 {
            let expected = (-(t as f64) / 65536.0).exp2() * 2147483648.0;
            close(found as f64, expected, expected * 2e-5 + 2.1, "exp2_fine");
        }
    }
    let mut last = exp2_negative(0);
    for t in 0..=u32::MAX {
        let found = exp2_negative(t);
        assert!(found <= last, "exp2_negative grows at {t}");
        last = found;
        if t < 1 << 14 {
            let expected = (-(t as f64) / 256.0).exp2() * 32767.0;
            close(found as f64, expected, 1.0, "exp2_negative");
        }
    }
}

/// All that it sees of a number: its length, and 32 bits below the leading one.
#[test]
#[ignore = "whole domain"]
fn domain_of_log2() {
    let mut last = 0;
    for fraction in 0..=u32::MAX {
        let x = 1 << 32 | fraction as u64;
        let found = log2(x);
        assert!(found >= last, "log2 falls at {x}");
        last = found;
        if fraction % 61 == 0 {
            close(found as f64 / 65536.0, (x as f64).log2(), 6e-5, "log2");
        }
    }
    for zeros in 0..64 {
        for x in [1u64 << 63, u64::MAX, 0xb504_f333_f9de_6484].map(|x| x >> zeros) {
            let whole = (63 - x.leading_zeros()) << 16;
            let below = (x << x.leading_zeros()) << 1 >> 32;
            assert_eq!(log2(x) - whole, log2(1 << 32 | below) - (32 << 16), "{x}");
        }
    }
}

#[test]
#[ignore = "whole domain"]
fn domain_of_sine() {
    for phase in 0..=u32::MAX {
        let found = sine(phase);
        assert_eq!(found, -sine(phase ^ 1 << 31), "half a turn further: {phase}");
        if phase % 7 == 0 {
            let angle = phase as f64 / 4294967296.0 * core::f64::consts::TAU;
            close(found as f64, angle.sin() * 16384.0, 1.3, "sine");
        }
    }
}
