//! What every file of this backend knows.

use core::arch::x86_64::*;

/// The backend for x86-64.
#[derive(Clone, Copy, Debug)]
pub struct X86;

/// Sixteen bytes of plain numbers.
#[inline]
#[target_feature(enable = "sse2")]
pub fn load<T: Copy, const N: usize>(x: &[T; N]) -> __m128i {
    const { assert!(size_of::<[T; N]>() == 16) };
    // SAFETY: sixteen bytes, from any address.
    unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
}

/// Sixteen bytes of plain numbers.
#[inline]
#[target_feature(enable = "sse2")]
pub fn store<T: Copy, const N: usize>(to: &mut [T; N], x: __m128i) {
    const { assert!(size_of::<[T; N]>() == 16) };
    // SAFETY: sixteen bytes, to any address; integers of any bits are valid.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), x) }
}

/// Dwords 0 and 2 of the first operand, then of the second.
#[inline]
#[target_feature(enable = "sse2")]
pub fn even_dwords(a: __m128i, b: __m128i) -> __m128i {
    _mm_castps_si128(_mm_shuffle_ps::<0x88>(_mm_castsi128_ps(a), _mm_castsi128_ps(b)))
}

/// Dwords 1 and 3 of the first operand, then of the second.
#[inline]
#[target_feature(enable = "sse2")]
pub fn odd_dwords(a: __m128i, b: __m128i) -> __m128i {
    _mm_castps_si128(_mm_shuffle_ps::<0xdd>(_mm_castsi128_ps(a), _mm_castsi128_ps(b)))
}
