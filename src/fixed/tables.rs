//! Functions of real numbers for the tables, which the compiler computes in `f64`.

/// ln(2).
pub const LN_2: f64 = core::f64::consts::LN_2;

/// e^x for the tables, at compile time.
pub const fn exp(x: f64) -> f64 {
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
