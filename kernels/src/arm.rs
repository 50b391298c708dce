//! Whole vectors from and to arrays that are as long.
#![expect(unsafe_code, reason = "the intrinsics take pointers")]

use std::arch::aarch64::*;

#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn load16(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: 16 bytes are readable; the instruction needs no alignment.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

/// The 16 bytes from `at` on, which must be in the array.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn load16_at<const N: usize>(bytes: &[u8; N], at: usize) -> uint8x16_t {
    assert!(at + 16 <= N);
    // SAFETY: 16 bytes are readable, as asserted; the instruction needs no alignment.
    unsafe { vld1q_u8(bytes.as_ptr().add(at)) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn bytes16(vector: uint8x16_t) -> [u8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: 16 bytes are writable; the instruction needs no alignment.
    unsafe { vst1q_u8(bytes.as_mut_ptr(), vector) }
    bytes
}
