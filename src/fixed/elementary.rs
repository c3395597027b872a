//! Roots, powers, logarithms and sines of fixed-point numbers, by tables and interpolation.

use super::tables::{LN_2, exp};

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
