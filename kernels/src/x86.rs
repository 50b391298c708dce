//! Whole vectors from and to arrays that are as long.
#![expect(unsafe_code, reason = "the intrinsics take pointers")]

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load16(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes are readable; the instruction needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// A table for look-ups, which do each half of a vector by itself.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn both_halves(table: &[u8; 16]) -> __m256i {
    _mm256_broadcastsi128_si256(load16(table))
}

/// Writes all of the place.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn write32(place: &mut [MaybeUninit<u8>; 32], vector: __m256i) {
    // SAFETY: 32 bytes are writable; the instruction needs no alignment.
    unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), vector) }
}

/// The 32 bytes from `at` on, which must be in the array.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load32_at<const N: usize>(bytes: &[u8; N], at: usize) -> __m256i {
    assert!(at + 32 <= N);
    // SAFETY: 32 bytes are readable, as asserted; the instruction needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().add(at).cast()) }
}
