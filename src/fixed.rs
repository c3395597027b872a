//! The arithmetic of the whole engine: one rounding rule, integers only.
//!
//! **The rule**: a value is divided by 2^s as `floor(x / 2^s + 1/2)`, that is, an arithmetic shift
//! after adding half ([`round_shift`], [`shift_by`], [`RowShift`]). Where a result is only compared or exponentiated, a plain
//! arithmetic shift (floor) is used, and the documentation says so. The compiler computes the
//! tables below in `f64`; the running code contains no float instruction.

/// `floor(x / 2^shift + 1/2)` for every `x` and every `shift`; from 64 on it is 0.
#[inline(always)]
pub const fn round_shift(x: i64, shift: u32) -> i64 {
    match shift {
        0 => x,
        // The sum of `x` and half could overflow, so the highest bit shifted out is added instead.
        1..=64 => {
            let twice = x >> (shift - 1);
            (twice >> 1) + (twice & 1)
        }
        _ => 0,
    }
}

/// `x · 2^-shift` rounded, for every `x` and shifts of both signs, saturating at 32 bits.
///
/// Example: `shift_by(5, 1) == 3`, `shift_by(5, -2) == 20`.
#[inline(always)]
pub const fn shift_by(x: i32, shift: i32) -> i32 {
    if shift >= 32 {
        0
    } else if shift > 0 {
        (x >> (shift - 1) >> 1) + ((x >> (shift - 1)) & 1)
    } else if shift > -32 {
        saturate((x as i64) << -shift)
    } else if x == 0 {
        0
    } else {
        saturate((x as i64) << 32)
    }
}

/// [`shift_by`] for a whole row: the direction of the shift is decided once, not for every number.
#[derive(Clone, Copy, Debug)]
pub struct RowShift {
    up: u32,
    down: u32,
    half: i32,
}

impl RowShift {
    /// For shifts of −31 or more.
    #[inline(always)]
    pub const fn new(shift: i32) -> Self {
        let (up, down) = if shift < 0 { (shift.unsigned_abs(), 0) } else { (0, shift as u32) };
        // Numbers below 2^30 become 0 from 31 on.
        let down = if down > 31 { 31 } else { down };
        Self { up: up & 31, down, half: (1u32 << down >> 1) as i32 }
    }

    /// `shift_by(x, shift)` for a number that, shifted to the left if that is the direction, is below 2³⁰
    /// in magnitude, or −2³⁰.
    #[inline(always)]
    pub const fn apply(self, x: i32) -> i32 {
        ((x << self.up) + self.half) >> self.down
    }
}

/// Clamps to 32 bits.
#[inline(always)]
pub const fn saturate(x: i64) -> i32 {
    if x > i32::MAX as i64 {
        i32::MAX
    } else if x < i32::MIN as i64 {
        i32::MIN
    } else {
        x as i32
    }
}

/// Clamps to 16 bits.
#[inline(always)]
pub const fn saturate_16(x: i32) -> i16 {
    if x > i16::MAX as i32 {
        i16::MAX
    } else if x < i16::MIN as i32 {
        i16::MIN
    } else {
        x as i16
    }
}

/// `round(accumulator · multiplier / 2^shift)`, exact in 64 bits, one rounding, saturated.
#[inline(always)]
pub const fn requantize(accumulator: i32, multiplier: i32, shift: u32) -> i32 {
    saturate(round_shift(accumulator as i64 * multiplier as i64, shift))
}

/// A positive real number `mantissa · 2^exponent`, mantissa in 2¹⁴ … 2¹⁵ (or 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// 15 significant bits, or 0 for an all-zero row.
    pub mantissa: u16,
    /// Power of two.
    pub exponent: i32,
}

impl Scale {
    /// The scale 0. Its exponent is −64 so that results take the large-shift path of the kernels,
    /// which is the fast one.
    pub const ZERO: Self = Self { mantissa: 0, exponent: -64 };

    /// Rounds `value · 2^exponent` to 15 significant bits.
    #[inline]
    pub const fn new(value: u32, exponent: i32) -> Self {
        if value == 0 {
            return Self::ZERO;
        }
        let shift = 17 - value.leading_zeros() as i32;
        let mantissa = if shift > 0 { ((value >> (shift - 1)) + 1) >> 1 } else { value << -shift };
        // Rounding up can reach 2^15 itself, which still fits 16 bits and every product below.
        Self { mantissa: mantissa as u16, exponent: exponent + shift }
    }

    /// The product, rounded to 15 significant bits.
    #[inline(never)]
    pub const fn times(self, other: Self) -> Self {
        Self::new(self.mantissa as u32 * other.mantissa as u32, self.exponent + other.exponent)
    }
}

/// `1 / sqrt(v)` as `mantissa · 2^exponent` with a mantissa of 2³⁰ … 2³¹ (relative error below
/// 2⁻²⁸): Newton's iteration `r ← r (3 − v r²) / 2` on a linear seed. `v` = 0 counts as 1.
pub const fn rsqrt(v: u64) -> (u32, i32) {
    let v = if v == 0 { 1 } else { v };
    let even = v.leading_zeros() & !1;
    let n = ((v << even) >> 32) as u32; // Q0.32 in [1/4, 1)
    // Linear minimax seed of 1/sqrt on [1/4, 1): 2.1327 − 1.1502 n, Q2.30.
    let mut r = 2_290_000_000u32.wrapping_sub(((n as u64 * 1_235_000_000) >> 32) as u32);
    let mut step = 0;
    while step < 4 {
        let square = ((r as u64 * r as u64) >> 32) as u32; // Q4.28
        let product = ((n as u64 * square as u64) >> 32) as u32; // Q4.28, towards 1
        let correction = (3u32 << 28).wrapping_sub(product);
        r = ((r as u64 * correction as u64) >> 29) as u32;
        step += 1;
    }
    // 1/sqrt(v) = r · 2^-30 · 2^(even/2 - 32)
    (r, even as i32 / 2 - 62)
}

/// e^x for the tables, at compile time.
const fn exp(x: f64) -> f64 {
    let halvings = 10;
    let y = x / 1024.0;
    let (mut term, mut sum, mut i) = (1.0, 1.0, 1);
    while i < 16 {
        term *= y / i as f64;
        sum += term;
        i += 1;
    }
    let mut i = 0;
    while i < halvings {
        sum *= sum;
        i += 1;
    }
    sum
}

const LN_2: f64 = core::f64::consts::LN_2;

/// `2^(-i/256)` in Q1.15, at most 32767.
pub static EXP2: [u16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = (exp(-(i as f64) / 256.0 * LN_2) * 32767.0 + 0.5) as u16;
        i += 1;
    }
    table
};

/// `2^(-t/256)` in Q1.15 (32767 stands for 1), floor of the table; 0 from `t` = 4096.
/// The largest relative error is one step of the table: 2^(1/256) − 1 = 0.27 %.
#[inline(always)]
pub fn exp2_negative(t: u32) -> u32 {
    let shift = (t >> 8).min(31);
    let fraction = EXP2.get((t & 255) as usize).copied().unwrap_or(0);
    fraction as u32 >> shift
}

/// `2^(i/64)` in Q2.30 with one entry to spare, for [`exp2_fine`].
static EXP2_FINE: [u32; 65] = {
    let mut table = [0; 65];
    let mut i = 0;
    while i < 65 {
        table[i] = (exp(i as f64 / 64.0 * LN_2) * 1_073_741_824.0 + 0.5) as u32;
        i += 1;
    }
    table
};

/// `2^(-t)` in Q0.31 for `t` in Q16.16, linear interpolation of 64 steps: relative error < 2⁻¹⁶.
/// For sampling and for probabilities shown to a user, not for the layers.
pub fn exp2_fine(t: u32) -> u32 {
    let up = t.wrapping_neg() & 0xffff; // 2^-t = 2^(fraction) · 2^-ceil(t)
    let whole = (t >> 16) + (up != 0) as u32;
    let index = (up >> 10) as usize;
    let low = EXP2_FINE.get(index).copied().unwrap_or(0);
    let high = EXP2_FINE.get(index + 1).copied().unwrap_or(low);
    let value = low + ((((high - low) as u64) * (up & 1023) as u64) >> 10) as u32; // Q2.30
    if whole >= 31 { 0 } else { (value << 1).wrapping_sub((value >> 31) & 1) >> whole }
}

/// `log2(1 + i/64)` in Q0.31 with one entry to spare, for [`log2`].
static LOG2: [u32; 65] = {
    let mut table = [0; 65];
    let mut i = 0;
    while i < 65 {
        // ln(1+x) = 2 atanh(x / (2 + x))
        let x = i as f64 / 64.0;
        let z = x / (2.0 + x);
        let (mut power, mut sum, mut k) = (z, 0.0, 1);
        while k < 60 {
            sum += power / k as f64;
            power *= z * z;
            k += 2;
        }
        table[i] = (2.0 * sum / LN_2 * 2_147_483_648.0 + 0.5) as u32;
        i += 1;
    }
    table
};

/// `log2(x)` in Q16.16 for `x ≥ 1` (0 gives 0), linear interpolation of 64 steps: error < 6·10⁻⁵.
pub fn log2(x: u64) -> u32 {
    if x == 0 {
        return 0;
    }
    let zeros = x.leading_zeros();
    let fraction = ((x << zeros) << 1) >> 32; // Q0.32 below the leading one
    let index = (fraction >> 26) as usize;
    let low = LOG2.get(index).copied().unwrap_or(0);
    let high = LOG2.get(index + 1).copied().unwrap_or(low);
    let value = low as u64 + (((high - low) as u64 * (fraction & 0x3ff_ffff)) >> 26); // Q0.31
    ((63 - zeros) << 16) + ((value + (1 << 14)) >> 15) as u32
}

/// `ln(2)` in Q0.16, to turn base-2 logarithms into nats.
pub const LN_2_Q16: i64 = 45426;
/// `log2(e)` in Q2.30.
pub const LOG2_E_Q30: i64 = 1_549_082_005;

/// First quarter of a sine in Q1.14, 256 steps, with one entry to spare.
static SINE: [u16; 258] = {
    let mut table = [0; 258];
    let mut i = 0;
    while i < 258 {
        let x = i as f64 / 256.0 * core::f64::consts::FRAC_PI_2;
        let (mut term, mut sum, mut k) = (x, 0.0, 1);
        while k < 24 {
            sum += term;
            term *= -x * x / ((k + 1) * (k + 2)) as f64;
            k += 2;
        }
        table[i] = (sum * 16384.0 + 0.5) as u16;
        i += 1;
    }
    table
};

/// Sine of the first half turn: `phase` in turns, Q0.32, below 2³¹.
fn half_sine(phase: u32) -> i16 {
    let folded = if phase > 1 << 30 { (1u32 << 31).wrapping_sub(phase) } else { phase };
    let index = (folded >> 22) as usize;
    let low = SINE.get(index).copied().unwrap_or(0) as u32;
    let high = SINE.get(index + 1).copied().unwrap_or(0) as u32;
    let fraction = (folded >> 7) & 0x7fff;
    (low + ((high.wrapping_sub(low).wrapping_mul(fraction).wrapping_add(1 << 14)) >> 15)) as i16
}

/// `sin(2π phase)` in Q1.14 (16384 is 1), `phase` in turns, Q0.32. Error below 1.3 units.
pub fn sine(phase: u32) -> i16 {
    if phase >> 31 == 0 { half_sine(phase) } else { -half_sine(phase & 0x7fff_ffff) }
}

/// `cos(2π phase)` in Q1.14, as [`sine`].
pub fn cosine(phase: u32) -> i16 {
    sine(phase.wrapping_add(1 << 30))
}

/// The 8-bit code of the scale of a cached key or value, whose largest magnitude is `largest` (at
/// most 2¹⁵): the scale is `(16 + code mod 16) · 2^floor(code / 16)`, the smallest one that is not
/// below `largest`.
#[inline(always)]
pub const fn scale_code(largest: u32) -> u8 {
    if largest <= 16 {
        return 0;
    }
    let exponent = 27u32.saturating_sub(largest.leading_zeros());
    let mantissa = (largest + (1 << exponent) - 1) >> exponent; // 16 … 32
    (exponent * 16 + mantissa - 16) as u8
}

/// The scale that a code stands for; see [`scale_code`].
#[inline(always)]
pub const fn decode_scale(code: u8) -> u32 {
    (16 + (code & 15) as u32) << (code >> 4)
}

/// `floor(127 · 2¹² / (16 + i))`: the factor that maps a row with scale code `i` to −127…127.
pub static INVERSE_SCALE: [u16; 16] = {
    let mut table = [0; 16];
    let mut i = 0;
    while i < 16 {
        table[i] = ((127 << 12) / (16 + i)) as u16;
        i += 1;
    }
    table
};

/// The table `h` of an activation, see `nn::activation`: 256 steps of 1/`steps_per_unit` in Q0.16,
/// and two entries to spare. `which` is 0 for GELU with erf, 1 for GELU with tanh, 2 for SiLU and 3
/// for `1 − tanh`.
pub const fn even_part(which: u8, steps_per_unit: f64) -> [u16; 258] {
    let mut table = [0; 258];
    let mut i = 0;
    while i < 258 {
        let u = i as f64 / steps_per_unit;
        let value = match which {
            // GELU, exact: u · erfc(u/√2) / 2
            0 => u * 0.5 * erfc(u * core::f64::consts::FRAC_1_SQRT_2),
            // GELU, tanh: u · (1 − tanh(√(2/π) (u + 0.044715 u³))) / 2 = u / (1 + e^(2z))
            1 => u / (1.0 + exp(2.0 * 0.797_884_560_802_865_4 * (u + 0.044715 * u * u * u))),
            // SiLU: u / (1 + e^u)
            2 => u / (1.0 + exp(u)),
            // tanh: 1 − tanh(u) = 2 / (1 + e^(2u))
            _ => 2.0 / (1.0 + exp(2.0 * u)) * 65535.0 / 65536.0,
        };
        table[i] = (value * 65536.0 + 0.5) as u16;
        i += 1;
    }
    table
}

/// Complementary error function for the tables: series below 2.5, continued fraction above.
const fn erfc(x: f64) -> f64 {
    if x < 2.5 {
        let (mut term, mut sum, mut n) = (x, 0.0, 0);
        while n < 80 {
            sum += term / (2 * n + 1) as f64;
            n += 1;
            term *= -x * x / n as f64;
        }
        1.0 - sum * core::f64::consts::FRAC_2_SQRT_PI
    } else {
        let (mut fraction, mut k) = (0.0, 60);
        while k > 0 {
            fraction = k as f64 / 2.0 / (x + fraction);
            k -= 1;
        }
        exp(-x * x) * core::f64::consts::FRAC_2_SQRT_PI / 2.0 / (x + fraction)
    }
}

#[cfg(test)]
mod tests {
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
}
