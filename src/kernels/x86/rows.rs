//! Passes over one row, eight numbers at a time. The remainder is left to
//! [`portable`](crate::kernels::portable).

use super::backend::{even_dwords, load, odd_dwords, store};
use crate::fixed::{saturate, shift_by};
use crate::kernels::{Channels, Curve, Quantizer, RowScale, Sums};
use core::arch::x86_64::*;

/// 32-bit products of eight signed numbers and one or eight others.
#[inline]
#[target_feature(enable = "sse2")]
fn products(a: __m128i, b: __m128i) -> [__m128i; 2] {
    let (low, high) = (_mm_mullo_epi16(a, b), _mm_mulhi_epi16(a, b));
    [_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high)]
}

/// Sum and sum of squares of as many eights as there are.
#[target_feature(enable = "sse2")]
pub fn moments(x: &[[i16; 8]]) -> (i32, u64) {
    let (zero, ones) = (_mm_setzero_si128(), _mm_set1_epi16(1));
    let (mut sum, mut squares) = (zero, zero);
    for x in x {
        let x = load(x);
        sum = _mm_add_epi32(sum, _mm_madd_epi16(x, ones));
        // Two squares are at most 2^31: unsigned.
        let pairs = _mm_madd_epi16(x, x);
        squares = _mm_add_epi64(squares, _mm_unpacklo_epi32(pairs, zero));
        squares = _mm_add_epi64(squares, _mm_unpackhi_epi32(pairs, zero));
    }
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum));
    let squares = _mm_add_epi64(squares, _mm_unpackhi_epi64(squares, squares));
    (_mm_cvtsi128_si32(sum), _mm_cvtsi128_si64(squares) as u64)
}

/// Quantises eights into words of lanes, `ROWS` apart from `row` on, as far as there are pairs.
///
/// The product `shifted · inverse` is made of 16-bit factors: a shift to the left is done after it,
/// which wraps to the same number.
///
/// `CENTRED`: something is multiplied or subtracted first.
#[inline]
#[target_feature(enable = "sse2")]
pub fn quantize<const CENTRED: bool, const ROWS: usize>(
    x: &[[i16; 8]],
    quantizer: &Quantizer,
    row: usize,
    words: &mut [[i16; 4]],
) {
    let shift = 31 - quantizer.bits;
    let half = _mm_set1_epi32(1 << (shift - 1));
    let shift = _mm_cvtsi32_si128(shift as i32);
    let (right, left) = (quantizer.shift.max(0), quantizer.shift.min(0).wrapping_neg());
    let (right, left) = (_mm_cvtsi32_si128(right & 31), _mm_cvtsi32_si128(left & 31));
    let inverse = _mm_set1_epi16(quantizer.inverse as i16);
    // PMULHW takes the inverse for negative from 2^15 on.
    let unsigned = _mm_set1_epi16(-((quantizer.inverse >> 15) as i16));
    let multiply = _mm_set1_epi16(quantizer.multiply as i16);
    let subtract = _mm_set1_epi32(quantizer.subtract);
    for (x, words) in x.iter().zip(words.chunks_exact_mut(2 * ROWS)) {
        let mut x = load(x);
        if !CENTRED {
            x = _mm_sra_epi16(x, right);
        } else {
            let [a, b] = products(x, multiply).map(|product| {
                _mm_sra_epi32(_mm_sll_epi32(_mm_sub_epi32(product, subtract), left), right)
            });
            x = _mm_packs_epi32(a, b);
        }
        let low = _mm_mullo_epi16(x, inverse);
        let high = _mm_add_epi16(_mm_mulhi_epi16(x, inverse), _mm_and_si128(x, unsigned));
        let [mut a, mut b] = [_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high)];
        if !CENTRED {
            [a, b] = [a, b].map(|product| _mm_sll_epi32(product, left));
        }
        let [a, b] = [a, b].map(|product| _mm_sra_epi32(_mm_add_epi32(product, half), shift));
        let (mut even, odd) = (even_dwords(a, b), odd_dwords(a, b));
        if quantizer.bits == 8 {
            even = _mm_sub_epi32(_mm_slli_epi32::<8>(even), odd);
        }
        let lanes = _mm_shuffle_epi32::<0b11_01_10_00>(_mm_packs_epi32(odd, even));
        let mut both = [[0; 4]; 2];
        store(both.as_flattened_mut().first_chunk_mut().unwrap_or(&mut [0; 8]), lanes);
        [words[row % ROWS], words[ROWS + row % ROWS]] = both;
    }
}

/// The upper half of `sum · factor` for four of each, `factor` being positive.
#[inline]
#[target_feature(enable = "sse2")]
fn high_product(sum: __m128i, factor: __m128i) -> __m128i {
    let even = _mm_mul_epu32(sum, factor);
    let odd = _mm_mul_epu32(_mm_srli_epi64::<32>(sum), _mm_srli_epi64::<32>(factor));
    let high = _mm_shuffle_epi32::<0b11_01_10_00>(odd_dwords(even, odd));
    // The multiplication takes a negative sum for 2^32 more.
    _mm_sub_epi32(high, _mm_and_si128(_mm_srai_epi32::<31>(sum), factor))
}

/// [`Kernels::rescale`](crate::kernels::Kernels::rescale) of as many eights as there are. Returns
/// how many outputs are done.
#[target_feature(enable = "sse2")]
pub fn rescale(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i16]) -> usize {
    let scale = RowScale { bias_shift: scale.bias_shift.max(0), ..*scale };
    rescaled(sums, channels, &scale, out, |out, [a, b]| store(out, _mm_packs_epi32(a, b)))
}

/// [`Kernels::rescale_32`](crate::kernels::Kernels::rescale_32), as [`rescale`].
#[target_feature(enable = "sse2")]
pub fn rescale_32(sums: &Sums, channels: &Channels, scale: &RowScale, out: &mut [i32]) -> usize {
    if channels.has_biases() && scale.bias_shift < 0 {
        return 0;
    }
    rescaled(sums, channels, scale, out, |out, both| {
        for (out, x) in out.as_chunks_mut::<4>().0.iter_mut().zip(both) {
            store(out, x);
        }
    })
}

/// Rescaled sums, eight at a time, up to a factor that is negative; none for shifts below 33. From
/// 33 on, half a unit and the shift reach only the upper half of the product, which has 29 bits.
#[inline]
#[target_feature(enable = "sse2")]
fn rescaled<T>(
    sums: &Sums,
    channels: &Channels,
    scale: &RowScale,
    out: &mut [T],
    put: impl Fn(&mut [T; 8], [__m128i; 2]),
) -> usize {
    if scale.shift < 33 {
        return 0;
    }
    let by = _mm_set1_epi16(scale.scale as i16);
    let half = _mm_set1_epi32(1 << (scale.shift - 33));
    let shift = _mm_cvtsi32_si128(scale.shift as i32 - 32);
    let mut biases = channels.biases.as_chunks::<16>().0.iter();
    let factors = channels.factors.as_chunks::<16>().0;
    let eights = sums.data.as_chunks::<8>().0.chunks_exact(sums.rows.get());
    let mut done = 0;
    for ((out, sums_of_eight), factors) in
        out.as_chunks_mut::<8>().0.iter_mut().zip(eights).zip(factors)
    {
        let Some([a, b]) = row_of(sums_of_eight, sums.row) else { break };
        let factors = load(factors);
        if _mm_movemask_epi8(factors) & 0xaaaa != 0 {
            break;
        }
        let (low, high) = (_mm_mullo_epi16(factors, by), _mm_mulhi_epu16(factors, by));
        let a = high_product(a, _mm_unpacklo_epi16(low, high));
        let b = high_product(b, _mm_unpackhi_epi16(low, high));
        let [mut a, mut b] = [a, b].map(|x| _mm_sra_epi32(_mm_add_epi32(x, half), shift));
        if let Some(eight) = biases.next() {
            let [c, d] = rounded(load(eight), scale.bias_shift as u32);
            [a, b] = [_mm_add_epi32(a, c), _mm_add_epi32(b, d)];
        }
        put(out, [a, b]);
        done += 8;
    }
    done
}

/// [`Kernels::gain`](crate::kernels::Kernels::gain) in two passes, without branches in the first.
pub fn gain(
    x: &[i16],
    quantizer: &Quantizer,
    channels: &Channels,
    scale: &RowScale,
    sums: &mut [i32],
) {
    let half = (1i64 << scale.shift) >> 1;
    let gains = channels.factors.as_chunks::<2>().0;
    let mut done = 0;
    for ((sum, &x), &gain) in sums.iter_mut().zip(x).zip(gains) {
        let factor = i16::from_le_bytes(gain) as i64 * scale.scale as i64;
        *sum = saturate((quantizer.shifted(x) as i64 * factor + half) >> scale.shift);
        done += 1;
    }
    let biases = channels.biases.as_chunks::<2>().0;
    for (sum, &bias) in sums.iter_mut().zip(biases).take(done) {
        let bias = i16::from_le_bytes(bias) as i32;
        *sum = sum.saturating_add(shift_by(bias, scale.bias_shift));
    }
}

/// Eight sums of one row of one or two.
#[inline]
#[target_feature(enable = "sse2")]
fn row_of(sums: &[[i32; 8]], row: usize) -> Option<[__m128i; 2]> {
    match *sums {
        [sums] => Some(halves(&sums)),
        [a, b] => {
            let ([a, b], [c, d]) = (halves(&a), halves(&b));
            Some(match row {
                0 => [even_dwords(a, b), even_dwords(c, d)],
                _ => [odd_dwords(a, b), odd_dwords(c, d)],
            })
        }
        _ => None,
    }
}

/// Eight numbers of 32 bits.
#[inline]
#[target_feature(enable = "sse2")]
fn halves(x: &[i32; 8]) -> [__m128i; 2] {
    let [a, b, c, d, e, f, g, h] = *x;
    [load(&[a, b, c, d]), load(&[e, f, g, h])]
}

/// Eight numbers, each divided by `2^shift` and rounded.
#[inline]
#[target_feature(enable = "sse2")]
fn rounded(x: __m128i, shift: u32) -> [__m128i; 2] {
    // From 16 on all are 0, and so they are with 16.
    let shift = shift.min(16);
    let half = _mm_set1_epi32((1 << shift) >> 1);
    let shift = _mm_cvtsi32_si128(shift as i32);
    [_mm_unpacklo_epi16(x, x), _mm_unpackhi_epi16(x, x)]
        .map(|x| _mm_sra_epi32(_mm_add_epi32(_mm_srai_epi32::<16>(x), half), shift))
}

/// Activations that [`activate`] can do: shifts within 32 bits.
pub fn ordinary(curve: &Curve) -> Option<&'static [u16; 258]> {
    let fits = (-11..=15).contains(&curve.position_shift) && (2..=30).contains(&curve.value_shift);
    if fits { curve.table } else { None }
}

/// An activation with an [`ordinary`] table.
#[target_feature(enable = "sse2")]
pub fn activate(curve: &Curve, table: &[u16; 258], x: &mut [[i16; 8]]) {
    for x in x {
        let y = eight(curve, table, load(x));
        store(x, y);
    }
}

/// An activation with an [`ordinary`] table times factors: `a · b / 2^15`, rounded, saturated.
#[target_feature(enable = "sse2")]
pub fn activate_gated(curve: &Curve, table: &[u16; 258], factors: &[[i16; 8]], x: &mut [[i16; 8]]) {
    let half = _mm_set1_epi32(1 << 14);
    for (x, factors) in x.iter_mut().zip(factors) {
        let [a, b] = products(eight(curve, table, load(x)), load(factors))
            .map(|x| _mm_srai_epi32::<15>(_mm_add_epi32(x, half)));
        store(x, _mm_packs_epi32(a, b));
    }
}

/// The activation of eight numbers.
#[inline]
#[target_feature(enable = "sse2")]
fn eight(curve: &Curve, table: &[u16; 258], x: __m128i) -> __m128i {
    let zero = _mm_setzero_si128();
    let (left, right) = (curve.position_shift.max(0), curve.position_shift.min(0).wrapping_neg());
    let (left, right) = (_mm_cvtsi32_si128(left), _mm_cvtsi32_si128(right));
    let sign = _mm_srai_epi16::<15>(x);
    let magnitude = _mm_sub_epi16(_mm_xor_si128(x, sign), sign);
    let positions = [_mm_unpacklo_epi16(magnitude, zero), _mm_unpackhi_epi16(magnitude, zero)]
        .map(|x| _mm_srl_epi32(_mm_sll_epi32(x, left), right));
    let [a, b] = positions.map(|position| _mm_srli_epi32::<12>(position));
    // Beyond the table lie two zeros, whatever the fraction.
    let mut indices = [0u16; 8];
    let index = _mm_min_epi16(_mm_packs_epi32(a, b), _mm_set1_epi16(256));
    store(&mut indices, index);
    let pairs = indices.as_chunks::<4>().0;
    let mut h = [zero; 2];
    for ((h, position), indices) in h.iter_mut().zip(positions).zip(pairs) {
        let [a, b, c, d] = indices.map(|index| {
            let pair = table.get(index as usize..).and_then(|rest| rest.first_chunk::<2>());
            pair.map_or(0, |&[low, high]| low as i32 | (high as i32) << 16)
        });
        // low · (4096 − fraction) + high · fraction, both less 2^15 so that they are signed.
        let ends = _mm_xor_si128(_mm_setr_epi32(a, b, c, d), _mm_set1_epi16(i16::MIN));
        let fraction = _mm_and_si128(position, _mm_set1_epi32(4095));
        let parts = _mm_sub_epi32(_mm_slli_epi32::<16>(fraction), fraction);
        let parts = _mm_add_epi32(parts, _mm_set1_epi32(4096));
        let value = _mm_madd_epi16(ends, parts);
        let value = _mm_srli_epi32::<12>(_mm_add_epi32(value, _mm_set1_epi32((1 << 27) + 2048)));
        let half = _mm_set1_epi32(1 << (curve.value_shift - 1));
        *h = _mm_srl_epi32(_mm_add_epi32(value, half), _mm_cvtsi32_si128(curve.value_shift));
    }
    let [a, b] = h;
    _mm_sub_epi16(_mm_max_epi16(x, zero), _mm_packs_epi32(a, b))
}
