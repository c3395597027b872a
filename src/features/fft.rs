//! The discrete Fourier transform of a windowed frame, in 32-bit fixed point.
//!
//! A real transform of `n` samples is a complex one of `n / 2` (even samples as real parts, odd ones
//! as imaginary parts) whose results are taken apart (Press et al., "Numerical Recipes", §12.3). The
//! complex one is Cooley and Tukey's of radix 2, decimated in time. A frame enters scaled up by its
//! own power of two, so that the largest possible bin just fits: a quiet frame is as precise as a loud
//! one, and what is 100 dB below the loudest bin is not lost, as it would be in 16 bits.

/// Real and imaginary part.
pub(super) type Complex = [i32; 2];

/// `n / 4 + 1` entries: `sin(2πi / n)` in Q1.30.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wave<'m> {
    /// Little-endian.
    pub table: &'m [[u8; 4]],
    /// Samples of a period, a power of two.
    pub n: usize,
}

impl Wave<'_> {
    #[inline(always)]
    fn entry(&self, i: usize) -> i32 {
        i32::from_le_bytes(self.table.get(i).copied().unwrap_or_default())
    }

    /// `e^(−2πik / n)` for `k ≤ n / 2`, Q1.30.
    #[inline(always)]
    fn root(&self, k: usize) -> Complex {
        let quarter = self.n / 4;
        match k <= quarter {
            true => [self.entry(quarter - k), -self.entry(k)],
            false => [-self.entry(k - quarter), -self.entry(self.n / 2 - k)],
        }
    }

    /// The periodic Hann window `½ − ½ cos(2πi / n)`, Q1.30.
    #[inline(always)]
    fn hann(&self, i: usize) -> i32 {
        let [cosine, _] = self.root(i.min(self.n - i));
        (1 << 29) - (cosine >> 1)
    }
}

/// `floor(x / 2^30 + ½)`.
#[inline(always)]
fn unit(x: i64) -> i32 {
    ((x + (1 << 29)) >> 30) as i32
}

/// `z · w` for a `w` of length one in Q1.30.
#[inline(always)]
fn rotate([a, b]: Complex, [c, d]: Complex) -> Complex {
    // One by one, not by `map`: so the compiler sees products of 32 bits.
    let product = |x: i32, y: i32| x as i64 * y as i64;
    [unit(product(a, c) - product(b, d)), unit(product(a, d) + product(b, c))]
}

/// Bits by which a power is shifted down: two for the halves of the even and the odd samples, and as
/// many as leave a frame's powers, whose sum is at most `n² · 3/8 · 2^30` (Parseval), below 2⁴⁷.
const DOWN: u32 = 14;

/// Bits by which samples of `n` bits and a frame's largest magnitude are scaled up before they are
/// summed: `15 + up + log2(n) − 1 = 29` bits for the largest bin of a full-scale frame.
const fn headroom(n: usize, gain: u32) -> u32 {
    15u32.saturating_sub(n.trailing_zeros()) + gain
}

/// Fractional bits of a [`power`] of a frame that entered with this gain: negative above 512 samples.
pub(super) const fn fraction(n: usize, gain: u32) -> i32 {
    2 * (headroom(n, gain) + 1) as i32 - DOWN as i32
}

/// Windows `n` samples and transforms them: `n / 2` complex numbers, to be read by [`power`]. Returns
/// the gain, a power of two, that the largest sample allows.
pub(super) fn transform(samples: &[i16], wave: &Wave, data: &mut [Complex]) -> u32 {
    let loudest = samples.iter().fold(1, |loudest, x| x.unsigned_abs().max(loudest));
    // 2^15 for the smallest sample, which has one bit more.
    let gain = loudest.leading_zeros().saturating_sub(loudest.is_power_of_two() as u32 ^ 1);
    let up = headroom(wave.n, gain);
    let unused = usize::BITS - (wave.n / 2).trailing_zeros();
    let (pairs, _) = samples.as_chunks::<2>();
    for (i, pair) in pairs.iter().enumerate() {
        let windowed = |part: usize, sample: i16| {
            unit(((sample as i32) << up) as i64 * wave.hann(2 * i + part) as i64)
        };
        let [even, odd] = *pair;
        // In the order of reversed bits, which the passes below put right.
        if let Some(to) = data.get_mut(i.reverse_bits() >> unused) {
            *to = [windowed(0, even), windowed(1, odd)];
        }
    }
    // The first two passes turn by multiples of a quarter.
    for four in data.as_chunks_mut::<4>().0 {
        let [[a, b], [c, d], [e, f], [g, h]] = *four;
        let ([a, b], [c, d]) = ([a + c, b + d], [a - c, b - d]);
        let ([e, f], [g, h]) = ([e + g, f + h], [e - g, f - h]);
        *four = [[a + e, b + f], [c + h, d - g], [a - e, b - f], [c - h, d + g]];
    }
    let mut half = 4;
    while half < data.len() {
        let stride = wave.n / (2 * half);
        for block in data.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut_checked(half).unwrap_or_default();
            for (k, (x, y)) in low.iter_mut().zip(high).enumerate() {
                // Both exceptions have the bits of the rule.
                let [a, b] = match k {
                    0 => *y,
                    _ if 2 * k == half => [y[1], -y[0]],
                    _ => rotate(*y, wave.root(k * stride)),
                };
                let [c, d] = *x;
                (*x, *y) = ([c + a, d + b], [c - a, d - b]);
            }
        }
        half *= 2;
    }
    gain
}

/// The power of bin `k`, 0 < `k` < `n / 2`, of transformed samples: `|Σ w x e^(−2πikn)|²` in squared
/// units of a sample, with as many fractional bits as [`fraction`] says, rounded half up.
#[inline(always)]
pub(super) fn power(data: &[Complex], wave: &Wave, k: usize) -> u64 {
    let at = |k: usize| data.get(k).copied().unwrap_or_default();
    let ([a, b], [c, d]) = (at(k), at((wave.n / 2).wrapping_sub(k)));
    // Twice the even and the odd samples' transforms; the odd ones' turned by −i.
    let [x, y] = rotate([b + d, c - a], wave.root(k));
    let (x, y) = ((a + c + x) as i64, (b - d + y) as i64);
    (((x * x + y * y) as u64) + (1 << (DOWN - 1))) >> DOWN
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::f64::consts::TAU;
    use std::vec::Vec;

    const SIZES: &[usize] = if cfg!(miri) { &[64] } else { &[64, 256, 512, 2048] };

    fn table(n: usize) -> Vec<u8> {
        let entry = |i| ((TAU * i as f64 / n as f64).sin() * (1u64 << 30) as f64).round() as i32;
        (0..=n / 4).flat_map(|i| entry(i).to_le_bytes()).collect()
    }

    /// Every bin of noise, a full-scale square wave and a constant, against the sum in f64.
    #[test]
    fn powers_match_f64() {
        for &n in SIZES {
            let table = table(n);
            let wave = Wave { table: table.as_chunks().0, n };
            let mut state = 1u32;
            let mut noise = |_| {
                state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                (state >> 16) as i16
            };
            let signals: [Vec<i16>; 4] = [
                (0..n).map(&mut noise).collect(),
                (0..n).map(|i| if i / 4 % 2 == 0 { i16::MAX } else { i16::MIN }).collect(),
                std::vec![i16::MIN; n],
                (0..n).map(|i| (i == n / 3) as i16).collect(),
            ];
            let mut data = std::vec![[0; 2]; n / 2];
            for samples in signals {
                let gain = transform(&samples, &wave, &mut data);
                let unit = (-fraction(n, gain) as f64).exp2();
                for k in 1..n / 2 {
                    let (mut re, mut im) = (0.0, 0.0);
                    for (i, &x) in samples.iter().enumerate() {
                        let windowed = x as f64 * (0.5 - 0.5 * (TAU * i as f64 / n as f64).cos());
                        let (sin, cos) = (TAU * (k * i % n) as f64 / n as f64).sin_cos();
                        (re, im) = (re + windowed * cos, im - windowed * sin);
                    }
                    let (found, expected) =
                        (power(&data, &wave, k) as f64 * unit, re * re + im * im);
                    // Roundings add up as noise does.
                    let noise = 1.5 * (n as f64).sqrt() / f64::from(1 << headroom(n, gain));
                    let allowed = unit + noise * (noise + 2.0 * expected.sqrt());
                    let error = (found - expected).abs();
                    assert!(error < allowed, "{n}, bin {k}: {found} for {expected}");
                }
            }
        }
    }

    /// A forged table has any factors that are not longer than 1: nothing overflows, whatever the samples. (With
    /// all entries 1, bins of 1024 samples reached 2^31.4.)
    #[test]
    fn forged_tables_do_not_overflow() {
        let mut state = 7u32;
        let mut random = move || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            state >> 2
        };
        for &n in SIZES {
            for kind in 0..5 {
                let mut entries = std::vec![0u32; n / 4 + 1];
                for k in 0..=n / 8 {
                    let turn = match kind {
                        0 => 0.0,
                        1 => 0.25,
                        2 => 0.125,
                        3 => f64::from(random() & 1) / 4.0,
                        _ => f64::from(random()) / (1u64 << 32) as f64,
                    };
                    let (sine, cosine) = (TAU * turn).sin_cos();
                    let entry = |x: f64| (x.max(0.0) * (1u64 << 30) as f64).round() as u32;
                    (entries[k], entries[n / 4 - k]) = (entry(sine), entry(cosine));
                }
                entries[n / 8] = 759_250_125;
                let table: Vec<u8> = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
                let wave = Wave { table: table.as_chunks().0, n };
                let mut data = std::vec![[0; 2]; n / 2];
                for signal in 0..6 {
                    let sample = |i: usize| match signal {
                        0 => i16::MIN,
                        1 => [i16::MIN, i16::MAX][i & 1],
                        2 => [i16::MIN, i16::MAX][i >> 1 & 1],
                        3 => [i16::MIN, i16::MAX][(2 * i / n) & 1],
                        _ => [i16::MIN, i16::MAX][random() as usize & 1],
                    };
                    let samples: Vec<i16> = (0..n).map(sample).collect();
                    transform(&samples, &wave, &mut data);
                    let powers = (1..n / 2).map(|k| power(&data, &wave, k));
                    assert!(powers.sum::<u64>() < 1 << 48);
                }
            }
        }
    }
}
