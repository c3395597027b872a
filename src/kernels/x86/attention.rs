//! One block of attention, from products to weighted values, without leaving the registers.
//!
//! The order of the keys changes at no cost: PMULUDQ and SHUFPS give the scores of four keys in the
//! order 0 2 1 3, and the distances as 0 1 2 3 again. Numerators are looked up one by one, so they
//! are placed as the values need them: the eight even keys in one register and the eight odd ones
//! in another.

use super::backend::{X86, even_dwords, load, odd_dwords, store};
use super::linear::tile;
use crate::config::KEY_BLOCK;
use crate::fixed::decode_scale;
use crate::kernels::{Attend, Kernels, KeyBlock, Queries, RowCount, Softmax, portable};
use core::arch::x86_64::*;

/// Largest code of a scale that the cache can hold: that of 2¹⁵.
const LARGEST_CODE: u8 = 176;

/// [`exp2_negative`](crate::fixed::exp2_negative) of all arguments whose result is not 0.
static EXP2: [u16; 4096] = {
    let mut table = [0; 4096];
    let mut t = 0;
    while t < 4096 {
        table[t] = crate::fixed::EXP2[t & 255] >> (t >> 8);
        t += 1;
    }
    table
};

/// [`decode_scale`] of every code.
static SCALES: [u16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = decode_scale(code as u8) as u16;
        code += 1;
    }
    table
};

/// A table's entries for eight indices.
#[inline]
#[target_feature(enable = "sse2")]
fn look_up(table: impl Fn(usize) -> u16, indices: [usize; 8]) -> __m128i {
    let [a, b, c, d, e, f, g, h] = indices.map(|index| table(index) as i16);
    _mm_setr_epi16(a, b, c, d, e, f, g, h)
}

/// Eight words of a register.
#[inline]
#[target_feature(enable = "sse2")]
fn words(x: __m128i) -> [usize; 8] {
    [
        _mm_extract_epi16::<0>(x) as usize,
        _mm_extract_epi16::<1>(x) as usize,
        _mm_extract_epi16::<2>(x) as usize,
        _mm_extract_epi16::<3>(x) as usize,
        _mm_extract_epi16::<4>(x) as usize,
        _mm_extract_epi16::<5>(x) as usize,
        _mm_extract_epi16::<6>(x) as usize,
        _mm_extract_epi16::<7>(x) as usize,
    ]
}

/// The scales of a block's keys, and what depends on them alone.
struct KeyScales {
    /// Four keys each, 32 bits.
    scales: [__m128i; 4],
    /// `scale · 2^14`, keys in the order 0 2 1 3.
    offsets: [__m128i; 4],
}

impl KeyScales {
    #[inline]
    #[target_feature(enable = "sse2")]
    fn new(codes: &[u8; KEY_BLOCK]) -> Self {
        let zero = _mm_setzero_si128();
        let (a, b) = codes.split_at(8);
        let [a, b] = [a, b].map(|codes| {
            let mut indices = [0; 8];
            for (index, &code) in indices.iter_mut().zip(codes) {
                *index = code as usize;
            }
            look_up(|code| SCALES[code & 255], indices)
        });
        let scales = [
            _mm_unpacklo_epi16(a, zero),
            _mm_unpackhi_epi16(a, zero),
            _mm_unpacklo_epi16(b, zero),
            _mm_unpackhi_epi16(b, zero),
        ];
        let offsets = scales.map(|s| _mm_slli_epi32::<14>(_mm_shuffle_epi32::<0b11_01_10_00>(s)));
        Self { scales, offsets }
    }

    /// `products · scales / 2^17`, floor, four keys each in the order 0 2 1 3. The product is made
    /// unsigned by adding 2^31 to one factor; `2^31 · scale / 2^17` is taken off again.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn scores(&self, products: [__m128i; 4]) -> [__m128i; 4] {
        let sign = _mm_set1_epi32(i32::MIN);
        let mut scores = products;
        for ((score, scale), offset) in scores.iter_mut().zip(self.scales).zip(self.offsets) {
            let product = _mm_xor_si128(*score, sign);
            let even = _mm_mul_epu32(product, scale);
            let odd = _mm_mul_epu32(_mm_srli_epi64::<32>(product), _mm_srli_epi64::<32>(scale));
            let high = even_dwords(_mm_srli_epi64::<17>(even), _mm_srli_epi64::<17>(odd));
            *score = _mm_sub_epi32(high, offset);
        }
        scores
    }
}

/// Scores of invisible keys become the least number.
#[inline]
#[target_feature(enable = "sse2")]
fn hide(scores: [__m128i; 4], seen: u16) -> [__m128i; 4] {
    let mut bits = _mm_setr_epi32(1, 4, 2, 8);
    let visible = _mm_set1_epi32(seen as i32);
    scores.map(|score| {
        let mask = _mm_cmpeq_epi32(_mm_and_si128(visible, bits), bits);
        bits = _mm_slli_epi32::<4>(bits);
        let least = _mm_set1_epi32(i32::MIN);
        _mm_or_si128(_mm_and_si128(mask, score), _mm_andnot_si128(mask, least))
    })
}

/// The largest score if it is above `maximum`.
#[inline]
#[target_feature(enable = "sse2")]
fn above(scores: [__m128i; 4], maximum: i32) -> Option<i32> {
    let least = _mm_set1_epi32(maximum);
    let [a, b, c, d] = scores.map(|score| _mm_cmpgt_epi32(score, least));
    if _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))) == 0 {
        return None;
    }
    let mut found = [0; KEY_BLOCK];
    for (found, score) in found.as_chunks_mut::<4>().0.iter_mut().zip(scores) {
        store(found, score);
    }
    found.into_iter().max()
}

/// The weights of the even and of the odd keys, and the sum of their numerators.
#[inline]
#[target_feature(enable = "sse2")]
fn weigh(
    scores: [__m128i; 4],
    query: &Softmax,
    scales: [__m128i; 2],
    seen: u16,
    shift: u32,
) -> ([__m128i; 2], u32) {
    let (maximum, factor) = (_mm_set1_epi32(query.maximum), _mm_set1_epi32(query.factor as i32));
    let [a, b, c, d] = scores.map(|score| {
        let distance = _mm_sub_epi32(maximum, score);
        let even = _mm_mul_epu32(distance, factor);
        let odd = _mm_mul_epu32(_mm_srli_epi64::<32>(distance), factor);
        odd_dwords(even, odd)
    });
    // Positive, as the factor is below 2^31: saturation does the rest.
    let last = _mm_set1_epi16(4095);
    let [a, b] =
        [_mm_packs_epi32(a, b), _mm_packs_epi32(c, d)].map(|t| words(_mm_min_epi16(t, last)));
    let [a0, a1, a2, a3, a4, a5, a6, a7] = a;
    let [b0, b1, b2, b3, b4, b5, b6, b7] = b;
    let exp2 = |t: usize| EXP2[t & 4095];
    let mut p = [
        look_up(exp2, [a0, a2, a4, a6, b0, b2, b4, b6]),
        look_up(exp2, [a1, a3, a5, a7, b1, b3, b5, b7]),
    ];
    if seen != 0xffff {
        let visible = _mm_set1_epi16(seen as i16);
        let even = _mm_setr_epi16(1, 4, 16, 64, 256, 1024, 4096, 16384);
        let odd = _mm_add_epi16(even, even);
        p[0] = _mm_and_si128(p[0], _mm_cmpeq_epi16(_mm_and_si128(visible, even), even));
        p[1] = _mm_and_si128(p[1], _mm_cmpeq_epi16(_mm_and_si128(visible, odd), odd));
    }
    let ones = _mm_set1_epi16(1);
    let sum = _mm_add_epi32(_mm_madd_epi16(p[0], ones), _mm_madd_epi16(p[1], ones));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum));
    let half = _mm_set1_epi32(1 << (shift - 1));
    let count = _mm_cvtsi32_si128(shift as i32);
    let mut weights = p;
    for (weight, scale) in weights.iter_mut().zip(scales) {
        let low = _mm_mullo_epi16(*weight, scale);
        let high = _mm_mulhi_epu16(*weight, scale);
        let [low, high] = [_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high)]
            .map(|product| _mm_srl_epi32(_mm_add_epi32(product, half), count));
        *weight = _mm_packs_epi32(low, high); // at most 32767, scales being at most 2^15
    }
    (weights, _mm_cvtsi128_si32(sum) as u32)
}

/// Four numbers, each the sum of the four of one operand.
#[inline]
#[target_feature(enable = "sse2")]
fn add_across([a, b, c, d]: [__m128i; 4]) -> __m128i {
    let ab = _mm_add_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
    let cd = _mm_add_epi32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
    _mm_add_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd))
}

/// Adds the weighted values to the sums, four at a time.
#[inline]
#[target_feature(enable = "sse2")]
fn add_values<const ROWS: usize>(weights: [[__m128i; 2]; ROWS], values: &[u8], sums: &mut [i32]) {
    let (values, _) = values.as_chunks::<KEY_BLOCK>();
    let (sums, _) = sums.as_chunks_mut::<4>();
    for (sums, values) in sums.iter_mut().zip(values.chunks_exact(4 / ROWS)) {
        let mut products = [_mm_setzero_si128(); 4];
        for (products, values) in products.chunks_exact_mut(ROWS).zip(values) {
            let values = load(values);
            let even = _mm_srai_epi16::<8>(_mm_slli_epi16::<8>(values));
            let odd = _mm_srai_epi16::<8>(values);
            for (product, weights) in products.iter_mut().zip(weights) {
                let product_even = _mm_madd_epi16(even, weights[0]);
                *product = _mm_add_epi32(product_even, _mm_madd_epi16(odd, weights[1]));
            }
        }
        let sum = _mm_add_epi32(load(sums), add_across(products));
        store(sums, sum);
    }
}

/// See [`Kernels::attend`](crate::kernels::Kernels::attend).
pub fn attend(attend: Attend<X86>) {
    let shift = attend.shift;
    let largest = |codes: &[u8; KEY_BLOCK]| codes.iter().fold(0, |most, &code| code.max(most));
    attend.by_blocks(|queries, block, seen, biases| {
        let codes = largest(block.key_codes).max(largest(block.value_codes));
        let ordinary = biases.is_none()
            && codes <= LARGEST_CODE
            && queries.states.iter().all(|state| state.factor < 1 << 31);
        // SAFETY: SSE2 is part of x86-64.
        match (ordinary, queries.lanes.rows) {
            (true, RowCount::One) => unsafe { attend_block::<1>(queries, block, seen, shift) },
            (true, RowCount::Two) => unsafe { attend_block::<2>(queries, block, seen, shift) },
            _ => portable::attend_block(queries, block, seen, shift, biases, X86::matmul),
        }
    });
}

/// One block for `ROWS` queries.
#[target_feature(enable = "sse2")]
fn attend_block<const ROWS: usize>(
    queries: &mut Queries<X86>,
    block: &KeyBlock,
    seen: [u16; 2],
    shift: u32,
) {
    let Queries { lanes, states, sums } = queries;
    // SAFETY: `Lanes` and `KeyBlock`: there are `words` words for each query and each of 16 keys.
    let products = unsafe {
        let (lanes, words) = (lanes.data.as_ptr(), lanes.words);
        tile::<4, ROWS, false>(lanes, words, block.keys.as_ptr(), 16 * words)
    };
    let key_scales = KeyScales::new(block.key_codes);
    let scale = |code: usize| SCALES[code & 255];
    let value_scales = [0, 1].map(|odd| {
        let mut indices = [0; 8];
        for (index, pair) in indices.iter_mut().zip(block.value_codes.as_chunks::<2>().0) {
            *index = pair[odd] as usize;
        }
        look_up(scale, indices)
    });
    let mut weights = [[_mm_setzero_si128(); 2]; ROWS];
    let rows = weights.iter_mut().zip(products).zip(states).zip(seen);
    for (row, (((weights, products), query), seen)) in rows.enumerate() {
        if seen == 0 {
            continue;
        }
        let mut scores = key_scales.scores(products);
        if seen != 0xffff {
            scores = hide(scores, seen);
        }
        if let Some(maximum) = above(scores, query.maximum) {
            portable::raise(query, maximum, ROWS, row, sums);
        }
        let sum;
        (*weights, sum) = weigh(scores, query, value_scales, seen, shift);
        query.sum = query.sum.saturating_add(sum);
    }
    add_values(weights, block.values, sums);
}
